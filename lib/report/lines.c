/*
 * Which columns are curves, a line a layer (and chain).  Points that would not
 * move a line by a third of a pixel are taken out.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lines.h"
#include "num.h"
#include "size.h"

enum { BUCKETS = 1024 };

static const struct {
	const char *kind, *name, *x, *y[2], *by;
} known[] = {
	{"kde", NULL, "x", {"cdf", "pdf"}, NULL},
	{"table", "search", "seconds", {"best"}, "chain"},
	{"table", "p", "x", {"p"}, NULL},
};

static double *
column(struct tr_frame *f, const char *name)
{
	struct tr_col c;
	double *v;

	if (!name || tr_col(f, name, &c) <= 0 || c.width != 1 ||
	    !(v = malloc((f->rows + 1) * sizeof *v)))
		return NULL;
	if (col_f64(&c, 0, f->rows, v) < 0) {
		free(v);
		return NULL;
	}
	return v;
}

static struct line *
line_new(struct lines *l, const struct tr_frame *f, size_t k, const char *y, double by)
{
	uint64_t layer = tr_get(f, "layer", TR_NONE);
	struct line *a;
	char what[160], num[NUM_MAX + 1];

	if (l->n == l->cap) {
		if (!(a = realloc(l->at, (2 * l->cap + 32) * sizeof *a)))
			return NULL;
		l->at = a;
		l->cap = 2 * l->cap + 32;
	}
	a = memset(&l->at[l->n], 0, sizeof *a);
	a->x = malloc((f->rows + 1) * sizeof *a->x);
	a->y = malloc((f->rows + 1) * sizeof *a->y);
	l->n++;
	if (!a->x || !a->y)
		return NULL;
	group_what(f, 0, what, sizeof what);
	snprintf(a->figure, sizeof a->figure, "%s%s%s", y, *what ? ": " : "", what);
	num[num_put_f64(num, by)] = 0;
	if (layer != TR_NONE)
		snprintf(a->name, sizeof a->name, "layer %llu", (unsigned long long)layer);
	if (known[k].by)
		snprintf(a->name + strlen(a->name), 60, "%s%s %s", *a->name ? ", " : "",
			 known[k].by, num);
	a->xname = known[k].x;
	a->yname = y;
	a->step = known[k].by != NULL;
	return a;
}

/* Lines of one column: one, or one for each value of another, as they come. */
static int
take(struct lines *l, struct tr_frame *f, size_t k, const char *yname)
{
	double *x = column(f, known[k].x), *y = column(f, yname), *by = column(f, known[k].by);
	size_t first = l->n;
	int r = 0;

	for (uint64_t i = 0; x && y && (by || !known[k].by) && i < f->rows && r == 0; i++) {
		double value = by ? by[i] : 0;
		struct line *a = NULL;

		if (!page_shows(x[i]) || !page_shows(y[i]) || value - value != 0) {
			l->odd++;
			continue;
		}
		for (size_t j = first; j < l->n && !a; j++)
			if (l->at[j].n && (!by || by[l->at[j].done] == value))
				a = &l->at[j];
		if (!a && !(a = line_new(l, f, k, yname, value))) {
			r = TR_ENOMEM;
			break;
		}
		if (!a->n)
			a->done = (int)i; /* the row that it begins with, until all are read */
		a->x[a->n] = x[i];
		a->y[a->n++] = y[i];
	}
	for (size_t j = first; j < l->n; j++)
		l->at[j].done = 0;
	free(x);
	free(y);
	free(by);
	return r;
}

int
lines_take(struct lines *l, const struct group *g)
{
	char name[32] = "";
	size_t k = 0;
	int r = 0;

	tr_text(g->f[0], "name", name, sizeof name);
	while (k < LEN(known) && (strcmp(g->f[0]->kind, known[k].kind) ||
				  (known[k].name && strcmp(name, known[k].name))))
		k++;
	for (size_t i = 0; k < LEN(known) && i < g->n && r == 0; i++)
		for (size_t y = 0; y < LEN(known[k].y) && known[k].y[y] && r == 0; y++)
			r = take(l, g->f[i], k, known[k].y[y]);
	return r;
}

void
lines_free(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->at[i].x);
		free(l->at[i].y);
	}
	free(l->at);
}

/* ---- fewer points ---- */

/* The least and greatest of each of so many runs of points; keep: [n] flags. */
static void
thin(const struct line *l, unsigned char *keep)
{
	size_t step = l->step ? 1 : l->n / BUCKETS + 1;

	memset(keep, step == 1, l->n);
	for (size_t i = 0; step > 1 && i < l->n; i += step) {
		size_t lo = i, hi = i;

		for (size_t k = i; k < MIN(i + step, l->n); k++) {
			lo = l->y[k] < l->y[lo] ? k : lo;
			hi = l->y[k] > l->y[hi] ? k : hi;
		}
		keep[i] = keep[lo] = keep[hi] = 1;
	}
	for (size_t i = 1; l->step && i < l->n; i++)
		keep[i] = l->y[i] != l->y[i - 1];
	keep[0] = keep[l->n - 1] = 1;
}

/* Douglas and Peucker 1973, upright distances: the chord of a run stands for it
 * where no point is a third of a pixel off.  idx: n ascending; their new number. */
static size_t
simplify(const struct axes *a, const struct line *l, size_t *idx, size_t n, unsigned char *keep)
{
	size_t stack[128][2], depth = 0, out = 0;

	memset(keep, 0, l->n);
	keep[idx[0]] = keep[idx[n - 1]] = 1;
	stack[depth][0] = 0;
	stack[depth++][1] = n - 1;
	while (depth) {
		size_t i = stack[--depth][0], j = stack[depth][1], far = i;
		double x0 = axes_x(a, l->x[idx[i]]), y0 = axes_y(a, l->y[idx[i]]);
		double dx = axes_x(a, l->x[idx[j]]) - x0, dy = axes_y(a, l->y[idx[j]]) - y0;
		double most = 0.33;

		for (size_t k = i + 1; k < j; k++) {
			double u = axes_x(a, l->x[idx[k]]) - x0, v = axes_y(a, l->y[idx[k]]) - y0;
			double off = dx > 0 ? fabs(v - dy * u / dx) : fabs(u) + fabs(v);

			if (off > most) {
				most = off;
				far = k;
			}
		}
		if (far == i)
			continue;
		keep[idx[far]] = 1;
		if (depth + 2 > LEN(stack)) { /* hopelessly rough: all of the run stays */
			for (size_t k = i; k < j; k++)
				keep[idx[k]] = 1;
			continue;
		}
		/* the longer part below, so that the stack stays low */
		int left = far - i > j - far;

		stack[depth][0] = left ? i : far;
		stack[depth++][1] = left ? far : j;
		stack[depth][0] = left ? far : i;
		stack[depth++][1] = left ? j : far;
	}
	for (size_t k = 0; k < n; k++)
		if (keep[idx[k]])
			idx[out++] = idx[k];
	return out;
}

size_t
lines_thin(const struct axes *a, const struct line *l, size_t *idx, unsigned char *keep)
{
	size_t n = 0;

	thin(l, keep);
	for (size_t k = 0; k < l->n; k++)
		if (keep[k])
			idx[n++] = k;
	return l->step ? n : simplify(a, l, idx, n, keep);
}
