/*
 * Logits in; how many, mean, standard deviation, least and greatest of each layer or
 * expert out.  Sums are exact (lib/stats/moment.h), so they can be had as frames that
 * trace-sum adds, and finished here.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/stats/moment.h"
#include "num.h"
#include "size.h"
#include "tool.h"

enum { BY_LAYER, BY_EXPERT };

static struct tr_list layers;
static int by, moments;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{0, "by", "layer|expert", OPT_WORD, &by, "all of a layer, or each expert (layer)", 0, 0},
	{0, "moments", NULL, OPT_FLAG, &moments, "write sums that add up instead", 0, 0},
	{0},
};

static struct tool t = {.name = "logit-stats",
			.operands = "[FILE ...]",
			.what = "tell mean and spread of router logits",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_FOLD | TOOL_FORCE};

static struct layer {
	uint64_t layer;
	uint32_t width;   /* of the rows seen */
	struct moment *m; /* [width], or one */
} * layer;
static size_t nlayer;

static struct layer *
layer_of(uint64_t number, uint32_t width)
{
	for (size_t i = nlayer; i-- > 0;) {
		if (layer[i].layer != number)
			continue;
		if (by == BY_EXPERT && layer[i].width != width)
			die("layer %llu: rows of %u and of %u values", (unsigned long long)number,
			    layer[i].width, width);
		return &layer[i];
	}
	layer = xrealloc(layer, nlayer + 1, sizeof *layer);
	layer[nlayer] = (struct layer){number, width,
				       xcalloc(by == BY_EXPERT ? width : 1, sizeof(struct moment))};
	return &layer[nlayer++];
}

static void
take_logits(const struct tr_frame *f)
{
	struct layer *l;
	struct tr_col c;
	float *v;
	int r = tr_col(f, "logit", &c);

	if (r < 0)
		tool_fail(&t);
	if (!r)
		return;
	l = layer_of(tr_get(f, "layer", 0), c.width);
	v = xcalloc(c.width, sizeof *v);
	for (uint64_t i = 0; i < f->rows; i++) {
		if (col_f32(&c, i * c.width, c.width, v) < 0)
			die("logit is no number");
		for (uint32_t k = 0; k < c.width; k++)
			moment_add(&l->m[by == BY_EXPERT ? k : 0], (double)v[k]);
	}
	free(v);
}

/* Elements of a column of a moment frame, a type and width that it must have. */
static const void *
part(struct tr_frame *f, const char *name, enum tr_type type, uint32_t width)
{
	struct tr_col c;

	tool_col(&t, f, name, &c);
	if (c.type != type || c.width != width)
		tool_refuse(&t, f, "column %s is no %s:%u", name, tr_typename(type), width);
	return c.data;
}

static void
take_moments(struct tr_frame *f)
{
	const uint64_t *n = part(f, "n", TR_U64, 1), *nan = part(f, "n_nan", TR_U64, 1);
	const int64_t *sum = part(f, "n_sum", TR_I64, MOMENT_F32_SUM),
		      *square = part(f, "n_square", TR_I64, MOMENT_F32_SQUARE);
	const double *min = part(f, "min_x", TR_F64, 1), *max = part(f, "max_x", TR_F64, 1);
	char of[16] = "", rows[16] = "";
	struct layer *l;

	if (tr_text(f, "of", of, sizeof of) <= 0 || strcmp(of, "logit"))
		tool_refuse(&t, f, "of is not logit");
	if (by == BY_EXPERT && (tr_text(f, "by", rows, sizeof rows) <= 0 || strcmp(rows, "expert")))
		tool_refuse(&t, f, "of a layer's all: its experts are not told apart");
	if (!f->rows)
		return;
	l = layer_of(tr_get(f, "layer", 0), (uint32_t)f->rows);
	for (uint64_t i = 0; i < f->rows; i++) {
		struct moment m = {.n = n[i], .nan = nan[i], .min = min[i], .max = max[i]};

		moment_from_f32(&m, sum + i * MOMENT_F32_SUM, square + i * MOMENT_F32_SQUARE);
		if (m.n && !(m.min <= m.max))
			tool_refuse(&t, f, "min_x is above max_x");
		if (moment_merge(&l->m[by == BY_EXPERT ? i : 0], &m) < 0)
			tool_refuse(&t, f, "sums overflow");
	}
}

/* ---- what comes out ---- */

