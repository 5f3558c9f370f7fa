/*
 * The soft objective: the log-sum-exp of tokens' costs in a batch in place of the
 * largest, and never more blocks on a device than the busiest has.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "num.h"
#include "searchstate.h"

static inline void
token_weight(const struct search *s, struct seen k, uint32_t picks, double weight[2])
{
	const double *hop = s->xhop[picks][k.sum][k.far];

	weight[0] = s->xe[k.column] * hop[0];
	weight[1] = s->xu[k.devices] * hop[1];
}

static double
soft_sum(const struct search *s, double (*sum)[2])
{
	double x = 0;

	for (size_t b = 0; b < s->t->nbatch; b++)
		x += num_log(sum[b][0] > 0 ? sum[b][0] : 1) +
		     num_log(sum[b][1] > 0 ? sum[b][1] : 1);
	return x * s->tau / (double)MAX(s->t->nbatch, (size_t)1);
}

double
search_tau(const struct cost_model *m)
{
	double most = 0;

	for (int i = 1; i < 4; i++)
		most = MAX(most, MAX(fabs(m->dispatch[i]), fabs(m->combine[i])));
	return most > 0 ? most / 6 : 1;
}

/* Weights of all tokens at that temperature of the sum; costs are taken relative to a token in
 * the middle: with search_tau no exponent is beyond 3 * 16 * 6. */
int
search_soft_open(struct search *s, double tau)
{
	const struct tokens *t = s->t;
	const double *a[2] = {s->m.dispatch, s->m.combine};

	s->tau = tau;
	if (!s->xhop) {
		s->sum = calloc(t->nbatch + 1, sizeof *s->sum);
		s->newsum = calloc(t->nbatch + 1, sizeof *s->newsum);
		s->xhop = calloc(LANES, sizeof *s->xhop);
	}
	if (!s->sum || !s->newsum || !s->xhop)
		return TR_ENOMEM;
	for (uint32_t n = 0; n <= LANES; n++) {
		if (n < LANES)
			s->xe[n] = num_exp(a[0][1] * (n - 8.0) / tau);
		s->xu[n] = num_exp(a[1][1] * (n - 8.0) / tau);
	}
	for (uint32_t n = 1; n < LANES; n++)
		for (uint32_t h = 0; h < SUMS; h++)
			for (uint32_t far = 0; far < HOPS; far++)
				for (int i = 0; i < 2; i++)
					s->xhop[n][h][far][i] =
						num_exp((a[i][2] * (s->mean[n][h] - 4) +
							 a[i][3] * (far - 8.0)) /
							tau);
	memset(s->sum, 0, t->nbatch * sizeof *s->sum);
	for (size_t b = 0; b < t->nbatch; b++) {
		for (size_t k = t->batch[b]; k < t->batch[b + 1]; k++) {
			if (!s->token[k].picks)
				continue;
			token_weight(s, token_now(&s->token[k]), s->token[k].picks,
				     s->token[k].weight);
			s->sum[b][0] += s->token[k].weight[0];
			s->sum[b][1] += s->token[k].weight[1];
		}
	}
	s->soft = soft_sum(s, s->sum);
	return 0;
}

void
search_soft_free(struct search *s)
{
	free(s->mload);
	free(s->mblocks);
	free(s->mtarget);
	free(s->sum);
	free(s->newsum);
	free(s->xhop);
}

/* Would the change give a device more blocks than the busiest of a batch has? */
static int
more_blocks(const struct search *s)
{
	size_t nb = s->t->nbatch;
	const uint16_t *la = s->load + s->a * nb, *blocks = s->blocks;
	const uint16_t *lb = s->b == NOBODY ? NULL : s->load + s->b * nb;

	for (size_t b = 0; b < nb; b++, blocks += s->ndev) {
		int x = la[b] - (lb ? lb[b] : 0);

		if (blocks[s->da] - x > s->most[b] || blocks[s->db] + x > s->most[b])
			return 1;
	}
	return 0;
}

/* What it takes from a device and gives to the other in drawn batch b. */
static inline int
drawn_move(const struct search *s, int b)
{
	return s->mload[s->a * SEARCH_DRAWN + (uint32_t)b] -
	       (s->b == NOBODY ? 0 : s->mload[s->b * SEARCH_DRAWN + (uint32_t)b]);
}

