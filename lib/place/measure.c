/* What else a placement does to a trace: where tokens go, and what no placement is below. */
#include <stdlib.h>
#include <string.h>

#include "costeval.h"
#include "size.h"

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
		struct touched y = eval_touch(v, inst, m, o);

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

		eval_origins(&v, b);
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
		x->bound.dispatch += c.dispatch / (double)t->nbatch;
		x->bound.compute += c.compute / (double)t->nbatch;
		x->bound.combine += c.combine / (double)t->nbatch;
	}
	x->bound.latency = x->bound.dispatch + x->bound.compute + x->bound.combine;
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
