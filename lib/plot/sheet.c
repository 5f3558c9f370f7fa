#include <math.h>
#include <stdio.h>
#include <string.h>

#include "num.h"
#include "sheet.h"
#include "size.h"

enum { FONT = 12, TITLE = 34, TICKS = 36, LABEL = 20, HEAD = 26, LEGEND = 24, GAP = 14, EDGE = 18 };
enum { BIG = 15, LETTER = 7, DASH = 15, MANY = 1000 };

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

size_t
sheet_letters(double lo, double hi, double step)
{
	double at = ceil(lo / step);
	size_t most = 0;

	for (int i = 0; i < MANY && (at + i) * step <= hi; i++)
		most = MAX(most, (size_t)snprintf(NULL, 0, "%.9g", (at + i) * step));
	return most;
}

size_t
sheet_letters_log(double lo, double hi)
{
	size_t most = 0;

	if (hi / lo < 10)
		most = (size_t)MAX(snprintf(NULL, 0, "%.4g", lo), snprintf(NULL, 0, "%.4g", hi));
	for (double ten = floor(num_log(lo) / num_log(10)); ten <= num_log(hi) / num_log(10); ten++)
		most = MAX(most, (size_t)snprintf(NULL, 0, "%.9g", num_pow(10, ten)));
	return most;
}

/* Panels about as wide as high. */
static void
arrange(struct sheet *s, size_t n, double pw, double ph)
{
	s->n = n;
	s->over = HEAD;
	s->columns =
		s->across
			? s->across
			: (size_t)ceil(sqrt((double)n * (ph + HEAD + TICKS) / (pw + TICKS + GAP)) -
				       0.3);
	s->columns = MIN(MAX(s->columns, 1), n);
	s->rows = (n + s->columns - 1) / s->columns;
}

double
sheet_height(struct sheet *s, size_t n, double pw, double ph)
{
	arrange(s, n, pw, ph);
	if (!s->h)
		return ph;
	s->ch = ((double)s->h - top_of(s) - LABEL - EDGE / 2) / (double)s->rows;
	return s->ch > HEAD + TICKS + 8 ? s->ch - HEAD - TICKS : 8;
}

/* What a text of that font needs, pixels: a wide letter is 0.6 of its height. */
static double
need(const char *text, double size)
{
	return 0.6 * size * (double)strlen(text);
}

/* A text in that font, in a smaller one where it would need more than `room` pixels. */
static void
put_text(struct gp *g, const char *text, double size, double room)
{
	double most = need(text, size);

	gp_quote(g, text);
	gp_printf(g, " noenhanced");
	if (most > room)
		gp_printf(g, " font 'sans,%d'", (int)MAX(size * room / most, 6));
	else if (size != FONT)
		gp_printf(g, " font 'sans,%g'", size);
}

void
sheet_begin(struct gp *g, struct sheet *s, size_t n, double pw, double ph)
{
	double top = top_of(s), side = LABEL + EDGE + (double)s->right;

	arrange(s, n, pw, ph);
	s->left = MAX(TICKS, (double)(LETTER * s->letters + DASH));
	if (!s->w)
		s->w = (unsigned long)(side + (double)s->columns * (s->left + pw + GAP));
	if (!s->h)
		s->h = (unsigned long)(top + LABEL + EDGE / 2 +
				       (double)s->rows * (HEAD + ph + TICKS));
	s->cw = ((double)s->w - side) / (double)s->columns;
	s->pw = s->cw > s->left + GAP + 8 ? s->cw - s->left - GAP : 8;
	s->ph = sheet_height(s, n, pw, ph);
	s->ch = s->ph + HEAD + TICKS;
	terminal(g, s);
	gp_printf(g, "set encoding utf8\nset datafile missing '?'\n"
		     "set border 31 linewidth 0.5 linecolor '#888888'\n"
		     "set tics out nomirror scale 0.5 font 'sans,10' textcolor '#444444'\n"
		     "set format '%%.9g'\nunset key\n");
	if (s->title) {
		gp_printf(g, "set label %d ", SHEET_TITLE);
		put_text(g, s->title, BIG, (double)s->w);
		gp_printf(g, " at screen 0.5,%.5g center\n", 1 - TITLE * 0.55 / (double)s->h);
	}
	if (s->legend)
		gp_printf(g,
			  "set key at screen 0.5,%.5g center top horizontal maxrows 1 samplen 1.5 "
			  "font 'sans,11' noenhanced\n",
			  1 - (top - LEGEND + 2) / (double)s->h);
	gp_printf(g, "set multiplot\n");
}

/* Words that stand upright at x pixels, over as many pixels as there are from `top`.
 * gnuplot's own axis labels leave the picture where it thinks that ticks are long. */
static void
upright(struct gp *g, const struct sheet *s, int tag, const char *text, double x, double top,
	double pixels)
{
	gp_printf(g, "set label %d ", tag);
	put_text(g, text, FONT, pixels);
	gp_printf(g, " at screen %.5g,%.5g center rotate\n", x / (double)s->w,
		  1 - (top + pixels / 2) / (double)s->h);
}

void
sheet_right(struct gp *g, const struct sheet *s, const char *text, double top, double pixels)
{
	upright(g, s, SHEET_RIGHT, text, (double)s->w - LABEL / 2, top, pixels);
}

int
sheet_beside(const struct sheet *s, size_t i)
{
	return (i + 1) % s->columns && i + 1 < s->n;
}

void
sheet_panel(struct gp *g, const struct sheet *s, size_t i, const char *title, const char *x,
	    const char *y)
{
	size_t column = i % s->columns, row = i / s->columns;
	double w = (double)s->w, h = (double)s->h;
	double l = LABEL + (double)column * s->cw + s->left;
	double t = top_of(s) + (double)row * s->ch + s->over;
	double room = MIN(s->cw, s->pw + 2 * (GAP + EDGE));

	gp_printf(g, "set lmargin at screen %.5g\nset rmargin at screen %.5g\n", l / w,
		  (l + s->pw) / w);
	gp_printf(g, "set tmargin at screen %.5g\nset bmargin at screen %.5g\n", 1 - t / h,
		  1 - (t + s->ph) / h);
	if (i > 0)
		gp_printf(g, "unset label %d\nunset label %d\nunset label %d\n", SHEET_TITLE,
			  SHEET_LEFT, SHEET_RIGHT);
	gp_printf(g, "set title ");
	put_text(g, title, FONT, room);
	gp_printf(g, " offset 0,-0.7\nset xlabel ");
	put_text(g, i + s->columns >= s->n ? x : "", FONT, room);
	gp_printf(g, " offset 0,0.5\n");
	if (i == 0 && need(y, FONT) > s->ph + 2 * s->over) /* once, over all rows */
		upright(g, s, SHEET_LEFT, y, LABEL / 2 + 2, top_of(s), (double)s->rows * s->ch);
	else if (column == 0 && *y && need(y, FONT) <= s->ph + 2 * s->over)
		upright(g, s, SHEET_LEFT, y, LABEL / 2 + 2, t - s->over, s->ph + 2 * s->over);
}

void
sheet_end(struct gp *g)
{
	gp_printf(g, "unset multiplot\n");
}
