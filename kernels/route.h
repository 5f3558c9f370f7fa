/*
 * The router's kernels, enqueued on a stream (0: the default one).  Arrays are device
 * memory as the functions of the same name without k_ in lib/route say; work is scratch
 * of k_X_work(...) bytes, 256-aligned, the caller's.  None waits, allocates or reads back,
 * so each can be captured in a graph; the same input gives the same bytes, sums of products
 * and of k_sinkhorn on the same card.
 *
 * 0, GPU_EUSE for sizes that it does not take, GPU_EFAIL (gpu.h).
 */
#ifndef ROUTE_H
#define ROUTE_H

#include "../lib/route/ffn.h"
#include "../lib/route/index.h"
#include "../lib/route/select.h"
#include "../lib/route/sinkhorn.h"
#include "gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

/* s->bias is device memory.  The same bits as select_rows. */
int k_select(const struct select *s, const void *logits, uint64_t rows, uint16_t *ids, float *w,
	     void *stream);

/* The same bits as select_mask. */
int k_mask(const struct select *s, const uint16_t *ids, const float *w, uint64_t rows, float *gates,
	   void *stream);

/* Arrays of x are device memory; the same bits as index_rows.  offsets stay on the device. */
size_t k_index_work(const struct index *x, uint64_t rows);
int k_index(const struct index *x, const uint16_t *ids, uint64_t rows, void *work, void *stream);

/* k_select, then k_index of what it picked, with the counting done while selecting. */
size_t k_select_index_work(const struct select *s, const struct index *x, uint64_t rows);
int k_select_index(const struct select *s, const struct index *x, const void *logits, uint64_t rows,
		   uint16_t *ids, float *w, void *work, void *stream);

/* The same bits as gather_rows and combine_rows. */
int k_gather(const struct index *x, enum tr_type type, const void *from, uint64_t rows, uint64_t d,
	     const float *w, void *to, void *stream);
int k_combine(const struct index *x, enum tr_type type, const void *from, uint64_t d,
	      const float *w, uint64_t rows, void *to, void *stream);

/* naive_pack of lib/bench, how as its enum; of NAIVE_ATOMIC perm and place differ from run to
 * run. */
int k_naive(int how, const struct index *x, enum tr_type type, const void *from,
	    const uint16_t *ids, const float *w, uint64_t rows, uint64_t d, void *to, void *stream);

/* Column sums in another order than sinkhorn_rows', that of the card's processors: weights
 * within 1e-4 of it.  told is device memory or NULL. */
size_t k_sinkhorn_work(const struct sinkhorn *s, uint64_t rows);
int k_sinkhorn(const struct sinkhorn *s, const void *logits, uint64_t rows, uint16_t *ids, float *w,
	       struct sinkhorn_told *told, void *work, void *stream);

/* y [rows][n] = x [rows][d] w^T, w [n][d], of type, sums in f32, by cuBLASLt; GPU_ABSENT
 * where that does not load.  The algorithm is chosen at the first call of a shape, which
 * must not be a captured one. */
size_t k_product_work(void);
int k_product(enum tr_type type, const void *x, const void *w, void *y, uint64_t rows, uint64_t n,
	      uint64_t d, void *work, void *stream);
/* The same, y f32. */
int k_product_f32(enum tr_type type, const void *x, const void *w, float *y, uint64_t rows,
		  uint64_t n, uint64_t d, void *work, void *stream);
/* product and select: the picks and weights of k_select from logits of type; logits NULL, or
 * where they go too; work of k_product_work bytes.  k_product_fused: in one launch, logits
 * staying on the chip.  k_product_select: that up to 128 experts or where cuBLASLt does not
 * load; else k_product, then k_select from the L2 cache.  k_product_select_fits: 1 where both
 * take that shape. */
int k_product_select_fits(const struct select *s, uint64_t rows, uint64_t d);
int k_product_fused(const struct select *s, const void *x, const void *w, uint64_t rows, uint64_t d,
		    uint16_t *ids, float *weights, void *logits, void *work, void *stream);
int k_product_select(const struct select *s, const void *x, const void *w, uint64_t rows,
		     uint64_t d, uint16_t *ids, float *weights, void *logits, void *work,
		     void *stream);

/* Grouped SwiGLU on packed rows; offsets and weights are device memory, packed at least what
 * offsets end with.  how: 0 ours (host_offsets NULL); 1 a loop of cuBLASLt products, 2
 * cuBLAS' grouped product, both told the same offsets by host_offsets, GPU_ABSENT where the
 * library does not load.  f->w3 NULL, which how 0 alone takes: relu(x w1^T) w2^T. */
size_t k_ffn_work(const struct ffn *f, uint64_t packed);
int k_ffn(const struct ffn *f, int how, const uint32_t *offsets, const uint32_t *host_offsets,
	  uint64_t packed, const void *x, void *to, void *work, void *stream);

#ifdef __cplusplus
}
#endif

#endif
