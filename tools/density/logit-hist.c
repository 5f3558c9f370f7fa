/*
 * Logits in; histograms out, a frame a layer: of the logits, of their softmax, of
 * the sums of a token's weights.  Bins are common to all layers, so that
 * shards with --range add up; without it the values are held and the bins span
 * them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "num.h"
#include "size.h"
#include "tool.h"

enum { LOGIT, SOFTMAX, WSUM };

static struct tr_list layers;
static const char *range;
static uint64_t bins = 100;
static int of, experts;
static double lo = NAN, hi;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{0, "of", "logit|softmax|wsum", OPT_WORD, &of, "what is counted (logit)", 0, 0},
	{0, "bins", "N", OPT_U64, &bins, "bins (100)", 1, 1 << 20},
	{0, "range", "LO,HI", OPT_STR, &range, "of the bins (least and greatest; wsum 0,1)", 0, 0},
	{0, "experts", NULL, OPT_FLAG, &experts, "a row of bins for each expert", 0, 0},
	{0},
};

static struct tool t = {.name = "logit-hist",
			.operands = "[FILE ...]",
			.what = "count router logits in bins",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_FOLD | TOOL_FORCE};

/* Rows are not lib/density/collect's: with --range none are held, and else f32 is half as much. */
static struct layer {
	uint64_t layer;
	uint32_t width;
	float *v; /* [rows][width], held */
	size_t rows, cap;
	uint64_t *n, below, above, nan; /* [experts or 1][bins] */
} * layer;
static size_t nlayer;

static struct layer *
layer_of(uint64_t number, uint32_t width)
{
	struct layer *l;

	for (size_t i = nlayer; i-- > 0;) {
		if (layer[i].layer != number)
			continue;
		if (layer[i].width != width)
			die("layer %llu: rows of %u and of %u values", (unsigned long long)number,
			    layer[i].width, width);
		return &layer[i];
	}
	layer = xrealloc(layer, nlayer + 1, sizeof *layer);
	l = memset(&layer[nlayer++], 0, sizeof *layer);
	l->layer = number;
	l->width = width;
	l->n = xcalloc((experts ? width : 1) * bins, sizeof *l->n);
	return l;
}

static void
count(struct layer *l, uint32_t column, float x)
{
	double at = ((double)x - lo) / (hi - lo) * (double)bins;

	if (x != x)
		l->nan++;
	else if ((double)x < lo)
		l->below++;
	else if ((double)x > hi)
		l->above++;
	else
		l->n[(experts ? column : 0) * bins + MIN((uint64_t)at, bins - 1)]++;
}

/* softmax of a row, its maximum taken off first. */
static void
softmax(float *v, uint32_t n)
{
	double most = -INFINITY, sum = 0, e[65536];

	for (uint32_t k = 0; k < n; k++)
		most = MAX(most, (double)v[k]);
	for (uint32_t k = 0; k < n; k++)
		sum += e[k] = num_exp((double)v[k] - most);
	for (uint32_t k = 0; k < n; k++)
		v[k] = (float)(e[k] / sum);
}

static void
take(const struct tr_frame *f)
{
	const char *name = of == WSUM ? "w" : "logit";
	struct layer *l;
	struct tr_col c;
	float *v;

	if (tr_col(f, name, &c) <= 0)
		return;
	l = layer_of(tr_get(f, "layer", 0), of == WSUM ? 1 : c.width);
	v = xcalloc(c.width, sizeof *v);
	for (uint64_t i = 0; i < f->rows; i++) {
		double sum = 0;

		if (col_f32(&c, i * c.width, c.width, v) < 0)
			die("%s is no number", name);
		for (uint32_t k = 0; of == WSUM && k < c.width; k++)
			sum += (double)v[k];
		if (of == WSUM)
			v[0] = (float)sum;
		if (of == SOFTMAX)
			softmax(v, c.width);
		if (lo == lo) {
			for (uint32_t k = 0; k < l->width; k++)
				count(l, k, v[k]);
			continue;
		}
		if (l->rows == l->cap) {
			l->cap = 2 * l->cap + f->rows;
			l->v = xrealloc(l->v, l->cap * l->width, sizeof *l->v);
		}
		memcpy(l->v + l->rows++ * l->width, v, l->width * sizeof *v);
	}
	free(v);
}

/* Bins from the least to the greatest of all that were held; half about one value. */
static void
span(void)
{
	lo = INFINITY;
	hi = -INFINITY;
	for (size_t i = 0; i < nlayer; i++)
		for (size_t k = 0; k < layer[i].rows * layer[i].width; k++) {
			double x = (double)layer[i].v[k];

			lo = x < lo ? x : lo;
			hi = x > hi ? x : hi;
		}
	if (!(lo <= hi))
		die("no values");
	if (lo == hi) {
		lo -= 0.5;
		hi += 0.5;
	}
	for (size_t i = 0; i < nlayer; i++)
		for (size_t k = 0; k < layer[i].rows * layer[i].width; k++)
			count(&layer[i], (uint32_t)(k % layer[i].width), layer[i].v[k]);
}

static void
put(const struct layer *l)
{
	static const char *const what[] = {"logit", "softmax", "wsum"};
	char text[NUM_MAX + 1];
	struct tr_frame f;

	tr_new(&f, "hist");
	tr_setu(&f, "layer", l->layer);
	tr_set(&f, "of", what[of]);
	text[num_put_f64(text, lo)] = 0;
	tr_set(&f, "lo", text);
	text[num_put_f64(text, hi)] = 0;
	tr_set(&f, "hi", text);
	tr_setu(&f, "n_below", l->below);
	tr_setu(&f, "n_above", l->above);
	tr_setu(&f, "n_nan", l->nan);
	tr_rows(&f, experts ? l->width : bins);
	tr_addcol(&f, "n", TR_U64, experts ? (uint32_t)bins : 1, l->n);
	tool_put(&t, &f);
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
	const char *comma;

	tool_start(&t, argc, argv);
	range = range ? range : of == WSUM ? "0,1" : NULL;
	if (range && (!(comma = strchr(range, ',')) || num_f64(range, comma, &lo) < 0 ||
		      num_f64(comma + 1, comma + strlen(comma), &hi) < 0 || !(lo < hi)))
		die("--range %s: not LO,HI", range);
	while (tool_next(&t, &f))
		if (!strcmp(f.kind, "route") && tr_list_has(&layers, tr_get(&f, "layer", 0)))
			take(&f);
	if (!nlayer)
		die("no %s%s", of == WSUM ? "weights" : "logits",
		    layers.n     ? " of those layers"
		    : of == WSUM ? ""
				 : ": log2trace and pt2trace --logits write them");
	if (lo != lo)
		span();
	qsort(layer, nlayer, sizeof *layer, by_layer);
	for (size_t i = 0; i < nlayer; i++)
		put(&layer[i]);
	return tool_end(&t);
}
