/*
 * p-values of logits in; how far they are from uniform out: of a layer's all, of
 * the k-th smallest of each token, of each expert.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/density/collect.h"
#include "../../lib/density/uniform.h"
#include "size.h"

enum { BY_LAYER, BY_KTH, BY_EXPERT };

static struct tr_list layers;
static int by;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{0, "by", "layer|kth|expert", OPT_WORD, &by,
	 "all of a layer, the k-th smallest of a token, an expert (layer)", 0, 0},
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

static void
put(const struct collected *l)
{
	static const char *const name[] = {"mean", "min",        "ks",         "ks_p",
					   "a2",   "below_0.01", "below_0.05", "below_0.1"};
	size_t n = by == BY_LAYER ? 1 : l->width,
	       nrow = by == BY_LAYER ? l->rows * l->width : l->rows;
	double *v = xcalloc(nrow + 1, sizeof *v), *out = xcalloc(8 * n, sizeof *out);
	uint64_t *count = xcalloc(n, sizeof *count), *which = xcalloc(n, sizeof *which);
	struct tr_frame f;

	for (size_t k = 0; k < n; k++) {
		struct uniform u;

		for (size_t i = 0; i < nrow; i++)
			v[i] = by == BY_LAYER ? l->v[i] : l->v[i * l->width + k];
		uniform_stats(v, nrow, by == BY_KTH ? (uint32_t)k + 1 : 0, l->width, &u);
		which[k] = k + (by == BY_KTH);
		count[k] = u.n;
		for (int i = 0; i < 8; i++)
			out[(size_t)i * n + k] =
				((double[]){u.mean, u.min, u.ks, u.ks_p, u.a2, u.below[0],
					    u.below[1], u.below[2]})[i];
	}
	tr_new(&f, "table");
	tr_set(&f, "name", by == BY_KTH ? "pval-kth" : by == BY_EXPERT ? "pval-expert" : "pval");
	tr_setu(&f, "layer", l->layer);
	tr_rows(&f, n);
	if (by != BY_LAYER)
		tr_addcol(&f, by == BY_KTH ? "k" : "expert", TR_U64, 1, which);
	tr_addcol(&f, "values", TR_U64, 1, count);
	for (int i = 0; i < 8; i++)
		tr_addcol(&f, name[i], TR_F64, 1, out + (size_t)i * n);
	tool_put(&t, &f);
	free(v);
	free(out);
	free(count);
	free(which);
}

int
main(int argc, char **argv)
{
	struct tr_frame f;

	tool_start(&t, argc, argv);
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
