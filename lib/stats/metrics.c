/* Balance of loads, see metrics.h. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/num.h"
#include "../core/size.h"
#include "metrics.h"
#include "moment.h"
#include "softtop.h"

typedef unsigned __int128 fixed; /* of 2^-60, so that sums have no order */

struct weights {
	float *w; /* of an expert's picks, as they come */
	size_t n, cap;
};

/* What a layer, or a batch at it, told beside its counts. */
struct part {
	uint64_t layer, batch, rows;
	uint32_t experts;
	uint64_t *tokens;        /* [experts] rows that picked the expert */
	fixed *p;                /* [experts] their softmax; NULL: not yet any */
	fixed top;               /* that of the k largest */
	uint64_t logits, weighs; /* rows that had them */
	struct weights *weights; /* [experts] */
};

struct metrics {
	struct metrics_want want;
	struct part *part;
	size_t n, cap, *slot; /* slot [4 cap]: open addressing, index + 1 */
	struct {
		double *p;
		float *x;
		uint64_t *stamp; /* the last row that picked it */
		uint16_t *best;
	} scratch; /* [room] each */
	uint32_t room;
	uint64_t stamp;
	uint64_t u[TR_COLS_MAX];
	double d[TR_COLS_MAX];
	char err[128];
};

struct metrics *
metrics_new(const struct metrics_want *want)
{
	struct metrics *m = calloc(1, sizeof *m);

	if (m)
		m->want = *want;
	return m;
}

void
metrics_free(struct metrics *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		struct part *p = &m->part[i];

		for (uint32_t e = 0; p->weights && e < p->experts; e++)
			free(p->weights[e].w);
		free(p->weights);
		free(p->tokens);
		free(p->p);
	}
	free(m->part);
	free(m->slot);
	free(m->scratch.p);
	free(m->scratch.x);
	free(m->scratch.stamp);
	free(m->scratch.best);
	free(m);
}

const char *
metrics_errstr(const struct metrics *m)
{
	return m->err;
}

static int
no_memory(struct metrics *m)
{
	snprintf(m->err, sizeof m->err, "no memory");
	return TR_ENOMEM;
}

/* The slot of a part, or the empty one for it. */
static size_t
find(const struct metrics *m, uint64_t layer, uint64_t batch, uint32_t experts)
{
	size_t mask = 4 * m->cap - 1, k;

	k = (layer * 4093 + batch) * UINT64_C(0x9e3779b97f4a7c15) >> 20 & mask;
	for (; m->slot[k]; k = (k + 1) & mask) {
		const struct part *p = &m->part[m->slot[k] - 1];

		if (p->layer == layer && p->batch == batch && p->experts == experts)
			break;
	}
	return k;
}

static int
grow(struct metrics *m)
{
	size_t cap = m->cap ? 2 * m->cap : 64, *slot = calloc(4 * cap, sizeof *slot);
	void *p = realloc(m->part, cap * sizeof *m->part);

	if (p)
		m->part = p;
	if (!p || !slot) {
		free(slot);
		return -1;
	}
	free(m->slot);
	m->slot = slot;
	m->cap = cap;
	for (size_t i = 0; i < m->n; i++)
		slot[find(m, m->part[i].layer, m->part[i].batch, m->part[i].experts)] = i + 1;
	return 0;
}

/* NULL: no memory. */
static struct part *
part_of(struct metrics *m, uint64_t layer, uint64_t batch, uint32_t experts)
{
	struct part *p;
	size_t k;

	if (m->n == m->cap && grow(m) < 0)
		return NULL;
	if (m->slot[k = find(m, layer, batch, experts)])
		return &m->part[m->slot[k] - 1];
	p = &m->part[m->n];
	*p = (struct part){.layer = layer, .batch = batch, .experts = experts};
	if (!(p->tokens = calloc(experts, sizeof *p->tokens)))
		return NULL;
	m->slot[k] = ++m->n;
	return p;
}

/* Room for what a row needs. */
static int
room(struct metrics *m, uint32_t experts)
{
	if (experts <= m->room)
		return 0;
	free(m->scratch.p);
	free(m->scratch.x);
	free(m->scratch.stamp);
	free(m->scratch.best);
	m->room = 0;
	m->scratch.p = calloc(experts, sizeof *m->scratch.p);
	m->scratch.x = calloc(experts, sizeof *m->scratch.x);
	m->scratch.stamp = calloc(experts, sizeof *m->scratch.stamp);
	m->scratch.best = calloc(experts, sizeof *m->scratch.best);
	if (!m->scratch.p || !m->scratch.x || !m->scratch.stamp || !m->scratch.best)
		return -1;
	m->room = experts;
	return 0;
}

