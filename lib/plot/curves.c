#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "curves.h"
#include "size.h"

/* Beyond these a scale cannot be computed, or drawn. */
#define LARGEST 1e300
#define SMALLEST 1e-300

enum { LINE = 15, RAMP = 100, NAME = 44, PLACES = 12 };

/* viridis without its lightest end, which white paper swallows */
static const unsigned char anchor[][3] = {
	{0x44, 0x01, 0x54}, {0x47, 0x2d, 0x7b}, {0x3b, 0x52, 0x8b}, {0x2c, 0x72, 0x8e},
	{0x21, 0x91, 0x8c}, {0x28, 0xae, 0x80}, {0x5e, 0xc9, 0x62}, {0xad, 0xdc, 0x30}};
static const unsigned few[] = {0x2c728e, 0xd1495b, 0xe0a030, 0x44a05a,
			       0x7b4fa3, 0x8a5a44, 0x4fb3d9, 0x555555};

struct span {
	double lo, hi;
};

/* The plan of one picture. */
struct plan {
	const struct curves *c;
	size_t *panel, *colour; /* [n] of each curve */
	size_t *named;          /* [ncolour] a curve of that colour */
	size_t npanel, ncolour;
	int legend, ramp, by_layer;
	struct span x, y, layers;
	double place[PLACES]; /* where all points are, if those are few whole numbers */
	size_t nplace;
};

static const char *
name_of(const struct plan *p, size_t i, char buf[NAME + 4])
{
	const struct curve *c = &p->c->curve[i];
	const char *group = p->c->sheet ? "" : c->group_name;
	int n = snprintf(buf, NAME, "%s%s%s", group, *group && *c->name ? " " : "", c->name);

	if (n >= NAME) {
		while (n > NAME - 1 || (buf[n] & 0xc0) == 0x80)
			n--;
		memcpy(buf + n - 1, "\xe2\x80\xa6", 4);
	}
	return buf;
}

static unsigned
colour_of(const struct plan *p, size_t k)
{
	double at, part;
	unsigned rgb = 0;
	size_t a;

	if (p->ncolour <= LEN(few))
		return few[k];
	at = (double)k / (double)(p->ncolour - 1) * (LEN(anchor) - 1);
	a = MIN((size_t)at, LEN(anchor) - 2);
	part = at - (double)a;
	for (int i = 0; i < 3; i++)
		rgb = rgb << 8 |
		      (unsigned)lround(anchor[a][i] * (1 - part) + anchor[a + 1][i] * part);
	return rgb;
}

/* Whether the point is drawn. */
static int
drawn(const struct curves *c, double x, double y)
{
	return fabs(x) <= LARGEST && fabs(y) <= LARGEST && (!c->logx || x >= SMALLEST) &&
	       (!c->logy || y >= SMALLEST);
}

static void
widen(struct span *s, double v)
{
	s->lo = MIN(s->lo, v);
	s->hi = MAX(s->hi, v);
}

/* What differs by rounding alone is one value. */
static void
flatten(struct span *s)
{
	if (s->hi - s->lo <= 1e-12 * MAX(fabs(s->lo), fabs(s->hi)))
		s->lo = s->hi;
}

static int
ranges(struct plan *p)
{
	const struct curves *c = p->c;

	p->x = p->y = p->layers = (struct span){INFINITY, -INFINITY};
	p->by_layer = 1;
	for (size_t i = 0; i < c->n; i++) {
		const struct curve *v = &c->curve[i];

		for (size_t j = 0; j < v->n; j++)
			if (drawn(c, v->x[j], v->y[j])) {
				widen(&p->x, v->x[j]);
				widen(&p->y, v->y[j]);
			}
		p->by_layer &= v->layer != UINT64_MAX;
		widen(&p->layers, (double)v->layer);
	}
	if (p->x.lo > p->x.hi)
		return -1;
	for (size_t i = 0; i < c->nmark; i++)
		if (drawn(c, c->mark[i], 1))
			widen(&p->x, c->mark[i]);
	flatten(&p->x);
	flatten(&p->y);
	p->by_layer &= p->layers.lo < p->layers.hi;
	if (!p->by_layer)
		p->layers = (struct span){0, (double)c->n - 1};
	return 0;
}

