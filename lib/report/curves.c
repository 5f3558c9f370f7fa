/* Curves: a picture for each column worth one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "lines.h"
#include "size.h"

enum { MARKS = 40, NAMED = 8, WIDE = 410, HIGH = 260 };

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
		m[i] = lines_thin(&a, l[i], idx[i], keep);
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
	int r = lines_take(&l, g);

	if (r == 0 && l.n)
		r = draw_all(p, &l);
	if (l.odd)
		page_f(p, "<p class=\"n\">Left out: %llu points that are no finite numbers.</p>\n",
		       (unsigned long long)l.odd);
	lines_free(&l);
	return r;
}
