/*
 * A trace in; how the picks of each layer are spread over experts and data sets
 * out, as tables (collection.md 9), or the counts that they come from.  count
 * frames that come in are added, so statistics of shards need no trace.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/stats/datasets.h"
#include "../../lib/stats/expertstats.h"
#include "../../lib/stats/setload.h"
#include "../../lib/stats/sum.h"
#include "tool.h"

enum { STATS, COUNT, SPECIALISATION, DIVERGENCE, INFORMATION };

static struct tr_list layers, seen;
static uint64_t best;
static int kept, what, by_dataset;

static const struct opt opts[] = {
	{'k', "topk", "N", OPT_U64, &best, "the N best picks of each row (all)", 1, TR_WIDTH_MAX},
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{0, "table", "stats|count|specialisation|divergence|information", OPT_WORD, &what,
	 "what to tell (stats)", 0, 0},
	{0, "by-dataset", NULL, OPT_FLAG, &by_dataset, "stats of each data set, too", 0, 0},
	{0, "kept", NULL, OPT_FLAG, &kept, "leave out picks dropped for capacity", 0, 0},
	{0},
};

static struct setload load;

static void
count(struct tool *t, struct datasets *sets, const struct tr_frame *f)
{
	struct tr_ids ids;

	tool_key(t, f, "layer");
	tool_ids(t, f, &ids);
	if (best > ids.k)
		die("--topk %llu: the trace has topk=%u", (unsigned long long)best, ids.k);
	tool_check(t, setload_add(&load, sets, f, &ids, best ? (uint32_t)best : ids.k,
				  kept ? tool_dropped(t, f, &ids) : NULL,
				  (uint32_t)tool_section(t)->experts));
}

static void
add(struct sum *sum, struct tr_frame *f)
{
	if (sum_add(sum, f) < 0)
		die("%s", sum_errstr(sum));
}

/* What was counted, as frames beside those that came in. */
static void
add_counted(struct sum *sum, const struct datasets *sets, uint64_t experts)
{
	struct tr_frame f;

	for (size_t i = 0; i < load.parts; i++) {
		const struct setload_part *p = &load.part[i];

		tr_new(&f, "count");
		tr_setu(&f, "layer", p->layer);
		if (best)
			tr_setu(&f, "k", best);
		if (p->set)
			tr_set(&f, "dataset", datasets_name(sets, p->set));
		tr_setu(&f, "n_tokens", p->rows);
		tr_rows(&f, experts);
		tr_addcol(&f, "n", TR_U64, 1, p->n);
		add(sum, &f);
	}
	setload_free(&load);
}

static const uint64_t *
counts(struct tool *t, const struct tr_frame *f)
{
	struct tr_col c;

	tool_col(t, f, "n", &c);
	if (c.type != TR_U64 || c.width != 1 || !f->rows)
		die("@count: n is not u64, one number an expert");
	return c.data;
}

/* A table of what frame f counts, or its layer, as its keys say. */
static void
new_table(struct tr_frame *to, const char *name, const struct tr_frame *f, int whole)
{
	static const char *const keys[] = {"layer", "k", "dataset"};
	char text[TR_HEADER_MAX];

	tr_new(to, "table");
	tr_set(to, "name", name);
	for (int i = 0; i < (whole ? 2 : 3); i++)
		if (tr_text(f, keys[i], text, sizeof text) > 0)
			tr_set(to, keys[i], text);
}

static void
put_stats(struct tool *t, struct tr_frame *g, const uint64_t *n, uint32_t experts)
{
	struct expertstats s;

	tool_check(t, expertstats_put(&s, g, n, experts));
	tool_put(t, g);
}

/* Shares of one data set's tokens, beside those of all. */
static void
put_specialisation(struct tool *t, const struct tr_frame *f, const uint64_t *all, uint64_t rows)
{
	const uint64_t *n = counts(t, f);
	uint64_t mine = tr_get(f, "n_tokens", 0);
	double *x = xcalloc(f->rows, 2 * sizeof *x), *lift = x + f->rows;
	uint32_t *expert = xcalloc(f->rows, sizeof *expert);
	struct tr_frame g;

	for (uint64_t e = 0; e < f->rows; e++) {
		expert[e] = (uint32_t)e;
		x[e] = mine ? (double)n[e] / (double)mine : 0;
		lift[e] = all[e] ? x[e] * (double)rows / (double)all[e] : 0;
	}
	new_table(&g, "specialisation", f, 0);
	tr_rows(&g, f->rows);
	tr_addcol(&g, "expert", TR_U32, 1, expert);
	tr_addcol(&g, "share", TR_F64, 1, x);
	tr_addcol(&g, "lift", TR_F64, 1, lift);
	tool_put(t, &g);
	free(expert);
	free(x);
}

static void
put_divergence(struct tool *t, const struct tr_frame *a, const struct tr_frame *b)
{
	double js = expertstats_js(counts(t, a), counts(t, b), (uint32_t)a->rows);
	char name[TR_HEADER_MAX] = "";
	struct tr_frame g;

	tr_text(b, "dataset", name, sizeof name);
	new_table(&g, "divergence", a, 0);
	tr_set(&g, "other", name);
	tr_rows(&g, 1);
	tr_addcol(&g, "js_bits", TR_F64, 1, &js);
	tool_put(t, &g);
}

