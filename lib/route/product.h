/*
 * Products of f32 matrices by OpenBLAS, or by plain C where the build has none; other
 * types are widened.  The one user of BLAS.
 */
#ifndef PRODUCT_H
#define PRODUCT_H

#include <stdint.h>

#include "../core/moetrace.h"

/* "openblas ..." or "plain". */
const char *product_library(void);
void product_jobs(int jobs); /* threads of all products from here on */

/* y [rows][n] = x [rows][d] w^T, w [n][d]; f32, row-major, contiguous. */
void product_f32(const float *x, const float *w, float *y, uint64_t rows, uint64_t n, uint64_t d);
/* The same of x and w of type TR_F32, TR_F16 or TR_BF16, sums in f32, y of type.
 * 0 or TR_ENOMEM. */
int product(enum tr_type type, const void *x, const void *w, void *y, uint64_t rows, uint64_t n,
	    uint64_t d);
/* By the loop over d that a reader would write, in f64: for tests. */
void product_plain(const float *x, const float *w, double *y, uint64_t rows, uint64_t n,
		   uint64_t d);

#endif
