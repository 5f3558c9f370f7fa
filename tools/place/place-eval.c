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

static struct setup setup = {SETUP_NONE};
static const char *placement, *counts;
static int devices, batches;
static double holdout;

static const struct opt opts[] = {
	SETUP_OPTS(setup),
	SETUP_COST_OPTS(setup),
	{'p', "place", "FILE", OPT_STR, &placement, "the placement", 0, 0},
	{0, "count", "FILE", OPT_STR, &counts, "count frames: their balance alone", 0, 0},
	{0, "holdout", "X", OPT_F64, &holdout, "the first X of the batches and the rest apart", 0,
	 0},
	{0, "devices", NULL, OPT_FLAG, &devices, "load of each device, too", 0, 0},
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
put_cost(uint64_t layer, const char *part, const struct cost_result *r)
{
	struct tr_frame f;
	uint64_t n = r->nbatch;

	tr_new(&f, "table");
	tr_set(&f, "name", "cost");
	tr_setu(&f, "layer", layer);
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
	tool_put(&t, &f);
}

static void
put_batches(uint64_t layer, const struct cost_result *r)
{
	static const char *const name[] = {"latency", "dispatch", "compute", "combine"};
	size_t n = r->nbatch;
	double *v = xcalloc(4 * n + 1, sizeof *v);
	struct tr_frame f;

	for (size_t b = 0; b < n; b++) {
		v[b] = r->batch[b].latency;
		v[n + b] = r->batch[b].dispatch;
		v[2 * n + b] = r->batch[b].compute;
		v[3 * n + b] = r->batch[b].combine;
	}
	tr_new(&f, "table");
	tr_set(&f, "name", "cost-batch");
	tr_setu(&f, "layer", layer);
	tr_rows(&f, n);
	for (int i = 0; i < 4; i++)
		tr_addcol(&f, name[i], TR_F64, 1, v + (size_t)i * n);
	tool_put(&t, &f);
	free(v);
}

/* How even loads are: mean over max, its inverse, standard deviation over mean. */
static void
put_balance(uint64_t layer, const double *load, uint32_t n)
{
	double mean = 0, max = 0, var = 0, balanced, over, cv;
	struct tr_frame f;

	for (uint32_t d = 0; d < n; d++) {
		mean += load[d] / n;
		max = MAX(max, load[d]);
	}
	for (uint32_t d = 0; d < n; d++)
		var += (load[d] - mean) * (load[d] - mean) / n;
	balanced = max > 0 ? mean / max : 1;
	over = mean > 0 ? max / mean : 1;
	cv = mean > 0 ? sqrt(var) / mean : 0;
	tr_new(&f, "table");
	tr_set(&f, "name", "balance");
	tr_setu(&f, "layer", layer);
	tr_rows(&f, 1);
	put_f64(&f, "balancedness", &balanced);
	put_f64(&f, "max_over_mean", &over);
	put_f64(&f, "cv", &cv);
	tool_put(&t, &f);
}

/* Tokens of each device over all batches. */
static void
put_load(uint64_t layer, const struct place *p, const struct tokens *k)
{
	uint32_t n = p->rows * p->cols;
	uint64_t *load = xcalloc(n, sizeof *load);
	double *x = xcalloc(n, sizeof *x);
	struct tr_frame f;

	if (cost_load(p, k, &setup.model, load) < 0)
		die("no memory");
	for (uint32_t d = 0; d < n; d++)
		x[d] = (double)load[d];
	put_balance(layer, x, n);
	free(x);
	tr_new(&f, "load");
	tr_setu(&f, "layer", layer);
	tr_setu(&f, "n_tokens", k->ntoken);
	tr_rows(&f, n);
	tr_addcol(&f, "n", TR_U64, 1, load);
	if (devices)
		tool_put(&t, &f);
	free(load);
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
		put_balance(place[i].layer, load, p->rows * p->cols);
		free(load);
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
	char *name;

	tool_start(&t, argc, argv);
	setup_start(&setup, &t);
	if (!placement)
		die("no placement: -p FILE");
	if (holdout < 0 || holdout >= 1)
		die("--holdout: not a share of the batches");
	nplace = setup_places(&setup, &t, placement, &place);
	/* the placement tells the mesh; -c tells the rest */
	setup.c.rows = place[0].place.rows;
	setup.c.cols = place[0].place.cols;
	if (counts) {
		balance(place, nplace);
		return tool_end(&t);
	}
	name = t.nfiles || !*setup.c.trace ? NULL : (char *)setup.c.trace;
	nlayer = setup_trace(&setup, &t, name ? &name : t.files, name ? 1 : t.nfiles, &layer);
	result = xcalloc(nplace, sizeof *result);
	of = xcalloc(nplace, sizeof *of);
	setup_head(&setup, place, nplace, &f);
	tool_open(&t, &f);
	for (size_t i = 0; i < nplace; i++) {
		while (l < nlayer && layer[l].layer < place[i].layer)
			l++;
		if (l == nlayer || layer[l].layer != place[i].layer)
			die("no records for layer %llu", (unsigned long long)place[i].layer);
		of[i] = &layer[l].tokens;
		result[i] = holdout > 0 ? halves(&place[i], of[i]) : eval(&place[i], of[i], NULL);
	}
	for (size_t i = 0; i < nplace; i++)
		put_load(place[i].layer, &place[i].place, of[i]);
	for (size_t i = 0; batches && i < nplace; i++)
		put_batches(place[i].layer, &result[i]);
	return tool_end(&t);
}