static void
put_information(struct tool *t, const struct tr_frame *f, const uint64_t *n, size_t sets)
{
	struct expertstats_mi m;
	double mi;
	struct tr_frame g;

	tool_check(t, expertstats_mi(n, sets, f->rows, &m));
	mi = m.mi - m.bias;
	new_table(&g, "information", f, 1);
	tr_setu(&g, "datasets", sets);
	tr_rows(&g, 1);
	tr_addcol(&g, "dataset_bits", TR_F64, 1, &m.x);
	tr_addcol(&g, "expert_bits", TR_F64, 1, &m.y);
	tr_addcol(&g, "mi_bits", TR_F64, 1, &m.mi);
	tr_addcol(&g, "mi_bias_bits", TR_F64, 1, &m.bias);
	tr_addcol(&g, "mi_corrected_bits", TR_F64, 1, &mi);
	tool_put(t, &g);
}

static int
of_dataset(const struct tr_frame *f)
{
	const char *name;

	return tr_key(f, "dataset", &name) > 0;
}

/* The count frames of one layer, with and without a data set. */
static void
put_layer(struct tool *t, const struct sum *sum, size_t from, size_t to)
{
	const struct tr_frame *f = sum_at(sum, from), *g;
	uint64_t *all = xcalloc(f->rows, sizeof *all), *each, rows = 0;
	size_t sets = 0;
	struct tr_frame h;

	each = xcalloc((to - from) * f->rows, sizeof *each);
	for (size_t i = from; i < to; i++) {
		const uint64_t *n = counts(t, g = sum_at(sum, i));

		if (g->rows != f->rows)
			die("layer %llu: counts of %llu and of %llu experts",
			    (unsigned long long)tr_get(f, "layer", 0), (unsigned long long)f->rows,
			    (unsigned long long)g->rows);
		rows += tr_get(g, "n_tokens", 0);
		for (uint64_t e = 0; e < f->rows; e++)
			all[e] += n[e];
		if (of_dataset(g))
			memcpy(each + sets++ * f->rows, n, f->rows * sizeof *n);
	}
	if (what > COUNT && !sets)
		die("layer %llu: no data sets: seq and tok frames name them (trace-info)",
		    (unsigned long long)tr_get(f, "layer", 0));
	if (what == STATS) {
		new_table(&h, "expert-stats", f, 1);
		put_stats(t, &h, all, (uint32_t)f->rows);
	}
	if (what == INFORMATION)
		put_information(t, f, each, sets);
	for (size_t i = from; i < to; i++) {
		if (!of_dataset(g = sum_at(sum, i)))
			continue;
		if (what == SPECIALISATION)
			put_specialisation(t, g, all, rows);
		for (size_t j = i + 1; what == DIVERGENCE && j < to; j++)
			if (of_dataset(sum_at(sum, j)))
				put_divergence(t, g, sum_at(sum, j));
	}
	free(all);
	free(each);
}

static int
same_layer(const struct tr_frame *a, const struct tr_frame *b)
{
	return tr_get(a, "layer", 0) == tr_get(b, "layer", 0) &&
	       tr_get(a, "k", 0) == tr_get(b, "k", 0);
}

int
main(int argc, char **argv)
{
	static struct tool t = {.name = "expert-stats",
				.operands = "[FILE ...]",
				.what = "tell how picks are spread over the experts",
				.opts = opts,
				.flags = TOOL_RESULT | TOOL_FOLD | TOOL_FORCE};
	struct datasets *sets = datasets_new();
	struct sum *sum = sum_new();
	uint64_t section = 0;
	struct tr_frame f;

	tool_start(&t, argc, argv);
	if (!sets || !sum)
		die("no memory");
	if (by_dataset && what != STATS)
		die("--by-dataset: the other tables are so unasked");
	while (tool_next(&t, &f)) {
		int r;

		if (section != t.sections)
			datasets_begin(sets);
		section = t.sections;
		if ((r = datasets_take(sets, &f)) == TR_ENOMEM)
			die("no memory");
		if (r < 0)
			tool_refuse(&t, &f,
				    r == TR_ELIMIT ? "more than 65535 data sets"
						   : "batch, seq or row is no number");
		if (!tr_list_has(&layers, tr_get(&f, "layer", 0)))
			continue;
		if (!strcmp(f.kind, "route"))
			count(&t, sets, &f);
		else if (!strcmp(f.kind, "count")) {
			tr_unset(&f, "batch");
			add(sum, &f);
		}
	}
	add_counted(sum, sets, tool_section(&t)->experts);
	if (sum_layers(sum, &seen) < 0)
		die("no memory");
	tool_layers(&layers, &seen);
	sum_sort(sum);
	for (size_t i = 0, j; i < sum_count(sum); i = j) {
		for (j = i + 1; j < sum_count(sum) && same_layer(sum_at(sum, i), sum_at(sum, j));
		     j++)
			;
		if (what != COUNT)
			put_layer(&t, sum, i, j);
	}
	for (size_t i = 0; i < sum_count(sum); i++) {
		const struct tr_frame *c = sum_at(sum, i);

		if (what == COUNT) {
			tool_put(&t, c);
		} else if (by_dataset && of_dataset(c)) {
			new_table(&f, "expert-stats-dataset", c, 0);
			put_stats(&t, &f, counts(&t, c), (uint32_t)c->rows);
		}
	}
	sum_free(sum);
	datasets_free(sets);
	return tool_end(&t);
}
