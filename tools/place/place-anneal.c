/*
 * A placement and a trace in; a cheaper placement out.  Unless a search file
 * names one of the placement simulator's, the search has two stages: copies and
 * devices for compute (lib/place/blocks), then swaps for communication
 * (lib/place/search).  What is reported is the honest cost of place-eval.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/place/again.h"
#include "../../lib/place/costcurve.h"
#include "../../lib/place/setup.h"
#include "../../lib/place/store.h"
#include "num.h"
#include "size.h"

static struct setup setup = {SETUP_NONE, .late = 1};
static const char *placement, *trace, *curve, *checkpoint, *resume, *counts;
static int kind = -1, keep_copies;
static uint64_t temper, max_moves = TR_NONE;
static struct ranks ranks;
static struct tool t;
static struct store store = {.tool = &t};
static double seconds = NAN, target, margin, holdout, every = 5, within = 0.01;
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
			.flags = TOOL_RESULT | TOOL_OWNIN | TOOL_JOBS | TOOL_SEED | TOOL_PROGRESS};

static struct costcurve points;

enum { LINE = 10 }; /* seconds between two lines of progress where stderr is no terminal */
static double shown = -INFINITY;

static volatile sig_atomic_t asked, ended; /* by SIGUSR1; by SIGINT or SIGTERM */

static void
on_signal(int signal)
{
	if (signal == SIGUSR1)
		asked = 1;
	else
		ended = 1;
}

/* A search that is ended early writes the best that it has found; a second signal ends it at
 * once. */
static void
catch_signals(void)
{
	struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	sigaction(SIGUSR1, &a, NULL);
	a.sa_flags |= (int)SA_RESETHAND;
	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
}

static int
tell(void *arg, uint32_t chain, double at, uint64_t done, double cost, double best)
{
	double rate = at > 0 ? (double)done / at : 0, left = seconds > at ? seconds - at : 0;
	char line[160];

	(void)arg;
	if (curve)
		costcurve_add(&points, chain, at, done, cost, best);
	snprintf(line, sizeof line, "best %.3f now %.3f us, %.0f changes/s, %.0f s left", best,
		 cost, rate, left);
	if (asked) {
		asked = 0;
		warn("%s", line);
	}
	if (!t.progress || t.quiet)
		return ended;
	if (tool_tty(2)) {
		snprintf(line + strlen(line), sizeof line - strlen(line), "   \r");
		die_progress(line);
	} else if (search_now() - shown >= LINE) {
		shown = search_now();
		warn("%s", line);
	}
	return ended;
}

/* ---- a layer ---- */

static void
run(struct plan *plan, struct setup_place *p, const struct tokens *tokens, struct tr_out *o)
{
	struct tr_frame f;
	double cost, before;
	int r;

	setup_check(p, plan->per_device);
	if (seconds > 0 && !t.quiet && !plan_fast(plan, &p->place, tokens))
		warn("layer %llu: each change is a full evaluation: about a thousand times slower "
		     "than others, see CAVEATS",
		     (unsigned long long)p->layer);
	before = plan_cost(plan, &p->place, tokens);
	r = store_run(&store, plan, p->layer, &p->place, tokens, &cost);
	if (t.progress && !t.quiet && tool_tty(2))
		die_progress("\n");
	if (ended && !t.quiet)
		warn("layer %llu: ended early, with the best so far", (unsigned long long)p->layer);
	if (r == TR_ENOMEM)
		die("no memory");
	if (r == TR_EVALUE && resume)
		die("%s: stored in different rounds, or with more copies moved", resume);
	if (r == TR_EIO)
		die("the processes lost each other");
	if (r < 0)
		die("layer %llu: a token lives in a row that the mesh does not have",
		    (unsigned long long)p->layer);
	if (t.verbose)
		warn("layer %llu, from %.4f us: %.4f us", (unsigned long long)p->layer, before,
		     cost);
	setup_doubles(p, &t, "");
	place_frame(&p->place, p->layer, &f);
	if (!ranks.rank)
		tool_put(&t, &f);
	if (o && costcurve_put(&points, p->layer, o) < 0)
		die("%s:", curve);
}

