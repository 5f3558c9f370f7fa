/*
 * A trace in; picks per expert of each layer out, as count frames, or the share
 * of each copy where slots are split (placement.md 5.2), or how even they are
 * (router-bench.md A6).  count frames that come in are added.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/stats/load.h"
#include "../../lib/stats/metrics.h"
#include "../../lib/stats/sum.h"
#include "../../lib/stats/summary.h"
#include "tool.h"

static struct tr_list layers, seen;
static int kept, by_batch, count_only, summary, json, even, order = -1;
static uint64_t slots, shared_id = TR_NONE, shared_copies = TR_NONE;
static struct split split;
static struct metrics_want want = {.capacity = NAN};
static struct metrics *metrics; /* NULL: not wanted */

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{0, "count", NULL, OPT_FLAG, &count_only, "picks per expert (what it does unasked)", 0, 0},
	{0, "by-batch", NULL, OPT_FLAG, &by_batch, "a frame a batch, not one a layer", 0, 0},
	{0, "summary", NULL, OPT_FLAG, &summary, "a summary for people instead, as text", 0, 0},
	{0, "metrics", NULL, OPT_FLAG, &even, "how even the load is instead, a table a layer", 0,
	 0},
	{0, "ranks", "N", OPT_U64, &want.ranks, "metrics of N even parts of the experts, too", 1,
	 TR_EXPERTS_MAX},
	{0, "capacity-factor", "X", OPT_F64, &want.capacity,
	 "what is dropped above X even shares, too", 0, 0},
	{0, "drop-order", "token|weight", OPT_WORD, &order,
	 "and its weight, where the last or lightest go", 0, 0},
	{0, "split-slots", "N", OPT_U64, &slots, "the share of each copy, N of them extra", 1,
	 TR_EXPERTS_MAX},
	{0, "shared-id", "ID", OPT_U64, &shared_id, "the expert that is not split but cut evenly",
	 0, TR_EXPERTS_MAX - 1},
	{0, "shared-copies", "N", OPT_U64, &shared_copies, "copies of it, of the N (16)", 1, 65534},
	{0, "json", NULL, OPT_FLAG, &json, "the split slots as a JSON object", 0, 0},
	{0, "kept", NULL, OPT_FLAG, &kept, "leave out picks dropped for capacity", 0, 0},
	{0},
};

static void
count(struct tool *t, struct sum *sum, struct tr_frame *f)
{
	uint64_t experts = tool_section(t)->experts, *n = xcalloc(experts, sizeof *n);
	struct tr_frame g;
	struct tr_ids ids;
	const uint8_t *dropped;

	tool_ids(t, f, &ids);
	dropped = kept ? tool_dropped(t, f, &ids) : NULL;
	load_count(&ids, ids.k, dropped, (uint32_t)experts, n);
	tr_new(&g, "count");
	tr_setu(&g, "layer", tool_key(t, f, "layer"));
	if (by_batch)
		tr_setu(&g, "batch", tr_get(f, "batch", 0));
	tr_setu(&g, "n_tokens", f->rows);
	tr_rows(&g, experts);
	tr_addcol(&g, "n", TR_U64, 1, n);
	if (sum_add(sum, &g) < 0)
		die("%s", sum_errstr(sum));
	if (metrics && metrics_add(metrics, tr_get(f, "layer", 0), tr_get(&g, "batch", TR_NONE),
				   (uint32_t)experts, f, &ids, dropped) < 0)
		tool_refuse(t, f, "%s", metrics_errstr(metrics));
	free(n);
}

static void
add_summary(struct tool *t, struct summary *s, struct tr_frame *f)
{
	struct tr_ids ids;

	tool_ids(t, f, &ids);
	if (summary_add(s, f, &ids, tool_section(t)->experts) < 0 ||
	    tr_list_add(&seen, tr_get(f, "layer", 0)) < 0)
		die("no memory");
}

/* Not frames: no section follows. */
static void
put_text(struct tool *t, const char *text, size_t n)
{
	if (sink_put(t->sink, text, n) < 0)
		tool_broken(t);
	tr_head_free(t->head);
	t->head = NULL;
}

static void
put_summary(struct tool *t, struct summary *s)
{
	char *text = summary_text(s, &split);

	if (!text)
		die("no memory");
	put_text(t, text, strlen(text));
	free(text);
	summary_free(s);
}

static void
frame_layer(struct tool *t, const struct tr_frame *count, uint32_t *expert, double *percent,
	    uint32_t n)
{
	struct tr_frame f;
	uint64_t batch;

	tr_new(&f, "table");
	tr_set(&f, "name", "split");
	tr_setu(&f, "layer", tool_key(t, count, "layer"));
	if (tr_num(count, "batch", &batch) > 0)
		tr_setu(&f, "batch", batch);
	tr_rows(&f, n);
	tr_addcol(&f, "expert", TR_U32, 1, expert);
	tr_addcol(&f, "percent", TR_F64, 1, percent);
	tool_put(t, &f);
}

