/*
 * p-values of logits in; how far they are from uniform out: of a layer's all, of
 * the k-th smallest of each token, of each expert, by number or by popularity.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/density/collect.h"
#include "../../lib/density/uniform.h"
#include "size.h"

enum { BY_LAYER, BY_KTH, BY_EXPERT, BY_RANK };

static struct tr_list layers;
static const char *counts;
static int by;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{0, "by", "layer|kth|expert|rank", OPT_WORD, &by,
	 "all of a layer, the k-th smallest of a token, an expert, the r-th most picked (layer)", 0,
	 0},
	{0, "count", "FILE", OPT_STR, &counts, "rank: the count frames that rank experts", 0, 0},
	{0},
};

static struct tool t = {.name = "pval-stats",
			.operands = "[FILE ...]",
			.what = "tell how far p-values are from uniform",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_FOLD | TOOL_FORCE};

static int
rising(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int
take(double *v, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++)
		if (!(v[k] >= 0 && v[k] <= 1))
			return 0;
	if (by == BY_KTH)
		qsort(v, n, sizeof *v, rising);
	return 1;
}

static struct collect rows = {.column = "p", .layers = &layers, .take = take};

/* ---- popularity ---- */

static struct count { /* picks of a layer's experts, in the training data */
	uint64_t layer, experts, *n;
} * count;
static size_t ncount;

static struct count *
count_of(uint64_t layer)
{
	for (size_t i = 0; i < ncount; i++)
		if (count[i].layer == layer)
			return &count[i];
	return NULL;
}

/* Frames of a layer, as those of batches, are added. */
static void
add_count(struct tr_frame *f)
{
	struct count *c = count_of(tr_get(f, "layer", 0));
	struct tr_col col;

	if (tr_col(f, "n", &col) <= 0 || col.width != 1)
		die("%s: @count has no column n", counts);
	if (!c) {
		count = xrealloc(count, ncount + 1, sizeof *count);
		c = &count[ncount++];
		*c = (struct count){tr_get(f, "layer", 0), f->rows, xcalloc(f->rows + 1, 8)};
	}
	if (c->experts != f->rows)
		die("%s: layer %llu: counts of %llu and of %llu experts", counts,
		    (unsigned long long)c->layer, (unsigned long long)c->experts,
		    (unsigned long long)f->rows);
	for (uint64_t i = 0, n; i < f->rows; i++) {
		if (col_u64(&col, i, 1, &n) < 0 || __builtin_add_overflow(c->n[i], n, &c->n[i]))
			die("%s: @count: n is no count", counts);
	}
}

static void
read_counts(void)
{
	char *files[] = {(char *)counts};
	struct tr *in = tool_reader(&t, files, 1);
	struct tr_frame f;
	int r;

	while ((r = tr_next(in, &f)) > 0 && (r = tr_decode(&f)) == 0)
		if (!strcmp(f.kind, "count"))
			add_count(&f);
	if (r < 0)
		die("%s", tr_errstr(in));
	tool_reader_end(&t, in);
	if (!ncount)
		die("%s: no count frames: expert-load writes them", counts);
}

static const uint64_t *ranked_by;

/* The more picked first; of equals the lower expert. */
static int
by_picks(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	if (ranked_by[x] != ranked_by[y])
		return ranked_by[x] > ranked_by[y] ? -1 : 1;
	return (x > y) - (x < y);
}

/* order [width]: the experts of a layer, by picks. */
static void
rank(const struct collected *l, uint64_t *order)
{
	const struct count *c = count_of(l->layer);

	if (!c)
		die("%s: no counts of layer %llu", counts, (unsigned long long)l->layer);
	if (c->experts != l->width)
		die("%s: layer %llu: counts of %llu experts, but p of %u", counts,
		    (unsigned long long)l->layer, (unsigned long long)c->experts, l->width);
	ranked_by = c->n;
	qsort(order, l->width, sizeof *order, by_picks);
}

/* ---- tables ---- */

static void
put(const struct collected *l)
{
	static const char *const table[] = {"pval", "pval-kth", "pval-expert", "pval-rank"};
	static const char *const name[] = {"mean", "min",        "ks",         "ks_p",
					   "a2",   "below_0.01", "below_0.05", "below_0.1"};
	size_t n = by == BY_LAYER ? 1 : l->width,
	       nrow = by == BY_LAYER ? l->rows * l->width : l->rows;
	double *v = xcalloc(nrow + 1, sizeof *v), *out = xcalloc(8 * n, sizeof *out);
	uint64_t *values = xcalloc(n, sizeof *values), *which = xcalloc(n, sizeof *which);
	uint64_t *clipped = xcalloc(n, sizeof *clipped);
	uint64_t *ranks = xcalloc(n, sizeof *ranks), *picks = xcalloc(n, sizeof *picks);
	struct tr_frame f;

	for (size_t k = 0; k < n; k++)
		which[k] = k;
	if (by == BY_RANK)
		rank(l, which);
	for (size_t k = 0; k < n; k++) {
		struct uniform u;

		for (size_t i = 0; i < nrow; i++)
			v[i] = by == BY_LAYER ? l->v[i] : l->v[i * l->width + which[k]];
		uniform_stats(v, nrow, by == BY_KTH ? (uint32_t)k + 1 : 0, l->width, &u);
		ranks[k] = k + 1;
		if (by == BY_RANK)
			picks[k] = ranked_by[which[k]];
		values[k] = u.n;
		clipped[k] = u.clipped;
		for (int i = 0; i < 8; i++)
			out[(size_t)i * n + k] =
				((double[]){u.mean, u.min, u.ks, u.ks_p, u.a2, u.below[0],
					    u.below[1], u.below[2]})[i];
	}
	tr_new(&f, "table");
	tr_set(&f, "name", table[by]);
	tr_setu(&f, "layer", l->layer);
	tr_rows(&f, n);
	if (by == BY_KTH || by == BY_RANK)
		tr_addcol(&f, by == BY_KTH ? "k" : "rank", TR_U64, 1, ranks);
	if (by == BY_EXPERT || by == BY_RANK)
		tr_addcol(&f, "expert", TR_U64, 1, which);
	if (by == BY_RANK)
		tr_addcol(&f, "picks", TR_U64, 1, picks);
	tr_addcol(&f, "values", TR_U64, 1, values);
	for (int i = 0; i < 8; i++)
		tr_addcol(&f, name[i], TR_F64, 1, out + (size_t)i * n);
	tr_addcol(&f, "clipped", TR_U64, 1, clipped);
	tool_put(&t, &f);
	free(v);
	free(out);
	free(values);
	free(clipped);
	free(which);
	free(ranks);
	free(picks);
}

int
main(int argc, char **argv)
{
	struct tr_frame f;

	tool_start(&t, argc, argv);
	if ((by == BY_RANK) != !!counts)
		die(counts ? "--count: only with --by rank" : "--by rank: --count FILE is needed");
	if (counts)
		read_counts();
	while (tool_next(&t, &f))
		collect_add(&rows, &t, &f);
	collect_end(&rows, &t, "no p-values of those layers: logit-pval writes a column p",
		    "with a p that is none");
	if (by == BY_LAYER && !t.quiet)
		warn("the logits of a token depend on each other: ks_p is too small");
	for (size_t i = 0; i < rows.n; i++) {
		if (rows.at[i].rows)
			put(&rows.at[i]);
		free(rows.at[i].v);
	}
	return tool_end(&t);
}
