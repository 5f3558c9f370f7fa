/*
 * Curves: a picture for each column worth one, a line a layer (and chain).
 * Points that would not move a line by a third of a pixel are not drawn.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "num.h"
#include "size.h"

enum { BUCKETS = 1024, MARKS = 40, NAMED = 8, WIDE = 410, HIGH = 260 };

static const struct {
	const char *kind, *name, *x, *y[2], *by;
} known[] = {
	{"kde", NULL, "x", {"cdf", "pdf"}, NULL},
	{"table", "search", "seconds", {"best"}, "chain"},
	{"table", "p", "x", {"p"}, NULL},
};

struct line {
	char figure[200], name[120];
	const char *xname, *yname;
	double *x, *y; /* owned, finite */
	size_t n;
	int step; /* a value holds until the next */
	int done;
};

struct lines {
	struct line *at;
	size_t n, cap;
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

		if (x[i] - x[i] != 0 || y[i] - y[i] != 0 || value - value != 0)
			continue;
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

/* ---- drawing ---- */

static int
level(size_t i, size_t n)
{
	return n < 2 ? 8 : (int)((PAGE_LEVELS - 1) * i / (n - 1));
}

static void
draw_line(struct page *p, const struct axes *a, const struct line *l, size_t i, size_t n,
	  const size_t *idx, size_t m)
{
	page_f(p, "<path class=\"o l%d d%d\" d=\"", level(i, n),
	       n > 1 && n <= NAMED ? (int)i % 4 : 0);
	for (size_t k = 0; k < m; k++) {
		double x = axes_x(a, l->x[idx[k]]), y = axes_y(a, l->y[idx[k]]);

		if (k && l->step)
			page_f(p, "H%.5gV%.5g", x, y);
		else
			page_f(p, "%s%.5g %.5g", k ? k == 1 ? "L" : " " : "M", x, y);
	}
	page_f(p, "\"><title>");
	page_text(p, *l->name ? l->name : l->yname);
	page_f(p, "</title></path>\n");
}

static void
draw_marks(struct page *p, const struct axes *a, const struct line *l, const size_t *idx, size_t m)
{
	size_t step = (m + MARKS - 1) / MARKS;
	char x[PAGE_NUM], y[PAGE_NUM];

	for (size_t k = 0; k < m; k += step) {
		page_f(p, "<circle class=\"v\" cx=\"%.5g\" cy=\"%.5g\" r=\"3\"><title>",
		       axes_x(a, l->x[idx[k]]), axes_y(a, l->y[idx[k]]));
		page_text(p, l->name);
		page_f(p, "%s%s %s, %s %s</title></circle>\n", *l->name ? ": " : "", l->xname,
		       page_exact(x, l->x[idx[k]]), l->yname, page_exact(y, l->y[idx[k]]));
	}
}

/* Few lines are named one by one, of many the first and the last. */
static void
legend(struct page *p, struct line **l, size_t n, double x, double y)
{
	size_t shown = n <= NAMED ? n : PAGE_LEVELS;

	if (n < 2)
		return;
	for (size_t i = 0; i < shown; i++) {
		double at = n <= NAMED ? x : x + 12,
		       top = n <= NAMED ? y + 18 * (double)i : y + 6 * (double)i;

		page_f(p, "<path class=\"o l%d%s d%d\" d=\"M%.5g %.5gh%s\"/>", level(i, shown),
		       n <= NAMED ? "" : " b", n <= NAMED ? (int)i % 4 : 0, at, top,
		       n <= NAMED ? "30" : "14");
		if (n <= NAMED || i == 0 || i == shown - 1) {
			page_f(p, "<text x=\"%.5g\" y=\"%.5g\">", x + 36, top + 4);
			page_text(p, l[i == shown - 1 ? n - 1 : i]->name);
			page_f(p, "</text>");
		}
	}
	page_f(p, "\n");
}

static void
span(const struct line *l, struct axes *a, int first)
{
	for (size_t i = 0; i < l->n; i++) {
		a->xlo = first && !i ? l->x[0] : MIN(a->xlo, l->x[i]);
		a->xhi = first && !i ? l->x[0] : MAX(a->xhi, l->x[i]);
		a->ylo = first && !i ? l->y[0] : MIN(a->ylo, l->y[i]);
		a->yhi = first && !i ? l->y[0] : MAX(a->yhi, l->y[i]);
	}
}

static int
draw(struct page *p, struct room *room, struct line **l, size_t n)
{
	struct axes a = {
		.x = 68, .y = 8, .w = WIDE, .h = HIGH, .xname = l[0]->xname, .yname = l[0]->yname};
	double right = 16;
	size_t most = 0, points = 0, drawn = 0, **idx = calloc(n, sizeof *idx),
	       *m = calloc(n, sizeof *m);
	unsigned char *keep;
	char note[160], what[64], num[2][PAGE_NUM];
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		span(l[i], &a, i == 0);
		most = MAX(most, l[i]->n);
		if (n > 1)
			right = MAX(right, 54 + 6 * (double)strlen(l[i]->name));
	}
	if (a.ylo > 0 && a.ylo < 0.5 * a.yhi)
		a.ylo = 0;
	a.xhi = a.xhi > a.xlo ? a.xhi : a.xlo + 1;
	a.yhi = a.yhi > a.ylo ? a.yhi : a.ylo + 1;
	keep = malloc(most + 1);
	for (size_t i = 0; idx && m && keep && i < n; i++) {
		if (!(idx[i] = malloc((l[i]->n + 1) * sizeof **idx)))
			break;
		thin(l[i], keep);
		for (size_t k = 0; k < l[i]->n; k++)
			if (keep[k])
				idx[i][m[i]++] = k;
		if (!l[i]->step)
			m[i] = simplify(&a, l[i], idx[i], m[i], keep);
		points += l[i]->n;
		drawn += m[i];
	}
	if (!idx || !m || !keep || !idx[n - 1]) {
		r = TR_ENOMEM;
	} else {
		snprintf(what, sizeof what, "%zu curve%s", n, n > 1 ? "s" : "");
		figure_open(p, l[0]->figure, what, a.x + a.w + right,
			    a.y + MAX(a.h + 34, n > 1 && n <= NAMED ? 18.0 * (double)n + 10 : 0),
			    MARKS);
		axes_put(p, &a);
		for (size_t i = 0; i < n; i++)
			draw_line(p, &a, l[i], i, n, idx[i], m[i]);
		for (size_t i = 0; room_tells(p, room) && i < n; i++)
			draw_marks(p, &a, l[i], idx[i], m[i]);
		legend(p, l, n, a.x + a.w + 14, a.y + 10);
		snprintf(note, sizeof note,
			 "Left out: all but %s of %s points, for which no line would move by a "
			 "pixel.",
			 page_num(num[0], (double)drawn), page_num(num[1], (double)points));
		figure_close(p, drawn < points ? note : NULL);
	}
	for (size_t i = 0; idx && i < n; i++)
		free(idx[i]);
	free(idx);
	free(m);
	free(keep);
	return r;
}

