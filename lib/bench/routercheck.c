/* What a route came to, beside the plain functions of lib/route and rules.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/half.h"
#include "../core/size.h"
#include "devown.h"
#include "router.h"
#include "sample.h"

enum { ROWS = 64 }; /* gathered rows looked at */

struct got {
	unsigned char *logits, *packed;
	uint16_t *ids, *want;
	float *w, *want_w, *gates;
	uint32_t *counts, *offsets, *perm, *place;
	double *logv; /* of sinkhorn */
};

static void *
fetch(const struct router *r, const void *from, size_t n, int *e)
{
	void *to = *e == 0 ? malloc(n + 1) : NULL;

	if (*e == 0 && !to)
		*e = dev_error(GPU_ENOMEM, "no memory");
	else if (*e == 0)
		*e = r->dev->get(to, from, n);
	return to;
}

static double
number(enum tr_type type, const void *p, size_t i)
{
	if (type == TR_F32)
		return ((const float *)p)[i];
	return type == TR_F16 ? half_f32(((const uint16_t *)p)[i])
			      : bf16_f32(((const uint16_t *)p)[i]);
}

/* The logarithm of sinkhorn's K: of what f32 has no exponential of, and of NaN, -inf. */
static double
cooled(const struct router *r, const struct got *g, uint64_t t, uint32_t e, double max)
{
	double x = number(r->s.type, g->logits, t * r->s.experts + e);

	if (x == max || max == -INFINITY)
		return 0;
	x = (x - max) / r->h.temperature;
	return x >= -87 ? x : -INFINITY;
}

/* What picks go by: the score and its bias, or its place in the balanced plan, where all that is 0 is
 * alike. */
static double
value(const struct router *r, const struct got *g, uint64_t t, uint32_t e, double max)
{
	double x = number(r->s.type, g->logits, t * r->s.experts + e);

	if (!g->logv)
		return (r->s.score == RULES_SIGMOID ? 1 / (1 + exp(-x)) : x) +
		       (r->bias ? r->bias[e] : 0);
	x = cooled(r, g, t, e, max);
	return x == -INFINITY ? -1e9 : x + g->logv[e];
}

static void
range(const struct router *r, const struct got *g, uint64_t t, double *lo, double *hi)
{
	*lo = INFINITY;
	*hi = -INFINITY;
	for (uint32_t i = 0; i < r->s.experts; i++) {
		double x = number(r->s.type, g->logits, t * r->s.experts + i);

		*lo = x < *lo ? x : *lo;
		*hi = x > *hi ? x : *hi;
	}
}

/* The columns' scaling in f64, by the loops that define it (sinkhorn.h). */
static double *
balance(const struct router *r, const struct got *g)
{
	const uint32_t E = r->s.experts;
	double *v = malloc(E * sizeof *v), *sum = malloc(E * sizeof *sum),
	       *K = malloc(r->rows * E * sizeof *K + 1), lo, hi;

	for (uint32_t e = 0; v && e < E; e++)
		v[e] = 1;
	for (uint64_t t = 0; K && t < r->rows; t++) {
		range(r, g, t, &lo, &hi);
		for (uint32_t e = 0; e < E; e++)
			K[t * E + e] = exp(cooled(r, g, t, e, hi));
	}
	for (uint32_t it = 0; v && sum && K && it < r->h.iterations; it++) {
		memset(sum, 0, E * sizeof *sum);
		for (uint64_t t = 0; t < r->rows; t++) {
			double u = r->h.eps;

			for (uint32_t e = 0; e < E; e++)
				u += K[t * E + e] * v[e];
			for (uint32_t e = 0; e < E; e++)
				sum[e] += K[t * E + e] / MAX(u, 1e-30);
		}
		for (uint32_t e = 0; e < E; e++)
			v[e] = (double)r->rows / E / MAX(sum[e] + r->h.eps, 1e-30);
	}
	for (uint32_t e = 0; v && e < E; e++)
		v[e] = log(v[e]);
	free(sum);
	free(K);
	return v;
}

/* Rows whose picks are others than wanted by more than rounding: their values differ
 * by more than near. */
static uint64_t
others(const struct router *r, const struct got *g, double near)
{
	const uint32_t E = r->s.experts, k = r->s.k;
	uint64_t n = 0;

	for (uint64_t t = 0; t < r->rows; t++) {
		const uint16_t *a = g->ids + t * k, *b = g->want + t * k;
		double lo, hi;
		int other = 0;

		if (!memcmp(a, b, k * sizeof *a))
			continue;
		range(r, g, t, &lo, &hi);
		for (uint32_t j = 0; j < k && !other; j++) {
			double x = a[j] < E ? value(r, g, t, a[j], hi) : NAN,
			       y = value(r, g, t, b[j], hi);

			other = x != y && !(fabs(x - y) <= (g->logv ? near : near * (hi - lo)));
		}
		n += (uint64_t)other;
	}
	return n;
}

