#include <math.h>
#include <stdio.h>

#include "grid.h"
#include "size.h"

/* Pixels: what a bar takes with the words over and under it, what is the least
 * for those words, and the widest mesh that gets so much unasked. */
enum { PITCH = 24, PITCH_TEXT = 15, PITCH_LEAST = 4, WIDEST = 2000, CELL = 66, CELL_TEXT = 40 };
enum { WORDS = 13, PAD = 4 };

/* Ten hues, each dark and light: by expert mod 20. */
static const unsigned colour[20] = {
	0x1f77b4, 0xaec7e8, 0xff7f0e, 0xffbb78, 0x2ca02c, 0x98df8a, 0xd62728,
	0xff9896, 0x9467bd, 0xc5b0d5, 0x8c564b, 0xc49c94, 0xe377c2, 0xf7b6d2,
	0x7f7f7f, 0xc7c7c7, 0xbcbd22, 0xdbdb8d, 0x17becf, 0x9edae5,
};

/* What all bars have in common, in units of a cell. */
struct scale {
	double largest, pitch, left, under, over;
	int words;
	size_t most; /* bars of a cell */
};

static void
measure(const struct grid *grid, struct scale *m)
{
	size_t run = 0;

	m->most = 1;
	m->largest = 0;
	for (size_t i = 0; i < grid->n; i++) {
		run = i && grid->bar[i].dev == grid->bar[i - 1].dev ? run + 1 : 1;
		m->most = MAX(m->most, run);
		m->largest = MAX(m->largest, grid->bar[i].share);
	}
}

static void
layout(const struct grid *grid, const struct sheet *s, struct scale *m)
{
	double w = s->pw / grid->cols, h = s->ph / grid->rows;

	m->pitch = (w - 2 * PAD) / (double)m->most;
	m->words = m->pitch >= PITCH_TEXT && h >= CELL_TEXT;
	m->over = (m->words ? WORDS + 1 : 3) / h;
	m->under = (m->words ? WORDS : 1) / h;
	m->left = PAD / w;
	m->pitch /= w;
}

/* Where the bar stands: its middle, its foot and its height. */
static void
place(const struct grid *grid, const struct scale *m, size_t i, size_t at, double *x, double *y,
      double *height)
{
	const struct grid_bar *b = &grid->bar[i];

	*x = b->dev % grid->cols - 0.5 + m->left + ((double)at + 0.5) * m->pitch;
	*y = b->dev / grid->cols + 0.5 - m->under;
	*height = m->largest > 0 ? (1 - m->over - m->under) * b->share / m->largest : 0;
}

/* The bars of one sort, and their number. */
static size_t
bars(struct gp *g, const struct grid *grid, const struct scale *m, int shared)
{
	size_t at = 0, n = 0;

	gp_printf(g, "$%s << EOD\n", shared ? "shared" : "bar");
	for (size_t i = 0; i < grid->n; i++) {
		const struct grid_bar *b = &grid->bar[i];
		double x, y, h;

		at = i && b->dev == b[-1].dev ? at + 1 : 0;
		if (b->shared != shared)
			continue;
		place(grid, m, i, at, &x, &y, &h);
		gp_printf(g, "%.6g %.6g %.6g %.6g %.6g %.6g %u\n", x, y, x - 0.42 * m->pitch,
			  x + 0.42 * m->pitch, y - h, y, colour[b->expert % LEN(colour)]);
		n++;
	}
	gp_printf(g, "EOD\n");
	return n;
}

/* The expert over its bar, its share under it. */
static void
words(struct gp *g, const struct grid *grid, const struct scale *m, const struct sheet *s)
{
	double cell = s->ph / grid->rows;
	size_t at = 0;

	gp_printf(g, "$words << EOD\n");
	for (size_t i = 0; i < grid->n; i++) {
		const struct grid_bar *b = &grid->bar[i];
		double x, y, h;

		at = i && b->dev == b[-1].dev ? at + 1 : 0;
		place(grid, m, i, at, &x, &y, &h);
		gp_printf(g, "%.6g %.6g %u\n%.6g %.6g %.1f\n", x, y - h - 6.5 / cell, b->expert, x,
			  y + 6.5 / cell, b->share);
	}
	gp_printf(g, "EOD\n");
}

static void
cells(struct gp *g, const struct grid *grid)
{
	for (uint32_t c = 1; c < grid->cols; c++)
		gp_printf(g,
			  "set arrow from %u.5, graph 0 to %u.5, graph 1 nohead back linecolor "
			  "'#888888' linewidth 0.5\n",
			  c - 1, c - 1);
	for (uint32_t r = 1; r < grid->rows; r++)
		gp_printf(g,
			  "set arrow from graph 0, first %u.5 to graph 1, first %u.5 nohead back "
			  "linecolor '#888888' linewidth 0.5\n",
			  r - 1, r - 1);
}

void
grid_draw(struct gp *g, struct sheet *s, const struct grid *grid)
{
	struct scale m;
	size_t routed, shared;
	double pitch;

	measure(grid, &m);
	pitch = (double)WIDEST / (double)(grid->cols * m.most);
	pitch = pitch >= PITCH ? PITCH : MAX(pitch, PITCH_LEAST);
	s->letters = (size_t)snprintf(NULL, 0, "%u", grid->rows - 1);
	sheet_begin(g, s, 1, MAX(grid->cols * (pitch * (double)m.most + 2 * PAD), 160),
		    grid->rows * (double)CELL);
	layout(grid, s, &m);
	routed = bars(g, grid, &m, 0);
	shared = bars(g, grid, &m, 1);
	if (m.words)
		words(g, grid, &m, s);
	sheet_panel(g, s, 0, grid->title, "column", "row");
	gp_printf(g, "set xrange [-0.5:%u.5]\nset yrange [%u.5:-0.5]\n", grid->cols - 1,
		  grid->rows - 1);
	gp_printf(g, "set xtics scale 0 0,%zu\nset ytics scale 0 0,%zu\n",
		  sheet_step(grid->cols, s->pw, 22), sheet_step(grid->rows, s->ph, 16));
	cells(g, grid);
	gp_printf(g, "plot ");
	if (routed)
		gp_printf(g, "$bar using 1:2:3:4:5:6:7 with boxxyerror linecolor rgb variable "
			     "fillstyle solid noborder");
	if (shared)
		gp_printf(g,
			  "%s$shared using 1:2:3:4:5:6 with boxxyerror linecolor '#222222' "
			  "linewidth 0.7 fillstyle pattern 4 border linecolor '#222222'",
			  routed ? ", \\\n" : "");
	if (m.words)
		gp_printf(g, ", \\\n$words using 1:2:3 with labels font 'sans,%d'",
			  m.pitch * s->pw / grid->cols >= 22 ? 8 : 6);
	gp_printf(g, "\n");
	sheet_end(g);
}
