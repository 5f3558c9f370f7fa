#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "histo.h"
#include "num.h"
#include "pool.h"
#include "size.h"

static const uint32_t *
ranks(const struct histo *h, uint64_t layer, uint32_t width)
{
	for (size_t i = 0; i < h->ncount; i++) {
		if (h->count[i].layer != layer)
			continue;
		if (h->count[i].experts != width)
			die("layer %llu: counts of %llu experts, rows of %u",
			    (unsigned long long)layer, (unsigned long long)h->count[i].experts,
			    width);
		return h->count[i].at;
	}
	die("layer %llu: no counts to rank by", (unsigned long long)layer);
}

static struct histo_group *
group_of(struct histo *h, uint64_t number, const char *dataset, uint32_t width)
{
	uint64_t layer = h->pool ? TR_NONE : number;
	struct histo_group *g;

	for (size_t i = h->n; i-- > 0;) {
		g = &h->group[i];
		if (g->layer != layer || strcmp(g->dataset, dataset) != 0)
			continue;
		if (g->experts != width)
			die("layer %llu: rows of %u and of %u values", (unsigned long long)number,
			    g->experts, width);
		return g;
	}
	if (h->trim && 2 * h->trim >= width)
		die("--trim %llu: rows have %u values", (unsigned long long)h->trim, width);
	h->group = xrealloc(h->group, h->n + 1, sizeof *h->group);
	g = memset(&h->group[h->n++], 0, sizeof *g);
	g->layer = layer;
	strcpy(g->dataset, dataset);
	g->experts = width;
	g->width = h->of == HISTO_WSUM ? 1 : width - 2 * (uint32_t)h->trim;
	g->nrow = h->by == HISTO_LAYER ? 1 : g->width;
	g->expert = h->by == HISTO_RANK ? ranks(h, layer, width) : NULL;
	g->n = xcalloc(g->nrow * h->bins, sizeof *g->n);
	g->values = xcalloc(g->nrow, sizeof *g->values);
	g->lo = xcalloc(g->nrow, sizeof *g->lo);
	g->hi = xcalloc(g->nrow, sizeof *g->hi);
	for (uint32_t r = 0; r < g->nrow; r++) {
		g->lo[r] = h->lo;
		g->hi[r] = h->hi;
	}
	return g;
}

static void
count(const struct histo *h, struct histo_group *g, uint32_t column, double x)
{
	uint32_t row = g->nrow > 1 ? column : 0;
	double at = (x - g->lo[row]) / (g->hi[row] - g->lo[row]) * (double)h->bins;

	g->values[row] += x == x;
	if (x != x)
		g->nan++;
	else if (x < g->lo[row])
		g->below++;
	else if (x > g->hi[row])
		g->above++;
	else
		g->n[row * h->bins + MIN((uint64_t)at, h->bins - 1)]++;
}

/* ---- a row ---- */

/* What is no number comes last. */
static int
rising(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	if (x != x || y != y)
		return (x != x) - (y != y);
	return (x > y) - (x < y);
}

static int
falling(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x != x || y != y ? rising(a, b) : rising(b, a);
}

/* softmax of a row, its maximum taken off first. */
static void
softmax(double *v, uint32_t n)
{
	double most = -INFINITY, sum = 0;

	for (uint32_t k = 0; k < n; k++)
		most = MAX(most, v[k]);
	for (uint32_t k = 0; k < n; k++)
		sum += v[k] = num_exp(v[k] - most);
	for (uint32_t k = 0; k < n; k++)
		v[k] = (double)(float)(v[k] / sum);
}

/* The values to count of a row of n, in the order of their rows of bins. */
static const double *
shape(const struct histo *h, const struct histo_group *g, double *v, double *tmp, uint32_t n)
{
	double sum = 0;

	if (h->of == HISTO_SOFTMAX)
		softmax(v, n);
	for (uint32_t k = 0; h->of == HISTO_CDF && k < n; k++)
		v[k] = 1 - v[k];
	if (h->of == HISTO_WSUM) {
		for (uint32_t k = 0; k < n; k++)
			sum += v[k];
		*v = (double)(float)sum;
	}
	if (h->by == HISTO_KTH || h->trim)
		qsort(v, n, sizeof *v, h->of == HISTO_P ? rising : falling);
	if (h->by != HISTO_RANK)
		return v + h->trim;
	for (uint32_t k = 0; k < n; k++)
		tmp[k] = v[g->expert[k]];
	return tmp;
}

void
histo_add(struct histo *h, struct tool *t, const struct tr_frame *f, const char *dataset)
{
	static const char *const column[] = {"logit", "logit", "w", "p", "p"};
	struct histo_group *g;
	struct tr_col c;
	double *v;
	int r;

	if ((r = tr_col(f, column[h->of], &c)) < 0)
		tool_fail(t);
	if (!r)
		return;
	g = group_of(h, tr_get(f, "layer", 0), dataset, c.width);
	g->rows += f->rows;
	if ((h->lo != h->lo || h->curve) && g->held + f->rows > g->cap) {
		g->cap = 2 * g->cap + f->rows;
		g->v = xrealloc(g->v, g->cap * g->width, sizeof *g->v);
	}
	v = xcalloc(2 * c.width, sizeof *v);
	for (uint64_t i = 0; i < f->rows; i++) {
		const double *u;

		if (col_f64(&c, i * c.width, c.width, v) < 0)
			die("%s is no number", column[h->of]);
		u = shape(h, g, v, v + c.width, c.width);
		for (uint32_t k = 0; h->lo == h->lo && k < g->width; k++)
			count(h, g, k, u[k]);
		if (!g->cap)
			continue;
		for (uint32_t k = 0; k < g->width; k++)
			g->v[g->held * g->width + k] = (float)u[k];
		g->held++;
	}
	free(v);
}

