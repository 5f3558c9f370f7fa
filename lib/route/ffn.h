/*
 * Grouped SwiGLU: each expert's feed-forward network on its packed rows.  The CPU twin
 * of k_ffn.
 */
#ifndef FFN_H
#define FFN_H

#include <stdint.h>

#include "index.h"

struct ffn {
	uint32_t experts;
	uint64_t d, hidden;
	enum tr_type type;        /* of rows and weights */
	const void *w1, *w3, *w2; /* gate and up [experts][hidden][d], down [experts][d][hidden] */
};

enum ffn_how {
	FFN_GROUPED, /* ours: in blocks of rows and hidden that stay in the cache */
	FFN_LOOP,    /* three products an expert over all its rows */
};

/*
 * to[i] = (silu(x w1^T) * (x w3^T)) w2^T for the packed rows x [offsets[experts]][d] of
 * each expert; experts without rows cost nothing.  Sums in f32.  x and to may not overlap.
 * jobs threads of ours share the experts.  0 or TR_ENOMEM.
 */
int ffn_rows(const struct ffn *f, enum ffn_how how, const uint32_t *offsets, const void *x,
	     void *to, int jobs);
/* By plain loops in f64 for the rows of one expert: for tests. */
void ffn_plain(const struct ffn *f, uint32_t expert, uint64_t rows, const float *x, double *to);

#endif