/* The x of all points, ascending; none where they are many, or fractions. */
static void
places(struct plan *p)
{
	const struct curves *c = p->c;
	double *at = p->place;
	size_t n = 0, k;

	for (size_t i = 0; i < c->n; i++)
		for (size_t j = 0; j < c->curve[i].n; j++) {
			double x = c->curve[i].x[j];

			if (!drawn(c, x, c->curve[i].y[j]))
				continue;
			for (k = 0; k < n && at[k] < x; k++)
				;
			if (k < n && at[k] == x)
				continue;
			if (n == PLACES || x != floor(x))
				return;
			memmove(at + k + 1, at + k, (n - k) * sizeof *at);
			at[k] = x;
			n++;
		}
	p->nplace = n;
}

/* Curves of one name have one colour: in a sheet each group has its own set. */
static void
colours(struct plan *p)
{
	const struct curves *c = p->c;

	for (size_t i = 0; i < c->n; i++) {
		size_t k = 0;

		while (c->sheet && k < p->ncolour &&
		       strcmp(c->curve[p->named[k]].name, c->curve[i].name) != 0)
			k++;
		k = c->sheet ? k : p->ncolour;
		if (k == p->ncolour)
			p->named[p->ncolour++] = i;
		p->colour[i] = k;
		p->npanel += c->sheet && i && c->curve[i].group != c->curve[i - 1].group;
		p->panel[i] = p->npanel;
	}
	p->npanel++;
}

/* Few decades have ticks at 1, 2 and 5 of each, many at each power of ten. */
static void
log_ticks(struct gp *g, char name, double lo, double hi)
{
	const char *comma = "";

	if (hi / lo > 1000) {
		gp_printf(g, "set %ctics auto\n", name);
		return;
	}
	gp_printf(g, "set %ctics (", name);
	for (double ten = pow(10, floor(log10(lo))); ten <= hi; ten *= 10)
		for (int i = 0; i < 9; i++) {
			double v = (i + 1) * ten;

			if (v < lo || v > hi)
				continue;
			if (i == 0 || i == 1 || i == 4 || hi / lo < 5)
				gp_printf(g, "%s'%.9g' %.9g", comma, v, v);
			else
				gp_printf(g, "%s'' %.9g 1", comma, v);
			comma = ", ";
		}
	if (!*comma) /* not even one: the ends */
		gp_printf(g, "'%.4g' %.9g, '%.4g' %.9g", lo, lo, hi, hi);
	gp_printf(g, ")\n");
}

static void
axis(struct gp *g, char name, struct span s, int log, double ticks)
{
	double pad;

	if (log) {
		double most = s.lo < s.hi ? 1 : 2, lo = s.lo / most, hi = s.hi * most;

		gp_printf(g, "set logscale %c\nset %crange [%.9g:%.9g]\n", name, name, lo, hi);
		log_ticks(g, name, lo, hi);
		return;
	}
	pad = s.lo < s.hi ? 0 : s.lo != 0 ? fabs(s.lo) * 0.1 : 1;
	gp_printf(g, "set %crange [%.9g:%.9g]\nset %ctics %.9g\n", name, s.lo - pad, s.hi + pad,
		  name, sheet_nice(s.hi - s.lo + 2 * pad, ticks));
}

/* The y axis with some air, from 0 where the picture loses little by it. */
static struct span
air(const struct plan *p)
{
	struct span y = p->y;
	double room = (y.hi - y.lo) * 0.04;

	if (p->c->logy) {
		room = pow(y.hi / y.lo, 0.04);
		return (struct span){y.lo / room, y.hi * room};
	}
	if (room == 0)
		return y;
	y.lo = y.lo >= 0 && y.lo < 0.5 * y.hi ? 0 : y.lo - room;
	y.hi = p->c->percent ? 100 : y.hi + room;
	return y;
}

/* The longest of the y axis' ticks. */
static size_t
letters(const struct plan *p, double ph)
{
	struct span y = air(p);

	if (p->c->logy)
		return sheet_letters_log(y.lo, y.hi);
	return sheet_letters(y.lo, y.hi, sheet_nice(y.hi - y.lo, ph / 26));
}

/* Whether there is room for a tick at each place. */
static int
apart(const struct sheet *s, const struct plan *p)
{
	for (size_t i = 1; i < p->nplace; i++)
		if ((p->place[i] - p->place[i - 1]) * s->pw < 24 * (p->x.hi - p->x.lo))
			return 0;
	return p->nplace > 1 && !p->c->logx;
}

