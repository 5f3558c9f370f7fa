/* Attention of one sequence, and the norm before it; f32. */
#ifndef MODEL_ATTEND_H
#define MODEL_ATTEND_H

#include <stdint.h>

struct attend {
	uint64_t heads, kv_heads; /* kv_heads divides heads */
	uint64_t dk, dv;          /* numbers of a head's keys, of its values */
	float scale;              /* of q.k */
	int causal;               /* query i sees keys 0 .. i */
	/* added to the scaled q.k of a head: bias[head][key - query + nq - 1], that is
	 * [heads][nq + nk - 1]; NULL: nothing */
	const float *bias;
};

/* out [nq][heads * dv] of q [nq][heads * dk], k [nk][kv_heads * dk], v [nk][kv_heads * dv],
 * all the caller's; jobs threads share heads and queries, the bits do not depend on them.
 * 0 or TR_ENOMEM. */
int attend(const struct attend *a, const float *q, const float *k, const float *v, uint64_t nq,
	   uint64_t nk, float *out, int jobs);

/* to [rows][d] = x / sqrt(mean(x^2) + eps) * w; to may be x. */
void rms_norm(const float *x, const float *w, double eps, uint64_t rows, uint64_t d, float *to);

#endif
