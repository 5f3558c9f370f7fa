/* What dots.c shares with the code of one kind of processor each. */
#ifndef MODEL_DOTSISA_H
#define MODEL_DOTSISA_H

#include "../core/moetrace.h"

enum { DOTS_WIDE = 4, DOTS_BYTES = 64 }; /* rows of w in a tile; bytes of a row in turn */

/*
 * y [rows][DOTS_WIDE], rows ldy apart, = or, with add, += sums over steps of 64 bytes of x
 * and w: row r of x at step i is x + i * rows * 64 + r * 64, row c of w is w + i * step + c *
 * apart, all in bytes, aligned to its numbers.  n: columns of y that are written.
 */
struct dots_tile {
	const char *x, *w;
	uint64_t step, apart, steps;
	float *y;
	uint64_t ldy, n;
	int add;
	enum tr_type type; /* of w */
};
typedef void dots_fn(const struct dots_tile *t, uint64_t rows);

#if defined __x86_64__
enum { DOTS_AVX512 = 6, DOTS_AVX2 = 3 }; /* the most rows of x */
dots_fn dots_avx512, dots_avx512bf16, dots_avx2;
#endif

#endif