static void
axes(struct gp *g, const struct sheet *s, const struct plan *p)
{
	gp_printf(g, "set grid linewidth 0.5 linecolor '#dddddd'\n");
	axis(g, 'x', p->x, p->c->logx, s->pw / 60);
	if (apart(s, p)) {
		gp_printf(g, "set xtics (");
		for (size_t i = 0; i < p->nplace; i++)
			gp_printf(g, "%s'%.9g' %.9g", i ? ", " : "", p->place[i], p->place[i]);
		gp_printf(g, ")\n");
	}
	axis(g, 'y', air(p), p->c->logy, s->ph / 26);
}

/* The names, or the ramp, right of all panels. */
static void
legend(struct gp *g, const struct sheet *s, const struct plan *p)
{
	double w = (double)s->w, h = (double)s->h;
	double top = 1 - (s->h - s->ch * (double)s->rows - 29 + s->over) / h;

	if (p->legend)
		gp_printf(g,
			  "set key at screen %.5g,%.5g left top Left reverse samplen 1.5 "
			  "spacing %.3g vertical maxrows %zu font 'sans,10' noenhanced\n",
			  1 - ((double)s->right - 4) / w, top + 8 / h, LINE / 12.5, p->ncolour);
	if (!p->ramp)
		return;
	gp_printf(g, "set palette defined (");
	for (size_t i = 0; i < LEN(anchor); i++)
		gp_printf(g, "%s%zu '#%02x%02x%02x'", i ? ", " : "", i, anchor[i][0], anchor[i][1],
			  anchor[i][2]);
	gp_printf(g, ")\nset cbrange [%.9g:%.9g]\nset cbtics %.9g\n", p->layers.lo, p->layers.hi,
		  fmax(1, sheet_nice(p->layers.hi - p->layers.lo, s->ph / 30)));
	sheet_right(g, s, p->by_layer ? "layer" : "curve", (1 - top) * h,
		    s->ch * (double)(s->rows - 1) + s->ph);
	gp_printf(g, "set colorbox user origin screen %.5g,%.5g size screen %.5g,%.5g noborder\n",
		  1 - (RAMP - 8.0) / w, top - (s->ch * (double)(s->rows - 1) + s->ph) / h, 12 / w,
		  (s->ch * (double)(s->rows - 1) + s->ph) / h);
}

/* The words of mark i, over its line: in two rows, and not at all where neither is free. */
static void
say(struct gp *g, const struct sheet *s, const struct curves *c, size_t i, double at,
    double free_from[2])
{
	double half = 3.2 * (double)strlen(c->said[i]) + 3;
	int end = at + half > s->pw + 20; /* they would leave the picture */
	int start = !end && at < half;    /* they would touch the ticks */
	double from = end ? at - 2 * half : start ? at : at - half;
	int row = from < free_from[0];

	if (from < free_from[row])
		return;
	free_from[row] = from + 2 * half;
	gp_printf(g, "set label %zu ", i + SHEET_LABEL);
	gp_quote(g, c->said[i]);
	gp_printf(g, " at first %.9g, graph 1 ", c->mark[i]);
	if (c->sheet)
		gp_printf(g, "left offset 0.4,-0.5 font 'sans,8'\n");
	else
		gp_printf(g, "%s offset 0,%s font 'sans,10'\n",
			  end     ? "right"
			  : start ? "left"
				  : "center",
			  row ? "1.3" : "0.5");
}

static void
marks(struct gp *g, const struct sheet *s, const struct plan *p)
{
	double free_from[2] = {-INFINITY, -INFINITY}, lo = p->x.lo, hi = p->x.hi;
	const struct curves *c = p->c;

	for (size_t i = 0; i < c->nmark; i++) {
		double x = c->mark[i], part;

		if (!drawn(c, x, 1))
			continue;
		part = lo == hi ? 0.5 : c->logx ? log(x / lo) / log(hi / lo) : (x - lo) / (hi - lo);
		gp_printf(g,
			  "set arrow %zu from first %.9g, graph 0 to first %.9g, graph 1 nohead "
			  "front linecolor '#888888' linewidth 1 dashtype 2\n",
			  i + 1, x, x);
		say(g, s, c, i, s->pw * part, free_from);
	}
}

/* Blank lines break the line; 1 if some point has no neighbour, and needs a dot. */
static int
data(struct gp *g, const struct curves *c, size_t i)
{
	const struct curve *v = &c->curve[i];
	size_t run = 0;
	int lone = 0;

	gp_printf(g, "$curve%zu << EOD\n", i);
	for (size_t j = 0; j < v->n; j++) {
		if (!drawn(c, v->x[j], v->y[j])) {
			gp_printf(g, "%s", run ? "\n" : "");
			lone |= run == 1;
			run = 0;
			continue;
		}
		gp_num(g, v->x[j]);
		gp_printf(g, " ");
		gp_num(g, v->y[j]);
		gp_printf(g, "\n");
		run++;
	}
	gp_printf(g, "EOD\n");
	return lone || run == 1;
}