static int
keep(struct weights *w, float x)
{
	size_t cap = w->cap ? 2 * w->cap : 64;
	float *p;

	if (w->n == w->cap) {
		if (!(p = realloc(w->w, cap * sizeof *p)))
			return -1;
		w->w = p;
		w->cap = cap;
	}
	w->w[w->n++] = x;
	return 0;
}

/* An id that a row has twice is one expert of it. */
static void
add_ids(struct metrics *m, struct part *p, const struct tr_ids *ids, const uint8_t *dropped)
{
	for (uint64_t i = 0; i < ids->rows; i++) {
		m->stamp++;
		for (uint64_t at = i * ids->k; at < (i + 1) * ids->k; at++) {
			uint32_t e = tr_id(ids, at);

			if (e == UINT32_MAX || (dropped && dropped[at]) ||
			    m->scratch.stamp[e] == m->stamp)
				continue;
			m->scratch.stamp[e] = m->stamp;
			p->tokens[e]++;
		}
	}
}

static int
refuse(struct metrics *m, const char *what, uint64_t row)
{
	snprintf(m->err, sizeof m->err, "row %llu: a %s that is no number", (unsigned long long)row,
		 what);
	return TR_EVALUE;
}

/* Numbers, or -inf of experts that are masked, but not of all. */
static int
routable(const float *x, uint32_t n)
{
	int some = 0, bad = 0;

	for (uint32_t i = 0; i < n; i++) {
		some |= x[i] - x[i] == 0;
		bad |= !(x[i] <= FLT_MAX);
	}
	return some && !bad;
}

static int
add_logits(struct metrics *m, struct part *p, const struct tr_col *c, uint32_t k)
{
	float *x = m->scratch.x;
	uint16_t *best = m->scratch.best;
	int r;

	if (c->width != p->experts) {
		snprintf(m->err, sizeof m->err, "%u logits of %u experts", c->width, p->experts);
		return TR_ECOLS;
	}
	if (!p->p && !(p->p = calloc(p->experts, sizeof *p->p)))
		return no_memory(m);
	k = MIN(k, p->experts);
	for (uint64_t i = 0; i < c->rows; i++) {
		if ((r = col_f32(c, i * p->experts, p->experts, x)) < 0) {
			snprintf(m->err, sizeof m->err, "logit has no such type");
			return r;
		}
		if (!routable(x, p->experts))
			return refuse(m, "logit", i);
		softtop_p(x, p->experts, m->scratch.p);
		softtop_best(x, p->experts, k, best);
		for (uint32_t e = 0; e < p->experts; e++)
			p->p[e] += (uint64_t)(m->scratch.p[e] * 0x1p60);
		for (uint32_t e = 0; e < k; e++)
			p->top += (uint64_t)(m->scratch.p[best[e]] * 0x1p60);
	}
	p->logits += c->rows;
	return 0;
}

static int
add_weights(struct metrics *m, struct part *p, const struct tr_col *c, const struct tr_ids *ids,
	    const uint8_t *dropped)
{
	float w;

	if (c->width != ids->k) {
		snprintf(m->err, sizeof m->err, "%u weights of %u picks", c->width, ids->k);
		return TR_ECOLS;
	}
	if (!p->weights && !(p->weights = calloc(p->experts, sizeof *p->weights)))
		return no_memory(m);
	for (uint64_t at = 0; at < ids->rows * ids->k; at++) {
		uint32_t e = tr_id(ids, at);

		if (e == UINT32_MAX || (dropped && dropped[at]))
			continue;
		if (col_f32(c, at, 1, &w) < 0 || w - w != 0)
			return refuse(m, "weight", at / ids->k);
		if (keep(&p->weights[e], w) < 0)
			return no_memory(m);
	}
	p->weighs += ids->rows;
	return 0;
}

