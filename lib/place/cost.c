#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "costeval.h"
#include "rng.h"
#include "size.h"

int
cost_fit_points(const double *hops, const double *columns, const double *us, size_t n,
		double abcd[4])
{
	double h = 0, e = 0, t = 0, hh = 0, ee = 0, he = 0, ht = 0, et = 0, det;

	for (size_t i = 0; i < n; i++) {
		h += hops[i] / (double)n;
		e += columns[i] / (double)n;
		t += us[i] / (double)n;
	}
	for (size_t i = 0; i < n; i++) {
		double x = hops[i] - h, y = columns[i] - e, z = us[i] - t;

		hh += x * x;
		ee += y * y;
		he += x * y;
		ht += x * z;
		et += y * z;
	}
	det = hh * ee - he * he;
	if (n < 2 || !(ee > 0) || (hh > 0 && !(det > 1e-12 * hh * ee)))
		return -1;
	abcd[1] = hh > 0 ? (et * hh - ht * he) / det : et / ee;
	abcd[2] = abcd[3] = hh > 0 ? (ht * ee - et * he) / det / 2 : 0;
	abcd[0] = t - abcd[1] * e - 2 * abcd[2] * h;
	return 0;
}

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
	double hop[3] = {0, (rows - 1) / 2.0, rows / 2.0}, h[24], e[24], us[24];

	if (rows == 1)
		hop[2] = 0;
	for (int i = 0; i < 24; i++) {
		h[i] = hop[i / 8];
		e[i] = i % 8 + 1;
		us[i] = table[i / 8][i % 8];
	}
	cost_fit_points(h, e, us, 24, abcd);
}

void
eval_close(struct eval *v)
{
	route_close(&v->route);
	free(v->inst);
	free(v->origin);
	free(v->busy);
	free(v->cross);
	free(v->hop);
	free(v->site);
	free(v->stamp);
	free(v->columns);
}

int
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
	v->busy = malloc((devices + 1) * sizeof *v->busy);
	v->cross = malloc((p->rows + 1) * sizeof *v->cross);
	v->hop = malloc(2 * p->rows * sizeof *v->hop);
	v->site = malloc((p->n + 1) * sizeof *v->site);
	v->stamp = calloc(devices, sizeof *v->stamp);
	v->columns = calloc(p->cols, sizeof *v->columns);
	if (route_open(&v->route, p, tokens) < 0 || !v->inst || !v->origin || !v->busy ||
	    !v->cross || !v->hop || !v->site || !v->stamp || !v->columns)
		return TR_ENOMEM;
	for (uint32_t r = 0; r < 2 * p->rows; r++)
		v->hop[r] = (uint16_t)cost_hop(r % p->rows, 0, p->rows);
	for (uint32_t i = 0; i < p->n; i++)
		v->site[i] = (struct site){p->dev[i], (uint16_t)(p->dev[i] / p->cols),
					   (uint16_t)(p->dev[i] % p->cols)};
	return 0;
}

struct touched
eval_touch(struct eval *v, const uint32_t *inst, size_t n, uint32_t origin)
{
	const struct place *p = v->p;
	const uint16_t *hop = v->hop + p->rows - origin;
	const struct site *site = v->site;
	uint32_t *columns = v->columns, *stamp = v->stamp, now = ++v->now;
	struct touched x = {0, 0, 0, 0, 0, 0};

	memset(columns, 0, p->cols * sizeof *columns);
	for (size_t i = 0; i < n; i++) {
		struct site at;
		double far;

		if (inst[i] == COST_NOWHERE)
			continue;
		at = site[inst[i]];
		far = v->m->distance ? route_far(p, v->m, at.dev, origin) : hop[at.row];
		x.picks++;
		x.sum += far;
		x.far = MAX(x.far, far);
		x.home += at.row == origin;
		x.devices += stamp[at.dev] != now;
		stamp[at.dev] = now;
		if (v->t->repeats) { /* a column counts instances, each once */
			size_t k = 0;

			while (inst[k] != inst[i])
				k++;
			if (k < i)
				continue;
		}
		columns[at.col]++;
		x.column = MAX(x.column, columns[at.col]);
	}
	return x;
}

/* Dispatch and combine of one token whose picks went to inst[0 .. n-1]. */
static void
token_cost(struct eval *v, const uint32_t *inst, size_t n, uint32_t origin, double *dispatch,
	   double *combine)
{
	struct touched x = eval_touch(v, inst, n, origin);
	const double *a = v->m->dispatch, *b = v->m->combine;
	double mean;

	*dispatch = *combine = 0;
	if (!x.picks)
		return;
	mean = x.sum / (double)x.picks;
	*dispatch = a[0] + a[1] * x.column + a[2] * mean + a[3] * x.far;
	*combine = b[0] + b[1] * x.devices + b[2] * mean + b[3] * x.far;
}

/* The simple model: the fullest device, the row that most picks cross into or out of, and what
 * is above the average. */
static struct cost
simple_cost(struct eval *v, size_t batch)
{
	const struct tokens *t = v->t;
	const struct place *p = v->p;
	size_t from = t->batch[batch], end = t->batch[batch + 1], at = t->first[from];
	uint32_t n = p->rows * p->cols;
	double most = 0, across = 0, mean = 0, queue = 0;
	struct cost c;

	memset(v->busy, 0, n * sizeof *v->busy);
	memset(v->cross, 0, p->rows * sizeof *v->cross);
	for (size_t k = from; k < end; k++) {
		for (size_t i = t->first[k]; i < t->first[k + 1]; i++) {
			struct site to = v->site[v->inst[i - at]];
			uint32_t row = v->origin[k - from];

			v->busy[to.dev]++;
			v->cross[row] += to.row != row;
			v->cross[to.row] += to.row != row;
		}
	}
	for (uint32_t d = 0; d < n; d++) {
		most = MAX(most, v->busy[d]);
		mean += v->busy[d] / n;
	}
	for (uint32_t d = 0; d < n; d++)
		queue += MAX(v->busy[d] - mean, 0) / n;
	for (uint32_t r = 0; r < p->rows; r++)
		across = MAX(across, v->cross[r]);
	c.compute = v->m->simple[0] * most;
	c.dispatch = v->m->simple[1] * across;
	c.combine = v->m->simple[2] * queue;
	c.latency = c.dispatch + c.compute + c.combine;
	return c;
}

