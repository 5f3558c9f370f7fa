#include <math.h>
#include <string.h>

#include "sheet.h"

enum { FONT = 12, TITLE = 34, TICKS = 36, LABEL = 20, HEAD = 26, LEGEND = 24, GAP = 14, EDGE = 18 };

int
sheet_format(const char *file)
{
	static const char *const suffix[] = {".svg", ".png", ".pdf"};
	size_t n;

	if (!file || !strcmp(file, "-"))
		return SHEET_SVG;
	n = strlen(file);
	for (int i = 0; i < 3; i++)
		if (n > 4 && !strcmp(file + n - 4, suffix[i]))
			return i;
	return -1;
}

size_t
sheet_step(size_t n, double pixels, double room)
{
	size_t step = 1;

	while ((double)step * pixels < room * (double)n)
		step *= 2;
	return step;
}

double
sheet_nice(double range, double ticks)
{
	double step = 1;

	if (!(range > 0))
		return 1;
	while (step * ticks > range)
		step /= 10;
	while (step * 10 * ticks <= range)
		step *= 10;
	return step * ticks >= range       ? step
	       : step * 2 * ticks >= range ? 2 * step
	       : step * 5 * ticks >= range ? 5 * step
					   : 10 * step;
}

static void
terminal(struct gp *g, const struct sheet *s)
{
	switch (s->format) {
	case SHEET_PNG: /* twice the pixels, for screens that have them */
		gp_printf(g, "set terminal pngcairo size %lu,%lu fontscale 1.5 linewidth 2 ",
			  2 * s->w, 2 * s->h);
		break;
	case SHEET_PDF:
		gp_printf(g,
			  "set terminal pdfcairo size %.4gin,%.4gin fontscale 0.75 linewidth 0.75 ",
			  (double)s->w / 96, (double)s->h / 96);
		break;
	default:
		gp_printf(g, "set terminal svg size %lu,%lu standalone ", s->w, s->h);
	}
	gp_printf(g, "noenhanced font 'sans,%d' background '#ffffff'\n", FONT);
}

/* What stands over all panels. */
static double
top_of(const struct sheet *s)
{
	return (s->title ? TITLE : 4) + (s->legend ? LEGEND : 0);
}

void
sheet_begin(struct gp *g, struct sheet *s, size_t n, double pw, double ph)
{
	double top = top_of(s), side = LABEL + EDGE + (double)s->right;

	s->n = n;
	s->left = TICKS + s->wide;
	s->over = HEAD;
	/* about as wide as high */
	s->columns =
		(size_t)ceil(sqrt((double)n * (ph + HEAD + TICKS) / (pw + s->left + GAP)) - 0.3);
	if (s->across)
		s->columns = s->across;
	if (s->columns < 1)
		s->columns = 1;
	if (s->columns > n)
		s->columns = n;
	s->rows = (n + s->columns - 1) / s->columns;
	if (!s->w)
		s->w = (unsigned long)(side + (double)s->columns * (s->left + pw + GAP));
	if (!s->h)
		s->h = (unsigned long)(top + LABEL + EDGE / 2 +
				       (double)s->rows * (HEAD + ph + TICKS));
	s->cw = ((double)s->w - side) / (double)s->columns;
	s->ch = ((double)s->h - top - LABEL - EDGE / 2) / (double)s->rows;
	s->pw = s->cw > s->left + GAP + 8 ? s->cw - s->left - GAP : 8;
	s->ph = s->ch > HEAD + TICKS + 8 ? s->ch - HEAD - TICKS : 8;
	terminal(g, s);
	gp_printf(
		g,
		"set encoding utf8\nset datafile missing '?'\n"
		"set border 31 linewidth 0.5 linecolor '#888888'\n"
		"set tics out nomirror scale 0.5 font 'sans,10' textcolor '#444444'\nunset key\n");
	if (s->title) {
		gp_printf(g, "set label 1 ");
		gp_quote(g, s->title);
		gp_printf(g, " at screen 0.5,%.5g center noenhanced font 'sans,15'\n",
			  1 - TITLE * 0.55 / (double)s->h);
	}
	if (s->legend)
		gp_printf(g,
			  "set key at screen 0.5,%.5g center top horizontal maxrows 1 samplen 1.5 "
			  "font 'sans,11' noenhanced\n",
			  1 - (top - LEGEND + 2) / (double)s->h);
	gp_printf(g, "set multiplot\n");
}

static int
font(const char *title, double room)
{
	double size = FONT * room / ((double)strlen(title) * 6.4);

	return size < 6 ? 6 : (int)size;
}

void
sheet_panel(struct gp *g, const struct sheet *s, size_t i, const char *title, const char *x,
	    const char *y)
{
	size_t column = i % s->columns, row = i / s->columns;
	double w = (double)s->w, h = (double)s->h;
	double l = LABEL + (double)column * s->cw + s->left;
	double t = top_of(s) + (double)row * s->ch + s->over;

	gp_printf(g, "set lmargin at screen %.5g\nset rmargin at screen %.5g\n", l / w,
		  (l + s->pw) / w);
	gp_printf(g, "set tmargin at screen %.5g\nset bmargin at screen %.5g\n", 1 - t / h,
		  1 - (t + s->ph) / h);
	gp_printf(g, "set title ");
	gp_quote(g, title);
	if ((double)strlen(title) * 6.4 > s->cw) /* smaller where it would touch the next */
		gp_printf(g, " font 'sans,%d'", font(title, s->cw));
	gp_printf(g, " noenhanced offset 0,-0.7\nset xlabel ");
	gp_quote(g, i + s->columns >= s->n ? x : "");
	gp_printf(g, " noenhanced offset 0,0.5\nset ylabel ");
	gp_quote(g, column == 0 ? y : "");
	gp_printf(g, " noenhanced offset 0.5,0\n");
	if (i > 0)
		gp_printf(g, "unset label 1\n");
}

void
sheet_end(struct gp *g)
{
	gp_printf(g, "unset multiplot\n");
}
