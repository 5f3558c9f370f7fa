/*
 * A placement and a trace in; what the placement costs on it out, by the model
 * of lib/place/cost: means and percentiles of the batches' latency, and how
 * evenly the devices are loaded.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/place/even.h"
#include "../../lib/place/setup.h"
#include "size.h"

static struct setup setup = {SETUP_NONE, .late = 1};
static const char *placement, *before, *counts, *name;
static int devices, batches, traffic;
static double holdout;

static const struct opt opts[] = {
	SETUP_OPTS(setup),
	SETUP_COST_OPTS(setup),
	{'p', "place", "FILE", OPT_STR, &placement, "the placement", 0, 0},
	{0, "before", "FILE", OPT_STR, &before, "the placement that it replaces", 0, 0},
	{0, "count", "FILE", OPT_STR, &counts, "count frames: their balance alone", 0, 0},
	{0, "holdout", "X", OPT_F64, &holdout, "the first X of the batches and the rest apart", 0,
	 0},
	{0, "name", "TEXT", OPT_STR, &name, "run=TEXT on each table, to tell runs apart", 0, 0},
	{0, "devices", NULL, OPT_FLAG, &devices, "load of each device, too", 0, 0},
	{0, "traffic", NULL, OPT_FLAG, &traffic, "tokens from device to device, too", 0, 0},
	{0, "batches", NULL, OPT_FLAG, &batches, "cost of each batch, too", 0, 0},
	{0},
};

static struct tool t = {.name = "place-eval",
			.operands = "[FILE ...]",
			.what = "tell what a placement costs on a trace",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_OWNIN | TOOL_SEED};

static void
put_f64(struct tr_frame *f, const char *name, const double *x)
{
	tr_addcol(f, name, TR_F64, 1, x);
}

static void
table(struct tr_frame *f, const char *what, uint64_t layer)
{
	tr_new(f, "table");
	tr_set(f, "name", what);
	if (name)
		tr_set(f, "run", name);
	if (layer != TR_NONE)
		tr_setu(f, "layer", layer);
}

static void
put_cost(uint64_t layer, const char *part, const struct cost_result *r)
{
	struct tr_frame f;
	uint64_t n = r->nbatch;

	table(&f, "cost", layer);
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
	if (setup.model.routing == ROUTE_REROUTE) {
		tr_addcol(&f, "rerouted", TR_U64, 1, &r->rerouted);
		tr_addcol(&f, "dropped", TR_U64, 1, &r->dropped);
	}
	tool_put(&t, &f);
}

static void
put_batches(uint64_t layer, const struct cost_result *r)
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
	table(&f, "cost-batch", layer);
	tr_rows(&f, n);
	for (int i = 0; i < 4; i++)
		tr_addcol(&f, column[i], TR_F64, 1, v + (size_t)i * n);
	tool_put(&t, &f);
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
put_balance(struct tr_frame *f, const struct even *e, const double *batch)
{
	tr_rows(f, 1);
	put_f64(f, "balancedness", &e->balanced);
	put_f64(f, "max_over_mean", &e->over);
	put_f64(f, "cv", &e->cv);
	if (batch)
		put_f64(f, "batch_balancedness", batch);
	tool_put(&t, f);
}

static void
put_bound(uint64_t layer, const struct cost *bound, const struct cost_result *r)
{
	double above = bound->latency > 0 ? r->mean.latency / bound->latency : 0;
	struct tr_frame f;

	if (!(bound->latency > 0))
		return;
	table(&f, "bound", layer);
	tr_rows(&f, 1);
	put_f64(&f, "mean", &bound->latency);
	put_f64(&f, "dispatch", &bound->dispatch);
	put_f64(&f, "compute", &bound->compute);
	put_f64(&f, "combine", &bound->combine);
	put_f64(&f, "cost_over_bound", &above);
	tool_put(&t, &f);
}

static void
put_locality(uint64_t layer, const struct cost_measure *x)
{
	struct tr_frame f;

	table(&f, "locality", layer);
	tr_rows(&f, 1);
	put_f64(&f, "own_row", &x->row);
	put_f64(&f, "mean_hop", &x->hop);
	put_f64(&f, "devices", &x->device);
	put_f64(&f, "column_max", &x->column);
	tool_put(&t, &f);
}

static void
put_devices(uint64_t layer, const struct tokens *k, const uint64_t *n, const double *load,
	    uint32_t ndev)
{
	double *over = xcalloc(ndev, sizeof *over), mean = 0;
	struct tr_frame f;

	for (uint32_t d = 0; d < ndev; d++)
		mean += load[d] / ndev;
	for (uint32_t d = 0; d < ndev; d++)
		over[d] = mean > 0 ? load[d] / mean : 1;
	tr_new(&f, "load");
	tr_setu(&f, "layer", layer);
	tr_setu(&f, "n_tokens", k->ntoken);
	tr_rows(&f, ndev);
	tr_addcol(&f, "n", TR_U64, 1, n);
	put_f64(&f, "over_mean", over);
	tool_put(&t, &f);
	free(over);
}

/* What a placement does to each layer, a table after the other. */
struct measured {
	const struct setup_place *p;
	const struct tokens *k;
	const struct cost_result *r;
	struct cost_measure x;
	double *load; /* [devices] */
};

