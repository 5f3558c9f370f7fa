/*
 * A placement and a trace in; what the placement costs on it out, by the model
 * of lib/place/cost: means and percentiles of the batches' latency, and how
 * evenly the devices are loaded.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/place/even.h"
#include "../../lib/place/report.h"
#include "size.h"

static struct setup setup = {SETUP_NONE, .late = 1};
static struct tool t;
static struct report out = {.tool = &t, .model = &setup.model};
static const char *placement, *before, *counts;
static int batches, trace_name;
static double holdout;

static const struct opt opts[] = {
	SETUP_OPTS(setup),
	SETUP_COST_OPTS(setup),
	{'p', "place", "FILE", OPT_STR, &placement, "the placement", 0, 0},
	{0, "before", "FILE", OPT_STR, &before, "the placement that it replaces", 0, 0},
	{0, "count", "FILE", OPT_STR, &counts, "count frames: their balance alone", 0, 0},
	{0, "holdout", "X", OPT_F64, &holdout, "the first X of the batches and the rest apart", 0,
	 0},
	{0, "name", "TEXT", OPT_STR, &out.run, "run=TEXT on each table, to tell runs apart", 0, 0},
	{0, "devices", NULL, OPT_FLAG, &out.devices, "load of each device, too", 0, 0},
	{0, "traffic", NULL, OPT_FLAG, &out.traffic, "tokens from device to device, too", 0, 0},
	{0, "batches", NULL, OPT_FLAG, &batches, "cost of each batch, too", 0, 0},
	{0, "trace-name", NULL, OPT_FLAG, &trace_name, "print which trace is read, no more", 0, 0},
	{0},
};

static struct tool t = {.name = "place-eval",
			.operands = "[FILE ...]",
			.what = "tell what a placement costs on a trace",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_OWNIN | TOOL_SEED};

static struct cost_result
eval(const struct setup_place *p, const struct tokens *k, const char *part)
{
	struct cost_result r;

	setup_check(p, 0);
	if (cost_eval(&p->place, k, &setup.model, &r) < 0) /* setup has refused all else */
		die("no memory");
	report_cost(&out, p->layer, part, &r);
	return r;
}

/* What was planned on, then what was not seen, which takes the place of all. */
static struct cost_result
halves(const struct setup_place *p, struct tokens *k)
{
	struct tokens part = setup_part(p, k, holdout, 0);
	struct cost_result r = eval(p, &part, "plan");

	cost_free(&r);
	tokens_free(&part);
	part = setup_part(p, k, holdout, 1);
	tokens_free(k);
	*k = part;
	out.part = "holdout"; /* all tables that follow are of it */
	return eval(p, k, "holdout");
}

/* What counts cannot tell. */
static void
check_counts(void)
{
	const struct setup *s = &setup;

	if (t.nfiles || before || holdout > 0 || out.traffic || batches || s->routing >= 0 ||
	    s->origin >= 0 || s->objective >= 0 || s->cost >= 0 || !isnan(s->factor) ||
	    s->latency || s->combine_latency || s->rank_cost || s->max_records != TR_NONE ||
	    s->max_seq_len != TR_NONE)
		die("--count is for balance alone: no trace, and no option about costs, origins "
		    "or batches");
}

/* Of counts alone, the copies of an expert sharing its load evenly. */
static void
balance(const struct setup_place *place, size_t n)
{
	struct setup_layer *layer;
	size_t nlayer = setup_counts(&setup, &t, counts, &layer);

	setup_open(&setup, &t, place, n);
	for (size_t i = 0; i < n; i++) {
		const struct place *p = &place[i].place;
		const struct tokens *k = setup_tokens(&setup, layer, nlayer, &place[i]);
		double *load = xcalloc(p->rows * p->cols, sizeof *load);

		even_load(p, k->count, load);
		report_even(&out, place[i].layer, k->ntoken, load, p->rows * p->cols);
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
		const struct setup_place *p = before ? place_of(old, nold, place[i].layer) : NULL;

		if (p &&
		    (p->place.experts != place[i].place.experts ||
		     p->place.rows != place[i].place.rows || p->place.cols != place[i].place.cols))
			die("%s: a placement of %u experts on %ux%u", before, p->place.experts,
			    p->place.rows, p->place.cols);
		if (p && holdout > 0) {
			struct tokens part = setup_part(p, of[i], holdout, 1);

			was = eval(p, &part, "holdout-before");
			tokens_free(&part);
		} else if (p) {
			was = eval(p, of[i], "before");
		}
		result[i] = holdout > 0 ? halves(&place[i], of[i])
					: eval(&place[i], of[i], before ? "after" : NULL);
		if (p) {
			report_change(&out, p, &place[i], &was, &result[i]);
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
	size_t nplace, nlayer;
	char *from;

	tool_start(&t, argc, argv);
	setup_start(&setup, &t);
	if (trace_name) {
		if (sink_printf(t.sink, "%s\n",
				setup_trace_name(&setup, t.nfiles ? t.files[0] : NULL)) < 0)
			tool_broken(&t);
		return tool_end(&t);
	}
	if (!placement)
		die("no placement: -p FILE");
	if (counts)
		check_counts();
	if (holdout < 0 || holdout >= 1)
		die("--holdout: not a share of the batches");
	nplace = setup_places(&setup, &t, placement, &place);
	/* the placement tells the mesh; -c tells the rest */
	setup.c.rows = place[0].place.rows;
	setup.c.cols = place[0].place.cols;
	for (size_t i = 0; i < nplace; i++)
		setup_check(&place[i], setup_limit(&setup));
	setup_model(&setup, t.seed);
	out.objective = (enum cost_objective)setup.c.objective;
	if (counts) {
		balance(place, nplace);
		return tool_end(&t);
	}
	from = t.nfiles || !*setup.c.trace ? NULL : (char *)setup.c.trace;
	nlayer = setup_trace(&setup, &t, from ? &from : t.files, from ? 1 : t.nfiles, &layer);
	result = xcalloc(nplace, sizeof *result);
	of = xcalloc(nplace, sizeof *of);
	for (size_t i = 0; i < nplace; i++)
		of[i] = setup_tokens(&setup, layer, nlayer, &place[i]);
	setup_open(&setup, &t, place, nplace);
	costs(place, nplace, of, result);
	report_measures(&out, place, of, result, nplace);
	for (size_t i = 0; batches && i < nplace; i++)
		report_batches(&out, place[i].layer, &result[i]);
	return tool_end(&t);
}
