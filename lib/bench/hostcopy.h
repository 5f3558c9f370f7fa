/* Copies within the host's memory, timed: what a GPU's links are compared with. */
#ifndef HOSTCOPY_H
#define HOSTCOPY_H

#include <stddef.h>
#include <stdint.h>

struct hostcopy;

/* Two buffers of that many bytes (at least 1), touched, the first filled; copied once in
 * jobs parts by as many threads, fewer where they are short.  NULL: no memory. */
struct hostcopy *hostcopy_new(size_t bytes, int jobs);
/* Microseconds a copy, from the first thread's begin to the last one's end, over as many
 * copies in turn as last 1 ms, at least one.  0, or -1: no thread could be made. */
int hostcopy_sample(struct hostcopy *h, double *us);
/* Is all that was copied as it was?  0 or -1. */
int hostcopy_check(const struct hostcopy *h);
void hostcopy_free(struct hostcopy *h); /* NULL is fine */

#endif