/* Weights that are not, within near, the softmax of what their picks go by. */
static uint64_t
unweighed(const struct router *r, const struct got *g, double near)
{
	const uint32_t k = r->s.k;
	uint64_t n = 0;

	for (uint64_t t = 0; t < r->rows; t++) {
		double lo, hi, most = -INFINITY, sum = 0;

		range(r, g, t, &lo, &hi);
		for (uint32_t j = 0; j < k; j++)
			most = fmax(most, value(r, g, t, g->ids[t * k + j], hi));
		for (uint32_t j = 0; j < k; j++)
			sum += exp(value(r, g, t, g->ids[t * k + j], hi) - most);
		for (uint32_t j = 0; j < k; j++) {
			double w = exp(value(r, g, t, g->ids[t * k + j], hi) - most) / sum;

			/* a row of no number has nothing to weigh by */
			n += isfinite(w) && !(fabs(g->w[t * k + j] - w) <= near);
		}
	}
	return n;
}

/* The k greatest of each row's values. */
static void
want_values(const struct router *r, struct got *g)
{
	const uint32_t E = r->s.experts, k = r->s.k;

	for (uint64_t t = 0; t < r->rows; t++) {
		double lo, hi;

		range(r, g, t, &lo, &hi);
		for (uint32_t j = 0; j < k; j++) {
			uint32_t best = E;

			for (uint32_t e = 0; e < E; e++) {
				int taken = 0;

				for (uint32_t i = 0; i < j; i++)
					taken |= g->want[t * k + i] == e;
				if (!taken &&
				    (best == E || value(r, g, t, e, hi) > value(r, g, t, best, hi)))
					best = e;
			}
			g->want[t * k + j] = (uint16_t)best;
		}
	}
}

static int
check_picks(const struct router *r, enum router_strategy a, struct got *g, char *why, size_t size)
{
	const uint64_t R = r->rows * r->s.k;
	struct select s = r->s;
	uint64_t bad = 0, worse = 0;

	s.bias = r->bias;

	if (a == ROUTER_SINKHORN) {
		if (!(g->logv = balance(r, g)))
			return dev_error(GPU_ENOMEM, "no memory");
		want_values(r, g);
		bad = others(r, g, 1e-3 + r->h.tolerance);
		worse = bad ? 0 : unweighed(r, g, 1e-3 + r->h.tolerance);
	} else {
		select_plain(&s, g->logits, r->rows, g->want, g->want_w);
		if (a == ROUTER_FUSED_ROUTER) { /* sums in another order, rounded to 16 bits */
			bad = others(r, g, 0.02);
			if (!bad && s.score == RULES_AFTER && !r->bias)
				worse = unweighed(r, g, 0.05);
		} else
			for (uint64_t i = 0; i < R; i++) {
				bad += g->ids[i] != g->want[i];
				worse += memcmp(&g->w[i], &g->want_w[i], sizeof *g->w) != 0;
			}
	}
	if (bad || worse)
		snprintf(why, size, "%llu picks, %llu weights", (unsigned long long)bad,
			 (unsigned long long)worse);
	return 0;
}

static void
check_gates(const struct router *r, const struct got *g, char *why, size_t size)
{
	const uint32_t E = r->s.experts, k = r->s.k;
	uint64_t bad = 0;

	for (uint64_t t = 0; t < r->rows; t++)
		for (uint32_t i = 0; i < E; i++) {
			float want = 0;

			for (uint32_t j = 0; j < k; j++)
				if (g->ids[t * k + j] == i)
					want = g->w[t * k + j];
			bad += g->gates[t * E + i] != want;
		}
	if (bad)
		snprintf(why, size, "%llu gates", (unsigned long long)bad);
}

