/* Libraries of the toolkit, opened when they are first needed: starting costs nothing, and
 * nothing is linked that a machine may lack. */
#ifndef LIBRARY_H
#define LIBRARY_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The first of names, ended by NULL, that opens by the loader's path or in the folder of the
 * toolkit that built this; the process' until it ends.  NULL: why of the given size says
 * which name and what the loader said.
 */
void *library_open(const char *const *names, char *why, size_t size);

#ifdef __cplusplus
}
#endif

#endif