static int
draw_all(struct page *p, struct lines *l)
{
	struct line **some = malloc((l->n + 1) * sizeof *some);
	struct room room = {0};
	int r = some ? 0 : TR_ENOMEM, figures = 0;

	for (size_t i = 0; i < l->n; i++)
		room.all += MIN(l->at[i].n, (size_t)MARKS);
	page_f(p, "<div class=\"p\">\n");
	for (size_t i = 0; i < l->n && r == 0; i++) {
		size_t n = 0, points = 0;

		for (size_t j = i; j < l->n; j++)
			if (!l->at[j].done && !strcmp(l->at[j].figure, l->at[i].figure)) {
				l->at[j].done = 1;
				points += l->at[j].n;
				some[n++] = &l->at[j];
			}
		if (n && room_take(p, &room, MIN(points, n * MARKS))) {
			r = draw(p, &room, some, n);
			figures++;
		}
	}
	page_f(p, "</div>\n");
	room_note(p, &room, "points");
	free(some);
	return r < 0 ? r : figures;
}

int
curves_put(struct page *p, const struct group *g)
{
	struct lines l = {0};
	char name[32] = "";
	size_t k = 0;
	int r = 0;

	tr_text(g->f[0], "name", name, sizeof name);
	while (k < LEN(known) && (strcmp(g->f[0]->kind, known[k].kind) ||
				  (known[k].name && strcmp(name, known[k].name))))
		k++;
	for (size_t i = 0; k < LEN(known) && i < g->n && r == 0; i++)
		for (size_t y = 0; y < LEN(known[k].y) && known[k].y[y] && r == 0; y++)
			r = take(&l, g->f[i], k, known[k].y[y]);
	if (r == 0 && l.n)
		r = draw_all(p, &l);
	for (size_t i = 0; i < l.n; i++) {
		free(l.at[i].x);
		free(l.at[i].y);
	}
	free(l.at);
	return r;
}