static void
put_moments(const struct layer *l, size_t n)
{
	int64_t *sum = xcalloc(n * MOMENT_F32_SUM, 8), *square = xcalloc(n * MOMENT_F32_SQUARE, 8);
	uint64_t *count = xcalloc(n, 8), *nan = xcalloc(n, 8);
	double *min = xcalloc(n, 8), *max = xcalloc(n, 8);
	struct tr_frame f;

	for (size_t i = 0; i < n; i++) {
		moment_f32(&l->m[i], sum + i * MOMENT_F32_SUM, square + i * MOMENT_F32_SQUARE);
		count[i] = l->m[i].n;
		nan[i] = l->m[i].nan;
		min[i] = count[i] ? l->m[i].min : NAN;
		max[i] = count[i] ? l->m[i].max : NAN;
	}
	tr_new(&f, "moment");
	tr_setu(&f, "layer", l->layer);
	tr_set(&f, "of", "logit");
	tr_set(&f, "by", by == BY_EXPERT ? "expert" : "layer");
	tr_rows(&f, n);
	tr_addcol(&f, "n", TR_U64, 1, count);
	tr_addcol(&f, "n_nan", TR_U64, 1, nan);
	tr_addcol(&f, "n_sum", TR_I64, MOMENT_F32_SUM, sum);
	tr_addcol(&f, "n_square", TR_I64, MOMENT_F32_SQUARE, square);
	tr_addcol(&f, "min_x", TR_F64, 1, min);
	tr_addcol(&f, "max_x", TR_F64, 1, max);
	tool_put(&t, &f);
	free(sum);
	free(square);
	free(count);
	free(nan);
	free(min);
	free(max);
}

static void
put_table(const struct layer *l, size_t n)
{
	static const char *const name[] = {"mean", "std", "min", "max", "scott"};
	uint64_t *values = xcalloc(n, 8), *nan = xcalloc(n, 8), *expert = xcalloc(n, 8);
	double *out = xcalloc(LEN(name) * n, 8);
	struct tr_frame f;

	for (size_t i = 0; i < n; i++) {
		const struct moment *m = &l->m[i];
		double mean, std;

		if (moment_told(m, &mean, &std) < 0)
			die("layer %llu: moments that no values have",
			    (unsigned long long)l->layer);
		expert[i] = i;
		values[i] = m->n;
		nan[i] = m->nan;
		for (size_t k = 0; k < LEN(name); k++)
			out[k * n + i] =
				((double[]){mean, std, m->n ? m->min : NAN, m->n ? m->max : NAN,
					    std > 0 ? std * num_pow((double)m->n, -0.2) : 1})[k];
	}
	tr_new(&f, "table");
	tr_set(&f, "name", by == BY_EXPERT ? "logit-stats-expert" : "logit-stats");
	tr_setu(&f, "layer", l->layer);
	tr_rows(&f, n);
	if (by == BY_EXPERT)
		tr_addcol(&f, "expert", TR_U64, 1, expert);
	tr_addcol(&f, "values", TR_U64, 1, values);
	tr_addcol(&f, "nan", TR_U64, 1, nan);
	for (size_t k = 0; k < LEN(name); k++)
		tr_addcol(&f, name[k], TR_F64, 1, out + k * n);
	tool_put(&t, &f);
	free(values);
	free(nan);
	free(expert);
	free(out);
}

static int
by_number(const void *a, const void *b)
{
	const struct layer *x = a, *y = b;

	return (x->layer > y->layer) - (x->layer < y->layer);
}

int
main(int argc, char **argv)
{
	struct tr_frame f;

	tool_start(&t, argc, argv);
	while (tool_next(&t, &f)) {
		if (!tr_list_has(&layers, tr_get(&f, "layer", 0)))
			continue;
		if (!strcmp(f.kind, "route"))
			take_logits(&f);
		if (!strcmp(f.kind, "moment"))
			take_moments(&f);
	}
	if (!nlayer)
		die("no logits of those layers: log2trace and pt2trace --logits write them");
	qsort(layer, nlayer, sizeof *layer, by_number);
	for (size_t i = 0; i < nlayer; i++) {
		size_t n = by == BY_EXPERT ? layer[i].width : 1;

		if (moments)
			put_moments(&layer[i], n);
		else
			put_table(&layer[i], n);
		free(layer[i].m);
	}
	return tool_end(&t);
}