/* ---- bins ---- */

/* Have the same rows of a and b one span? */
static int
together(const struct histo *h, const struct histo_group *a, const struct histo_group *b)
{
	return h->span == HISTO_ALL || a->layer == b->layer;
}

/* The least and the greatest of each row of bins, alone. */
static void
extremes(struct histo_group *g)
{
	for (uint32_t r = 0; r < g->nrow; r++) {
		g->lo[r] = INFINITY;
		g->hi[r] = -INFINITY;
	}
	for (size_t i = 0; i < g->held * g->width; i++) {
		uint32_t r = g->nrow > 1 ? (uint32_t)(i % g->width) : 0;
		double x = (double)g->v[i];

		if (isinf(x))
			continue;
		g->lo[r] = x < g->lo[r] ? x : g->lo[r];
		g->hi[r] = x > g->hi[r] ? x : g->hi[r];
	}
}

/* Of all rows that share their bins; half about one value. */
static void
share(struct histo *h)
{
	double lo = INFINITY, hi = -INFINITY;

	for (size_t i = 0; h->span != HISTO_ROW && i < h->n; i++) {
		struct histo_group *g = &h->group[i];

		for (uint32_t r = 1; r < g->nrow; r++) {
			g->lo[0] = MIN(g->lo[0], g->lo[r]);
			g->hi[0] = MAX(g->hi[0], g->hi[r]);
		}
		lo = MIN(lo, g->lo[0]);
		hi = MAX(hi, g->hi[0]);
		for (uint32_t r = 0; r < g->nrow; r++) {
			g->lo[r] = g->lo[0];
			g->hi[r] = g->hi[0];
		}
	}
	for (size_t i = 0; i < h->n; i++)
		for (size_t j = 0; h->span != HISTO_ALL && j < i; j++)
			for (uint32_t r = 0; r < h->group[i].nrow; r++) {
				struct histo_group *a = &h->group[i], *b = &h->group[j];

				if (r >= b->nrow || !together(h, a, b))
					continue;
				a->lo[r] = b->lo[r] = MIN(a->lo[r], b->lo[r]);
				a->hi[r] = b->hi[r] = MAX(a->hi[r], b->hi[r]);
			}
	for (size_t i = 0; i < h->n; i++)
		for (uint32_t r = 0; r < h->group[i].nrow; r++) {
			struct histo_group *g = &h->group[i];

			if (h->span == HISTO_ALL) {
				g->lo[r] = lo;
				g->hi[r] = hi;
			}
			if (g->lo[r] == g->hi[r]) {
				g->lo[r] -= 0.5;
				g->hi[r] += 0.5;
			}
			if (!(g->lo[r] < g->hi[r])) { /* no value */
				g->lo[r] = 0;
				g->hi[r] = 1;
			}
		}
}

static void
spans(struct histo *h)
{
	uint64_t values = 0;

	for (size_t i = 0; i < h->n; i++)
		extremes(&h->group[i]);
	share(h);
	for (size_t i = 0; i < h->n; i++) {
		struct histo_group *g = &h->group[i];

		for (size_t k = 0; k < g->held * g->width; k++)
			count(h, g, (uint32_t)(k % g->width), (double)g->v[k]);
		for (uint32_t r = 0; r < g->nrow; r++)
			values += g->values[r];
	}
	if (!values)
		die("no values");
}

/* ---- curves ---- */

static void
curve(void *arg, size_t at)
{
	struct histo *h = arg;
	struct histo_group *g = h->group;
	size_t n = 0, step;
	double *x, *y;
	float *v;
	int r;

	for (; at >= g->nrow; g++)
		at -= g->nrow;
	step = g->nrow > 1 ? g->width : 1;
	v = xcalloc(g->held * g->width / step + 1, sizeof *v);
	for (size_t i = g->nrow > 1 ? at : 0; i < g->held * g->width; i += step)
		if (isfinite(g->v[i]))
			v[n++] = g->v[i];
	x = g->x + at * HISTO_POINTS;
	y = g->y + at * HISTO_POINTS;
	r = n ? histo_curve(v, n, (g->hi[at] - g->lo[at]) / (double)h->bins, x, y) : 0;
	if (r < 0)
		die("no memory");
	for (int i = 0; !r && i < HISTO_POINTS; i++)
		x[i] = y[i] = NAN;
	free(v);
}

static int
by_layer(const void *a, const void *b)
{
	const struct histo_group *x = a, *y = b;

	if (x->layer != y->layer)
		return x->layer > y->layer ? 1 : -1;
	return strcmp(x->dataset, y->dataset);
}

void
histo_end(struct histo *h, struct tool *t)
{
	size_t rows = 0;

	qsort(h->group, h->n, sizeof *h->group, by_layer);
	if (h->lo != h->lo)
		spans(h);
	for (size_t i = 0; h->curve && i < h->n; i++) {
		struct histo_group *g = &h->group[i];

		g->x = xcalloc((size_t)g->nrow * HISTO_POINTS, sizeof *g->x);
		g->y = xcalloc((size_t)g->nrow * HISTO_POINTS, sizeof *g->y);
		rows += g->nrow;
	}
	pool_each(t->jobs, rows, curve, h);
}
