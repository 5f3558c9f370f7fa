/*
 * A placement and a trace in; a cheaper placement out.  Unless a search file
 * names one of the placement simulator's, the search has two stages: copies and
 * devices for compute (lib/place/blocks), then swaps for communication
 * (lib/place/search).  What is reported is the honest cost of place-eval.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/place/plan.h"
#include "../../lib/place/setup.h"
#include "num.h"
#include "size.h"

static struct setup setup = {SETUP_NONE};
static const char *placement, *trace, *curve;
static int kind = -1, keep_copies;
static double seconds, target, margin, holdout;
static uint64_t iters, restarts = TR_NONE;

static const struct opt opts[] = {
	SETUP_OPTS(setup),
	SETUP_COST_OPTS(setup),
	{'p', "place", "FILE", OPT_STR, &placement, "the placement to start from", 0, 0},
	{0, "trace", "FILE", OPT_STR, &trace, "the routing to place for", 0, 0},
	{0, "search", "FILE", OPT_STR, &setup.search, "a search of the simulator (JSONC)", 0, 0},
	{0, "kind", "none|random|local|anneal|sequence", OPT_WORD, &kind, "the same by name", 0, 0},
	{0, "time", "S", OPT_F64, &seconds, "seconds of search (10, unless --iters)", 0, 0},
	{0, "iters", "N", OPT_U64, &iters, "changes tried, of each chain", 1, 0},
	{0, "margin", "X", OPT_F64, &margin,
	 "plan for drawn batches, too, X sigma above the mean (0: no)", 0, 0},
	{0, "holdout", "X", OPT_F64, &holdout, "plan on the first X of the batches", 0, 0},
	{0, "target", "X", OPT_F64, &target, "stop at this cost", 0, 0},
	{0, "restarts", "N", OPT_U64, &restarts, "chains of other draws, the best is kept (1)", 1,
	 65536},
	{0, "keep-copies", NULL, OPT_FLAG, &keep_copies, "move copies, do not choose them", 0, 0},
	{0, "trace-cost", "FILE", OPT_STR, &curve, "cost against time", 0, 0},
	{0},
};

static struct tool t = {.name = "place-anneal",
			.operands = "",
			.what = "search for a placement that costs less",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_OWNIN | TOOL_JOBS | TOOL_SEED};

static struct points { /* of the curve */
	double *v;     /* [n][4] */
	size_t n, cap;
} points;

static int
tell(void *arg, uint32_t chain, double at, uint64_t done, double cost, double best)
{
	double rate = at > 0 ? (double)done / at : 0, left = seconds > at ? seconds - at : 0;
	char line[160];

	(void)arg;
	if (curve) {
		if (points.n == points.cap)
			points.v = xrealloc(points.v, (points.cap = 2 * points.cap + 256),
					    5 * sizeof *points.v);
		memcpy(points.v + 5 * points.n++, (double[]){chain, at, (double)done, cost, best},
		       5 * sizeof *points.v);
	}
	if (t.progress && !t.quiet && tool_tty(2)) {
		snprintf(line, sizeof line, "\rbest %.3f now %.3f, %.0f changes/s, %.0f s left   ",
			 best, cost, rate, left);
		die_progress(line);
	}
	return 0;
}

static void
put_curve(uint64_t layer, struct tr_out *o)
{
	static const char *const name[] = {"chain", "seconds", "changes", "cost", "best"};
	double *v = xcalloc(5 * points.n + 1, sizeof *v);
	struct tr_frame f;

	tr_new(&f, "table");
	tr_set(&f, "name", "search");
	tr_setu(&f, "layer", layer);
	tr_rows(&f, points.n);
	for (int c = 0; c < 5; c++) {
		for (size_t i = 0; i < points.n; i++)
			v[(size_t)c * points.n + i] = points.v[5 * i + (size_t)c];
		tr_addcol(&f, name[c], TR_F64, 1, v + (size_t)c * points.n);
	}
	if (tr_put(o, &f) < 0)
		die("%s:", curve);
	points.n = 0;
	free(v);
}

