/* NPY and NPZ files, in both directions.  Spec: NEP 1. */
#ifndef NPY_H
#define NPY_H

#include "array.h"

/* One NPY file of n bytes, added to l as path: 0, or -1 and l->err. */
int npy_read(struct array_list *l, const char *path, const unsigned char *p, size_t n,
	     const struct array_opts *o);
/* The string of an NPY file that holds just one ('<U', '|S'), as UTF-8 into to:
 * 1; 0 where it holds something else, -1 and l->err. */
int npy_text(struct array_list *l, const char *path, const unsigned char *p, size_t n, char *to,
	     size_t size);
/* All members of an NPZ, by name without ".npy"; o->jobs inflate at once. */
int npz_read(struct array_list *l, const unsigned char *p, size_t n, const struct array_opts *o);

/* The header of an array of that type in C order, a multiple of 64 bytes, into
 * to (256 bytes): its length, or 0 for a type that numpy has not. */
size_t npy_header(char to[256], enum array_type type, int ndim, const uint64_t *dim);
/* The same for one string of n code points, which follow as u32. */
size_t npy_header_text(char to[256], size_t n);

#endif
