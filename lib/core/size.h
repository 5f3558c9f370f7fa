/* Sizes that cannot overflow unseen. */
#ifndef SIZE_H
#define SIZE_H

#include <stddef.h>
#include <stdint.h>

#define LEN(a) (sizeof(a) / sizeof(*(a)))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* *n = a * b or a + b: 0, or -1 if it does not fit. */
static inline int
size_mul(size_t a, size_t b, size_t *n)
{
	return __builtin_mul_overflow(a, b, n) ? -1 : 0;
}

static inline int
size_add(size_t a, size_t b, size_t *n)
{
	return __builtin_add_overflow(a, b, n) ? -1 : 0;
}

/* n rounded up to a multiple of a, a power of two; n is far from the limit. */
static inline uint64_t
size_align(uint64_t n, uint64_t a)
{
	return (n + a - 1) & ~(a - 1);
}

#endif
