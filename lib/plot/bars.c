#include <math.h>
#include <stdio.h>

#include "bars.h"
#include "size.h"

/* Blue and orange, violet and gray: apart in gray and to the colour-blind. */
static const struct {
	unsigned fill, line;
} colour[BARS_SETS] = {
	{0x2c728e, 0x123c4d}, {0xf0a830, 0x9a5a00}, {0x7b4fa3, 0x3d2058}, {0x777777, 0x222222}};

struct height {
	double lo, hi, least;
};

static void
widen(struct height *h, const double *v, size_t n)
{
	for (size_t j = 0; v && j < n; j++) {
		if (v[j] - v[j] != 0)
			continue;
		h->lo = MIN(h->lo, v[j]);
		h->hi = MAX(h->hi, v[j]);
		h->least = v[j] > 0 ? MIN(h->least, v[j]) : h->least;
	}
}

static struct height
height(const struct bars *panel, size_t n, const struct bars_scale *scale)
{
	struct height h = {0, 0, INFINITY};
	double least, top = 1.04;

	for (size_t i = 0; i < n; i++)
		for (const struct bars *p = &panel[i]; p; p = p->behind) {
			widen(&h, p->v, p->n);
			least = h.least; /* the feet of curves are not worth decades */
			widen(&h, p->cy, p->ncurve);
			widen(&h, p->law, p->n);
			h.least = least;
		}
	for (size_t i = 0; i < n; i++)
		top = panel[i].note[0] ? 1.34 : top; /* their lines stand over the bars */
	h.hi = scale->max > 0 ? scale->max : h.hi > 0 ? h.hi * top : h.lo < 0 ? 0 : 1;
	return h;
}

static void
put_scale(struct gp *g, const struct sheet *s, const struct bars *panel, size_t n,
	  const struct bars_scale *scale)
{
	struct height h = height(panel, n, scale);

	if (scale->log)
		gp_printf(g, "set logscale y\nset yrange [%.9g:%.9g]\n", MIN(h.least, h.hi) / 2,
			  h.hi * 1.2);
	else
		gp_printf(g, "set yrange [%.9g:%.9g]\nset ytics %.9g\n", h.lo * 1.04, h.hi,
			  sheet_nice(h.hi - h.lo, s->ph / 26));
}

/* The longest tick at the left, where panels are so high. */
static size_t
letters(const struct bars *panel, size_t n, const struct bars_scale *scale, double ph)
{
	size_t most = 0, together = scale->free ? 1 : n;

	for (size_t i = 0; i < n; i += together) {
		struct height h = height(panel + i, together, scale);

		most = MAX(most, scale->log ? sheet_letters_log(MIN(h.least, h.hi) / 2, h.hi * 1.2)
					    : sheet_letters(h.lo * 1.04, h.hi,
							    sheet_nice(h.hi - h.lo, ph / 26)));
	}
	return most;
}

/* What the longest number under the bars needs, pixels. */
static double
room(const struct bars *p)
{
	unsigned long long most = p->n;

	for (size_t i = 0; p->label && i < p->n; i++)
		most = i ? MAX(most, p->label[i]) : p->label[i];
	return 8 * snprintf(NULL, 0, "%llu", most) + 6;
}

static void
ticks(struct gp *g, const struct sheet *s, const struct bars *p)
{
	double width = p->width > 0 ? p->width : 1;
	double from = p->width > 0 ? p->from : -0.5;

	gp_printf(g, "set xrange [%.9g:%.9g]\n", from, from + width * (double)p->n);
	if (p->width > 0) {
		double hi = from + width * (double)p->n;

		gp_printf(g, "set xtics %.9g\n", sheet_nice(hi - from, s->pw / 50));
	} else if (!p->label) {
		gp_printf(g, "set xtics 0,%zu\n", sheet_step(p->n, s->pw, room(p)));
	} else {
		size_t step = sheet_step(p->n, s->pw, room(p));

		gp_printf(g, "set xtics (");
		for (size_t i = 0; i < p->n; i += step)
			gp_printf(g, "%s'%llu' %zu", i ? ", " : "", (unsigned long long)p->label[i],
				  i);
		gp_printf(g, ")\n");
	}
}

/* ---- histograms ---- */

/* Edges and what stands on them: bins, the law; then the curve. */
static void
bin_data(struct gp *g, const struct bars *p, size_t i, size_t set)
{
	gp_printf(g, "$panel%zu%c << EOD\n", i, (char)('a' + set));
	for (size_t j = 0; j <= p->n; j++) {
		gp_printf(g, "%.7g ", p->from + p->width * (double)j);
		gp_num(g, j < p->n ? p->v[j] : 0);
		if (p->law)
			gp_printf(g, " %.7g", p->law[MIN(j, p->n - 1)]);
		gp_printf(g, "\n");
	}
	gp_printf(g, "EOD\n");
	if (!p->ncurve)
		return;
	gp_printf(g, "$curve%zu%c << EOD\n", i, (char)('a' + set));
	for (size_t j = 0; j < p->ncurve; j++)
		gp_point(g, p->cx[j], p->cy[j]);
	gp_printf(g, "EOD\n");
}

