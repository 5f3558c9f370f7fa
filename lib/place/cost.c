#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cost.h"
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

/* ---- routing ---- */

struct route {
	uint32_t *used; /* [instances] tokens of the batch so far */
	uint32_t *next; /* [experts] the first replica with room; then the round robin's */
	uint32_t *list; /* [tokens of a batch] places in their lists of experts */
};

static double
far(const struct place *p, const struct cost_model *m, uint32_t dev, uint32_t origin)
{
	return m->distance ? m->distance[(size_t)origin * p->rows * p->cols + dev]
			   : cost_hop(dev / p->cols, origin, p->rows);
}

static uint32_t
capacity_of(const struct place *p, const struct cost_model *m, size_t picks)
{
	double c = m->factor * (double)picks / p->n;

	return c < 1 ? 1 : c > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)c;
}

/* The first copy of e with room, or COST_NOWHERE. */
static uint32_t
with_room(const struct place *p, const struct route *r, uint32_t e, uint32_t capacity)
{
	for (uint32_t i = p->first[e]; i < p->first[e + 1]; i++)
		if (r->used[i] < capacity)
			return i;
	return COST_NOWHERE;
}

/* Rank by rank, each token goes down its list from behind its last expert to the first with
 * room.  Shared experts have no score: the first with room, then in turn. */
static void
reroute_batch(const struct place *p, const struct tokens *t, size_t batch,
	      const struct cost_model *m, struct route *r, uint32_t *to)
{
	size_t from = t->batch[batch], end = t->batch[batch + 1], at = t->first[from], most = 0;
	uint32_t capacity = capacity_of(p, m, t->first[end] - at);

	memset(r->used, 0, p->n * sizeof *r->used);
	memset(r->next, 0, p->experts * sizeof *r->next);
	memset(r->list, 0, (end - from) * sizeof *r->list);
	for (size_t k = from; k < end; k++)
		most = MAX(most, t->first[k + 1] - t->first[k]);
	for (size_t rank = 0; rank < most; rank++) {
		for (size_t k = from; k < end; k++) {
			const uint16_t *order = t->order + k * t->routed;
			uint32_t *list = &r->list[k - from], e, i = COST_NOWHERE;

			if (t->first[k] + rank >= t->first[k + 1])
				continue;
			e = t->pick[t->first[k] + rank];
			if (e >= t->routed) {
				i = with_room(p, r, e, capacity);
				if (i == COST_NOWHERE)
					i = p->first[e] +
					    r->next[e]++ % (p->first[e + 1] - p->first[e]);
			}
			while (e < t->routed && i == COST_NOWHERE && *list < t->routed)
				i = with_room(p, r, order[(*list)++], capacity);
			to[t->first[k] + rank - at] = i;
			if (i != COST_NOWHERE)
				r->used[i]++;
		}
	}
}

static void
route_batch(const struct place *p, const struct tokens *t, size_t batch, const struct cost_model *m,
	    const uint16_t *origin, struct route *r, uint32_t *to)
{
	size_t from = t->batch[batch], end = t->batch[batch + 1];
	size_t at = t->first[from], picks = t->first[end] - at;
	enum cost_routing routing = m->kind == COST_SIMPLE ? ROUTE_LEAST : m->routing;
	uint32_t capacity;

	if (!picks)
		return;
	if (routing == ROUTE_REROUTE) {
		reroute_batch(p, t, batch, m, r, to);
		return;
	}
	capacity = capacity_of(p, m, picks);
	memset(r->used, 0, p->n * sizeof *r->used);
	memset(r->next, 0, p->experts * sizeof *r->next);
	for (size_t token = from; token < end; token++)
		for (size_t i = t->first[token]; i < t->first[token + 1]; i++) {
			uint32_t e = t->pick[i], first = p->first[e], n = p->first[e + 1] - first;
			uint32_t k = r->next[e];
			double best = INFINITY;

			switch (routing) {
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
				k = 0;
				for (uint32_t j = 0; j < n; j++) {
					double d =
						far(p, m, p->dev[first + j], origin[token - from]);

					d += r->used[first + j] >= capacity ? 1e12 : 0;
					if (d < best) {
						best = d;
						k = j;
					}
				}
				break;
			default:
				break;
			}
			r->used[first + k]++;
			to[i - at] = first + k;
		}
}

