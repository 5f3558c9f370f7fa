/* What else a placement does to a trace: where tokens go, and what no placement is below. */
#include <stdlib.h>
#include <string.h>

#include "costeval.h"
#include "size.h"

/* The longest way to a device: half of the ring, or what the matrix has. */
static double
farthest(const struct place *p, const struct cost_model *m)
{
	size_t n = (size_t)p->rows * p->rows * p->cols;
	double far = m->distance ? 0 : p->rows / 2;

	for (size_t i = 0; i < n && m->distance; i++)
		far = MAX(far, m->distance[i]);
	return far;
}

/* The least of a token's dispatch or combine: so many columns or devices at least, as many as
 * picks at most, no hop at least, the longest way at most. */
static double
least(const double a[4], size_t picks, double least, double far)
{
	return a[0] + a[1] * (a[1] > 0 ? least : (double)picks) +
	       (MIN(a[2], 0) + MIN(a[3], 0)) * far;
}

/* What no placement is below: k experts of a token need k instances, over all columns and, at
 * most per_device to each, so many devices; blocks are spread evenly at best. */
static struct cost
bound(struct eval *v, size_t batch, uint32_t per_device, double far, uint64_t *count)
{
	const struct tokens *t = v->t;
	const struct place *p = v->p;
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
		c.dispatch = MAX(c.dispatch, least(v->m->dispatch, picks, columns, far));
		c.combine = MAX(c.combine, least(v->m->combine, picks, devices, far));
	}
	for (uint32_t e = 0; e < p->experts; e++)
		blocks += (count[e] + bt - 1) / bt;
	c.compute = (double)((blocks + n - 1) / n) * v->m->block;
	c.latency = c.dispatch + c.compute + c.combine;
	return c;
}

/* The batch added, w times; *tokens: those that have picks. */
static void
measure_batch(struct eval *v, size_t batch, struct cost_measure *x, double w, double *tokens)
{
	const struct tokens *t = v->t;
	const struct place *p = v->p;
	uint32_t n = p->rows * p->cols;
	size_t at = t->first[t->batch[batch]];
	double mean = 0, most = 0;

	memset(v->busy, 0, n * sizeof *v->busy);
	for (size_t k = t->batch[batch]; k < t->batch[batch + 1]; k++) {
		uint32_t o = v->origin[k - t->batch[batch]];
		const uint32_t *inst = v->inst + t->first[k] - at;
		size_t m = t->first[k + 1] - t->first[k];
		struct touched y = eval_touch(v, inst, m, o);

		if (!y.picks)
			continue;
		*tokens += w;
		x->row += w * y.home / y.picks;
		x->hop += w * y.sum / y.picks;
		x->device += w * y.devices;
		x->column += w * y.column;
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
			x->sends[(size_t)o * n + d] += w;
		}
	}
	for (uint32_t d = 0; d < n; d++) {
		x->load[d] += w * v->busy[d];
		mean += v->busy[d] / n;
		most = MAX(most, v->busy[d]);
	}
	x->even += w * (most > 0 ? mean / most : 1);
}

int
cost_measure(const struct place *p, const struct tokens *t, const struct cost_model *m,
	     uint32_t per_device, struct cost_measure *x)
{
	uint32_t n = p->rows * p->cols;
	uint64_t *count = malloc((p->experts + 1) * sizeof *count);
	struct eval v;
	double tokens = 0, far = farthest(p, m);
	int r = eval_open(&v, p, t, m);

	memset(x, 0, sizeof *x);
	x->load = calloc(n + 1, sizeof *x->load);
	x->sends = calloc((size_t)p->rows * n + 1, sizeof *x->sends);
	if (!count || !x->load || !x->sends)
		r = TR_ENOMEM;
	for (size_t b = 0; b < t->nbatch && !r; b++) {
		int average = eval_origins(&v, b) && m->origin == ORIGIN_AVERAGE;
		uint32_t rows = average ? p->rows : 1;
		double w = (double)p->rows / rows;
		struct cost c;

		route_batch(p, t, b, m, v.origin, &v.route, v.inst);
		for (uint32_t row = 0; row < rows; row++) { /* as in cost_eval */
			if (average)
				eval_row(&v, b, row);
			measure_batch(&v, b, x, w, &tokens);
		}
		c = bound(&v, b, per_device, far, count);
		eval_add(&x->bound, &c);
	}
	eval_divide(&x->bound, t->nbatch);
	x->even /= (double)p->rows * (double)MAX(t->nbatch, (size_t)1);
	for (uint32_t d = 0; d < n && !r; d++)
		x->load[d] /= p->rows;
	for (size_t i = 0; i < (size_t)p->rows * n && !r; i++)
		x->sends[i] /= p->rows;
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