/* Where the picks of g->ids go, by counting. */
static void
check_index(const struct router *r, const struct got *g, char *why, size_t size)
{
	uint32_t next[SELECT_EXPERTS_MAX + 1] = {0};
	uint64_t bad = 0, at = 0;

	for (uint64_t i = 0; i < r->rows * r->s.k; i++)
		next[g->ids[i] < r->s.experts ? g->ids[i] : SELECT_EXPERTS_MAX]++;
	for (uint32_t e = 0; e < r->s.experts; e++) {
		uint32_t n = next[e];

		bad += g->counts[e] != n;
		bad += g->offsets[e] != at;
		next[e] = (uint32_t)at;
		at += n;
	}
	bad += g->offsets[r->s.experts] != at || next[SELECT_EXPERTS_MAX];
	for (uint64_t i = 0; !bad && i < r->rows * r->s.k; i++) {
		uint32_t to = next[g->ids[i]]++;

		bad += g->perm[to] != i || g->place[i] != to;
	}
	if (bad)
		snprintf(why, size, "%llu places", (unsigned long long)bad);
}

static uint32_t
rounded(enum tr_type type, float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof bits);
	return type == TR_F32 ? bits : type == TR_F16 ? half_from(x) : bf16_from(x);
}

static uint32_t
bits_of(enum tr_type type, const void *p, size_t i)
{
	return type == TR_F32 ? ((const uint32_t *)p)[i] : ((const uint16_t *)p)[i];
}

static int
check_rows(const struct router *r, const struct got *g, char *why, size_t size)
{
	const uint64_t R = r->rows * r->s.k, step = MAX(R / ROWS, (uint64_t)1);
	const size_t b = tr_size(r->s.type);
	uint64_t bad = 0;
	int e = 0;

	for (uint64_t i = 0; i < R && e == 0; i += step) {
		unsigned char *row = fetch(r, r->packed + i * r->d * b, r->d * b, &e);
		uint64_t route = g->perm[i], token = route / r->s.k;

		for (uint64_t c = 0; e == 0 && token < r->rows && c < r->d; c++) {
			float x = (float)number(r->s.type, r->x, token * r->d + c);

			bad += bits_of(r->s.type, row, c) !=
			       rounded(r->s.type, r->weighted ? x * g->w[route] : x);
		}
		free(row);
	}
	if (bad)
		snprintf(why, size, "%llu numbers of gathered rows", (unsigned long long)bad);
	return e;
}

static void
load(const struct router *r, const struct got *g, struct router_result *to)
{
	const uint32_t E = r->s.experts;
	double count[SELECT_EXPERTS_MAX] = {0}, max_mean, cv;

	for (uint64_t i = 0; i < r->rows * r->s.k; i++)
		if (g->ids[i] < E)
			count[g->ids[i]]++;
	sample_spread(count, (int)E, &max_mean, &cv);
	to->max_mean = (float)max_mean;
	to->cv = (float)cv;
}

int
router_check(struct router *r, enum router_strategy a, struct router_result *to)
{
	const uint32_t E = r->s.experts;
	const uint64_t R = r->rows * r->s.k;
	struct router_set s = router_set(r, a, 0);
	struct got g = {0};
	int e = router_call(r, a, ROUTER_ROUTE, 0, NULL);

	*to = (struct router_result){.check = "ok"};
	g.logits = fetch(r, s.logits, r->rows * E * tr_size(r->s.type), &e);
	g.ids = fetch(r, s.ids, R * sizeof *g.ids, &e);
	g.w = fetch(r, s.w, R * sizeof *g.w, &e);
	g.gates = fetch(r, r->gates, r->rows * E * sizeof *g.gates, &e);
	g.counts = fetch(r, s.x.counts, E * 4, &e);
	g.offsets = fetch(r, s.x.offsets, (E + 1) * 4, &e);
	g.perm = fetch(r, s.x.perm, R * 4, &e);
	g.place = fetch(r, s.x.place, R * 4, &e);
	if (e == 0 && a == ROUTER_SINKHORN)
		e = r->dev->get(&to->told, r->told, sizeof to->told);
	g.want = malloc(R * sizeof *g.want + 1);
	g.want_w = malloc(R * sizeof *g.want_w + 1);
	if (e == 0 && (!g.want || !g.want_w))
		e = dev_error(GPU_ENOMEM, "no memory");
	if (e == 0 && router_has(r, a, ROUTER_GATHER))
		e = check_rows(r, &g, to->check, sizeof to->check);
	if (e == 0 && a == ROUTER_MASKED_MATMUL)
		check_gates(r, &g, to->check, sizeof to->check);
	else if (e == 0)
		check_index(r, &g, to->check, sizeof to->check);
	if (e == 0)
		e = check_picks(r, a, &g, to->check, sizeof to->check);
	if (e == 0)
		load(r, &g, to);
	free(g.logits);
	free(g.ids);
	free(g.w);
	free(g.gates);
	free(g.counts);
	free(g.offsets);
	free(g.perm);
	free(g.place);
	free(g.want);
	free(g.want_w);
	free(g.logv);
	return e;
}
