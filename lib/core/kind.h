/* What a file is that is not of the kind expected. */
#ifndef KIND_H
#define KIND_H

#include <stddef.h>

/* "a pickle: pkl2trace or pt2trace reads it", by the first n bytes; NULL: unknown. */
const char *kind_told(const void *p, size_t n);

#endif
