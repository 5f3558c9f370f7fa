/*
 * p-values of logits in; how far they are from uniform out: of a layer's all, of
 * the k-th smallest of each token, of each expert.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/density/uniform.h"
#include "size.h"
#include "tool.h"

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

static struct layer {
	uint64_t layer;
	uint32_t width;
	size_t rows, cap, nan;
	double *v; /* [rows][width] */
} * layer;
static size_t nlayer;

static struct layer *
layer_of(uint64_t number, uint32_t width)
{
	for (size_t i = nlayer; i-- > 0;) {
		if (layer[i].layer != number)
			continue;
		if (layer[i].width != width)
			die("layer %llu: rows of %u and of %u p-values", (unsigned long long)number,
			    layer[i].width, width);
		return &layer[i];
	}
	layer = xrealloc(layer, nlayer + 1, sizeof *layer);
	layer[nlayer] = (struct layer){.layer = number, .width = width};
	return &layer[nlayer++];
}

static int
rising(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
take(const struct tr_frame *f)
{
	struct layer *l;
	struct tr_col c;

	if (tr_col(f, "p", &c) <= 0)
		return;
	l = layer_of(tr_get(f, "layer", 0), c.width);
	if (l->rows + f->rows > l->cap) {
		l->cap = 2 * l->cap + f->rows;
		l->v = xrealloc(l->v, l->cap * l->width, sizeof *l->v);
	}
	for (uint64_t i = 0; i < f->rows; i++) {
		double *v = l->v + l->rows * l->width;
		int bad = 0;

		if (col_f64(&c, i * l->width, l->width, v) < 0)
			die("p is no number");
		for (uint32_t k = 0; k < l->width; k++)
			bad |= !(v[k] >= 0 && v[k] <= 1);
		l->nan += (size_t)bad;
		if (bad)
			continue;
		if (by == BY_KTH)
			qsort(v, l->width, sizeof *v, rising);
		l->rows++;
	}
}

static void
put(const struct layer *l)
{
	static const char *const name[] = {"mean", "min",        "ks",         "ks_p",
					   "a2",   "below_0.01", "below_0.05", "below_0.1"};
	size_t n = by == BY_LAYER ? 1 : l->width,
	       rows = by == BY_LAYER ? l->rows * l->width : l->rows;
	double *v = xcalloc(rows + 1, sizeof *v), *out = xcalloc(8 * n, sizeof *out);
	uint64_t *count = xcalloc(n, sizeof *count), *which = xcalloc(n, sizeof *which);
	struct tr_frame f;

	for (size_t k = 0; k < n; k++) {
		struct uniform u;

		for (size_t i = 0; i < rows; i++)
			v[i] = by == BY_LAYER ? l->v[i] : l->v[i * l->width + k];
		uniform_stats(v, rows, by == BY_KTH ? (uint32_t)k + 1 : 0, l->width, &u);
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

static int
by_layer(const void *a, const void *b)
{
	const struct layer *x = a, *y = b;

	return (x->layer > y->layer) - (x->layer < y->layer);
}

int
main(int argc, char **argv)
{
	struct tr_frame f;

	tool_start(&t, argc, argv);
	while (tool_next(&t, &f))
		if (!strcmp(f.kind, "route") && tr_list_has(&layers, tr_get(&f, "layer", 0)))
			take(&f);
	if (!nlayer)
		die("no p-values%s: logit-pval writes a column p",
		    layers.n ? " of those layers" : "");
	qsort(layer, nlayer, sizeof *layer, by_layer);
	if (by == BY_LAYER && !t.quiet)
		warn("the logits of a token depend on each other: ks_p is too small");
	for (size_t i = 0; i < nlayer; i++) {
		if (layer[i].nan && !t.quiet)
			warn("layer %llu: %zu rows with a p that is none left out",
			     (unsigned long long)layer[i].layer, layer[i].nan);
		if (layer[i].rows)
			put(&layer[i]);
		free(layer[i].v);
	}
	return tool_end(&t);
}