static void
measure(struct measured *m, uint32_t n)
{
	uint32_t most = 1, *used = xcalloc(n, sizeof *used);

	for (uint32_t i = 0; i < m->p->place.n; i++) {
		uint32_t c = ++used[m->p->place.dev[i]];

		most = MAX(most, c);
	}
	if (cost_measure(&m->p->place, m->k, &setup.model, most, &m->x) < 0)
		die("no memory");
	m->load = xcalloc(n, sizeof *m->load);
	for (uint32_t d = 0; d < n; d++)
		m->load[d] = (double)m->x.load[d];
	free(used);
}

/* From device to device: a row's tokens are at each of its devices alike. */
static void
put_traffic(const struct measured *m, uint32_t n)
{
	double *v = xcalloc((size_t)n * n, sizeof *v);
	uint32_t cols = m->p->place.cols;
	struct tr_frame f;

	for (uint32_t a = 0; a < n; a++)
		for (uint32_t b = 0; b < n; b++)
			v[(size_t)a * n + b] =
				(double)m->x.sends[(size_t)(a / cols) * n + b] / cols;
	table(&f, "traffic", m->p->layer);
	tr_rows(&f, n);
	tr_addcol(&f, "tokens", TR_F64, n, v);
	tool_put(&t, &f);
	free(v);
}

static void
put_measures(const struct measured *m, size_t nlayer, uint32_t n)
{
	struct tr_frame f;

	for (size_t i = 0; i < nlayer; i++) {
		struct even e = even_of(m[i].load, n);

		table(&f, "balance", m[i].p->layer);
		put_balance(&f, &e, &m[i].x.even);
	}
	for (size_t i = 0; i < nlayer; i++)
		put_locality(m[i].p->layer, &m[i].x);
	for (size_t i = 0; i < nlayer; i++)
		put_bound(m[i].p->layer, &m[i].x.bound, m[i].r);
	for (size_t i = 0; devices && i < nlayer; i++)
		put_devices(m[i].p->layer, m[i].k, m[i].x.load, m[i].load, n);
	for (size_t i = 0; traffic && i < nlayer; i++)
		put_traffic(&m[i], n);
}

/* Of ranks over all layers: each rank's loads added. */
static void
put_total(const struct measured *m, size_t nlayer, uint32_t n)
{
	double *total = xcalloc(n, sizeof *total);
	struct tr_frame f;
	struct even e;

	for (size_t i = 0; i < nlayer; i++)
		for (uint32_t d = 0; d < n; d++)
			total[d] += m[i].load[d];
	e = even_of(total, n);
	free(total);

	table(&f, "balance-ranks", TR_NONE);
	put_balance(&f, &e, NULL);
}

/* Copies of to that are where from has none of their expert. */
static uint64_t
moved(const struct place *from, const struct place *to)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < to->n; i++) {
		uint32_t e = to->expert[i], k = from->first[e];

		while (k < from->first[e + 1] && from->dev[k] != to->dev[i])
			k++;
		n += k == from->first[e + 1];
	}
	return n;
}

static void
put_change(const struct setup_place *was, const struct setup_place *p, const struct cost_result *a,
	   const struct cost_result *b)
{
	static const char *const column[] = {"before", "after", "saved_percent"};
	enum cost_objective o = (enum cost_objective)setup.c.objective;
	double v[3] = {cost_objective(a, o), cost_objective(b, o)};
	uint64_t away = moved(&was->place, &p->place), copies = p->place.n;
	struct tr_frame f;

	v[2] = v[0] > 0 ? 100 * (v[0] - v[1]) / v[0] : 0;
	table(&f, "change", p->layer);
	tr_rows(&f, 1);
	for (int i = 0; i < 3; i++)
		put_f64(&f, column[i], &v[i]);
	tr_addcol(&f, "moved", TR_U64, 1, &away);
	tr_addcol(&f, "copies", TR_U64, 1, &copies);
	tool_put(&t, &f);
}

static struct cost_result
eval(const struct setup_place *p, const struct tokens *k, const char *part)
{
	struct cost_result r;
	char err[PLACE_ERR];
	uint32_t doubles;

	if (p->place.experts != k->experts)
		die("layer %llu: a placement of %u experts, the trace and its shared ones have %u",
		    (unsigned long long)p->layer, p->place.experts, k->experts);
	if (place_check(&p->place, 0, &doubles, err) < 0)
		die("layer %llu: %s", (unsigned long long)p->layer, err);
	switch (cost_eval(&p->place, k, &setup.model, &r)) {
	case 0:
		break;
	case TR_ENOMEM:
		die("no memory");
	default:
		die("layer %llu: a token lives in a row that the mesh does not have",
		    (unsigned long long)p->layer);
	}
	put_cost(p->layer, part, &r);
	return r;
}

