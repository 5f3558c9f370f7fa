/*
 * Products of f32 matrices by OpenBLAS, or by plain C where the build has none; other
 * types are widened.  The one user of BLAS.
 *
 * Work is cut by its sizes alone and each piece is one thread's, so that results have the
 * same bits for any number of threads; they differ between processors and libraries.
 * Sizes are below 2^31.
 */
#ifndef PRODUCT_H
#define PRODUCT_H

#include <stdint.h>

#include "../core/moetrace.h"

/* "OpenBLAS ..." with its version and processor, or "plain"; lent. */
const char *product_library(void);
/* Threads of product and product_f32 from here on; 1 at first.  Gets what OpenBLAS keeps for
 * as many, which is 128 MiB each: 0, or TR_ENOMEM. */
int product_jobs(int jobs);

/* y [rows][n] = x [rows][d] w^T, w [n][d]; f32, row-major, contiguous. */
void product_f32(const float *x, const float *w, float *y, uint64_t rows, uint64_t n, uint64_t d);
/* The same of x and w of type TR_F32, TR_F16 or TR_BF16, sums in f32, y of type.
 * 0 or TR_ENOMEM, then y is as it was. */
int product(enum tr_type type, const void *x, const void *w, void *y, uint64_t rows, uint64_t n,
	    uint64_t d);
/* By the loop over d that a reader would write, in f64: for tests. */
void product_plain(const float *x, const float *w, double *y, uint64_t rows, uint64_t n,
		   uint64_t d);

enum product_flags {
	PRODUCT_ADD = 1,     /* to what y holds */
	PRODUCT_COLUMNS = 2, /* x is [d][rows] */
};
/* A product of parts of matrices, by the calling thread alone: rows of x, w and y lie ldx,
 * ldw and ldy numbers apart. */
void product_part(int flags, const float *x, uint64_t ldx, const float *w, uint64_t ldw, float *y,
		  uint64_t ldy, uint64_t rows, uint64_t n, uint64_t d);

#endif
