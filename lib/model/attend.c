/* Attention by blocks of queries of one head: the scores of a block are all that is kept. */
#include <math.h>
#include <stdlib.h>

#include "../core/pool.h"
#include "../core/size.h"
#include "../route/product.h"
#include "attend.h"

enum { QUERIES = 64 }; /* of a block */

/* What a sequence attends with. */
struct place {
	const float *q, *k, *v;
	float *out;
	uint64_t nq, nk, past; /* position of the first query, key 0 being of position 0 */
};

struct job {
	const struct heads *h;
	const struct spans *s, *sk;
	const float *q, *k, *v;
	const struct cache *c;
	float *out;
	const uint64_t *first; /* [s->n + 1]: blocks of queries before each sequence's */
	int failed;
};

static struct place
place(const struct job *j, uint64_t i)
{
	const struct heads *h = j->h;
	const uint64_t at = j->s->at[i], past = j->s->past ? j->s->past[i] : 0;
	const uint64_t from = j->c ? i * j->c->cap : j->sk->at[i];
	const uint64_t nq = j->s->at[i + 1] - at;

	return (struct place){j->q + at * h->heads * h->dk,
			      (j->c ? j->c->k : j->k) + from * h->kv_heads * h->dk,
			      (j->c ? j->c->v : j->v) + from * h->kv_heads * h->dv,
			      j->out + at * h->heads * h->dv,
			      nq,
			      j->c ? past + nq : j->sk->at[i + 1] - from,
			      past};
}

/* Row of scores of a query to weights that add up to 1; those from n on become 0. */
static void
weigh(float scale, float *s, const float *bias, uint64_t n, uint64_t all)
{
	float most = -INFINITY, sum = 0;

	for (uint64_t i = 0; i < n; i++) {
		s[i] = s[i] * scale + (bias ? bias[i] : 0);
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
	const struct heads *a = j->h;
	const uint64_t head = number % a->heads, at = number / a->heads;
	uint64_t i = 0;

	while (j->first[i + 1] <= at)
		i++;
	const struct place p = place(j, i);
	const uint64_t first = (at - j->first[i]) * QUERIES, n = MIN(p.nq - first, QUERIES);
	const uint64_t group = head / (a->heads / a->kv_heads);
	const uint64_t keys = a->causal ? MIN(p.nk, p.past + first + n) : p.nk;
	const uint64_t ldq = a->heads * a->dk, ldk = a->kv_heads * a->dk, ldv = a->kv_heads * a->dv;
	const float *bias = a->bias ? a->bias + head * (2 * a->nbias + 1) + a->nbias : NULL;
	float *s = malloc(n * (keys + a->dv) * sizeof *s), *y = s ? s + n * keys : NULL;

	if (!s) {
		__atomic_store_n(&j->failed, 1, __ATOMIC_RELAXED);
		return;
	}
	product_part(0, p.q + first * ldq + head * a->dk, ldq, p.k + group * a->dk, ldk, s, keys, n,
		     keys, a->dk);
	for (uint64_t q = 0; q < n; q++) {
		const uint64_t pos = p.past + first + q;

		weigh(a->scale, s + q * keys, bias ? bias - pos : NULL,
		      a->causal ? MIN(pos + 1, keys) : keys, keys);
	}
	/* transposed, since a product has both its factors by rows */
	product_part(PRODUCT_COLUMNS, p.v + group * a->dv, ldv, s, keys, y, n, a->dv, n, keys);
	for (uint64_t q = 0; q < n; q++)
		for (uint64_t d = 0; d < a->dv; d++)
			p.out[((first + q) * a->heads + head) * a->dv + d] = y[d * n + q];
	free(s);
}

int
attend(const struct heads *h, const struct spans *s, const float *q, const struct spans *sk,
       const float *k, const float *v, const struct cache *c, float *out, int jobs)
{
	uint64_t *first = calloc(s->n + 1, sizeof *first);
	struct job j = {h, s, sk, q, k, v, c, out, first, 0};

	if (!first)
		return TR_ENOMEM;
	for (uint64_t i = 0; i < s->n; i++)
		first[i + 1] = first[i] + (s->at[i + 1] - s->at[i] + QUERIES - 1) / QUERIES;
	pool_each(jobs, h->heads * first[s->n], block, &j);
	free(first);
	return j.failed ? TR_ENOMEM : 0;
}

void
rms_norm(const float *x, uint64_t ldx, const float *w, double eps, uint64_t rows, uint64_t d,
	 float *to)
{
	for (uint64_t r = 0; r < rows; r++, x += ldx, to += d) {
		double sum = 0;

		for (uint64_t i = 0; i < d; i++)
			sum += (double)x[i] * x[i];
		const float by = (float)(1 / sqrt(sum / (double)d + eps));

		for (uint64_t i = 0; i < d; i++)
			to[i] = x[i] * by * w[i];
	}
}
