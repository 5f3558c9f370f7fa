#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cost.h"
#include "rng.h"
#include "size.h"

void
cost_fit(uint32_t rows, double abcd[4])
{
	/* us over 1 .. 8 columns, for no hop, (rows - 1) / 2 and rows / 2; the
	 * second of the first line is surely a slip, but the model's */
	static const double table[3][8] = {
		{26.868, 96.183, 33.005, 36.073, 39.141, 42.209, 45.277, 48.345},
		{55.258, 66.713, 78.169, 89.624, 101.079, 112.535, 123.990, 135.445},
		{88.238, 96.183, 104.129, 112.074, 120.020, 127.965, 135.911, 143.856},
	};
	double hop[3] = {0, (rows - 1) / 2.0, rows / 2.0};
	double mean_hop, mean = 0, se = 0, see = 0, sh = 0, shh = 0, b, g;

	if (rows == 1)
		hop[2] = 0;
	mean_hop = (hop[0] + hop[1] + hop[2]) / 3;
	for (int h = 0; h < 3; h++)
		for (int e = 1; e <= 8; e++) {
			double t = table[h][e - 1], de = e - 4.5, dh = hop[h] - mean_hop;

			mean += t / 24;
			se += de * t;
			see += de * de;
			sh += dh * t;
			shh += dh * dh;
		}
	b = se / see;
	g = shh > 0 ? sh / shh : 0;
	abcd[0] = mean - 4.5 * b - mean_hop * g;
	abcd[1] = b;
	abcd[2] = abcd[3] = g / 2;
}

/* ---- routing ---- */

struct route {
	uint32_t *used; /* [instances] tokens of the batch so far */
	uint32_t *next; /* [experts] the first replica with room; then the round robin's */
};

static void
route_batch(const struct place *p, const struct tokens *t, size_t batch, const struct cost_model *m,
	    const uint16_t *origin, struct route *r, uint32_t *to)
{
	size_t from = t->batch[batch], end = t->batch[batch + 1];
	size_t at = t->first[from], picks = t->first[end] - at;
	double tokens = (double)(end - from);
	uint32_t capacity, big;
	double c;

	if (!picks)
		return;
	c = m->factor * tokens * ((double)picks / tokens) / p->n;
	capacity = c < 1 ? 1 : c > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)c;
	memset(r->used, 0, p->n * sizeof *r->used);
	memset(r->next, 0, p->experts * sizeof *r->next);
	for (size_t token = from; token < end; token++)
		for (size_t i = t->first[token]; i < t->first[token + 1]; i++) {
			uint32_t e = t->pick[i], first = p->first[e], n = p->first[e + 1] - first;
			uint32_t k = r->next[e], best;

			switch (m->routing) {
			case ROUTE_BALANCED: /* the first with room, then round robin */
				if (k < n && r->used[first + k] >= capacity)
					k++;
				while (k < n && r->used[first + k] >= capacity)
					k++;
				r->next[e] = k < n ? k : k + 1;
				k = k < n ? k : (k - n) % n;
				break;
			case ROUTE_ROBIN:
				r->next[e] = k + 1;
				k %= n;
				break;
			case ROUTE_LEAST:
				k = 0;
				for (uint32_t j = 1; j < n; j++)
					if (r->used[first + j] < r->used[first + k] ||
					    (r->used[first + j] == r->used[first + k] &&
					     p->dev[first + j] < p->dev[first + k]))
						k = j;
				break;
			case ROUTE_NEAREST: /* smallest hop with room, else smallest hop */
				best = UINT32_MAX;
				big = UINT32_MAX / 2;
				k = 0;
				for (uint32_t j = 0; j < n; j++) {
					uint32_t hop = cost_hop(p->dev[first + j] / p->cols,
								origin[token - from], p->rows);

					hop += r->used[first + j] >= capacity ? big : 0;
					if (hop < best) {
						best = hop;
						k = j;
					}
				}
				break;
			}
			r->used[first + k]++;
			to[i - at] = first + k;
		}
}

static int
route_open(struct route *r, const struct place *p)
{
	r->used = malloc((p->n + 1) * sizeof *r->used);
	r->next = malloc((p->experts + 1) * sizeof *r->next);
	return r->used && r->next ? 0 : TR_ENOMEM;
}

static void
route_close(struct route *r)
{
	free(r->used);
	free(r->next);
}

int
cost_route(const struct place *p, const struct tokens *t, size_t batch, const struct cost_model *m,
	   const uint16_t *origin, uint32_t *to)
{
	struct route r;
	int e = route_open(&r, p);

	if (!e)
		route_batch(p, t, batch, m, origin, &r, to);
	route_close(&r);
	return e;
}

