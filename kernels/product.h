/* Grouped products by cuBLAS, for k_ffn; 0 or a gpu_err. */
#ifndef PRODUCT_GROUPED_H
#define PRODUCT_GROUPED_H

#include "route.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * y [packed][n] = x [packed][d] w^T for the rows offsets[e] .. offsets[e + 1] - 1 of each
 * expert, w [experts][n][d]; sums in f32, experts without rows are left out.  offsets and
 * host_offsets are the same, on the device and not.  work: k_product_work bytes.
 */
int k_products(enum tr_type type, uint32_t experts, const uint32_t *offsets,
	       const uint32_t *host_offsets, const void *x, const void *w, void *y, uint64_t n,
	       uint64_t d, void *work, void *stream);

#ifdef __cplusplus
}
#endif

#endif
