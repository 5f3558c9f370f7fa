/*
 * A placement and a trace in; a cheaper placement out.  Unless a search file
 * names one of the placement simulator's, the search has two stages: copies and
 * devices for compute (lib/place/blocks), then swaps for communication
 * (lib/place/search).  What is reported is the honest cost of place-eval.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/place/replan.h"
#include "../../lib/place/setup.h"
#include "../../lib/place/store.h"
#include "num.h"
#include "size.h"

static struct setup setup = {SETUP_NONE};
static const char *placement, *trace, *curve, *checkpoint, *resume, *counts;
static int kind = -1, keep_copies;
static uint64_t temper, max_moves = TR_NONE;
static struct ranks ranks;
static struct tool t;
static struct store store = {.tool = &t};
static double seconds, target, margin, holdout, every = 5, within = 0.01;
static uint64_t iters, restarts = TR_NONE;

static const struct opt opts[] = {
	SETUP_OPTS(setup),
	SETUP_COST_OPTS(setup),
	{'p', "place", "FILE", OPT_STR, &placement, "the placement to start from", 0, 0},
	{0, "trace", "FILE", OPT_STR, &trace, "the routing to place for", 0, 0},
	{0, "count", "FILE", OPT_STR, &counts,
	 "loads to be even for again, by few moves, instead of a trace", 0, 0},
	{0, "within", "X", OPT_F64, &within, "with --count: X above the best is even enough (0.01)",
	 0, 0},
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
	{0, "temper", "N", OPT_U64, &temper, "chains at N temperatures, which they exchange", 2,
	 PLAN_CHAINS},
	{0, "max-moves", "N", OPT_U64, &max_moves, "copies that may leave their devices (all)", 0,
	 0},
	{0, "checkpoint", "FILE", OPT_STR, &checkpoint, "where the search is stored", 0, 0},
	{0, "every", "S", OPT_F64, &every, "seconds between two stores (5)", 0, 0},
	{0, "resume", "FILE", OPT_STR, &resume, "go on with a stored search", 0, 0},
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

/* ---- a layer ---- */

static void
run(struct plan *plan, struct setup_place *p, const struct tokens *tokens, struct tr_out *o)
{
	const struct state *from;
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
	store.layer = p->layer;
	from = store_begun(&store, p->layer, p->place.experts);
	plan->from = from ? &from->s : NULL;
	if (from && from->finished) {
		place_free(&p->place);
		cost = from->s.chain[0].least;
		r = place_copy(&p->place, &from->place[1]);
	} else {
		r = plan_run(plan, &p->place, tokens, &cost);
	}
	if (checkpoint && r >= 0)
		store_finish(&store, p->layer, &p->place, cost);
	if (t.progress && !t.quiet && tool_tty(2))
		die_progress("\n");
	if (r == TR_ENOMEM)
		die("no memory");
	if (r == TR_ELIMIT)
		die("layer %llu: an expert has more than 128 copies", (unsigned long long)p->layer);
	if (r == TR_EIO)
		die("the processes lost each other");
	if (r < 0)
		die("layer %llu: a token lives in a row that the mesh does not have",
		    (unsigned long long)p->layer);
	if (t.verbose)
		warn("layer %llu: %.4f us", (unsigned long long)p->layer, cost);
	place_frame(&p->place, p->layer, &f);
	if (!ranks.rank)
		tool_put(&t, &f);
	if (o)
		put_curve(p->layer, o);
}

/* Each process has a file of its own. */
static char *
rank_file(const char *file)
{
	char *p = xmalloc(strlen(file) + 16);

	sprintf(p, "%s.%d", file, ranks.rank);
	return p;
}

/* Of counts alone: even again, by few moves. */
static int
even_again(struct setup_place *place, size_t n)
{
	struct setup_layer *layer;
	size_t nlayer = setup_counts(&setup, &t, counts, &layer), l = 0;
	struct tr_frame f;

	setup_head(&setup, place, n, &f);
	tool_open(&t, &f);
	for (size_t i = 0; i < n; i++) {
		struct place *p = &place[i].place;
		struct replan o = {.per_device = setup_per_device(&setup),
				   .maxmoved =
					   max_moves < PLACE_ALL ? (uint32_t)max_moves : PLACE_ALL,
				   .within = within,
				   .seed = t.seed};
		char err[PLACE_ERR];
		uint32_t doubles;

		while (l < nlayer && layer[l].layer < place[i].layer)
			l++;
		if (l == nlayer || layer[l].layer != place[i].layer ||
		    layer[l].tokens.experts != p->experts)
			die("no counts of these experts for layer %llu",
			    (unsigned long long)place[i].layer);
		if (place_check(p, o.per_device, &doubles, err) < 0)
			die("layer %llu: %s", (unsigned long long)place[i].layer, err);
		if (replan(p, layer[l].tokens.count, &o) < 0)
			die("no memory");
		if (t.verbose)
			warn("layer %llu: max over mean %.5f, from nothing %.5f; %u of %u copies "
			     "moved",
			     (unsigned long long)place[i].layer, o.reached, o.best, o.moved, p->n);
		place_frame(p, place[i].layer, &f);
		tool_put(&t, &f);
	}
	return tool_end(&t);
}

