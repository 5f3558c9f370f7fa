/*
 * A trace in; picks per expert of each layer out, as count frames.  count
 * frames that come in are added.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/stats/load.h"
#include "../../lib/stats/sum.h"
#include "../../lib/stats/summary.h"
#include "tool.h"

static struct tr_list layers, seen;
static int kept, by_batch, count_only, summary;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{0, "count", NULL, OPT_FLAG, &count_only, "picks per expert (what it does unasked)", 0, 0},
	{0, "by-batch", NULL, OPT_FLAG, &by_batch, "a frame a batch, not one a layer", 0, 0},
	{0, "summary", NULL, OPT_FLAG, &summary, "a summary for people instead, as text", 0, 0},
	{0, "kept", NULL, OPT_FLAG, &kept, "leave out picks dropped for capacity", 0, 0},
	{0},
};

static void
count(struct tool *t, struct sum *sum, struct tr_frame *f)
{
	uint64_t experts = tool_section(t)->experts, *n = xcalloc(experts, sizeof *n);
	struct tr_frame g;
	struct tr_ids ids;
	struct tr_col c;
	const uint8_t *dropped = NULL;

	tool_ids(t, f, &ids);
	if (kept && tr_col(f, "dropped", &c) > 0 && c.size == 1 && c.width == ids.k)
		dropped = c.data;
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

static void
put_summary(struct tool *t, struct summary *s)
{
	char *text = summary_text(s);

	if (!text)
		die("no memory");
	if (sink_put(t->sink, text, strlen(text)) < 0)
		tool_broken(t);
	tr_head_free(t->head);
	t->head = NULL; /* no section of frames follows */
	free(text);
	summary_free(s);
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
	if (sum_layers(sum, &seen) < 0)
		die("no memory");
	tool_layers(&layers, &seen);
	if (summary) {
		put_summary(&t, s);
		return tool_end(&t);
	}
	sum_sort(sum);
	for (size_t i = 0; i < sum_count(sum); i++)
		tool_put(&t, sum_at(sum, i));
	sum_free(sum);
	return tool_end(&t);
}