/* Would it give the two devices more above what must be, in the drawn batches? */
static int
more_excess(const struct search *s)
{
	const uint16_t *da = s->mblocks + s->da * SEARCH_DRAWN;
	const uint16_t *db = s->mblocks + s->db * SEARCH_DRAWN;
	int rise = 0;

	for (int b = 0; b < SEARCH_DRAWN; b++) {
		int x = drawn_move(s, b), oa = da[b] - s->mtarget[b], ob = db[b] - s->mtarget[b];

		rise += MAX(oa - x, 0) + MAX(ob + x, 0) - MAX(oa, 0) - MAX(ob, 0);
	}
	return rise > 0;
}

int
search_margin(struct search *s, double margin, uint64_t seed)
{
	int r;

	if (!s->fast || !(margin > 0))
		return 0;
	s->mload = calloc((size_t)s->p.n * SEARCH_DRAWN + 1, sizeof *s->mload);
	s->mblocks = calloc((size_t)s->ndev * SEARCH_DRAWN + 1, sizeof *s->mblocks);
	s->mtarget = calloc(SEARCH_DRAWN, sizeof *s->mtarget);
	if (!s->mload || !s->mblocks || !s->mtarget)
		return TR_ENOMEM;
	r = search_drawn(&s->p, s->t, &s->m, margin, seed, s->mload, s->mtarget);
	if (r == TR_ELIMIT) { /* then without margin */
		free(s->mload);
		s->mload = NULL;
		return 0;
	}
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < s->p.n; i++)
		for (uint32_t b = 0; b < SEARCH_DRAWN; b++)
			s->mblocks[(size_t)s->p.dev[i] * SEARCH_DRAWN + b] +=
				s->mload[(size_t)i * SEARCH_DRAWN + b];
	return 0;
}

SEARCH_CLONES static void
soft_side(struct search *s, int side, const struct way *way)
{
	const struct way w = *way; /* a copy, which no store can change */
	const struct token *token = s->token;
	const uint64_t *uses = search_bits(s, search_side(s, !side));

	for (size_t b = 0, nb = s->t->nbatch; b < nb; b++) {
		const uint32_t *end, *at = search_tokens(s, search_side(s, side), b, &end);
		double sum[2] = {0, 0};

		for (; at < end; at++) {
			const struct token *k = &token[*at];
			double x[2];

			__builtin_prefetch(&token[at[AHEAD]]);
			__builtin_prefetch(&uses[at[AHEAD] / 64]);
			if (search_bit(uses, *at))
				continue;
			token_weight(s, token_after(k, &w), k->picks, x);
			sum[0] += x[0] - k->weight[0];
			sum[1] += x[1] - k->weight[1];
		}
		s->newsum[b][0] += sum[0];
		s->newsum[b][1] += sum[1];
	}
}

double
search_try_soft(struct search *s, uint32_t a, uint32_t b, uint32_t dev)
{
	struct way there, back;

	s->a = a;
	s->b = b;
	s->da = s->p.dev[a];
	s->db = b == NOBODY ? dev : s->p.dev[b];
	if (more_blocks(s) || (s->mload && more_excess(s)))
		return INFINITY;
	there = search_way(s, s->da, s->db);
	back = search_way(s, s->db, s->da);
	memcpy(s->newsum, s->sum, s->t->nbatch * sizeof *s->sum);
	soft_side(s, 0, &there);
	if (b != NOBODY)
		soft_side(s, 1, &back);
	return s->newsoft = soft_sum(s, s->newsum);
}

static void
weigh(struct search *s, int side)
{
	const uint64_t *other = search_bits(s, search_side(s, !side));
	uint32_t x = search_side(s, side);
	size_t nb = s->t->nbatch;

	for (const uint32_t *at = s->of + s->start[x * (nb + 1)],
			    *end = s->of + s->start[x * (nb + 1) + nb];
	     at < end; at++)
		if (!search_bit(other, *at))
			token_weight(s, token_now(&s->token[*at]), s->token[*at].picks,
				     s->token[*at].weight);
}

void
search_accept_soft(struct search *s)
{
	memcpy(s->sum, s->newsum, s->t->nbatch * sizeof *s->sum);
	s->soft = s->newsoft;
	for (int b = 0; s->mload && b < SEARCH_DRAWN; b++) {
		uint16_t *da = &s->mblocks[s->da * SEARCH_DRAWN + (uint32_t)b];
		uint16_t *db = &s->mblocks[s->db * SEARCH_DRAWN + (uint32_t)b];
		int x = drawn_move(s, b);

		*da = (uint16_t)(*da - x);
		*db = (uint16_t)(*db + x);
	}
	search_exact(s);
	search_accept(s);
	weigh(s, 0);
	if (s->b != NOBODY)
		weigh(s, 1);
}
