/*
 * A trace in; for each two consecutive MoE layers, how often an expert of the
 * second follows one of the first for the same token, out as flow frames; or
 * what these tell, or the ways of single tokens (collection.md 9).  flow frames
 * that come in are added.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/stats/flow.h"
#include "../../lib/stats/sum.h"
#include "tool.h"

static struct tr_list layers, seen;
static uint64_t best = 1, journeys;
static int kept, stats;

static const struct opt opts[] = {
	{'k', "topk", "N", OPT_U64, &best, "pairs of the N best picks of both layers (1)", 1, 1024},
	{'l', "layer", "LIST", OPT_LIST, &layers, "only transitions from these layers", 0, 0},
	{0, "stats", NULL, OPT_FLAG, &stats, "what the transitions tell instead, a table", 0, 0},
	{0, "journeys", "N", OPT_U64, &journeys, "the ways of N drawn tokens instead, a table", 1,
	 1000000},
	{0, "kept", NULL, OPT_FLAG, &kept, "leave out picks dropped for capacity", 0, 0},
	{0},
};

static void
check(struct tool *t, const struct flow *flow, const struct tr_frame *f, int r)
{
	if (r < 0 && f)
		tool_refuse(t, f, "%s", flow_errstr(flow));
	if (r < 0)
		die("%s", flow_errstr(flow));
}

static int
ordered(struct tool *t)
{
	const char *val;

	return tr_key(tr_head_trace(t->head), "order", &val) > 0 && !strcmp(val, "batch,layer");
}

static void
take(struct tool *t, struct flow *flow, struct tr_frame *f)
{
	struct tr_ids ids;

	tool_key(t, f, "layer");
	tool_ids(t, f, &ids);
	check(t, flow, f,
	      flow_add(flow, f, &ids, kept ? tool_dropped(t, f, &ids) : NULL, ordered(t)));
}

static void
add(struct sum *sum, struct tr_frame *f)
{
	if (sum_add(sum, f) < 0)
		die("%s", sum_errstr(sum));
}

static void
add_counted(struct sum *sum, const struct flow *flow, uint64_t experts)
{
	size_t n;
	const struct flow_pair *p = flow_pairs(flow, &n);
	struct tr_frame f;

	for (; n > 0; n--, p++) {
		if (!tr_list_has(&layers, p->layer))
			continue;
		tr_new(&f, "flow");
		tr_setu(&f, "layer", p->layer);
		tr_setu(&f, "to", p->to);
		if (best > 1)
			tr_setu(&f, "k", best);
		tr_setu(&f, "n_tokens", p->n_tokens);
		tr_rows(&f, experts);
		tr_addcol(&f, "n", TR_U64, experts, p->n);
		add(sum, &f);
	}
}

static void
put_stats(struct tool *t, const struct tr_frame *f)
{
	static const char *const keys[] = {"layer", "to", "k", "n_tokens"};
	double f64[TR_COLS_MAX];
	uint64_t key;
	struct tr_frame g;
	struct tr_col c;

	tool_col(t, f, "n", &c);
	if (c.type != TR_U64 || c.width != f->rows)
		die("@flow: n is not u64, a number each two experts");
	tr_new(&g, "table");
	tr_set(&g, "name", "expert-flow");
	for (int i = 0; i < 4; i++)
		if (tr_num(f, keys[i], &key) > 0)
			tr_setu(&g, keys[i], key);
	tool_check(t, flow_put(f64, &g, c.data, (uint32_t)f->rows));
	tool_put(t, &g);
}

/* One table, a row a token and layer. */
static void
put_journeys(struct tool *t, const struct flow *flow)
{
	size_t n;
	const struct flow_journey *j = flow_journeys(flow, &n);
	uint64_t rows = 0, at = 0, *col[5];
	static const char *const names[] = {"journey", "batch", "row", "layer", "expert"};
	struct tr_frame f;

	for (size_t i = 0; i < n; i++)
		rows += j[i].n;
	if (!rows)
		die("--journeys: no token has a pick in every layer of its section");
	for (size_t i = 0; i < 5; i++)
		col[i] = xcalloc(rows, sizeof *col[i]);
	for (size_t i = 0; i < n; i++)
		for (uint32_t l = 0; l < j[i].n; l++, at++) {
			col[0][at] = i;
			col[1][at] = j[i].batch;
			col[2][at] = j[i].row;
			col[3][at] = j[i].layer[l];
			col[4][at] = j[i].id[l];
		}
	tr_new(&f, "table");
	tr_set(&f, "name", "journeys");
	tr_rows(&f, rows);
	for (size_t i = 0; i < 5; i++)
		tr_addcol(&f, names[i], TR_U64, 1, col[i]);
	tool_put(t, &f);
	for (size_t i = 0; i < 5; i++)
		free(col[i]);
}

static void
put_flows(struct tool *t, struct sum *sum)
{
	if (sum_layers(sum, &seen) < 0)
		die("no memory");
	tool_layers(&layers, &seen);
	sum_sort(sum);
	for (size_t i = 0; i < sum_count(sum); i++)
		if (stats)
			put_stats(t, sum_at(sum, i));
		else
			tool_put(t, sum_at(sum, i));
}

int
main(int argc, char **argv)
{
	static struct tool t = {.name = "expert-flow",
				.operands = "[FILE ...]",
				.what = "count which expert follows which in the next layer",
				.opts = opts,
				.flags = TOOL_RESULT | TOOL_FOLD | TOOL_FORCE | TOOL_SEED};
	struct sum *sum = sum_new();
	struct flow *flow;
	uint64_t section = 0;
	struct tr_frame f;

	tool_start(&t, argc, argv);
	if (stats && journeys)
		die("--stats: not with --journeys");
	if (journeys && (layers.n || best > 1))
		die("--journeys: not with -%c", layers.n ? 'l' : 'k');
	if (!(flow = flow_new((uint32_t)best, journeys, t.seed)) || !sum)
		die("no memory");
	while (tool_next(&t, &f)) {
		if (section != t.sections)
			check(&t, flow, &f, flow_begin(flow, tr_section(t.in)));
		section = t.sections;
		if (!strcmp(f.kind, "route"))
			take(&t, flow, &f);
		else if (!strcmp(f.kind, "flow") && tr_list_has(&layers, tr_get(&f, "layer", 0)))
			add(sum, &f);
	}
	check(&t, flow, NULL, flow_end(flow));
	add_counted(sum, flow, tool_section(&t)->experts);
	if (journeys)
		put_journeys(&t, flow);
	else
		put_flows(&t, sum);
	flow_free(flow);
	sum_free(sum);
	return tool_end(&t);
}
