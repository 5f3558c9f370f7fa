/*
 * Attention, a head of a sequence after the other: its values are turned, so that both
 * products are of rows; the scores of a block of queries are all that is kept.
 */
#include <math.h>
#include <string.h>

#define POWER_LANES 16
#include "../core/size.h"
#include "../core/vectors.h"
#include "../route/power.h"
#include "attend.h"
#include "dots.h"

enum { LANES = POWER_LANES }; /* keys at once */

struct job {
	const struct heads *h;
	const struct spans *s, *sk;
	const float *q, *k, *v;
	const struct cache *c;
	float *out;
};

/* Scores of a query, filled up to a multiple of LANES, to weights that add up to 1; those
 * from n on become 0. */
VECTORS static void
weigh(float scale, float *s, const float *bias, uint64_t n, uint64_t all)
{
	typedef float some __attribute__((vector_size(64), aligned(4), may_alias));
	const uint64_t whole = n / LANES * LANES;
	power_vec most, sum = {0};
	float top = -INFINITY;

	for (int k = 0; k < LANES; k++)
		most[k] = -INFINITY;
	for (uint64_t i = 0; i < whole; i += LANES) {
		power_vec x = *(some *)(s + i) * scale;

		if (bias)
			x += *(const some *)(bias + i);
		*(some *)(s + i) = x;
		most = POWER_EITHER((power_uvec)(x > most), x, most);
	}
	for (uint64_t i = whole; i < n; i++) {
		s[i] = s[i] * scale + (bias ? bias[i] : 0);
		top = s[i] > top ? s[i] : top;
	}
	for (uint64_t i = n; i < all; i++)
		s[i] = -INFINITY;
	for (int k = 0; k < LANES; k++)
		top = most[k] > top ? most[k] : top;
	for (uint64_t i = 0; i < all; i += LANES) {
		power_vec x = *(some *)(s + i) - top;

		power_of(&x);
		*(some *)(s + i) = x;
		sum += x;
	}
	for (int apart = LANES / 2; apart; apart /= 2)
		for (int k = 0; k < apart; k++)
			sum[k] += sum[k + apart];
	const float by = 1 / sum[0];

	for (uint64_t i = 0; i < all; i += LANES)
		*(some *)(s + i) *= by;
}

/* to [dv][ld] = v [n][dv], rows ldv apart; what fills up is 0. */
static void
turn(const float *v, uint64_t ldv, uint64_t n, uint64_t dv, float *to, uint64_t ld)
{
	for (uint64_t i = 0; i < ld; i += LANES)
		for (uint64_t d = 0; d < dv; d++)
			for (uint64_t k = i; k < i + LANES; k++)
				to[d * ld + k] = k < n ? v[k * ldv + d] : 0;
}

static void
head(void *arg, uint64_t number, void *room)
{
	const struct job *j = arg;
	const struct heads *a = j->h;
	const uint64_t i = number / a->heads, head = number % a->heads;
	const uint64_t group = head / (a->heads / a->kv_heads);
	const uint64_t ldk = a->kv_heads * a->dk, ldv = a->kv_heads * a->dv;
	const uint64_t at = j->s->at[i], nq = j->s->at[i + 1] - at;
	const uint64_t past = j->s->past ? j->s->past[i] : 0;
	const uint64_t from = j->c ? i * j->c->cap : j->sk->at[i];
	const uint64_t nk = j->c ? past + nq : j->sk->at[i + 1] - from;
	const uint64_t ld = size_align(nk, LANES);
	const float *bias = a->bias ? a->bias + head * (2 * a->nbias + 1) + a->nbias : NULL;
	float *s = (float *)((char *)room + dots_room()), *v = s + DOTS_ROWS * ld;

	if (!nq)
		return;
	turn((j->c ? j->c->v : j->v) + from * ldv + group * a->dv, ldv, nk, a->dv, v, ld);
	for (uint64_t q = 0; q < nq; q += DOTS_ROWS) {
		const uint64_t n = MIN(nq - q, (uint64_t)DOTS_ROWS);
		const uint64_t keys = a->causal ? MIN(nk, past + q + n) : nk;
		const uint64_t all = size_align(keys, LANES);
		const struct dots scores = {.x = j->q + ((at + q) * a->heads + head) * a->dk,
					    .ldx = a->heads * a->dk,
					    .w = (j->c ? j->c->k : j->k) + from * ldk +
						 group * a->dk,
					    .wtype = TR_F32,
					    .ldw = ldk,
					    .n = keys,
					    .d = a->dk,
					    .y = s,
					    .ldy = all};
		const struct dots mixed = {.x = s,
					   .ldx = all,
					   .w = v,
					   .wtype = TR_F32,
					   .ldw = ld,
					   .n = a->dv,
					   .d = all,
					   .y = j->out + ((at + q) * a->heads + head) * a->dv,
					   .ldy = a->heads * a->dv};

		dots_piece(&scores, 0, n, 0, keys, room);
		for (uint64_t r = 0; r < n; r++) {
			const uint64_t pos = past + q + r;

			weigh(a->scale, s + r * all, bias ? bias - pos : NULL,
			      a->causal ? MIN(pos + 1, keys) : keys, all);
		}
		dots_piece(&mixed, 0, n, 0, a->dv, room);
	}
}

int
attend(const struct heads *h, const struct spans *s, const float *q, const struct spans *sk,
       const float *k, const float *v, const struct cache *c, float *out, struct team *t)
{
	struct job j = {h, s, sk, q, k, v, c, out};
	uint64_t most = 0;
	size_t more;

	for (uint64_t i = 0; i < s->n; i++)
		most = MAX(most, c ? s->at[i + 1] - s->at[i] + (s->past ? s->past[i] : 0)
				   : sk->at[i + 1] - sk->at[i]);
	if (size_mul(size_align(most, LANES), (DOTS_ROWS + h->dv) * sizeof *out, &more) < 0)
		return TR_ENOMEM;
	return team_each(t, s->n * h->heads, more, head, &j);
}
