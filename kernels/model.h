/*
 * The steps of a forward pass that are no products, enqueued on a stream (0: the default
 * one); lib/model/engine.h says what each is for.  Arrays are device memory, f32 and
 * row-major where no type is named.  None waits, allocates or reads back; the same input
 * gives the same bytes.
 *
 * 0, GPU_EUSE for sizes or types that it does not take, GPU_EFAIL (gpu.h).
 */
#ifndef KERNELS_MODEL_H
#define KERNELS_MODEL_H

#include "../lib/route/index.h"
#include "gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

/* n numbers of TR_F32, TR_F16 or TR_BF16 as another of them, to nearest even. */
int k_convert(enum tr_type of, const void *from, enum tr_type type, void *to, uint64_t n,
	      void *stream);

/* x [rows][d] = rows ids [rows] of w [][d], of type. */
int k_embed(enum tr_type type, const void *w, const uint32_t *ids, uint64_t rows, uint64_t d,
	    float *x, void *stream);
/* to [rows][d] = x / sqrt(mean(x^2) + eps) * w [d], rows of x ldx numbers apart; to may be x
 * where ldx is d. */
int k_norm(const float *w, float eps, const float *x, uint64_t ldx, uint64_t rows, uint64_t d,
	   float *to, void *stream);
/* x [n] += y; of rows of n: += y [n] each */
int k_add(float *x, const float *y, uint64_t rows, uint64_t n, void *stream);
int k_clip(float *x, uint64_t n, float by, void *stream);
/* to [n], of type, = silu(gate) up, or relu(gate) where up is NULL. */
int k_activate(const float *gate, const float *up, enum tr_type type, void *to, uint64_t n,
	       void *stream);

/* Rotary embedding, in place, of the last 2 * pairs numbers of each of heads of d numbers of
 * rows that lie ldx apart; freq [pairs] radians a position, position [rows]; cosine and sine
 * are times scale.  interleaved: pairs are (2j, 2j + 1), else (j, j + pairs). */
struct k_turn {
	uint64_t heads, d, pairs;
	const float *freq;
	const uint32_t *position;
	float scale;
	int interleaved;
};
int k_rope(const struct k_turn *r, float *x, uint64_t ldx, uint64_t rows, void *stream);

/* to[row * ldto + head * hto] = from[row * ldfrom + head * hfrom], n numbers of each. */
int k_strided(float *to, uint64_t ldto, uint64_t hto, const float *from, uint64_t ldfrom,
	      uint64_t hfrom, uint64_t rows, uint64_t heads, uint64_t n, void *stream);
/* to[at[row]] = from[row], rows of n numbers. */
int k_place(float *to, const uint32_t *at, const float *from, uint64_t rows, uint64_t n,
	    void *stream);

/*
 * Attention.  q [][heads * dk], k [][kv_heads * dk], v [][kv_heads * dv], out
 * [][heads * dv]; tiles say which rows of q see which of k and v.  Of TR_BF16 q, k, v and the
 * weights of v are rounded to it and multiplied on the tensor cores, of TR_F32 nothing is;
 * sums are f32.  4 (dk + dv) heads rows keys / 2 flops, causal; keys and values are read again
 * for each tile of rows, out of the L2 cache.
 */
enum { K_ATTEND_ROWS = 64, K_ATTEND_MAX = 256 };
struct k_attend {
	enum tr_type type;        /* TR_F32, TR_BF16 */
	uint32_t heads, kv_heads; /* kv_heads divides heads */
	uint32_t dk, dv;          /* at most K_ATTEND_MAX */
	float scale;              /* of q.k */
	int causal;               /* position i sees keys 0 .. i */
	/* added to the scaled q.k: bias[head][key - position + nbias], [heads][2 * nbias + 1];
	 * NULL: nothing */
	const float *bias;
	uint32_t nbias;
};
struct k_attend_tile {
	uint32_t q, rows; /* rows q .. of q and of out, at most K_ATTEND_ROWS */
	uint32_t k, keys; /* rows k .. of k and of v */
	uint32_t at;      /* position of the first of rows, that of row k being 0 */
};
int k_attend(const struct k_attend *a, const struct k_attend_tile *tiles, uint64_t n,
	     const float *q, const float *k, const float *v, float *out, void *stream);

/* k_combine of from, of type, into f32. */
int k_merge(const struct index *x, enum tr_type type, const void *from, uint64_t d, const float *w,
	    uint64_t rows, float *to, void *stream);
/* nll [rows] = ln sum exp(logit) - logit[ids[row]], of logit [rows][vocab]. */
int k_nll(const float *logit, uint64_t vocab, const uint32_t *ids, uint64_t rows, float *nll,
	  void *stream);

#ifdef __cplusplus
}
#endif

#endif
