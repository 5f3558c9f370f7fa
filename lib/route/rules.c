/*
 * Routing rules, in double; BH and HC are those of router-analysis.md section 6.
 * Of equal scores the lower expert is the better; of equal p the higher logit, then
 * the lower expert.  exp and log are lib/core/num's: the same on every machine.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "num.h"
#include "rules.h"
#include "sinkhorn.h"
#include "size.h"

struct cand {
	double p, logit;
	uint32_t id;
};

struct rules_work {
	struct rules r;
	double *score; /* [experts]: what weights are made of */
	double *pick;  /* [experts]: what chooses */
	double *p;     /* [experts]: sorted, clamped */
	uint32_t *ids;
	struct cand *cand;
};

int
rules_fit(const struct rules *r, uint32_t experts, uint32_t nbias, char *why, size_t size)
{
	int n = 0;

	if (experts > TR_EXPERTS_MAX)
		n = snprintf(why, size, "%u logits are too many", experts);
	else if (r->width > experts)
		n = snprintf(why, size, "%u picks are more than the %u experts", r->width, experts);
	else if (r->min_k > r->width)
		n = snprintf(why, size, "--min-k %u is more than %u picks", r->min_k, r->width);
	else if (r->bias && nbias != experts)
		n = snprintf(why, size, "--bias has %u numbers, not a number an expert", nbias);
	else if (r->kind == RULES_GROUP && experts % r->groups)
		n = snprintf(why, size, "%u groups do not divide %u experts", r->groups, experts);
	else if (r->kind == RULES_GROUP && experts / r->groups * r->topk_groups < r->width)
		n = snprintf(why, size, "%u picks are more than %u groups have experts", r->width,
			     r->topk_groups);
	return n ? -1 : 0;
}

struct rules_work *
rules_new(const struct rules *r)
{
	struct rules_work *w = calloc(1, sizeof *w);
	size_t n = MAX(r->experts, r->groups) + 1;

	if (!w)
		return NULL;
	w->r = *r;
	w->score = malloc(n * sizeof *w->score);
	w->pick = malloc(n * sizeof *w->pick);
	w->p = malloc(n * sizeof *w->p);
	w->ids = malloc(n * sizeof *w->ids);
	w->cand = malloc(n * sizeof *w->cand);
	if (!w->score || !w->pick || !w->p || !w->ids || !w->cand) {
		rules_free(w);
		return NULL;
	}
	return w;
}

void
rules_free(struct rules_work *w)
{
	if (!w)
		return;
	free(w->score);
	free(w->pick);
	free(w->p);
	free(w->ids);
	free(w->cand);
	free(w);
}

int
rules_joint(const struct rules *r)
{
	return r->kind == RULES_CAPACITY || r->kind == RULES_REROUTE || r->kind == RULES_SINKHORN;
}

int
rules_pvalues(const struct rules *r)
{
	return r->kind == RULES_BH || r->kind == RULES_HC;
}

static void
softmax(const double *x, uint32_t n, double temperature, double *to)
{
	double max = x[0], sum = 0;

	for (uint32_t i = 1; i < n; i++)
		max = MAX(max, x[i]);
	for (uint32_t i = 0; i < n; i++)
		sum += to[i] = num_exp((x[i] - max) / temperature);
	for (uint32_t i = 0; i < n; i++)
		to[i] /= sum;
}

/* exp of what is negative only, so that nothing overflows */
static double
sigmoid(double x)
{
	double e = num_exp(-fabs(x));

	return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

static void
scores(struct rules_work *w, const double *logit)
{
	const struct rules *r = &w->r;

	if (r->score == RULES_BEFORE)
		softmax(logit, r->experts, r->temperature, w->score);
	else
		for (uint32_t i = 0; i < r->experts; i++) {
			double x = logit[i] / r->temperature;

			w->score[i] = r->score == RULES_SIGMOID ? sigmoid(x) : x;
		}
	for (uint32_t i = 0; i < r->experts; i++)
		w->pick[i] = w->score[i] + (r->bias ? r->bias[i] : 0);
}

/* The k greatest of n scores that are not -INFINITY, best first; their number. */
static uint32_t
best(const double *score, uint32_t n, uint32_t k, uint32_t *ids)
{
	uint32_t m = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t j;

		if (score[i] == -INFINITY || (m == k && !(score[i] > score[ids[m - 1]])))
			continue;
		if (m < k)
			m++;
		for (j = m - 1; j && score[i] > score[ids[j - 1]]; j--)
			ids[j] = ids[j - 1];
		ids[j] = i;
	}
	return m;
}

/* Weights of the picks in to->ids, from w->score. */
static void
weigh(struct rules_work *w, struct rules_row *to)
{
	double sum = 0;

	for (uint32_t i = 0; i < to->count; i++)
		to->w[i] = w->score[to->ids[i]];
	if (w->r.score == RULES_AFTER && to->count)
		softmax(to->w, to->count, 1, to->w);
	for (uint32_t i = 0; i < to->count; i++)
		sum += to->w[i];
	if (w->r.renorm && sum != 0)
		for (uint32_t i = 0; i < to->count; i++)
			to->w[i] /= sum;
}

