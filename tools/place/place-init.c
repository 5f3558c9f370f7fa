/*
 * A placement and a trace in; the placement with every copy on a device out, by
 * one of the greedy strategies of lib/place/init.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/place/setup.h"

static struct setup setup = {SETUP_NONE};
static const char *trace, *counts;
static int strategy = -1, axis = -1;
static uint64_t top = TR_NONE, groups = 1, nodes = 1, tries = TR_NONE;
static int as_is;

static const struct opt opts[] = {
	SETUP_OPTS(setup),
	{0, "init", "FILE", OPT_STR, &setup.init, "the strategy (JSONC)", 0, 0},
	{0, "trace", "FILE", OPT_STR, &trace, "the routing to place for", 0, 0},
	{0, "count", "FILE", OPT_STR, &counts, "count frames instead of routing", 0, 0},
	{0, "strategy", "balance|balance_load_coactivation|hot-tier|random|eplb|even", OPT_WORD,
	 &strategy, "the strategy (balance)", 0, 0},
	{0, "axis", "row|col", OPT_WORD, &axis, "spread over rows or columns first (row)", 0, 0},
	{0, "top", "N", OPT_U64, &top, "experts that are spread by load alone first (32)", 0, 0},
	{0, "groups", "N", OPT_U64, &groups, "eplb: groups of experts (1)", 1, 65534},
	{0, "tries", "N", OPT_U64, &tries,
	 "even: random changes when no swap helps (1000 for up to 64 copies, else 0)", 0, 0},
	{0, "as-is", NULL, OPT_FLAG, &as_is, "leave copies of an expert on one device", 0, 0},
	{0, "nodes", "N", OPT_U64, &nodes, "eplb: nodes (1)", 1, 65534},
	{0},
};

static struct tool t = {.name = "place-init",
			.operands = "[FILE ...]",
			.what = "put the copies of experts on devices",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_FOLD | TOOL_FORCE | TOOL_SEED};

static void
put(struct setup_place *p, const struct tokens *tokens)
{
	struct init_opts o = {.strategy = (enum init_strategy)setup.c.strategy,
			      .axis = (enum init_axis)setup.c.axis,
			      .hot_axis = (enum init_axis)setup.c.hot_axis,
			      .top = (uint32_t)setup.c.top_n,
			      .per_device = setup_per_device(&setup),
			      .seed = t.seed,
			      .groups = (uint32_t)groups,
			      .nodes = (uint32_t)nodes,
			      .apart = !as_is,
			      .tries = tries != TR_NONE   ? tries
				       : p->place.n <= 64 ? 1000
							  : 0};
	uint64_t T = p->place.experts, *coact = NULL;
	struct tr_frame f;
	if (tokens->experts != T)
		die("layer %llu: a placement of %llu experts, the trace and its shared ones have "
		    "%u",
		    (unsigned long long)p->layer, (unsigned long long)T, tokens->experts);
	if (o.strategy == INIT_COACT || o.strategy == INIT_HOT) {
		coact = xcalloc(T * T, sizeof *coact);
		tokens_coact(tokens, coact);
	}
	place_unslot(&p->place);
	switch (init_place(&p->place, tokens->count, coact, &o)) {
	case 0:
		break;
	case TR_ENOMEM:
		die("no memory");
	default:
		die("layer %llu: %u copies do not go on %u devices of %u slots%s",
		    (unsigned long long)p->layer, p->place.n, p->place.rows * p->place.cols,
		    o.per_device, o.strategy == INIT_EPLB ? " evenly" : "");
	}
	if (!as_is && init_part(&p->place, tokens->count, o.per_device) < 0)
		die("no memory");
	setup_doubles(p, &t, as_is ? "" : ": it could not be avoided");
	place_frame(&p->place, p->layer, &f);
	tool_put(&t, &f);
	free(coact);
}

int
main(int argc, char **argv)
{
	struct setup_place *place;
	struct setup_layer *layer;
	size_t nplace, nlayer;
	char *file;

	tool_start(&t, argc, argv);
	setup_start(&setup, &t);
	setup.c.strategy = strategy >= 0 ? (uint64_t)strategy : setup.c.strategy;
	setup.c.axis = axis >= 0 ? (uint64_t)axis : setup.c.axis;
	setup.c.hot_axis = axis >= 0 ? (uint64_t)axis : setup.c.hot_axis;
	setup.c.top_n = top != TR_NONE ? top : setup.c.top_n;
	nplace = setup_places(&setup, &t, NULL, &place);
	if (counts) {
		if (setup.c.strategy == INIT_COACT || setup.c.strategy == INIT_HOT)
			die("this strategy needs --trace, not counts");
		nlayer = setup_counts(&setup, &t, counts, &layer);
	} else {
		file = setup_trace_name(&setup, trace);
		nlayer = setup_trace(&setup, &t, &file, 1, &layer);
	}
	for (size_t i = 0; i < nplace; i++) {
		if (place[i].place.rows != setup.c.rows || place[i].place.cols != setup.c.cols)
			die("a placement on %ux%u, the system is %llux%llu", place[i].place.rows,
			    place[i].place.cols, (unsigned long long)setup.c.rows,
			    (unsigned long long)setup.c.cols);
		put(&place[i], setup_tokens(&setup, layer, nlayer, &place[i]));
	}
	return tool_end(&t);
}