int
metrics_add(struct metrics *m, uint64_t layer, uint64_t batch, uint32_t experts,
	    const struct tr_frame *f, const struct tr_ids *ids, const uint8_t *dropped)
{
	struct part *p = part_of(m, layer, batch, experts);
	struct tr_col c;
	int r = 0;

	if (!p || room(m, experts) < 0)
		return no_memory(m);
	p->rows += ids->rows;
	add_ids(m, p, ids, dropped);
	if (tr_col(f, "logit", &c) > 0)
		r = add_logits(m, p, &c, ids->k);
	if (r == 0 && m->want.weigh && tr_col(f, "w", &c) > 0)
		r = add_weights(m, p, &c, ids, dropped);
	return r;
}

/* ---- what they tell ---- */

static void
put_u64(struct metrics *m, struct tr_frame *to, const char *name, uint64_t n)
{
	m->u[to->ncols] = n;
	tr_addcol(to, name, TR_U64, 1, &m->u[to->ncols]);
}

static void
put_f64(struct metrics *m, struct tr_frame *to, const char *name, double x)
{
	m->d[to->ncols] = x;
	tr_addcol(to, name, TR_F64, 1, &m->d[to->ncols]);
}

static double
per(double x, double y)
{
	return y == 0 ? 0 : x / y;
}

struct spread {
	uint64_t sum, least, most, some; /* some: how many are not 0 */
	double mean, deviation;
};

/* Of n > 0 numbers, the deviation of all of them. */
static struct spread
spread(const uint64_t *x, uint64_t n)
{
	struct spread s = {.least = UINT64_MAX};
	double squares = 0;

	for (uint64_t i = 0; i < n; i++) {
		s.sum += x[i];
		s.least = MIN(s.least, x[i]);
		s.most = MAX(s.most, x[i]);
		s.some += x[i] > 0;
	}
	s.mean = (double)s.sum / (double)n;
	for (uint64_t i = 0; i < n; i++)
		squares += ((double)x[i] - s.mean) * ((double)x[i] - s.mean);
	s.deviation = sqrt(squares / (double)n);
	return s;
}

static void
put_counts(struct metrics *m, struct tr_frame *to, const uint64_t *n, uint64_t experts,
	   const struct spread *s)
{
	double entropy = 0, sum = (double)s->sum;

	for (uint64_t e = 0; e < experts; e++)
		if (n[e])
			entropy -= (double)n[e] / sum * num_log((double)n[e] / sum);
	put_u64(m, to, "n_routes", s->sum);
	put_f64(m, to, "mean", s->mean);
	put_f64(m, to, "deviation", s->deviation);
	put_f64(m, to, "cv", per(s->deviation, s->mean));
	put_f64(m, to, "max_mean", per((double)s->most, s->mean));
	put_f64(m, to, "min_mean", per((double)s->least, s->mean));
	put_f64(m, to, "max_share", per((double)s->most, sum));
	put_f64(m, to, "entropy", entropy);
	put_f64(m, to, "entropy_norm", experts > 1 ? entropy / num_log((double)experts) : 0);
	put_u64(m, to, "active", s->some);
	put_f64(m, to, "active_share", (double)s->some / (double)experts);
	put_u64(m, to, "dead", experts - s->some);
}

/* Of the rows that the counts are of; p is NULL or has others where counts came in. */
static void
put_rows(struct metrics *m, struct tr_frame *to, const struct part *p, uint64_t rows,
	 const uint64_t *n, uint64_t experts, double routes)
{
	int seen = rows && p && p->rows == rows, scored = rows && p && p->logits == rows;
	struct spread s = {0};
	double aux = 0, of = (double)rows;

	if (seen)
		s = spread(p->tokens, experts);
	for (uint64_t e = 0; scored && e < experts; e++)
		aux += per((double)n[e], routes) * ((double)p->p[e] * 0x1p-60 / of);
	put_f64(m, to, "token_experts", seen ? (double)s.sum / of : NAN);
	put_f64(m, to, "expert_tokens", seen ? s.mean : NAN);
	put_f64(m, to, "expert_tokens_deviation", seen ? s.deviation : NAN);
	put_f64(m, to, "topk_prob", scored ? (double)p->top * 0x1p-60 / of : NAN);
	put_f64(m, to, "aux_loss", scored ? aux * (double)experts : NAN);
}

