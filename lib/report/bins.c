/* Histograms: one a frame, or one a row of it (an expert) beside each other. */
#include <stdio.h>
#include <string.h>

#include "../plot/series.h"
#include "figures.h"
#include "size.h"

enum { ACROSS = 16, MINI_W = 56, MINI_H = 34, STEP_X = 64, STEP_Y = 54 };

struct bins {
	const struct series *s;
	struct room *room;
	double max;
	size_t n; /* bins of each */
};

static double
edge(const struct bins *b, size_t i)
{
	return b->s->width > 0 && b->s->width < 1e300 ? b->s->from + (double)i * b->s->width
						      : (double)i;
}

/* "from 0.1 to 0.2: 1234" */
static void
tell(struct page *p, const struct bins *b, size_t i, double v)
{
	char from[PAGE_NUM], to[PAGE_NUM], num[PAGE_NUM];

	page_f(p, "from %s to %s: %s", page_num(from, edge(b, i)), page_num(to, edge(b, i + 1)),
	       page_exact(num, v));
}

static void
bars(struct page *p, const struct bins *b, const double *v, const struct axes *a)
{
	for (size_t i = 0; i < b->n; i++) {
		double x = axes_x(a, edge(b, i)), w = axes_x(a, edge(b, i + 1)) - x;

		/* as high as the picture, so that it is found; the bar in it is drawn apart */
		page_f(p, "<path class=\"v\" d=\"M%.5g %.5gh%.4gv%.5gh%.4gz\"><title>", x, a->y, w,
		       a->h, -w);
		tell(p, b, i, v[i]);
		page_f(p, "</title></path>\n");
	}
}

static void
outline(struct page *p, const struct bins *b, const double *v, double x, double y, double w,
	double h)
{
	double width = w / (double)b->n;
	long at = 0, to; /* in tenths, so that what is drawn adds up */
	size_t run = 0;

	page_f(p, "<path class=\"y\" d=\"M%.5g %.5g", x, y + h);
	for (size_t i = 0; i < b->n; i++, run++) {
		if ((to = (long)(10 * h * v[i] / b->max + 0.5)) == at)
			continue;
		if (run)
			page_f(p, "h%.5g", width * (double)run);
		page_f(p, "v%.4g", (double)(at - to) / 10);
		at = to;
		run = 0;
	}
	page_f(p, "h%.5gV%.5gz\">", width * (double)run, y + h);
}

static void
single(struct page *p, const struct bins *b, const char *title, double w, double h,
       const char *note)
{
	struct axes a = {.x = 62,
			 .y = 8,
			 .w = w,
			 .h = h,
			 .xlo = edge(b, 0),
			 .xhi = edge(b, b->n),
			 .yhi = b->max,
			 .xname = b->s->x,
			 .yname = "values"};
	char what[80];

	snprintf(what, sizeof what, "histogram of %zu bins, the highest has %.0f", b->n, b->max);
	figure_open(p, title, what, a.x + w + 14, a.y + h + 34, 1);
	axes_put(p, &a);
	outline(p, b, b->s->v, a.x, a.y, a.w, a.h);
	page_f(p, "</path>\n");
	if (room_tells(p, b->room))
		bars(p, b, b->s->v, &a);
	figure_close(p, note);
}

static void
many(struct page *p, const struct bins *b, const char *title, const char *note)
{
	const struct series *s = b->s;
	size_t rows = (s->rows + ACROSS - 1) / ACROSS;
	char what[120], num[PAGE_NUM], said[400];

	snprintf(what, sizeof what, "%zu histograms of %zu bins, one a row", s->rows, b->n);
	snprintf(said, sizeof said, "Each from %s to %s, all of one height: %s values.%s%s",
		 page_num((char[PAGE_NUM]){0}, edge(b, 0)),
		 page_num((char[PAGE_NUM]){0}, edge(b, b->n)), page_num(num, b->max),
		 *note ? " " : "", note);
	figure_open(p, title, what, (double)(STEP_X * MIN(s->rows, (size_t)ACROSS)),
		    (double)(STEP_Y * rows), ACROSS);
	for (size_t r = 0; r < s->rows; r++) {
		const double *v = s->v + r * b->n;
		double x = (double)(STEP_X * (r % ACROSS)), y = (double)(STEP_Y * (r / ACROSS));
		double sum = 0;
		size_t top = 0;

		for (size_t i = 0; i < b->n; i++) {
			sum += v[i];
			top = v[i] > v[top] ? i : top;
		}
		outline(p, b, v, x, y + 4, MINI_W, MINI_H);
		page_f(p, "<title>row %zu, %s values; most ", r, page_exact(num, sum));
		tell(p, b, top, v[top]);
		page_f(p, "</title></path><path class=\"g\" d=\"M%g %gh%d\"/>", x, y + 4 + MINI_H,
		       MINI_W);
		page_f(p, "<text x=\"%g\" y=\"%g\" class=\"m\">%zu</text>\n", x + MINI_W / 2.0,
		       y + 4 + MINI_H + 11, r);
	}
	figure_close(p, said);
}

/* What is in no bin. */
static void
outside(const struct tr_frame *f, char *to, size_t size)
{
	static const char *const key[][2] = {
		{"n_below", "below"}, {"n_above", "above"}, {"n_nan", "no number"}};
	size_t n = 0;

	*to = 0;
	for (size_t i = 0; i < LEN(key) && n < size; i++) {
		uint64_t k = tr_get(f, key[i][0], 0);

		if (k)
			n += (size_t)snprintf(to + n, size - n, "%s%llu %s",
					      n ? ", " : "In no bin: ", (unsigned long long)k,
					      key[i][1]);
	}
}

static void
draw(struct page *p, struct room *room, const struct series *s, const struct tr_frame *f,
     const struct group *g)
{
	struct bins b = {.s = s, .room = room, .n = s->matrix ? s->columns : s->rows};
	char title[200], note[160];

	for (size_t i = 0; i < s->rows * s->columns; i++)
		b.max = MAX(b.max, s->v[i]);
	b.max = b.max > 0 ? b.max : 1;
	group_what(f, 1, title, sizeof title);
	outside(f, note, sizeof note);
	if (s->matrix)
		many(p, &b, *title ? title : g->title, note);
	else
		single(p, &b, *title ? title : g->title, g->n > 1 ? 208 : 640, g->n > 1 ? 110 : 240,
		       note);
}

int
bins_put(struct page *p, const struct group *g)
{
	struct room room = {0};
	int r = 1, n = 0;

	if (strcmp(g->f[0]->kind, "hist"))
		return 0;
	for (size_t i = 0; i < g->n; i++)
		for (int c = 0; c < g->f[i]->ncols; c++)
			room.all += strcmp(g->f[i]->cols[c].name, "n")
					    ? 0
					    : g->f[i]->rows * g->f[i]->cols[c].width;
	page_f(p, "<div class=\"p\">\n");
	for (size_t i = 0; i < g->n && r >= 0; i++) {
		struct series s;

		r = series_read(&s, g->f[i], NULL, 1);
		if (r > 0 && s.rows && s.columns && room_take(p, &room, s.rows * s.columns)) {
			draw(p, &room, &s, g->f[i], g);
			n++;
		}
		series_free(&s);
	}
	page_f(p, "</div>\n");
	room_note(p, &room, "bins");
	return r < 0 ? r : n;
}