/* What was planned on, and what was not seen. */
static struct cost_result
halves(const struct setup_place *p, const struct tokens *k)
{
	size_t n = (size_t)(holdout * (double)k->nbatch);
	struct cost_result r = {0};
	struct tokens part;

	if (!n || n == k->nbatch)
		die("layer %llu: --holdout %g of %zu batches leaves a part empty",
		    (unsigned long long)p->layer, holdout, k->nbatch);
	for (int i = 0; i < 2; i++) {
		cost_free(&r);
		if (tokens_part(&part, k, i ? n : 0, i ? k->nbatch : n) < 0)
			die("no memory");
		r = eval(p, &part, i ? "holdout" : "plan");
		free(part.count);
	}
	return r;
}

/* Of counts alone, the copies of an expert sharing its load evenly. */
static void
balance(const struct setup_place *place, size_t n)
{
	struct setup_layer *layer;
	size_t nlayer = setup_counts(&setup, &t, counts, &layer), l = 0;
	struct tr_frame f;
	struct even e;

	setup_head(&setup, place, n, &f);
	tool_open(&t, &f);
	for (size_t i = 0; i < n; i++) {
		const struct place *p = &place[i].place;
		double *load = xcalloc(p->rows * p->cols, sizeof *load);

		while (l < nlayer && layer[l].layer < place[i].layer)
			l++;
		if (l == nlayer || layer[l].layer != place[i].layer ||
		    layer[l].tokens.experts != p->experts)
			die("no counts of these experts for layer %llu",
			    (unsigned long long)place[i].layer);
		even_load(p, layer[l].tokens.count, load);
		e = even_of(load, p->rows * p->cols);
		table(&f, "balance", place[i].layer);
		put_balance(&f, &e, NULL);
		free(load);
	}
}

/* The placement of a layer in an ascending list. */
static const struct setup_place *
place_of(const struct setup_place *p, size_t n, uint64_t layer)
{
	for (size_t i = 0; i < n; i++)
		if (p[i].layer == layer)
			return &p[i];
	die("%s: no placement of layer %llu", before, (unsigned long long)layer);
}

static void
costs(const struct setup_place *place, size_t n, struct tokens **of, struct cost_result *result)
{
	struct setup_place *old = NULL;
	size_t nold = before ? setup_places(&setup, &t, before, &old) : 0;
	struct cost_result was;

	for (size_t i = 0; i < n; i++) {
		if (holdout > 0) {
			result[i] = halves(&place[i], of[i]);
			continue;
		}
		if (before) {
			const struct setup_place *p = place_of(old, nold, place[i].layer);

			if (p->place.experts != place[i].place.experts)
				die("%s: a placement of %u experts", before, p->place.experts);
			was = eval(p, of[i], "before");
		}
		result[i] = eval(&place[i], of[i], before ? "after" : NULL);
		if (before) {
			put_change(place_of(old, nold, place[i].layer), &place[i], &was,
				   &result[i]);
			cost_free(&was);
		}
	}
}

int
main(int argc, char **argv)
{
	struct setup_place *place;
	struct setup_layer *layer;
	struct cost_result *result;
	struct tokens **of;
	size_t nplace, nlayer, l = 0;
	struct tr_frame f;
	struct measured *m;
	uint32_t ndev;
	char *from;

	tool_start(&t, argc, argv);
	setup_start(&setup, &t);
	if (!placement)
		die("no placement: -p FILE");
	if (holdout < 0 || holdout >= 1)
		die("--holdout: not a share of the batches");
	if (holdout > 0 && before)
		die("--holdout and --before are two questions");
	nplace = setup_places(&setup, &t, placement, &place);
	/* the placement tells the mesh; -c tells the rest */
	setup.c.rows = place[0].place.rows;
	setup.c.cols = place[0].place.cols;
	setup_model(&setup, t.seed);
	if (counts) {
		balance(place, nplace);
		return tool_end(&t);
	}
	from = t.nfiles || !*setup.c.trace ? NULL : (char *)setup.c.trace;
	nlayer = setup_trace(&setup, &t, from ? &from : t.files, from ? 1 : t.nfiles, &layer);
	result = xcalloc(nplace, sizeof *result);
	of = xcalloc(nplace, sizeof *of);
	m = xcalloc(nplace, sizeof *m);
	ndev = (uint32_t)(setup.c.rows * setup.c.cols);
	setup_head(&setup, place, nplace, &f);
	tool_open(&t, &f);
	for (size_t i = 0; i < nplace; i++) {
		while (l < nlayer && layer[l].layer < place[i].layer)
			l++;
		if (l == nlayer || layer[l].layer != place[i].layer)
			die("no records for layer %llu", (unsigned long long)place[i].layer);
		of[i] = &layer[l].tokens;
	}
	costs(place, nplace, of, result);
	for (size_t i = 0; i < nplace; i++) {
		m[i] = (struct measured){.p = &place[i], .k = of[i], .r = &result[i]};
		measure(&m[i], ndev);
	}
	put_measures(m, nplace, ndev);
	if (nplace > 1)
		put_total(m, nplace, ndev);
	for (size_t i = 0; batches && i < nplace; i++)
		put_batches(place[i].layer, &result[i]);
	return tool_end(&t);
}