static struct cost
batch_cost(struct eval *v, size_t batch)
{
	const struct tokens *t = v->t;
	const struct place *p = v->p;
	size_t from = t->batch[batch], end = t->batch[batch + 1], at = t->first[from];
	const uint32_t *load = v->route.used;
	struct cost c = {0, 0, 0, 0};

	if (v->m->kind == COST_SIMPLE)
		return simple_cost(v, batch);
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
	for (uint32_t i = 0; i < p->n; i++)
		if (load[i])
			v->busy[p->dev[i]] += (load[i] + v->m->block_tokens - 1) /
					      v->m->block_tokens * v->m->block;
	for (uint32_t d = 0; d < p->rows * p->cols; d++)
		c.compute = MAX(c.compute, v->busy[d]);
	c.latency = c.dispatch + c.compute + c.combine;
	return c;
}

uint16_t
cost_origin_of(const struct tokens *t, const struct cost_model *m, uint32_t rows, size_t batch,
	       size_t k)
{
	size_t i = k - t->batch[batch];

	if (t->origin[k] != PLACE_NONE)
		return t->origin[k];
	return (uint16_t)(m->origin == ORIGIN_RANDOM ? rng_below(m->seed, batch, i, rows)
						     : i % rows);
}

/* Origins of a batch: 1 if some token tells none. */
int
eval_origins(struct eval *v, size_t batch)
{
	const struct tokens *t = v->t;
	size_t from = t->batch[batch], end = t->batch[batch + 1];
	int unknown = 0;

	for (size_t k = from; k < end; k++) {
		unknown |= t->origin[k] == PLACE_NONE;
		v->origin[k - from] = cost_origin_of(t, v->m, v->p->rows, batch, k);
	}
	return unknown;
}

void
eval_add(struct cost *sum, const struct cost *c)
{
	sum->latency += c->latency;
	sum->dispatch += c->dispatch;
	sum->compute += c->compute;
	sum->combine += c->combine;
}

void
eval_divide(struct cost *sum, size_t n)
{
	double by = (double)MAX(n, (size_t)1);

	sum->latency /= by;
	sum->dispatch /= by;
	sum->compute /= by;
	sum->combine /= by;
}

void
eval_row(struct eval *v, size_t batch, uint32_t row)
{
	const struct tokens *t = v->t;

	for (size_t k = t->batch[batch]; k < t->batch[batch + 1]; k++)
		if (t->origin[k] == PLACE_NONE)
			v->origin[k - t->batch[batch]] = (uint16_t)row;
	if (v->m->routing == ROUTE_NEAREST && v->m->kind == COST_LINEAR)
		route_batch(v->p, t, batch, v->m, v->origin, &v->route, v->inst);
}

/* Picks of other experts than the router's, and of none. */
static void
count_picks(const struct eval *v, size_t batch, struct cost_result *r)
{
	const struct tokens *t = v->t;
	size_t from = t->first[t->batch[batch]];

	if (v->m->routing != ROUTE_REROUTE || v->m->kind != COST_LINEAR)
		return;
	for (size_t k = t->batch[batch]; k < t->batch[batch + 1]; k++) {
		for (size_t i = t->first[k]; i < t->first[k + 1]; i++) {
			uint32_t inst = v->inst[i - from];
			size_t j = t->first[k];

			while (inst != COST_NOWHERE && j < t->first[k + 1] &&
			       t->pick[j] != v->p->expert[inst])
				j++;
			r->dropped += inst == COST_NOWHERE;
			r->rerouted += inst != COST_NOWHERE && j == t->first[k + 1];
		}
	}
}

int
cost_eval(const struct place *p, const struct tokens *t, const struct cost_model *m,
	  struct cost_result *r)
{
	struct eval v;
	int e;

	memset(r, 0, sizeof *r);
	if (t->experts > p->experts || (m->routing == ROUTE_REROUTE && !t->order))
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
		int unknown = eval_origins(&v, b);

		route_batch(p, t, b, m, v.origin, &v.route, v.inst);
		count_picks(&v, b, r);
		if (unknown && m->origin == ORIGIN_AVERAGE) {
			for (uint32_t row = 0; row < p->rows; row++) {
				struct cost c;

				eval_row(&v, b, row);
				c = batch_cost(&v, b);
				eval_add(&r->batch[b], &c);
			}
			eval_divide(&r->batch[b], p->rows);
		} else {
			r->batch[b] = batch_cost(&v, b);
		}
		eval_add(&r->mean, &r->batch[b]);
	}
	eval_divide(&r->mean, t->nbatch);
	r->p95 = cost_percentile(r->batch, r->nbatch, 0.95);
	r->p99 = cost_percentile(r->batch, r->nbatch, 0.99);
	eval_close(&v);
	return 0;
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

	if (!n || !v) {
		free(v);
		return n ? NAN : 0;
	}
	for (size_t i = 0; i < n; i++)
		v[i] = batch[i].latency;
	qsort(v, n, sizeof *v, by_value);
	x = v[cost_rank(n, q)];
	free(v);
	return x;
}
