#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "size.h"

static void
put_f64(struct tr_frame *f, const char *name, const double *x)
{
	tr_addcol(f, name, TR_F64, 1, x);
}

static void
table(const struct report *o, struct tr_frame *f, const char *what, uint64_t layer)
{
	tr_new(f, "table");
	tr_set(f, "name", what);
	if (o->run)
		tr_set(f, "run", o->run);
	if (o->part && strcmp(what, "cost"))
		tr_set(f, "part", o->part);
	if (layer != TR_NONE)
		tr_setu(f, "layer", layer);
}

void
report_cost(const struct report *o, uint64_t layer, const char *part, const struct cost_result *r)
{
	struct tr_frame f;
	uint64_t n = r->nbatch;

	table(o, &f, "cost", layer);
	if (part)
		tr_set(&f, "part", part);
	tr_rows(&f, 1);
	tr_addcol(&f, "batches", TR_U64, 1, &n);
	put_f64(&f, "mean", &r->mean.latency);
	put_f64(&f, "p95", &r->p95);
	put_f64(&f, "p99", &r->p99);
	put_f64(&f, "dispatch", &r->mean.dispatch);
	put_f64(&f, "compute", &r->mean.compute);
	put_f64(&f, "combine", &r->mean.combine);
	if (o->model->routing == ROUTE_REROUTE) {
		tr_addcol(&f, "rerouted", TR_U64, 1, &r->rerouted);
		tr_addcol(&f, "dropped", TR_U64, 1, &r->dropped);
	}
	tool_put(o->tool, &f);
}

void
report_batches(const struct report *o, uint64_t layer, const struct cost_result *r)
{
	static const char *const column[] = {"latency", "dispatch", "compute", "combine"};
	size_t n = r->nbatch;
	double *v = xcalloc(4 * n + 1, sizeof *v);
	struct tr_frame f;

	for (size_t b = 0; b < n; b++) {
		v[b] = r->batch[b].latency;
		v[n + b] = r->batch[b].dispatch;
		v[2 * n + b] = r->batch[b].compute;
		v[3 * n + b] = r->batch[b].combine;
	}
	table(o, &f, "cost-batch", layer);
	tr_rows(&f, n);
	for (int i = 0; i < 4; i++)
		tr_addcol(&f, column[i], TR_F64, 1, v + (size_t)i * n);
	tool_put(o->tool, &f);
	free(v);
}

/* How even loads are: mean over max, its inverse, standard deviation over mean. */
struct even {
	double balanced, over, cv;
};

static struct even
even_of(const double *load, uint32_t n)
{
	double mean = 0, max = 0, var = 0;
	struct even e;

	for (uint32_t d = 0; d < n; d++) {
		mean += load[d] / n;
		max = MAX(max, load[d]);
	}
	for (uint32_t d = 0; d < n; d++)
		var += (load[d] - mean) * (load[d] - mean) / n;
	e.balanced = max > 0 ? mean / max : 1;
	e.over = mean > 0 ? max / mean : 1;
	e.cv = mean > 0 ? sqrt(var) / mean : 0;
	return e;
}

/* batch: the mean over batches of mean over max, or NULL. */
static void
put_balance(const struct report *o, struct tr_frame *f, const struct even *e, const double *batch)
{
	tr_rows(f, 1);
	put_f64(f, "balancedness", &e->balanced);
	put_f64(f, "max_over_mean", &e->over);
	put_f64(f, "cv", &e->cv);
	if (batch)
		put_f64(f, "batch_balancedness", batch);
	tool_put(o->tool, f);
}

static void
put_bound(const struct report *o, uint64_t layer, const struct cost *bound,
	  const struct cost_result *r)
{
	double above = bound->latency > 0 ? r->mean.latency / bound->latency : 0;
	struct tr_frame f;

	if (!(bound->latency > 0))
		return;
	table(o, &f, "bound", layer);
	tr_rows(&f, 1);
	put_f64(&f, "mean", &bound->latency);
	put_f64(&f, "dispatch", &bound->dispatch);
	put_f64(&f, "compute", &bound->compute);
	put_f64(&f, "combine", &bound->combine);
	put_f64(&f, "cost_over_bound", &above);
	tool_put(o->tool, &f);
}

static void
put_locality(const struct report *o, uint64_t layer, const struct cost_measure *x)
{
	struct tr_frame f;

	table(o, &f, "locality", layer);
	tr_rows(&f, 1);
	put_f64(&f, "own_row", &x->row);
	put_f64(&f, "mean_hop", &x->hop);
	put_f64(&f, "devices", &x->device);
	put_f64(&f, "column_max", &x->column);
	tool_put(o->tool, &f);
}

static void
put_devices(const struct report *o, uint64_t layer, uint64_t tokens, const double *load,
	    uint32_t ndev)
{
	double *over = xcalloc(ndev, sizeof *over), mean = 0;
	uint64_t *n = xcalloc(ndev, sizeof *n);
	int whole = 1;
	struct tr_frame f;

	for (uint32_t d = 0; d < ndev; d++)
		mean += load[d] / ndev;
	for (uint32_t d = 0; d < ndev; d++)
		over[d] = mean > 0 ? load[d] / mean : 1;
	for (uint32_t d = 0; d < ndev; d++)
		whole &= (double)(n[d] = (uint64_t)load[d]) == load[d];
	tr_new(&f, "load");
	tr_setu(&f, "layer", layer);
	tr_setu(&f, "n_tokens", tokens);
	tr_rows(&f, ndev);
	if (whole)
		tr_addcol(&f, "n", TR_U64, 1, n);
	else /* copies share what counts tell, or rows are averaged */
		put_f64(&f, "n", load);
	put_f64(&f, "over_mean", over);
	tool_put(o->tool, &f);
	free(over);
	free(n);
}

