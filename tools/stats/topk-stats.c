/*
 * A trace in; for each layer and k, how many rows have each expert among their
 * k best, out as topk frames.  topk frames that come in are added.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/stats/sum.h"
#include "../../lib/stats/topkstats.h"
#include "tool.h"

static struct tr_list ks, layers, seen;
static int kept, compat;

static const struct opt opts[] = {
	{'k', "topk", "LIST", OPT_LIST, &ks, "ranks to count (1, 2 and the trace's own)", 0, 0},
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{0, "kept", NULL, OPT_FLAG, &kept, "leave out picks dropped for capacity", 0, 0},
	{0, "compat", NULL, OPT_FLAG, &compat, "count as the DynaNDE notebooks do", 0, 0},
	{0},
};

struct layer {
	uint64_t number;
	struct topk topk;
};

static struct layer *found;
static size_t nfound;

/* The counts of a layer; those last used are at hand first. */
static struct topk *
of_layer(uint64_t number, const struct tr_sect *s)
{
	uint64_t k = compat && ks.n ? ks.range[ks.n - 1].hi : 0;

	for (size_t i = nfound; i-- > 0;)
		if (found[i].number == number)
			return &found[i].topk;
	found = xrealloc(found, nfound + 1, sizeof *found);
	found[nfound].number = number;
	if (k < s->topk)
		k = s->topk;
	if (topk_init(&found[nfound].topk, (uint32_t)s->experts, (uint32_t)k) < 0)
		die("no memory");
	return &found[nfound++].topk;
}

static void
count(struct tool *t, struct tr_frame *f)
{
	uint64_t layer = tool_key(t, f, "layer");
	struct topk *topk;
	struct tr_ids ids;
	struct tr_col w, dropped;

	if (!tr_list_has(&layers, layer))
		return;
	tool_ids(t, f, &ids);
	topk = of_layer(layer, tool_section(t));
	if (compat) {
		tool_col(t, f, "w", &w);
		if (w.width != ids.k)
			die("w and ids differ in width");
		float *x = xcalloc(ids.rows * ids.k, sizeof *x);

		if (col_f32(&w, 0, ids.rows * ids.k, x) < 0 ||
		    topk_count_printed(topk, &ids, x) < 0)
			die("layer %llu: w cannot be read", (unsigned long long)layer);
		free(x);
		return;
	}
	if (kept && tr_col(f, "dropped", &dropped) > 0 && dropped.width == ids.k &&
	    dropped.size == 1)
		topk_count(topk, &ids, dropped.data);
	else
		topk_count(topk, &ids, NULL);
}

/* A frame for layer and k, added to what came in as frames. */
static void
add(struct sum *sum, const struct layer *l, uint64_t k, uint64_t *n)
{
	struct tr_frame f;

	topk_sum(&l->topk, (uint32_t)k, n);
	tr_new(&f, "topk");
	tr_setu(&f, "layer", l->number);
	tr_setu(&f, "k", k);
	tr_setu(&f, "n_tokens", l->topk.n_tokens);
	tr_rows(&f, l->topk.experts);
	tr_addcol(&f, "n", TR_U64, 1, n);
	if (sum_add(sum, &f) < 0)
		die("%s", sum_errstr(sum));
}

int
main(int argc, char **argv)
{
	static struct tool t = {.name = "topk-stats",
				.operands = "[FILE ...]",
				.what = "count how often each expert is among the k best",
				.opts = opts,
				.flags = TOOL_RESULT | TOOL_FOLD | TOOL_FORCE};
	struct sum *sum = sum_new();
	struct tr_frame f;
	uint64_t *n, topk;

	tool_start(&t, argc, argv);
	while (tool_next(&t, &f)) {
		if (!strcmp(f.kind, "route"))
			count(&t, &f);
		else if (!strcmp(f.kind, "topk") && tr_list_has(&layers, tr_get(&f, "layer", 0)) &&
			 tr_list_has(&ks, tr_get(&f, "k", 0)) && sum_add(sum, &f) < 0)
			die("%s", sum_errstr(sum));
	}
	topk = tool_section(&t)->topk;
	if (!ks.n && topk) {
		tr_list_add(&ks, 1);
		if (topk > 1)
			tr_list_add(&ks, 2);
		tr_list_add(&ks, topk);
	}
	if (!compat && topk && ks.n && (ks.range[ks.n - 1].hi > topk || !ks.range[0].lo))
		die("--topk %llu: the trace has topk=%llu",
		    (unsigned long long)(ks.range[0].lo ? ks.range[ks.n - 1].hi : 0),
		    (unsigned long long)topk);
	n = xcalloc(tool_section(&t)->experts + 1, sizeof *n);
	for (size_t i = 0; i < nfound; i++)
		for (uint64_t j = 0; j < tr_list_count(&ks); j++)
			add(sum, &found[i], tr_list_at(&ks, j), n);
	if (sum_layers(sum, &seen) < 0)
		die("no memory");
	tool_layers(&layers, &seen);
	sum_sort(sum);
	for (size_t i = 0; i < sum_count(sum); i++)
		tool_put(&t, sum_at(sum, i));
	for (size_t i = 0; i < nfound; i++)
		topk_free(&found[i].topk);
	free(found);
	free(n);
	sum_free(sum);
	return tool_end(&t);
}
