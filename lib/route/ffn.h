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
	uint64_t d, hidden;       /* below 2^31 */
	enum tr_type type;        /* of rows and weights: TR_F32, TR_F16, TR_BF16 */
	const void *w1, *w3, *w2; /* gate and up [experts][hidden][d], down [experts][d][hidden];
				   * w3 NULL: of k_ffn alone */
};

enum ffn_how {
	FFN_GROUPED, /* ours: in blocks of rows and hidden that stay in the cache; jobs threads
		      * share the blocks of rows, what lies between the products is f32 */
	FFN_LOOP,    /* three products an expert over all its rows, by product(), whose threads
		      * product_jobs() sets; between them numbers are of type */
};

/*
 * to[i] = (silu(x w1^T) * (x w3^T)) w2^T for the packed rows x [offsets[experts]][d] of
 * each expert; experts without rows cost nothing.  offsets [experts + 1] ascend from 0.
 * Sums in f32; the same bits for any jobs.  x and to may not overlap, all arrays are the
 * caller's.  0, or TR_ENOMEM, then to is worth nothing.
 */
int ffn_rows(const struct ffn *f, enum ffn_how how, const uint32_t *offsets, const void *x,
	     void *to, int jobs);
/* By plain loops in f64 for rows of one expert, x [rows][d], to [rows][d]: for tests and
 * checks.  0 or TR_ENOMEM. */
int ffn_plain(const struct ffn *f, uint32_t expert, uint64_t rows, const float *x, double *to);

/* gate[i] = silu(gate[i]) * up[i], less than 4e-7 off in proportion. */
void ffn_silu(float *gate, const float *up, uint64_t n);

#endif