/* ---- cost ---- */

struct eval {
	const struct place *p;
	const struct tokens *t;
	const struct cost_model *m;
	struct route route;
	uint32_t *inst;                 /* [picks of a batch] */
	uint16_t *origin;               /* [tokens of a batch] */
	uint32_t *load;                 /* [instances] */
	double *busy;                   /* [devices] */
	uint8_t *hops;                  /* [rows] of the origin at hand, capped at 255 */
	uint16_t *row, *col;            /* [devices] */
	uint32_t *stamp, *columns, now; /* [devices], [cols] */
};

static void
eval_close(struct eval *v)
{
	route_close(&v->route);
	free(v->inst);
	free(v->origin);
	free(v->load);
	free(v->busy);
	free(v->row);
	free(v->col);
	free(v->stamp);
	free(v->columns);
}

static int
eval_open(struct eval *v, const struct place *p, const struct tokens *t, const struct cost_model *m)
{
	uint32_t devices = p->rows * p->cols;
	size_t tokens = 0, picks = 0;

	memset(v, 0, sizeof *v);
	v->p = p;
	v->t = t;
	v->m = m;
	for (size_t b = 0; b < t->nbatch; b++) {
		size_t n = t->batch[b + 1] - t->batch[b];

		tokens = MAX(tokens, n);
		picks = MAX(picks, t->first[t->batch[b + 1]] - t->first[t->batch[b]]);
	}
	v->inst = malloc((picks + 1) * sizeof *v->inst);
	v->origin = malloc((tokens + 1) * sizeof *v->origin);
	v->load = malloc((p->n + 1) * sizeof *v->load);
	v->busy = malloc((devices + 1) * sizeof *v->busy);
	v->row = malloc(devices * sizeof *v->row);
	v->col = malloc(devices * sizeof *v->col);
	v->stamp = calloc(devices, sizeof *v->stamp);
	v->columns = calloc(p->cols, sizeof *v->columns);
	if (route_open(&v->route, p) < 0 || !v->inst || !v->origin || !v->load || !v->busy ||
	    !v->row || !v->col || !v->stamp || !v->columns)
		return TR_ENOMEM;
	for (uint32_t d = 0; d < devices; d++) {
		v->row[d] = (uint16_t)(d / p->cols);
		v->col[d] = (uint16_t)(d % p->cols);
	}
	return 0;
}

/* Dispatch and combine of one token whose picks went to inst[0 .. n-1]. */
static void
token_cost(struct eval *v, const uint32_t *inst, size_t n, uint32_t origin, double *dispatch,
	   double *combine)
{
	const struct place *p = v->p;
	uint32_t sum = 0, far = 0, most = 0, devices = 0;
	const double *a = v->m->dispatch, *b = v->m->combine;
	double mean;

	v->now++;
	memset(v->columns, 0, p->cols * sizeof *v->columns);
	for (size_t i = 0; i < n; i++) {
		uint32_t d = p->dev[inst[i]], hop = cost_hop(v->row[d], origin, p->rows);

		sum += hop;
		far = MAX(far, hop);
		devices += v->stamp[d] != v->now;
		v->stamp[d] = v->now;
		if (v->t->repeats) { /* a column counts instances, each once */
			size_t k = 0;

			while (inst[k] != inst[i])
				k++;
			if (k < i)
				continue;
		}
		v->columns[v->col[d]]++;
		most = MAX(most, v->columns[v->col[d]]);
	}
	mean = (double)sum / (double)n;
	*dispatch = a[0] + a[1] * most + a[2] * mean + a[3] * far;
	*combine = b[0] + b[1] * devices + b[2] * mean + b[3] * far;
}

static struct cost
batch_cost(struct eval *v, size_t batch)
{
	const struct tokens *t = v->t;
	const struct place *p = v->p;
	size_t from = t->batch[batch], end = t->batch[batch + 1], at = t->first[from];
	struct cost c = {0, 0, 0, 0};

	memset(v->load, 0, p->n * sizeof *v->load);
	memset(v->busy, 0, p->rows * p->cols * sizeof *v->busy);
	for (size_t k = from; k < end; k++) {
		size_t n = t->first[k + 1] - t->first[k];
		double dispatch, combine;

		if (!n)
			continue;
		token_cost(v, v->inst + t->first[k] - at, n, v->origin[k - from], &dispatch,
			   &combine);
		c.dispatch = MAX(c.dispatch, dispatch);
		c.combine = MAX(c.combine, combine);
	}
	for (size_t i = 0; i < t->first[end] - at; i++)
		v->load[v->inst[i]]++;
	for (uint32_t i = 0; i < p->n; i++)
		if (v->load[i])
			v->busy[p->dev[i]] += (v->load[i] + v->m->block_tokens - 1) /
					      v->m->block_tokens * v->m->block;
	for (uint32_t d = 0; d < p->rows * p->cols; d++)
		c.compute = MAX(c.compute, v->busy[d]);
	c.latency = c.dispatch + c.compute + c.combine;
	return c;
}