static int
route_open(struct route *r, const struct place *p, size_t tokens)
{
	r->list = malloc((tokens + 1) * sizeof *r->list);
	r->used = malloc((p->n + 1) * sizeof *r->used);
	r->next = malloc((p->experts + 1) * sizeof *r->next);
	return r->used && r->next && r->list ? 0 : TR_ENOMEM;
}

static void
route_close(struct route *r)
{
	free(r->used);
	free(r->next);
	free(r->list);
}

int
cost_route(const struct place *p, const struct tokens *t, size_t batch, const struct cost_model *m,
	   const uint16_t *origin, uint32_t *to)
{
	struct route r;
	int e = route_open(&r, p, t->batch[batch + 1] - t->batch[batch]);

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
	double *busy, *cross;           /* [devices], [rows] */
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
	free(v->cross);
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
	v->cross = malloc((p->rows + 1) * sizeof *v->cross);
	v->row = malloc(devices * sizeof *v->row);
	v->col = malloc(devices * sizeof *v->col);
	v->stamp = calloc(devices, sizeof *v->stamp);
	v->columns = calloc(p->cols, sizeof *v->columns);
	if (route_open(&v->route, p, tokens) < 0 || !v->inst || !v->origin || !v->load ||
	    !v->busy || !v->cross || !v->row || !v->col || !v->stamp || !v->columns)
		return TR_ENOMEM;
	for (uint32_t d = 0; d < devices; d++) {
		v->row[d] = (uint16_t)(d / p->cols);
		v->col[d] = (uint16_t)(d % p->cols);
	}
	return 0;
}

/* What the picks of a token that have an instance, inst[0 .. n-1], touch. */
struct touched {
	double sum, far;                       /* hops */
	uint32_t picks, column, devices, home; /* home: picks on its own row */
};

static struct touched
touch(struct eval *v, const uint32_t *inst, size_t n, uint32_t origin)
{
	const struct place *p = v->p;
	struct touched x = {0, 0, 0, 0, 0, 0};

	v->now++;
	memset(v->columns, 0, p->cols * sizeof *v->columns);
	for (size_t i = 0; i < n; i++) {
		uint32_t d;
		double hop;

		if (inst[i] == COST_NOWHERE)
			continue;
		d = p->dev[inst[i]];
		hop = v->m->distance ? far(p, v->m, d, origin)
				     : cost_hop(v->row[d], origin, p->rows);
		x.picks++;
		x.sum += hop;
		x.far = MAX(x.far, hop);
		x.home += v->row[d] == origin;
		x.devices += v->stamp[d] != v->now;
		v->stamp[d] = v->now;
		if (v->t->repeats) { /* a column counts instances, each once */
			size_t k = 0;

			while (inst[k] != inst[i])
				k++;
			if (k < i)
				continue;
		}
		v->columns[v->col[d]]++;
		x.column = MAX(x.column, v->columns[v->col[d]]);
	}
	return x;
}