/* Experts outside the best groups are out; a group is worth its best two. */
static void
limit_groups(struct rules_work *w)
{
	uint32_t n = w->r.experts / w->r.groups, kept;
	double *worth = w->p;

	for (uint32_t g = 0; g < w->r.groups; g++) {
		const double *s = w->pick + g * n;
		double a = s[0], b = -INFINITY;

		for (uint32_t i = 1; i < n; i++) {
			if (s[i] > a) {
				b = a;
				a = s[i];
			} else {
				b = MAX(b, s[i]);
			}
		}
		worth[g] = n > 1 ? a + b : a;
	}
	kept = best(worth, w->r.groups, w->r.topk_groups, w->ids);
	for (uint32_t i = 0; i < kept; i++)
		worth[w->ids[i]] = INFINITY;
	for (uint32_t i = 0; i < w->r.experts; i++)
		if (worth[i / n] < INFINITY)
			w->pick[i] = -INFINITY;
}

static int
by_p(const void *a, const void *b)
{
	const struct cand *x = a, *y = b;

	if (x->p != y->p)
		return x->p < y->p ? -1 : 1;
	if (x->logit != y->logit)
		return x->logit > y->logit ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* k*, the last rank with p <= alpha i / E; 0: none.  Earlier failures do not matter. */
static uint32_t
bh(const struct rules *r, const double *p)
{
	for (uint32_t i = r->experts; i; i--)
		if (p[i - 1] <= r->alpha * i / r->experts)
			return i;
	return 0;
}

static uint32_t
part(const struct rules *r)
{
	return MAX(1, (uint32_t)floor(r->beta * r->experts));
}

static int
looked_at(const struct rules *r, const double *p, uint32_t i)
{
	double n = r->experts;

	if (r->min_k > 1 && i < r->min_k)
		return 0;
	switch (r->mode) {
	case RULES_AUTO:
		return p[i - 1] < i / n;
	case RULES_PART:
		return i <= part(r);
	case RULES_DJ:
		return i <= part(r) && p[i - 1] >= 1 / n;
	default:
		return 1;
	}
}

static double
hc_of(const struct rules *r, const double *p, uint32_t i)
{
	double n = r->experts, q = MIN(MAX(p[i - 1], 1e-10), 1 - 1e-10);

	return sqrt(n) * (i / n - q) / sqrt(q * (1 - q) + 1e-10);
}

static uint32_t
hc(const struct rules *r, const double *p, double *value)
{
	uint32_t rank = 0;

	*value = 0;
	for (uint32_t i = 1; i <= r->experts; i++) {
		double h = hc_of(r, p, i);

		if (looked_at(r, p, i) && (!rank || h > *value)) {
			rank = i;
			*value = h;
		}
	}
	return rank;
}

static void
by_pvalues(struct rules_work *w, const double *logit, const double *p, struct rules_row *to)
{
	const struct rules *r = &w->r;
	double sum = 0;

	for (uint32_t i = 0; i < r->experts; i++) {
		double q = MIN(MAX(p[i], r->clamp), 1 - r->clamp);

		w->cand[i] = (struct cand){q, logit[i], i};
	}
	qsort(w->cand, r->experts, sizeof *w->cand, by_p);
	for (uint32_t i = 0; i < r->experts; i++)
		w->p[i] = w->cand[i].p;
	to->hc = 0;
	to->rank = r->kind == RULES_BH ? bh(r, w->p) : hc(r, w->p, &to->hc);
	to->count = MIN(MAX(to->rank, r->min_k), r->width);
	softmax(logit, r->experts, r->temperature, w->score);
	for (uint32_t i = 0; i < to->count; i++) {
		to->ids[i] = w->cand[i].id;
		sum += to->w[i] = w->score[to->ids[i]];
	}
	sum = MAX(sum, r->clamp);
	if ((r->kind == RULES_BH || r->renorm) && sum > 0)
		for (uint32_t i = 0; i < to->count; i++)
			to->w[i] /= sum;
}

void
rules_ranks(const struct rules_work *w, struct rules_rank *to)
{
	const struct rules *r = &w->r;
	int bh = r->kind == RULES_BH;

	for (uint32_t i = 0; i < r->experts; i++)
		to[i] = (struct rules_rank){w->cand[i].id, w->cand[i].logit, w->p[i],
					    bh ? r->alpha * (i + 1) / r->experts
					       : hc_of(r, w->p, i + 1),
					    bh || looked_at(r, w->p, i + 1)};
}

void
rules_one(struct rules_work *w, const double *logit, const double *p, struct rules_row *to)
{
	if (to->dropped)
		memset(to->dropped, 0, w->r.width);
	if (rules_pvalues(&w->r)) {
		by_pvalues(w, logit, p, to);
		return;
	}
	scores(w, logit);
	if (w->r.kind == RULES_GROUP)
		limit_groups(w);
	to->count = best(w->pick, w->r.experts, w->r.width, to->ids);
	to->rank = 0;
	to->hc = 0;
	weigh(w, to);
}

/* Picks that an expert takes of n rows. */
static uint64_t
room(const struct rules *r, uint64_t n)
{
	double c = ceil(r->capacity * (double)n * r->width / r->experts * (1 - 0x1p-50));

	return c < (double)n ? (uint64_t)c : n;
}

/* All rows' first picks go before all second ones, and so on. */
static int
drop(struct rules_work *w, const double *logit, uint64_t n, struct rules_row *to)
{
	uint64_t most = room(&w->r, n), *used = calloc(w->r.experts, sizeof *used);

	if (!used)
		return -1;
	for (uint64_t t = 0; t < n; t++)
		rules_one(w, logit + t * w->r.experts, NULL, &to[t]);
	for (uint32_t k = 0; k < w->r.width; k++)
		for (uint64_t t = 0; t < n; t++) {
			if (k >= to[t].count)
				continue;
			if (used[to[t].ids[k]] < most) {
				used[to[t].ids[k]]++;
				continue;
			}
			to[t].w[k] = 0;
			if (to[t].dropped)
				to[t].dropped[k] = 1;
		}
	free(used);
	return 0;
}

/* The same, but a row goes on to its next best; a full expert stays full, so a row
 * never looks back. */
static int
reroute(struct rules_work *w, const double *logit, uint64_t n, struct rules_row *to)
{
	const uint32_t E = w->r.experts;
	uint64_t most = room(&w->r, n), *used = calloc(E, sizeof *used);
	uint32_t *next = calloc(n + 1, sizeof *next), *order = NULL;
	size_t need;
	int r = -1;

	if (!used || !next || size_mul(n + 1, E * sizeof *order, &need) || !(order = malloc(need)))
		goto out;
	for (uint64_t t = 0; t < n; t++) {
		scores(w, logit + t * E);
		for (uint32_t i = 0; i < E; i++)
			w->cand[i] = (struct cand){-w->pick[i], 0, i};
		qsort(w->cand, E, sizeof *w->cand, by_p);
		for (uint32_t i = 0; i < E; i++)
			order[t * E + i] = w->cand[i].id;
		to[t].count = 0;
		if (to[t].dropped)
			memset(to[t].dropped, 0, w->r.width);
	}
	for (uint32_t k = 0; k < w->r.width; k++)
		for (uint64_t t = 0; t < n; t++) {
			while (next[t] < E && used[order[t * E + next[t]]] >= most)
				next[t]++;
			if (next[t] == E)
				continue;
			to[t].ids[to[t].count] = order[t * E + next[t]++];
			used[to[t].ids[to[t].count++]]++;
		}
	for (uint64_t t = 0; t < n; t++) {
		scores(w, logit + t * E);
		weigh(w, &to[t]);
	}
	r = 0;
out:
	free(used);
	free(next);
	free(order);
	return r;
}

/* The matrix scaled by sinkhorn.h chooses. */
static int
sinkhorn(struct rules_work *w, const double *logit, uint64_t n, struct rules_row *to)
{
	const uint32_t E = w->r.experts;
	double *a = NULL, *col = malloc(E * sizeof *col), *sum = malloc(E * sizeof *sum);
	int r = -1;

	if (!col || !sum || !(a = calloc(n + 1, E * sizeof *a)))
		goto out;
	for (uint64_t t = 0; t < n; t++) {
		const double *x = logit + t * E;
		double max = x[0];

		for (uint32_t i = 1; i < E; i++)
			max = MAX(max, x[i]);
		for (uint32_t i = 0; i < E; i++)
			a[t * E + i] = num_exp((x[i] - max) / w->r.temperature);
	}
	sinkhorn_f64(a, n, E, w->r.iterations, w->r.tolerance, col, sum);
	for (uint64_t t = 0; t < n; t++) {
		scores(w, logit + t * E);
		for (uint32_t i = 0; i < E; i++)
			w->pick[i] = logit[t * E + i] / w->r.temperature + num_log(col[i]);
		if (to[t].dropped)
			memset(to[t].dropped, 0, w->r.width);
		to[t].count = best(w->pick, E, w->r.width, to[t].ids);
		weigh(w, &to[t]);
	}
	r = 0;
out:
	free(a);
	free(col);
	free(sum);
	return r;
}

int
rules_all(struct rules_work *w, const double *logit, uint64_t n, struct rules_row *to)
{
	switch (w->r.kind) {
	case RULES_CAPACITY:
		return drop(w, logit, n, to);
	case RULES_REROUTE:
		return reroute(w, logit, n, to);
	case RULES_SINKHORN:
		return sinkhorn(w, logit, n, to);
	default:
		for (uint64_t t = 0; t < n; t++)
			rules_one(w, logit + t * w->r.experts, NULL, &to[t]);
		return 0;
	}
}