/* What a placement does to each layer, a table after the other. */
struct measured {
	const struct setup_place *p;
	const struct tokens *k;
	const struct cost_result *r;
	struct cost_measure x;
};

static void
measure(const struct report *o, struct measured *m, uint32_t n)
{
	uint32_t most = 1, *used = xcalloc(n, sizeof *used);

	for (uint32_t i = 0; i < m->p->place.n; i++) {
		uint32_t c = ++used[m->p->place.dev[i]];

		most = MAX(most, c);
	}
	if (cost_measure(&m->p->place, m->k, o->model, most, &m->x) < 0)
		die("no memory");
	free(used);
}

/* From device to device: a row's tokens are at each of its devices alike. */
static void
put_traffic(const struct report *o, const struct measured *m, uint32_t n)
{
	double *v = xcalloc((size_t)n * n, sizeof *v);
	uint32_t cols = m->p->place.cols;
	struct tr_frame f;

	for (uint32_t a = 0; a < n; a++)
		for (uint32_t b = 0; b < n; b++)
			v[(size_t)a * n + b] = m->x.sends[(size_t)(a / cols) * n + b] / cols;
	table(o, &f, "traffic", m->p->layer);
	tr_rows(&f, n);
	tr_addcol(&f, "tokens", TR_F64, n, v);
	tool_put(o->tool, &f);
	free(v);
}

static void
put_measures(const struct report *o, const struct measured *m, size_t nlayer, uint32_t n)
{
	struct tr_frame f;

	for (size_t i = 0; i < nlayer; i++) {
		struct even e = even_of(m[i].x.load, n);

		table(o, &f, "balance", m[i].p->layer);
		put_balance(o, &f, &e, &m[i].x.even);
	}
	for (size_t i = 0; i < nlayer; i++)
		put_locality(o, m[i].p->layer, &m[i].x);
	for (size_t i = 0; i < nlayer; i++)
		put_bound(o, m[i].p->layer, &m[i].x.bound, m[i].r);
	for (size_t i = 0; o->devices && i < nlayer; i++)
		put_devices(o, m[i].p->layer, m[i].k->ntoken, m[i].x.load, n);
	for (size_t i = 0; o->traffic && i < nlayer; i++)
		put_traffic(o, &m[i], n);
}

/* Of ranks over all layers: each rank's loads added. */
static void
put_total(const struct report *o, const struct measured *m, size_t nlayer, uint32_t n)
{
	double *total = xcalloc(n, sizeof *total);
	struct tr_frame f;
	struct even e;

	for (size_t i = 0; i < nlayer; i++)
		for (uint32_t d = 0; d < n; d++)
			total[d] += m[i].x.load[d];
	e = even_of(total, n);
	free(total);

	table(o, &f, "balance-ranks", TR_NONE);
	put_balance(o, &f, &e, NULL);
}

void
report_change(const struct report *o, const struct setup_place *was, const struct setup_place *p,
	      const struct cost_result *a, const struct cost_result *b)
{
	static const char *const column[] = {"before", "after", "saved_percent"};
	double v[3] = {cost_objective(a, o->objective), cost_objective(b, o->objective)};
	uint64_t away = place_moved(&was->place, &p->place), copies = p->place.n;
	struct tr_frame f;

	v[2] = v[0] > 0 ? 100 * (v[0] - v[1]) / v[0] : 0;
	table(o, &f, "change", p->layer);
	tr_rows(&f, 1);
	for (int i = 0; i < 3; i++)
		put_f64(&f, column[i], &v[i]);
	tr_addcol(&f, "moved", TR_U64, 1, &away);
	tr_addcol(&f, "copies", TR_U64, 1, &copies);
	tool_put(o->tool, &f);
}

void
report_even(const struct report *o, uint64_t layer, uint64_t tokens, const double *load, uint32_t n)
{
	struct even e = even_of(load, n);
	struct tr_frame f;

	table(o, &f, "balance", layer);
	put_balance(o, &f, &e, NULL);
	if (o->devices)
		put_devices(o, layer, tokens, load, n);
}

void
report_measures(const struct report *o, const struct setup_place *place, struct tokens *const *of,
		const struct cost_result *result, size_t n)
{
	uint32_t ndev = place[0].place.rows * place[0].place.cols;
	struct measured *m = xcalloc(n, sizeof *m);

	for (size_t i = 0; i < n; i++) {
		m[i] = (struct measured){.p = &place[i], .k = of[i], .r = &result[i]};
		measure(o, &m[i], ndev);
	}
	put_measures(o, m, n, ndev);
	if (n > 1)
		put_total(o, m, n, ndev);
	for (size_t i = 0; i < n; i++)
		cost_measure_free(&m[i].x);
	free(m);
}