/* Origins of a batch: 1 if some token tells none. */
static int
origins(struct eval *v, size_t batch)
{
	const struct tokens *t = v->t;
	size_t from = t->batch[batch], end = t->batch[batch + 1];
	int unknown = 0;

	for (size_t k = from; k < end; k++) {
		uint32_t o = t->origin[k];

		if (o == PLACE_NONE) {
			unknown = 1;
			o = (uint32_t)((k - from) % v->p->rows);
			if (v->m->origin == ORIGIN_RANDOM)
				o = (uint32_t)rng_below(v->m->seed, batch, k - from, v->p->rows);
		}
		v->origin[k - from] = (uint16_t)o;
	}
	return unknown;
}

static void
add(struct cost *sum, const struct cost *c, double share)
{
	sum->latency += c->latency * share;
	sum->dispatch += c->dispatch * share;
	sum->compute += c->compute * share;
	sum->combine += c->combine * share;
}

int
cost_eval(const struct place *p, const struct tokens *t, const struct cost_model *m,
	  struct cost_result *r)
{
	struct eval v;
	int e;

	memset(r, 0, sizeof *r);
	if (t->experts > p->experts)
		return TR_EVALUE;
	for (size_t i = 0; i < t->ntoken; i++)
		if (t->origin[i] != PLACE_NONE && t->origin[i] >= p->rows)
			return TR_EVALUE;
	if ((e = eval_open(&v, p, t, m)) < 0 ||
	    !(r->batch = calloc(t->nbatch + 1, sizeof *r->batch))) {
		eval_close(&v);
		return TR_ENOMEM;
	}
	r->nbatch = t->nbatch;
	for (size_t b = 0; b < t->nbatch; b++) {
		int unknown = origins(&v, b);

		route_batch(p, t, b, m, v.origin, &v.route, v.inst);
		if (unknown && m->origin == ORIGIN_AVERAGE) {
			for (uint32_t row = 0; row < p->rows; row++) {
				struct cost c;

				for (size_t k = t->batch[b]; k < t->batch[b + 1]; k++)
					if (t->origin[k] == PLACE_NONE)
						v.origin[k - t->batch[b]] = (uint16_t)row;
				if (m->routing == ROUTE_NEAREST)
					route_batch(p, t, b, m, v.origin, &v.route, v.inst);
				c = batch_cost(&v, b);
				add(&r->batch[b], &c, 1.0 / p->rows);
			}
		} else {
			r->batch[b] = batch_cost(&v, b);
		}
		add(&r->mean, &r->batch[b], 1.0 / (double)t->nbatch);
	}
	r->p95 = cost_percentile(r->batch, r->nbatch, 0.95);
	r->p99 = cost_percentile(r->batch, r->nbatch, 0.99);
	eval_close(&v);
	return 0;
}

int
cost_load(const struct place *p, const struct tokens *t, const struct cost_model *m, uint64_t *load)
{
	struct eval v;
	int e = eval_open(&v, p, t, m);

	for (size_t b = 0; b < t->nbatch && !e; b++) {
		size_t from = t->first[t->batch[b]], n = t->first[t->batch[b + 1]] - from;

		origins(&v, b);
		route_batch(p, t, b, m, v.origin, &v.route, v.inst);
		for (size_t i = 0; i < n; i++)
			load[p->dev[v.inst[i]]]++;
	}
	eval_close(&v);
	return e;
}

void
cost_free(struct cost_result *r)
{
	free(r->batch);
	r->batch = NULL;
}

double
cost_objective(const struct cost_result *r, enum cost_objective o)
{
	return o == COST_MEAN ? r->mean.latency : o == COST_P95 ? r->p95 : r->p99;
}

static int
by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double
cost_percentile(const struct cost *batch, size_t n, double q)
{
	double *v = malloc((n + 1) * sizeof *v), x = NAN;
	size_t at = (size_t)ceil(q * (double)n);

	if (!n || !v) {
		free(v);
		return n ? NAN : 0;
	}
	for (size_t i = 0; i < n; i++)
		v[i] = batch[i].latency;
	qsort(v, n, sizeof *v, by_value);
	x = v[MIN(n, MAX(at, (size_t)1)) - 1];
	free(v);
	return x;
}