/* Dispatch and combine of one token whose picks went to inst[0 .. n-1]. */
static void
token_cost(struct eval *v, const uint32_t *inst, size_t n, uint32_t origin, double *dispatch,
	   double *combine)
{
	struct touched x = touch(v, inst, n, origin);
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
			uint32_t d = p->dev[v->inst[i - at]], row = v->origin[k - from];

			v->busy[d]++;
			v->cross[row] += v->row[d] != row;
			v->cross[v->row[d]] += v->row[d] != row;
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
	struct cost c = {0, 0, 0, 0};

	if (v->m->kind == COST_SIMPLE)
		return simple_cost(v, batch);
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
		if (v->inst[i] != COST_NOWHERE)
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
		int unknown = origins(&v, b);

		route_batch(p, t, b, m, v.origin, &v.route, v.inst);
		count_picks(&v, b, r);
		if (unknown && m->origin == ORIGIN_AVERAGE) {
			for (uint32_t row = 0; row < p->rows; row++) {
				struct cost c;

				for (size_t k = t->batch[b]; k < t->batch[b + 1]; k++)
					if (t->origin[k] == PLACE_NONE)
						v.origin[k - t->batch[b]] = (uint16_t)row;
				if (m->routing == ROUTE_NEAREST && m->kind == COST_LINEAR)
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

/* What no placement is below: k experts of a token need k instances, over all columns and, at
 * most per_device to each, so many devices; blocks are spread evenly at best. */
static struct cost
bound(struct eval *v, size_t batch, uint32_t per_device, uint64_t *count)
{
	const struct tokens *t = v->t;
	const struct place *p = v->p;
	const double *a = v->m->dispatch, *b = v->m->combine;
	uint32_t n = p->rows * p->cols, bt = v->m->block_tokens;
	struct cost c = {0, 0, 0, 0};
	uint64_t blocks = 0;

	if (v->m->kind == COST_SIMPLE || v->m->routing == ROUTE_REROUTE)
		return c;
	memset(count, 0, p->experts * sizeof *count);
	for (size_t k = t->batch[batch]; k < t->batch[batch + 1]; k++) {
		size_t picks = t->first[k + 1] - t->first[k];
		double columns = (double)((picks + p->cols - 1) / p->cols);
		double devices = (double)((picks + per_device - 1) / per_device);

		for (size_t i = t->first[k]; i < t->first[k + 1]; i++)
			count[t->pick[i]]++;
		if (!picks || t->repeats)
			continue;
		c.dispatch = MAX(c.dispatch, a[0] + MAX(a[1], 0) * columns);
		c.combine = MAX(c.combine, b[0] + MAX(b[1], 0) * devices);
	}
	for (uint32_t e = 0; e < p->experts; e++)
		blocks += (count[e] + bt - 1) / bt;
	c.compute = (double)((blocks + n - 1) / n) * v->m->block;
	c.latency = c.dispatch + c.compute + c.combine;
	return c;
}

static void
measure_batch(struct eval *v, size_t batch, struct cost_measure *x, double *picks)
{
	const struct tokens *t = v->t;
	const struct place *p = v->p;
	uint32_t n = p->rows * p->cols;
	size_t at = t->first[t->batch[batch]];

	for (size_t k = t->batch[batch]; k < t->batch[batch + 1]; k++) {
		uint32_t o = v->origin[k - t->batch[batch]];
		const uint32_t *inst = v->inst + t->first[k] - at;
		size_t m = t->first[k + 1] - t->first[k];
		struct touched y = touch(v, inst, m, o);

		if (!y.picks)
			continue;
		++*picks; /* tokens that have any */
		x->row += (double)y.home / y.picks;
		x->hop += y.sum / y.picks;
		x->device += y.devices;
		x->column += y.column;
		v->now++;
		for (size_t i = 0; i < m; i++) {
			uint32_t d;

			if (inst[i] == COST_NOWHERE)
				continue;
			d = p->dev[inst[i]];
			v->busy[d]++;
			if (v->stamp[d] == v->now)
				continue;
			v->stamp[d] = v->now;
			x->sends[(size_t)o * n + d]++;
		}
	}
}

int
cost_measure(const struct place *p, const struct tokens *t, const struct cost_model *m,
	     uint32_t per_device, struct cost_measure *x)
{
	uint32_t n = p->rows * p->cols;
	uint64_t *count = malloc((p->experts + 1) * sizeof *count);
	struct eval v;
	double tokens = 0;
	int r = eval_open(&v, p, t, m);

	memset(x, 0, sizeof *x);
	x->load = calloc(n + 1, sizeof *x->load);
	x->sends = calloc((size_t)p->rows * n + 1, sizeof *x->sends);
	if (!count || !x->load || !x->sends)
		r = TR_ENOMEM;
	for (size_t b = 0; b < t->nbatch && !r; b++) {
		double mean = 0, most = 0;
		struct cost c;

		origins(&v, b);
		route_batch(p, t, b, m, v.origin, &v.route, v.inst);
		memset(v.busy, 0, n * sizeof *v.busy);
		measure_batch(&v, b, x, &tokens);
		for (uint32_t d = 0; d < n; d++) {
			x->load[d] += (uint64_t)v.busy[d];
			mean += v.busy[d] / n;
			most = MAX(most, v.busy[d]);
		}
		x->even += (most > 0 ? mean / most : 1) / (double)t->nbatch;
		c = bound(&v, b, per_device, count);
		add(&x->bound, &c, 1.0 / (double)t->nbatch);
	}
	tokens = MAX(tokens, 1);
	x->row /= tokens;
	x->hop /= tokens;
	x->device /= tokens;
	x->column /= tokens;
	free(count);
	eval_close(&v);
	if (r)
		cost_measure_free(x);
	return r;
}

void
cost_measure_free(struct cost_measure *x)
{
	free(x->load);
	free(x->sends);
	memset(x, 0, sizeof *x);
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