static int
same(const char *a, const char *b)
{
	return b && !strcmp(a, b);
}

static void
check_kind(void)
{
	uint64_t n = temper ? temper : restarts != TR_NONE ? restarts : 1;

	if (counts && (trace || setup.search || kind >= 0 || temper || checkpoint || resume ||
		       curve || holdout > 0 || iters || ranks.size > 1 || !isnan(seconds) ||
		       target > 0 || margin > 0 || keep_copies))
		die("--count is for evenness alone, in one process: no trace, no search");
	if (within < 0)
		die("--within is not below 0");
	if (setup.search || kind >= 0) {
		if (temper || max_moves != TR_NONE || checkpoint || resume || ranks.size > 1 ||
		    margin > 0 || keep_copies)
			die("--temper, --max-moves, --checkpoint, --resume, --margin, "
			    "--keep-copies "
			    "and mpirun are for the search of our own, without --kind and "
			    "--search");
		if (setup.c.search == SEARCH_SEQUENCE && !setup.c.nstep)
			die("--kind sequence needs --search with its search_sequence");
		if (iters)
			setup.c.iters = setup.c.local_iters = setup.c.anneal_iters = iters;
		return;
	}
	if (seconds == 0 && !iters && !(target > 0))
		die("--time is above 0, without --iters or --target");
	if (temper && restarts != TR_NONE)
		die("--temper and --restarts both say how many chains");
	if (n > PLAN_CHAINS)
		die("--restarts %llu: at most %d chains", (unsigned long long)n, PLAN_CHAINS);
	restarts = MAX(n, (uint64_t)ranks.size);
	if (temper)
		temper = restarts;
	if ((checkpoint && !(checkpoint = ranks_file(&ranks, checkpoint))) ||
	    (resume && !(resume = ranks_file(&ranks, resume))))
		die("no memory");
}

int
main(int argc, char **argv)
{
	struct setup_place *place;
	struct setup_layer *layer;
	size_t nplace, nlayer;
	struct tr_out *o = NULL;
	struct tokens *part;
	struct plan plan;
	struct tr_frame f;
	const char *err;
	char *name;

	tool_start(&t, argc, argv);
	if (ranks_open(&ranks, &err) < 0)
		die("%s", err);
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
	if (seconds < 0 || margin < 0 || every < 0)
		die("--time, --margin and --every are not below 0");
	if ((curve && (same(curve, t.output) || same(curve, checkpoint))) ||
	    (checkpoint && same(checkpoint, t.output)))
		die("-o, --trace-cost and --checkpoint are several files");
	setup.c.search = kind >= 0 ? (uint64_t)kind : setup.c.search;
	check_kind();
	setup.c.restarts = restarts != TR_NONE ? restarts : setup.c.restarts;
	seconds = !isnan(seconds) ? seconds : iters || setup.search || kind >= 0 ? 0 : 10;
	nplace = setup_places(&setup, &t, placement, &place);
	setup_as_placed(&setup, place, nplace);
	for (size_t i = 0; i < nplace; i++)
		place_unslot(&place[i].place);
	setup_model(&setup, t.seed);
	if (counts)
		return again_even(&setup, &t, counts, place, nplace, max_moves, within);
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
			     .end = &ended,
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
	catch_signals();
	store.plan = &plan;
	store.file = checkpoint;
	if (resume)
		store_read(&store, resume);
	setup_head(&setup, place, nplace, &store.head);
	f = store.head;
	if (!ranks.rank) {
		tool_open(&t, &f);
		setup_put_prog(&setup, &t);
	}
	if (curve && tr_put(o = tool_output(&t, curve), &f) < 0)
		die("%s:", curve);
	for (size_t i = 0; i < nplace; i++) {
		part = setup_tokens(&setup, layer, nlayer, &place[i]);
		if (holdout > 0)
			*part = setup_part(&place[i], part, holdout, 0);
		run(&plan, &place[i], part, o);
	}
	if (o)
		tool_output_end(&t, o);
	ranks_close(&ranks);
	return ranks.rank ? tool_drop(&t) : tool_end(&t);
}
