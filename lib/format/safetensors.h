/* safetensors: a JSON header and plain little-endian arrays (pt-format 12). */
#ifndef SAFETENSORS_H
#define SAFETENSORS_H

#include <stddef.h>

#include "array.h"

/* Append its arrays to l: 0, or -1 and l->err. */
int safetensors_read(struct array_list *l, const unsigned char *p, size_t n,
		     const struct array_opts *o);

#endif
