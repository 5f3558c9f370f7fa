/* Logits under picks, see genlogit.h. */
#include "genlogit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "half.h"
#include "num.h"
#include "rng.h"
#include "size.h"
#include "softtop.h"

enum { NUMBERS = 1 << 24, GROUP_BITS = 14 /* of four experts each, under the row */ };

#define GUMBEL 0.779696801233676 /* sqrt(6) / pi */

/* The log of what a rank's share is of an even one, rank by rank. */
static double *
law(const struct gen *g)
{
	double *x = calloc(g->experts, sizeof *x);

	for (uint32_t r = 0; x && r < g->experts; r++) {
		uint64_t w = g->cum[r] - (r ? g->cum[r - 1] : 0);

		x[r] = GUMBEL * num_log((double)w / (double)g->cum[g->experts - 1] * g->experts);
	}
	return x;
}

int
genlogit_init(struct genlogit *g, const struct genmodel *m, enum genlogit_type type)
{
	uint32_t experts = m->gen->experts, k = m->gen->k;

	g->m = m;
	g->type = type;
	g->rows = MIN(g->rows, MAX(NUMBERS / experts, 1));
	g->x = calloc(g->rows * experts, sizeof *g->x);
	g->half = calloc(g->rows * experts, sizeof *g->half);
	g->best = calloc((size_t)k + 1, sizeof *g->best);
	g->p = calloc(k, sizeof *g->p);
	g->is_pick = calloc(experts, 1);
	g->law[0] = law(m->gen);
	g->law[1] = law(m->decode);
	for (int i = 0; i < 2; i++)
		g->pop[i] = calloc(experts, sizeof *g->pop[i]);
	return g->x && g->half && g->best && g->p && g->is_pick && g->law[0] && g->law[1] &&
			       g->pop[0] && g->pop[1]
		       ? 0
		       : -1;
}

void
genlogit_free(struct genlogit *g)
{
	free(g->x);
	free(g->half);
	free(g->best);
	free(g->p);
	free(g->is_pick);
	for (int i = 0; i < 2; i++) {
		free(g->law[i]);
		free(g->pop[i]);
	}
}

void
genlogit_layer(struct genlogit *g, const struct genlayer *l)
{
	for (int i = 0; i < 2; i++)
		for (uint32_t r = 0; r < g->m->gen->experts; r++)
			g->pop[i][l->rank[r]] = g->law[i][r];
}

/* The normal number of a word: Wichura's PPND7 (AS 241, 1988), 7 digits; 32 bits do
 * not reach its third case. */
static double
normal(uint32_t u)
{
	double p = ((double)u + 0.5) * 0x1p-32, q = p - 0.5, r = 0.180625 - q * q;

	if (r >= 0)
		return q *
		       (((5.9109374720e+01 * r + 1.5929113202e+02) * r + 5.0434271938e+01) * r +
			3.3871327179e+00) /
		       (((6.7187563600e+01 * r + 7.8757757664e+01) * r + 1.7895169469e+01) * r + 1);
	r = sqrt(-num_log(q < 0 ? p : 1 - p)) - 1.6;
	r = (((1.7023821103e-01 * r + 1.3067284816e+00) * r + 2.7568153900e+00) * r +
	     1.4234372777e+00) /
	    ((1.2021132975e-01 * r + 7.3700164250e-01) * r + 1);
	return q < 0 ? -r : r;
}

/* x as the type holds it. */
static void
round_all(const struct genlogit *g, float *x, uint64_t n)
{
	uint16_t *half = g->half + (x - g->x);

	if (g->type == GENLOGIT_F16) {
		half_fromn(half, x, n);
		half_f32n(x, half, n);
	}
	for (uint64_t i = 0; g->type == GENLOGIT_BF16 && i < n; i++)
		x[i] = bf16_f32(half[i] = bf16_from(x[i]));
}

/* The least number of the type above x; of it in bits, -0 comes before 0. */
static float
above(enum genlogit_type type, float x)
{
	uint16_t h = type == GENLOGIT_F16 ? half_from(x) : bf16_from(x);
	uint32_t u;

	if (type != GENLOGIT_F32) {
		h = h == 0x8000 ? 1 : (uint16_t)(h >> 15 ? h - 1 : h + 1);
		return type == GENLOGIT_F16 ? half_f32(h) : bf16_f32(h);
	}
	memcpy(&u, &x, sizeof u);
	u = u == UINT32_C(1) << 31 ? 1 : u >> 31 ? u - 1 : u + 1;
	memcpy(&x, &u, sizeof x);
	return x;
}

/* The k largest to the picks; what the picks had goes to whose they were. */
static void
give(struct genlogit *g, const uint16_t *ids, float *x)
{
	uint32_t experts = g->m->gen->experts, k = g->m->gen->k, all = MIN(k + 1, experts), n = 0;
	float most[1025]; /* k and one more */

	softtop_best(x, experts, all, g->best);
	for (uint32_t i = 0; i < all; i++)
		most[i] = x[g->best[i]];
	for (uint32_t i = all - 1; i-- > 0;)
		if (!(most[i] > most[i + 1]))
			most[i] = above(g->type, most[i + 1]);
	for (uint32_t i = 0; i < k; i++)
		g->is_pick[ids[i]] = 1;
	for (uint32_t i = 0; i < k; i++)
		g->is_pick[g->best[i]] |= 2;
	/* as many picks lack one of the k largest as others had one */
	for (uint32_t i = 0; i < k; i++) {
		if (g->is_pick[g->best[i]] & 1)
			continue;
		while (g->is_pick[ids[n]] & 2)
			n++;
		x[g->best[i]] = x[ids[n++]];
	}
	for (uint32_t i = 0; i < k; i++) {
		x[ids[i]] = most[i];
		g->is_pick[ids[i]] = g->is_pick[g->best[i]] = 0;
	}
}

void
genlogit_row(struct genlogit *g, uint64_t layer, uint64_t batch, uint64_t row, const uint16_t *ids,
	     uint64_t i, float *w)
{
	const struct genmodel *m = g->m;
	uint32_t experts = m->gen->experts, k = m->gen->k, u[4];
	int decode = m->prefill != GENMODEL_NEVER && row % m->request_rows >= m->prefill;
	const double *pop = g->pop[decode];
	float *x = g->x + i * experts;

	for (uint32_t e = 0; e < experts; e++) {
		if (e % 4 == 0)
			rng_u32x4(m->gen->seed, genmodel_stream(GEN_LOGIT, layer, batch),
				  row << GROUP_BITS | e / 4, u);
		x[e] = (float)(pop[e] + normal(u[e % 4]));
	}
	round_all(g, x, experts);
	give(g, ids, x);
	round_all(g, x, experts);
	for (uint32_t n = 0; n < k; n++)
		w[n] = x[ids[n]];
	softtop_p(w, k, g->p);
	for (uint32_t n = 0; n < k; n++)
		w[n] = (float)g->p[n];
}