static void
check_kind(void)
{
	uint64_t n = temper ? temper : restarts != TR_NONE ? restarts : 1;

	if (counts && (trace || setup.search || kind >= 0 || temper || checkpoint || resume))
		die("--count is for evenness alone: no trace, no search");
	if (within < 0)
		die("--within is not below 0");
	if (setup.search || kind >= 0) {
		if (temper || max_moves != TR_NONE || checkpoint || resume || ranks.size > 1)
			die("--temper, --max-moves, --checkpoint, --resume and mpirun are for the "
			    "search of our own, without --kind and --search");
		return;
	}
	if (temper && restarts != TR_NONE)
		die("--temper and --restarts both say how many chains");
	if (n > PLAN_CHAINS)
		die("--restarts %llu: at most %d chains", (unsigned long long)n, PLAN_CHAINS);
	restarts = MAX(n, (uint64_t)ranks.size);
	if (temper)
		temper = restarts;
	if (ranks.size > 1 && checkpoint)
		checkpoint = rank_file(checkpoint);
	if (ranks.size > 1 && resume)
		resume = rank_file(resume);
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
	const char *err;
	char *name;

	if (ranks_open(&ranks, &err) < 0)
		die("%s", err);
	tool_start(&t, argc, argv);
	setup_start(&setup, &t);
	if (ranks.rank) { /* one writes */
		t.quiet = 1;
		t.verbose = 0;
		curve = NULL;
	}
	if (!placement)
		die("no placement to start from: -p FILE");
	if (holdout < 0 || holdout >= 1)
		die("--holdout: not a share of the batches");
	if (seconds < 0 || margin < 0)
		die("--time and --margin are not below 0");
	check_kind();
	setup.c.search = kind >= 0 ? (uint64_t)kind : setup.c.search;
	setup.c.restarts = restarts != TR_NONE ? restarts : setup.c.restarts;
	seconds = seconds > 0 || iters ? seconds : 10;
	nplace = setup_places(&setup, &t, placement, &place);
	if (place[0].place.rows != setup.c.rows || place[0].place.cols != setup.c.cols)
		die("a placement on %ux%u, the system is %llux%llu", place[0].place.rows,
		    place[0].place.cols, (unsigned long long)setup.c.rows,
		    (unsigned long long)setup.c.cols);
	if (counts)
		return even_again(place, nplace);
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
			     .maxmoved = max_moves < PLACE_ALL ? (uint32_t)max_moves : PLACE_ALL,
			     .temper = temper > 0,
			     .ranks = &ranks,
			     .tell = tell,
			     .arg = &store,
			     .save = checkpoint ? store_save : NULL,
			     .every = every};
	store.plan = &plan;
	store.file = checkpoint;
	if (resume)
		store_read(&store, resume);
	setup_head(&setup, place, nplace, &store.head);
	f = store.head;
	if (!ranks.rank)
		tool_open(&t, &f);
	if (curve && tr_put(o = tool_output(&t, curve), &f) < 0)
		die("%s:", curve);
	for (size_t i = 0; i < nplace; i++) {
		while (l < nlayer && layer[l].layer < place[i].layer)
			l++;
		if (l == nlayer || layer[l].layer != place[i].layer)
			setup_no_layer(&setup, place[i].layer);
		part = layer[l].tokens;
		if (holdout > 0 && tokens_part(&part, &layer[l].tokens, 0,
					       (size_t)(holdout * (double)part.nbatch)) < 0)
			die("no memory");
		run(&plan, &place[i], &part, o);
	}
	if (o)
		tool_output_end(&t, o);
	ranks_close(&ranks);
	return ranks.rank ? 0 : tool_end(&t);
}