static void
run(struct plan *plan, struct setup_place *p, const struct tokens *tokens, struct tr_out *o)
{
	struct tr_frame f;
	char err[PLACE_ERR];
	uint32_t doubles;
	double cost;
	int r;

	if (p->place.experts != tokens->experts)
		die("layer %llu: a placement of %u experts, the trace and its shared ones have %u",
		    (unsigned long long)p->layer, p->place.experts, tokens->experts);
	if (place_check(&p->place, plan->per_device, &doubles, err) < 0)
		die("layer %llu: %s", (unsigned long long)p->layer, err);
	r = plan_run(plan, &p->place, tokens, &cost);
	if (t.progress && !t.quiet && tool_tty(2))
		die_progress("\n");
	if (r == TR_ENOMEM)
		die("no memory");
	if (r == TR_ELIMIT)
		die("layer %llu: an expert has more than 128 copies", (unsigned long long)p->layer);
	if (r < 0)
		die("layer %llu: a token lives in a row that the mesh does not have",
		    (unsigned long long)p->layer);
	if (t.verbose)
		warn("layer %llu: %.4f us", (unsigned long long)p->layer, cost);
	place_frame(&p->place, p->layer, &f);
	tool_put(&t, &f);
	if (o)
		put_curve(p->layer, o);
}

int
main(int argc, char **argv)
{
	struct setup_place *place;
	struct setup_layer *layer;
	size_t nplace, nlayer, l = 0;
	struct tr_out *o = NULL;
	struct tokens part;
	struct plan plan;
	struct tr_frame f;
	char *name;

	tool_start(&t, argc, argv);
	setup_start(&setup, &t);
	if (!placement)
		die("no placement to start from: -p FILE");
	if (holdout < 0 || holdout >= 1)
		die("--holdout: not a share of the batches");
	if (seconds < 0 || margin < 0)
		die("--time and --margin are not below 0");
	setup.c.search = kind >= 0 ? (uint64_t)kind : setup.c.search;
	setup.c.restarts = restarts != TR_NONE ? restarts : setup.c.restarts;
	seconds = seconds > 0 || iters ? seconds : 10;
	nplace = setup_places(&setup, &t, placement, &place);
	if (place[0].place.rows != setup.c.rows || place[0].place.cols != setup.c.cols)
		die("a placement on %ux%u, the system is %llux%llu", place[0].place.rows,
		    place[0].place.cols, (unsigned long long)setup.c.rows,
		    (unsigned long long)setup.c.cols);
	name = setup_trace_name(&setup, trace);
	nlayer = setup_trace(&setup, &t, &name, 1, &layer);
	plan = (struct plan){.model = &setup.model,
			     .objective = (enum cost_objective)setup.c.objective,
			     .per_device = setup_per_device(&setup),
			     .ours = !setup.search && kind < 0,
			     .keep_copies = keep_copies,
			     .config = &setup.c,
			     .seconds = seconds,
			     .iters = iters,
			     .margin = margin,
			     .target = target,
			     .seed = t.seed,
			     .chains = (uint32_t)setup.c.restarts,
			     .threads = (uint32_t)t.jobs,
			     .tell = tell};
	setup_head(&setup, place, nplace, &f);
	tool_open(&t, &f);
	if (curve && tr_put(o = tool_output(&t, curve), &f) < 0)
		die("%s:", curve);
	for (size_t i = 0; i < nplace; i++) {
		while (l < nlayer && layer[l].layer < place[i].layer)
			l++;
		if (l == nlayer || layer[l].layer != place[i].layer)
			die("no records for layer %llu", (unsigned long long)place[i].layer);
		part = layer[l].tokens;
		if (holdout > 0 && tokens_part(&part, &layer[l].tokens, 0,
					       (size_t)(holdout * (double)part.nbatch)) < 0)
			die("no memory");
		run(&plan, &place[i], &part, o);
	}
	if (o)
		tool_output_end(&t, o);
	return tool_end(&t);
}