static int
put_ranks(struct metrics *m, struct tr_frame *to, const uint64_t *n, uint64_t experts)
{
	uint64_t ranks = m->want.ranks, *load;
	struct spread s;

	if (experts % ranks) {
		snprintf(m->err, sizeof m->err, "%llu ranks do not divide %llu experts",
			 (unsigned long long)ranks, (unsigned long long)experts);
		return TR_EVALUE;
	}
	if (!(load = calloc(ranks, sizeof *load)))
		return no_memory(m);
	for (uint64_t e = 0; e < experts; e++)
		load[e / (experts / ranks)] += n[e];
	s = spread(load, ranks);
	free(load);
	put_f64(m, to, "rank_max_mean", per((double)s.most, s.mean));
	put_f64(m, to, "rank_cv", per(s.deviation, s.mean));
	return 0;
}

static int
descending(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x < y) - (x > y);
}

/* What all weights but the first most of each expert are of all. */
static double
dropped_weight(struct metrics *m, struct part *p, uint64_t most)
{
	struct moment all = {0}, lost = {0};
	double mean, std, whole;

	for (uint32_t e = 0; e < p->experts; e++) {
		struct weights *w = &p->weights[e];

		if (w->n && m->want.order == METRICS_WEIGHT)
			qsort(w->w, w->n, sizeof *w->w, descending);
		for (size_t i = 0; i < w->n; i++) {
			moment_add(&all, (double)w->w[i]);
			if (i >= most)
				moment_add(&lost, (double)w->w[i]);
		}
	}
	if (!lost.n)
		return 0;
	if (moment_told(&all, &mean, &std) < 0)
		return NAN;
	whole = mean * (double)all.n;
	if (moment_told(&lost, &mean, &std) < 0)
		return NAN;
	return mean * (double)lost.n / whole;
}

static void
put_dropped(struct metrics *m, struct tr_frame *to, struct part *p, uint64_t rows,
	    const uint64_t *n, uint64_t experts, uint64_t routes)
{
	/* less by a little, so that 1.1 times 10, say, is not rounded up from 11 */
	double c = m->want.capacity * (double)routes / (double)experts * (1 - 0x1p-50);
	uint64_t most = c < (double)routes ? (uint64_t)ceil(c) : routes, lost = 0;
	int weighed = rows && p && p->weighs == rows;

	for (uint64_t e = 0; e < experts; e++)
		lost += n[e] > most ? n[e] - most : 0;
	put_u64(m, to, "n_dropped", lost);
	put_f64(m, to, "drop_rate", per((double)lost, (double)routes));
	if (m->want.weigh)
		put_f64(m, to, "dropped_weight", weighed ? dropped_weight(m, p, most) : NAN);
}

static int
put_all(struct metrics *m, const struct tr_frame *count, const uint64_t *n, struct tr_frame *to)
{
	uint64_t layer = tr_get(count, "layer", 0), batch = tr_get(count, "batch", TR_NONE);
	uint64_t rows = tr_get(count, "n_tokens", 0), experts = count->rows;
	size_t slot = m->n ? m->slot[find(m, layer, batch, (uint32_t)experts)] : 0;
	struct part *p = slot ? &m->part[slot - 1] : NULL;
	struct spread s = spread(n, experts);

	tr_new(to, "table");
	tr_set(to, "name", "metrics");
	tr_setu(to, "layer", layer);
	if (batch != TR_NONE)
		tr_setu(to, "batch", batch);
	tr_rows(to, 1);
	put_u64(m, to, "n_tokens", rows);
	put_counts(m, to, n, experts, &s);
	put_rows(m, to, p, rows, n, experts, (double)s.sum);
	if (m->want.ranks && put_ranks(m, to, n, experts) < 0)
		return TR_EVALUE;
	if (!isnan(m->want.capacity))
		put_dropped(m, to, p, rows, n, experts, s.sum);
	return 0;
}

int
metrics_table(struct metrics *m, const struct tr_frame *count, struct tr_frame *to)
{
	struct tr_col c;
	uint64_t *n;
	int r = TR_EVALUE;

	if (!(n = calloc(count->rows + 1, sizeof *n)))
		return no_memory(m);
	if (!count->rows || tr_col(count, "n", &c) <= 0 || c.width != 1 ||
	    col_u64(&c, 0, count->rows, n) < 0)
		snprintf(m->err, sizeof m->err, "n is no number an expert");
	else
		r = put_all(m, count, n, to);
	free(n);
	return r;
}
