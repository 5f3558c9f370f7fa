#include <math.h>
#include <stdint.h>
#include <stdio.h>

#include "heat.h"
#include "size.h"

enum { BAR = 100, SHAPES = 64 * 64, PIXELS = 2000000 };

/* viridis at nine places; and blue over white to red */
static const char rising[] =
	"set palette defined (0 '#440154', 1 '#472d7b', 2 '#3b528b', 3 '#2c728e', 4 '#21918c', "
	"5 '#28ae80', 6 '#5ec962', 7 '#addc30', 8 '#fde725')\n";
static const char diverging[] =
	"set palette defined (0 '#2166ac', 1 '#67a9cf', 2 '#d1e5f0', 3 '#ffffff', 4 '#fddbc7', "
	"5 '#ef8a62', 6 '#b2182b')\n";

static void
put_scale(struct gp *g, const struct sheet *s, const struct heat *panel, size_t n,
	  const struct heat_scale *scale)
{
	double lo = 0, hi = 0, least = INFINITY;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < panel[i].rows * panel[i].columns; j++) {
			double v = panel[i].v[j];

			if (v - v != 0)
				continue;
			lo = MIN(lo, v);
			hi = MAX(hi, v);
			least = v > 0 ? MIN(least, v) : least;
		}
	if (scale->max > 0)
		hi = scale->max;
	if (hi <= 0 && lo >= 0)
		hi = 1;
	gp_printf(g, "%s", lo < 0 && !scale->log ? diverging : rising);
	if (scale->log)
		gp_printf(g, "set logscale cb\nset cbrange [%.9g:%.9g]\n", MIN(least, hi), hi);
	else if (lo < 0)
		gp_printf(g, "set cbrange [%.9g:%.9g]\n", -MAX(-lo, hi), MAX(-lo, hi));
	else
		gp_printf(g, "set cbrange [0:%.9g]\n", hi);
	if (!scale->log)
		gp_printf(g, "set cbtics %.9g\n",
			  sheet_nice(lo < 0 ? 2 * MAX(-lo, hi) : hi, s->rows * s->ph / 30));
	sheet_right(g, s, scale->unit, s->over + (s->title ? 34 : 4),
		    s->ch * (double)(s->rows - 1) + s->ph);
	gp_printf(g, "set colorbox user origin screen %.5g,%.5g ", 1 - (BAR - 8.0) / (double)s->w,
		  1 - (s->ch * (double)(s->rows - 1) + s->over + s->ph + (s->title ? 34 : 4)) /
				  (double)s->h);
	gp_printf(g, "size screen %.5g,%.5g border\n", 12 / (double)s->w,
		  (s->ch * (double)(s->rows - 1) + s->ph) / (double)s->h);
}

static void
tics(struct gp *g, char axis, const uint64_t *name, size_t n, size_t step)
{
	if (!name) {
		gp_printf(g, "set %ctics 0,%zu\n", axis, step);
		return;
	}
	gp_printf(g, "set %ctics (", axis);
	for (size_t i = 0; i < n; i += step)
		gp_printf(g, "%s'%llu' %zu", i ? ", " : "", (unsigned long long)name[i], i);
	gp_printf(g, ")\n");
}

/* The longest name of a row. */
static size_t
letters(const struct heat *p)
{
	unsigned long long most = p->rows - 1;

	for (size_t i = 0; p->label && i < p->rows; i++)
		most = i ? MAX(most, p->label[i]) : p->label[i];
	return (size_t)snprintf(NULL, 0, "%llu", most);
}

static void
ticks(struct gp *g, const struct sheet *s, const struct heat *p)
{
	/* where one name does not tell the next all stand there that can */
	tics(g, 'x', p->column, p->columns,
	     sheet_step(p->columns, s->pw, p->column ? 6.0 * (double)letters(p) + 6 : 30));
	tics(g, 'y', p->label, p->rows, sheet_step(p->rows, s->ph, 16));
}

/* Each cell zoom times in both directions.  gnuplot draws no image of a single
 * line: it comes twice, the second out of sight. */