static void
entry(struct gp *g, const char *name, int named)
{
	if (!name || !named) {
		gp_printf(g, "notitle");
		return;
	}
	gp_printf(g, "title ");
	gp_quote(g, name);
}

static void
plot_bins(struct gp *g, const struct bars *panel, size_t i, const struct bars_scale *scale)
{
	const char *comma = "plot ";
	size_t set = 0;

	for (const struct bars *p = panel; p; p = p->behind, set++) {
		gp_printf(g,
			  "%s$panel%zu%c using 1:2 with fillsteps fillstyle %s linecolor '#%06x' ",
			  comma, i, (char)('a' + set),
			  panel->behind ? "transparent solid 0.5 noborder" : "solid 0.55 noborder",
			  colour[p->hue].fill);
		entry(g, p->set, i == 0);
		comma = ", \\\n";
	}
	set = 0;
	for (const struct bars *p = panel; p; p = p->behind, set++) {
		if (p->law) {
			gp_printf(g,
				  "%s$panel%zu%c using 1:3 with steps linecolor '#d55e00' "
				  "linewidth 1.5 ",
				  comma, i, (char)('a' + set));
			entry(g, scale->law, i == 0 && set == 0);
		}
		if (p->ncurve)
			gp_printf(g,
				  "%s$curve%zu%c using 1:2 with lines linecolor '#%06x' linewidth "
				  "1.3 notitle",
				  comma, i, (char)('a' + set), colour[p->hue].line);
	}
	gp_printf(g, "\n");
	if (i == 0)
		gp_printf(g, "unset key\n");
}

/* ---- bars ---- */

/* Two lines in the upper corner, of all panels or of none. */
static void
notes(struct gp *g, const char *const note[2])
{
	for (int i = 0; i < 2 && note[i]; i++) {
		gp_printf(g, "set label %d ", SHEET_LABEL + 1 + i);
		gp_quote(g, note[i]);
		gp_printf(g,
			  " at graph 0.985, graph 1 right offset 0,-%.3g font ',9' "
			  "textcolor '#444444'\n",
			  0.6 + 0.8 * i);
	}
}

static void
plot_bars(struct gp *g, const struct sheet *s, const struct bars *p, size_t i,
	  const struct bars_scale *scale)
{
	gp_printf(g, "$panel%zu << EOD\n", i);
	for (size_t j = 0; j < p->n; j++) {
		gp_printf(g, "%zu ", j);
		gp_num(g, p->v[j]);
		gp_printf(g, "\n");
	}
	gp_printf(g, "EOD\n");
	if (p->line > 0 && !(scale->max > 0 && p->line > scale->max) && !sheet_beside(s, i))
		gp_printf(g,
			  "set label %d 'mean' at graph 1, first %.9g left offset 0.3,0 "
			  "font ',9' "
			  "textcolor '#d1495b'\n",
			  SHEET_LABEL, p->line);
	else
		gp_printf(g, "unset label %d\n", SHEET_LABEL);
	notes(g, p->note);
	gp_printf(g, "plot $panel%zu using 1:2 with boxes linecolor '#2c728e'", i);
	if (p->line > 0)
		gp_printf(g, ", %.9g with lines linecolor '#d1495b' linewidth 1 dashtype 2",
			  p->line);
	gp_printf(g, "\n");
}

void
bars_draw(struct gp *g, struct sheet *s, const struct bars *panel, size_t n,
	  const struct bars_scale *scale)
{
	double pw, ph = n > 1 ? 120 : 300;
	size_t most = 1;
	int named = 0;

	for (size_t i = 0; i < n; i++) {
		most = MAX(most, panel[i].n);
		named |= panel[i].set != NULL;
	}
	if (panel->width > 0 && n >= 32 && n % 8 == 0)
		s->across = 8; /* of 64 or 128 experts */
	s->legend = named;
	pw = n > 1 ? 260 : MIN(MAX((double)most * 9, 360), 760);
	s->letters = letters(panel, n, scale, sheet_height(s, n, pw, ph));
	sheet_begin(g, s, n, pw, ph);
	put_scale(g, s, panel, scale->free ? 1 : n, scale);
	gp_printf(g,
		  "set style fill solid noborder\nset boxwidth 0.86 %s\n"
		  "set grid y linewidth 0.5 linecolor '#dddddd'\n",
		  most > 1 ? "relative" : "absolute");
	for (size_t i = 0; i < n; i++) {
		const struct bars *p = &panel[i];
		size_t set = 0;

		for (const struct bars *b = p; p->width > 0 && b; b = b->behind)
			bin_data(g, b, i, set++);
		sheet_panel(g, s, i, p->title, p->x, scale->unit);
		if (scale->free && i)
			put_scale(g, s, p, 1, scale);
		ticks(g, s, p);
		if (p->width > 0)
			plot_bins(g, p, i, scale);
		else
			plot_bars(g, s, p, i, scale);
	}
	sheet_end(g);
}
