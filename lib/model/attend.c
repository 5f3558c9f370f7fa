/* Attention by blocks of queries of one head: the scores of a block are all that is kept. */
#include <math.h>
#include <stdlib.h>

#include "../core/pool.h"
#include "../core/size.h"
#include "../route/product.h"
#include "attend.h"

enum { QUERIES = 64 }; /* of a block */

struct job {
	const struct attend *a;
	const float *q, *k, *v;
	uint64_t nq, nk, blocks;
	float *out;
	int failed;
};

/* Row of scores of query i to weights that add up to 1; those from n on become 0. */
static void
weigh(const struct attend *a, float *s, const float *bias, uint64_t n, uint64_t all)
{
	float most = -INFINITY, sum = 0;

	for (uint64_t i = 0; i < n; i++) {
		s[i] = s[i] * a->scale + (bias ? bias[i] : 0);
		most = s[i] > most ? s[i] : most;
	}
	for (uint64_t i = 0; i < n; i++)
		sum += s[i] = expf(s[i] - most);
	for (uint64_t i = 0; i < n; i++)
		s[i] /= sum;
	for (uint64_t i = n; i < all; i++)
		s[i] = 0;
}

static void
block(void *arg, size_t number)
{
	struct job *j = arg;
	const struct attend *a = j->a;
	const uint64_t head = number / j->blocks, first = number % j->blocks * QUERIES;
	const uint64_t group = head / (a->heads / a->kv_heads), n = MIN(j->nq - first, QUERIES);
	const uint64_t keys = a->causal ? MIN(j->nk, first + n) : j->nk;
	const uint64_t ldq = a->heads * a->dk, ldk = a->kv_heads * a->dk, ldv = a->kv_heads * a->dv;
	const float *bias = a->bias ? a->bias + head * (j->nq + j->nk - 1) : NULL;
	float *s = malloc(n * (keys + a->dv) * sizeof *s), *y = s ? s + n * keys : NULL;

	if (!s) {
		__atomic_store_n(&j->failed, 1, __ATOMIC_RELAXED);
		return;
	}
	product_part(0, j->q + first * ldq + head * a->dk, ldq, j->k + group * a->dk, ldk, s, keys,
		     n, keys, a->dk);
	for (uint64_t i = 0; i < n; i++)
		weigh(a, s + i * keys, bias ? bias + j->nq - 1 - (first + i) : NULL,
		      a->causal ? MIN(first + i + 1, keys) : keys, keys);
	/* transposed, since a product has both its factors by rows */
	product_part(PRODUCT_COLUMNS, j->v + group * a->dv, ldv, s, keys, y, n, a->dv, n, keys);
	for (uint64_t i = 0; i < n; i++)
		for (uint64_t d = 0; d < a->dv; d++)
			j->out[((first + i) * a->heads + head) * a->dv + d] = y[d * n + i];
	free(s);
}

int
attend(const struct attend *a, const float *q, const float *k, const float *v, uint64_t nq,
       uint64_t nk, float *out, int jobs)
{
	struct job j = {a, q, k, v, nq, nk, (nq + QUERIES - 1) / QUERIES, out, 0};

	pool_each(jobs, a->heads * j.blocks, block, &j);
	return j.failed ? TR_ENOMEM : 0;
}

void
rms_norm(const float *x, const float *w, double eps, uint64_t rows, uint64_t d, float *to)
{
	for (uint64_t r = 0; r < rows; r++, x += d, to += d) {
		double sum = 0;

		for (uint64_t i = 0; i < d; i++)
			sum += (double)x[i] * x[i];
		const float by = (float)(1 / sqrt(sum / (double)d + eps));

		for (uint64_t i = 0; i < d; i++)
			to[i] = x[i] * by * w[i];
	}
}