static void
data(struct gp *g, size_t number, const struct heat *p, int log, size_t zoom)
{
	size_t rows = zoom * MAX(p->rows, 2), columns = zoom * MAX(p->columns, 2);

	gp_printf(g, "$panel%zu << EOD\n", number);
	for (size_t r = 0; r < rows; r++)
		for (size_t c = 0; c < columns; c++) {
			double v = p->v[MIN(r / zoom, p->rows - 1) * p->columns +
					MIN(c / zoom, p->columns - 1)];

			gp_num(g, log && !(v > 0) ? NAN : v);
			gp_printf(g, c + 1 < columns ? " " : "\n");
		}
	gp_printf(g, "EOD\n");
}

/* Where the cells of 0 are: their number. */
static size_t
dead(struct gp *g, size_t number, const struct heat *p)
{
	size_t n = 0;

	for (size_t i = 0; p->dead && i < p->rows * p->columns; i++) {
		if (p->v[i] != 0)
			continue;
		if (!n++)
			gp_printf(g, "$dead%zu << EOD\n", number);
		gp_printf(g, "%zu %zu\n", i % p->columns, i / p->columns);
	}
	if (n)
		gp_printf(g, "EOD\n");
	return n;
}

/* Few cells are drawn as shapes, which stay sharp; many as an image, which
 * stays small.  An image is smoothed at its cells' edges when it is shown
 * larger than it is, so cells come in several of its pixels. */
static size_t
zoom_of(const struct sheet *s, size_t columns, size_t cells)
{
	size_t zoom = (size_t)ceil(2 * s->pw / (double)columns);

	if (cells <= SHAPES)
		return 1;
	while (zoom > 1 && cells * zoom * zoom > PIXELS)
		zoom--;
	return zoom;
}

void
heat_draw(struct gp *g, struct sheet *s, const struct heat *panel, size_t n,
	  const struct heat_scale *scale)
{
	size_t rows = 1, columns = 1, cells = 0, zoom;
	double side = n > 1 ? 200 : 440, w, h;

	for (size_t i = 0; i < n; i++) {
		rows = MAX(rows, panel[i].rows);
		columns = MAX(columns, panel[i].columns);
		cells += panel[i].rows * panel[i].columns;
	}
	w = h = side;
	if (rows != columns) {
		w = MIN(MAX((double)columns * 11, side), 1.5 * side);
		h = MIN(MAX((double)rows * 16, 90), 1.5 * side);
	}
	s->right = BAR;
	for (size_t i = 0; i < n; i++)
		s->letters = MAX(s->letters, letters(&panel[i]));
	sheet_begin(g, s, n, w, h);
	put_scale(g, s, panel, n, scale);
	zoom = zoom_of(s, columns, cells);
	/* cells that are left out */
	gp_printf(g, "set object 1 rectangle from graph 0,0 to graph 1,1 behind "
		     "fillcolor rgb '#dddddd' fillstyle solid noborder\n");
	for (size_t i = 0; i < n; i++) {
		const struct heat *p = &panel[i];

		size_t crosses;

		data(g, i, p, scale->log, zoom);
		crosses = dead(g, i, p);
		sheet_panel(g, s, i, p->title, p->x, p->y);
		ticks(g, s, p);
		gp_printf(g, "set xrange [-0.5:%zu.5]\nset yrange [%zu.5:-0.5]\n", p->columns - 1,
			  p->rows - 1);
		gp_printf(g, "plot $panel%zu matrix ", i);
		if (zoom > 1)
			gp_printf(g, "using ($1/%zu-%.9g):($2/%zu-%.9g):3 ", zoom,
				  0.5 - 0.5 / (double)zoom, zoom, 0.5 - 0.5 / (double)zoom);
		gp_printf(g, "with image%s", cells <= SHAPES ? " pixels" : "");
		if (crosses)
			gp_printf(g,
				  ", $dead%zu using 1:2 with points pointtype 2 pointsize %.3g "
				  "linecolor '#ff5040' linewidth 1",
				  i,
				  MIN(MAX(MIN(s->pw / (double)p->columns, s->ph / (double)p->rows) /
						  16,
					  0.15),
				      0.7));
		gp_printf(g, "\n");
		if (i == 0)
			gp_printf(g, "unset colorbox\n");
	}
	sheet_end(g);
}