/* The counts split: tables, or one JSON object (placement.md 5.4). */
static void
put_split(struct tool *t, const struct sum *sum)
{
	struct json_out o = {.style = JSON_PRETTY};

	json_put_open(&o, '{');
	json_put_key(&o, "replication_slots");
	json_put_u64(&o, slots);
	json_put_key(&o, "experts");
	json_put_u64(&o, tool_section(t)->experts);
	json_put_key(&o, "layers");
	json_put_open(&o, '{');
	for (size_t i = 0; i < sum_count(sum); i++) {
		const struct tr_frame *f = sum_at(sum, i);
		uint64_t *n = xcalloc(f->rows, sizeof *n);
		uint32_t *expert = xcalloc(f->rows + slots, sizeof *expert), copies;
		double *percent = xcalloc(f->rows + slots, sizeof *percent);
		struct tr_col c;

		tool_col(t, f, "n", &c);
		if (c.width != 1 || col_u64(&c, 0, f->rows, n) < 0)
			die("@count: n is no number an expert");
		copies = split_percent(&split, n, (uint32_t)f->rows, percent, expert);
		if (json && i &&
		    tool_key(t, f, "layer") == tool_key(t, sum_at(sum, i - 1), "layer"))
			die("--json: layer %llu twice", (unsigned long long)tr_get(f, "layer", 0));
		if (json)
			split_json(&o, tool_key(t, f, "layer"), expert, percent, copies);
		else
			frame_layer(t, f, expert, percent, copies);
		free(n);
		free(expert);
		free(percent);
	}
	json_put_close(&o);
	json_put_close(&o);
	json_put_bytes(&o, "\n", 1);
	if (o.bad)
		die("no memory");
	if (json)
		put_text(t, o.p, o.n);
	json_out_free(&o);
}

static void
put_metrics(struct tool *t, const struct sum *sum)
{
	struct tr_frame f;

	for (size_t i = 0; i < sum_count(sum); i++) {
		if (metrics_table(metrics, sum_at(sum, i), &f) < 0)
			die("layer %llu: %s",
			    (unsigned long long)tr_get(sum_at(sum, i), "layer", 0),
			    metrics_errstr(metrics));
		tool_put(t, &f);
	}
	metrics_free(metrics);
}

static void
check_metrics(void)
{
	if (!even && (want.ranks || !isnan(want.capacity)))
		die("--%s: only with --metrics", want.ranks ? "ranks" : "capacity-factor");
	if (isnan(want.capacity) && order >= 0)
		die("--drop-order: only with --capacity-factor");
	if (!isnan(want.capacity) && !(want.capacity > 0))
		die("--capacity-factor %g: not above 0", want.capacity);
	if (even && (summary || slots))
		die("--metrics: not with --%s", summary ? "summary" : "split-slots");
	want.weigh = order >= 0;
	want.order = order == METRICS_WEIGHT ? METRICS_WEIGHT : METRICS_TOKEN;
	if (even && !(metrics = metrics_new(&want)))
		die("no memory");
}

static void
check_split(void)
{
	if (!slots && (json || shared_id != TR_NONE))
		die("%s: only with --split-slots", json ? "--json" : "--shared-id");
	if (shared_id == TR_NONE && shared_copies != TR_NONE)
		die("--shared-copies: only with --shared-id");
	if (json && (by_batch || summary))
		die("--json: not with %s", by_batch ? "--by-batch" : "--summary");
	split = (struct split){(uint32_t)slots,
			       shared_id == TR_NONE ? UINT32_MAX : (uint32_t)shared_id,
			       shared_copies == TR_NONE ? 16 : (uint32_t)shared_copies};
}

int
main(int argc, char **argv)
{
	static struct tool t = {.name = "expert-load",
				.operands = "[FILE ...]",
				.what = "count the picks of each expert",
				.opts = opts,
				.flags = TOOL_RESULT | TOOL_FOLD | TOOL_FORCE};
	struct sum *sum = sum_new();
	struct summary *s = summary_new();
	struct tr_frame f;

	tool_start(&t, argc, argv);
	check_split();
	check_metrics();
	while (tool_next(&t, &f)) {
		if (!tr_list_has(&layers, tr_get(&f, "layer", 0)))
			continue;
		if (!strcmp(f.kind, "route") && summary)
			add_summary(&t, s, &f);
		else if (!strcmp(f.kind, "route"))
			count(&t, sum, &f);
		else if (!strcmp(f.kind, "count") && sum_add(sum, &f) < 0)
			die("%s", sum_errstr(sum));
	}
	if (shared_id != TR_NONE && shared_id >= tool_section(&t)->experts)
		die("--shared-id: no expert %llu", (unsigned long long)shared_id);
	if (sum_layers(sum, &seen) < 0)
		die("no memory");
	tool_layers(&layers, &seen);
	if (summary) {
		put_summary(&t, s);
		return tool_end(&t);
	}
	sum_sort(sum);
	if (slots)
		put_split(&t, sum);
	if (metrics)
		put_metrics(&t, sum);
	for (size_t i = 0; !slots && !metrics && i < sum_count(sum); i++)
		tool_put(&t, sum_at(sum, i));
	sum_free(sum);
	return tool_end(&t);
}
