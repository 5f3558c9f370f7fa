#include <math.h>
#include <stdio.h>

#include "bars.h"
#include "size.h"

static void
put_scale(struct gp *g, const struct sheet *s, const struct bars *panel, size_t n,
	  const struct bars_scale *scale)
{
	double lo = 0, hi = 0, least = INFINITY;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < panel[i].n; j++) {
			double v = panel[i].v[j];

			if (v - v != 0)
				continue;
			lo = MIN(lo, v);
			hi = MAX(hi, v);
			least = v > 0 ? MIN(least, v) : least;
		}
	hi = scale->max > 0 ? scale->max : hi > 0 ? hi * 1.04 : lo < 0 ? 0 : 1;
	if (scale->log)
		gp_printf(g, "set logscale y\nset yrange [%.9g:%.9g]\n", MIN(least, hi) / 2,
			  hi * 1.2);
	else
		gp_printf(g, "set yrange [%.9g:%.9g]\nset ytics %.9g\n", lo * 1.04, hi,
			  sheet_nice(hi - lo, s->ph / 26));
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
		gp_printf(g, "set xtics auto\n");
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

void
bars_draw(struct gp *g, struct sheet *s, const struct bars *panel, size_t n,
	  const struct bars_scale *scale)
{
	size_t most = 1;

	for (size_t i = 0; i < n; i++)
		most = MAX(most, panel[i].n);
	sheet_begin(g, s, n, n > 1 ? 260 : MIN(MAX((double)most * 9, 360), 760), n > 1 ? 120 : 300);
	put_scale(g, s, panel, n, scale);
	gp_printf(g, "set style fill solid noborder\nset boxwidth 0.86 relative\n"
		     "set grid y linewidth 0.5 linecolor '#dddddd'\n");
	for (size_t i = 0; i < n; i++) {
		const struct bars *p = &panel[i];

		gp_printf(g, "$panel%zu << EOD\n", i);
		for (size_t j = 0; j < p->n; j++) {
			gp_num(g,
			       p->width > 0 ? p->from + p->width * ((double)j + 0.5) : (double)j);
			gp_printf(g, " ");
			gp_num(g, p->v[j]);
			gp_printf(g, "\n");
		}
		gp_printf(g, "EOD\n");
		sheet_panel(g, s, i, p->title, p->x, scale->unit);
		ticks(g, s, p);
		if (p->line > 0 && !(scale->max > 0 && p->line > scale->max))
			gp_printf(g,
				  "set label 1 'mean' at graph 1, first %.9g left offset 0.3,0 "
				  "font ',9' "
				  "textcolor '#d1495b'\n",
				  p->line);
		else
			gp_printf(g, "unset label 1\n");
		gp_printf(g, "plot $panel%zu using 1:2 with boxes linecolor '#2c728e'", i);
		if (p->line > 0)
			gp_printf(g, ", %.9g with lines linecolor '#d1495b' linewidth 1 dashtype 2",
				  p->line);
		gp_printf(g, "\n");
	}
	sheet_end(g);
}