static void
style(struct gp *g, const struct plan *p, size_t i, int lone)
{
	const struct curve *v = &p->c->curve[i];

	gp_printf(g, "with %s ", p->c->step ? "steps" : lone ? "linespoints" : "lines");
	if (p->ramp)
		gp_printf(g, "linecolor palette cb %.9g",
			  p->by_layer ? (double)v->layer : (double)i);
	else
		gp_printf(g, "linecolor '#%06x'", colour_of(p, p->colour[i]));
	gp_printf(g, " linewidth %s", p->ncolour > LEN(few) ? "1" : "1.3");
	if (p->c->step && p->colour[i] && p->ncolour <= 5) /* outlines lie on each other */
		gp_printf(g, " dashtype %zu", p->colour[i] + 1);
	if (lone && !p->c->step)
		gp_printf(g, " pointtype 7 pointsize 0.35");
}

static void
panel(struct gp *g, const struct plan *p, size_t number, const int *lone)
{
	char name[NAME + 4];
	const char *comma = "plot ";

	for (size_t i = 0; i < p->c->n; i++) {
		if (p->panel[i] != number)
			continue;
		gp_printf(g, "%s$curve%zu using 1:2 ", comma, i);
		style(g, p, i, lone[i]);
		gp_printf(g, " notitle");
		comma = ", \\\n";
	}
	for (size_t k = 0; p->legend && number == 0 && k < p->ncolour; k++) {
		gp_printf(g, ", \\\nkeyentry ");
		style(g, p, p->named[k], 0);
		gp_printf(g, " title ");
		gp_quote(g, name_of(p, p->named[k], name));
	}
	gp_printf(g, "\n%s", number == 0 ? "unset key\nunset colorbox\n" : "");
}

/* Room at the right: for the longest name, or for the ramp. */
static unsigned long
right(struct plan *p, const struct sheet *s)
{
	char name[NAME + 4];
	size_t longest = 0;

	if (p->ncolour < 2)
		return 0;
	p->ramp = p->ncolour > CURVES_LEGEND || (s->h && p->ncolour * LINE + 60 > s->h);
	p->legend = !p->ramp;
	for (size_t k = 0; k < p->ncolour; k++)
		longest = MAX(longest, strlen(name_of(p, p->named[k], name)));
	return p->ramp ? RAMP : 44 + 7 * longest;
}

static void
draw(struct gp *g, struct sheet *s, struct plan *p, int *lone)
{
	const struct curves *c = p->c;

	double pw, ph;

	colours(p);
	ph = p->npanel > 1 ? 130 : 340;
	s->right = right(p, s);
	ph = MAX(ph, p->npanel > 1 || !p->legend ? 0 : LINE * (double)p->ncolour);
	pw = p->npanel > 1 ? 220 : 560;
	s->letters = letters(p, sheet_height(s, p->npanel, pw, ph));
	sheet_begin(g, s, p->npanel, pw, ph);
	axes(g, s, p);
	legend(g, s, p);
	marks(g, s, p);
	for (size_t i = 0; i < c->n; i++)
		lone[i] = data(g, c, i) || p->nplace > 1;
	for (size_t i = 0, number = 0; i < c->n; i++) {
		if (p->panel[i] != number || (i && p->panel[i - 1] == number))
			continue;
		sheet_panel(g, s, number, c->sheet ? c->curve[i].group_name : "", c->x, c->y);
		panel(g, p, number++, lone);
	}
	sheet_end(g);
}

int
curves_draw(struct gp *g, struct sheet *s, const struct curves *c)
{
	struct plan p = {.c = c};
	int r = 0, *lone = calloc(c->n, sizeof *lone);

	p.panel = calloc(c->n, sizeof *p.panel);
	p.colour = calloc(c->n, sizeof *p.colour);
	p.named = calloc(c->n, sizeof *p.named);
	if (!lone || !p.panel || !p.colour || !p.named)
		g->nomem = 1;
	else if ((r = ranges(&p)) == 0) {
		places(&p);
		draw(g, s, &p, lone);
	}
	free(lone);
	free(p.panel);
	free(p.colour);
	free(p.named);
	return r;
}
