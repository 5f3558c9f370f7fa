/* Cells coloured by a number. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../plot/sheet.h"
#include "figures.h"
#include "maps.h"
#include "size.h"

enum { LEFT = 48, TOP = 6, BOTTOM = 32 };

static int
level(const struct maps *m, double v)
{
	double at = (v - m->lo) / (m->hi - m->lo);

	at = MIN(MAX(at, 0), 1); /* what is beyond 1e300 has no part in the scale */
	return MIN((int)(PAGE_LEVELS * (m->root ? sqrt(at) : at)), PAGE_LEVELS - 1);
}

static uint64_t
label(const struct map *a, size_t row)
{
	return a->label ? a->label[row] : row;
}

/* "layer 3, expert 5: 7.53 % of tokens (1234)" */
static void
tell(struct page *p, const struct maps *m, const struct map *a, size_t row, size_t column)
{
	double v = a->v[row * a->columns + column];
	char num[PAGE_NUM];

	page_text(p, a->y);
	page_f(p, " %llu, ", (unsigned long long)label(a, row));
	page_text(p, a->x);
	page_f(p, " %zu: ", column);
	if (m->share)
		page_f(p, "%.4g %% of tokens (%s)", maps_shade(m, a, row, v), page_exact(num, v));
	else
		page_f(p, "%s", page_exact(num, v));
}

static void
cells_telling(struct page *p, const struct maps *m, const struct map *a)
{
	for (size_t r = 0; r < a->rows; r++)
		for (size_t c = 0; c < a->columns; c++) {
			double v = maps_shade(m, a, r, a->v[r * a->columns + c]);

			if (v - v != 0)
				continue;
			page_f(p, "<path class=\"k%d\" d=\"M%zu %zuh1v1h-1z\"><title>", level(m, v),
			       c, r);
			tell(p, m, a, r, c);
			page_f(p, "</title></path>\n");
		}
}

/* A path a colour, cells of one row joined to a line as thick as they are. */
static void
cells_plain(struct page *p, const struct maps *m, const struct map *a)
{
	page_f(p, "<g transform=\"translate(0 .5)\">\n");
	for (int k = 0; k < PAGE_LEVELS; k++) {
		int begun = 0;

		for (size_t r = 0; r < a->rows; r++)
			for (size_t c = 0, from; c < a->columns; c++) {
				const double *v = a->v + r * a->columns;

				for (from = c; c < a->columns && v[c] - v[c] == 0 &&
					       level(m, maps_shade(m, a, r, v[c])) == k;
				     c++)
					;
				if (c == from)
					continue;
				if (!begun++)
					page_f(p, "<path class=\"b%d\" d=\"", k);
				page_f(p, "M%zu %zuh%zu", from, r, c - from);
			}
		page_f(p, begun ? "\"/>\n" : "");
	}
	page_f(p, "</g>");
}

static void
ticks(struct page *p, const struct map *a, double w, double h)
{
	size_t xs = sheet_step(a->columns, w, 30), ys = sheet_step(a->rows, h, 13);

	for (size_t c = 0; c < a->columns; c += xs)
		page_f(p, "<text x=\"%.5g\" y=\"%.5g\" class=\"m\">%zu</text>",
		       LEFT + w * ((double)c + 0.5) / (double)a->columns, TOP + h + 14, c);
	for (size_t r = 0; r < a->rows; r += ys)
		page_f(p, "<text x=\"%d\" y=\"%.5g\" class=\"e\">%llu</text>", LEFT - 5,
		       TOP + h * ((double)r + 0.5) / (double)a->rows + 4,
		       (unsigned long long)label(a, r));
	page_f(p, "<text x=\"%.5g\" y=\"%.5g\" class=\"m\">", LEFT + w / 2, TOP + h + 28);
	page_text(p, a->x);
	page_f(p, "</text><text transform=\"translate(11 %.5g) rotate(-90)\" class=\"m\">",
	       TOP + h / 2);
	page_text(p, a->y);
	page_f(p, "</text>\n");
}

static void
draw(struct page *p, const struct maps *m, const struct map *a)
{
	double side = m->n > 1 ? 228 : 520, w, h;
	char what[160], title[80];

	snprintf(title, sizeof title, "%.31s by %.31s", a->y, a->x);
	if (a->rows == a->columns) {
		w = h = MIN(side, 22 * (double)a->columns);
	} else {
		w = MIN(22 * (double)a->columns, a->label ? 720 : 1.5 * side);
		h = MIN(18 * (double)a->rows, a->label ? 520 : side);
	}
	snprintf(what, sizeof what, "heat map of %zu rows (%.31s) and %zu columns (%.31s)", a->rows,
		 a->y, a->columns, a->x);
	figure_open(p, *a->title ? a->title : title, what,
		    LEFT + MAX(w + 8, w / 2 + 3.2 * (double)strlen(a->x)), TOP + h + BOTTOM,
		    a->columns);
	ticks(p, a, w, h);
	page_f(p,
	       "<path class=\"z\" d=\"M%d %dh%.6gv%.6gh%.6gz\"/><g class=\"c\" "
	       "transform=\"translate(%d %d) scale(%.8g %.8g)\">\n",
	       LEFT, TOP, w, h, -w, LEFT, TOP, w / (double)a->columns, h / (double)a->rows);
	if (room_tells(p, &m->room))
		cells_telling(p, m, a);
	else
		cells_plain(p, m, a);
	page_f(p, "</g>");
	figure_close(p, NULL);
}

static void
scale(struct page *p, const struct maps *m)
{
	char lo[PAGE_NUM], hi[PAGE_NUM];
	const char *unit = m->share ? "% of tokens" : m->unit;

	page_f(p,
	       "<svg class=\"c\" role=\"img\" aria-label=\"colours from %s to %s\" viewBox=\"0 0 "
	       "560 "
	       "16\" width=\"560\" height=\"16\">",
	       page_num(lo, m->lo), page_num(hi, m->hi));
	page_f(p, "<text x=\"60\" y=\"12\" class=\"e\">%s</text>", lo);
	for (int k = 0; k < PAGE_LEVELS; k++)
		page_f(p, "<path class=\"k%d\" d=\"M%d 2h6v12h-6z\"/>", k, 66 + 6 * k);
	page_f(p, "<text x=\"%d\" y=\"12\">%s ", 72 + 6 * PAGE_LEVELS, hi);
	page_text(p, unit);
	page_f(p, "%s</text></svg>\n", m->root ? ", colours by the square root" : "");
}

int
heatmaps_put(struct page *p, const struct group *g)
{
	struct maps m = {0};
	int r = maps_take(&m, g), n = 0;

	if (r == 0 && m.n) {
		scale(p, &m);
		page_f(p, "<div class=\"p\">\n");
		for (size_t i = 0; i < m.n; i++)
			if (room_take(p, &m.room, m.at[i].rows * m.at[i].columns)) {
				draw(p, &m, &m.at[i]);
				n++;
			}
		page_f(p, "</div>\n");
		room_note(p, &m.room, "cells");
	}
	maps_free(&m);
	return r < 0 ? r : n;
}
