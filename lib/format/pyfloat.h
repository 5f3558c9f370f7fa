/*
 * Numbers as Python's repr writes them, the way json.dumps puts a tensor's f32 as
 * the double that it is.  Each writes at most PYFLOAT_MAX bytes of a finite number at
 * to, without NUL, and returns how many.
 */
#ifndef PYFLOAT_H
#define PYFLOAT_H

#include <stddef.h>

#include "num.h"

enum { PYFLOAT_MAX = NUM_MAX + 2 }; /* ".0" behind it */

size_t pyfloat_f64(char *to, double x);
/* The same of (double)x, faster between 2^-13 and 2^10. */
size_t pyfloat_f32(char *to, float x);

#endif
