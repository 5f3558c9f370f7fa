/*
 * Result frames in; a picture of curves out, a curve a frame: one column over
 * another, or over the number of the row.  What differs between frames names
 * their curves; nothing is added up.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/plot/curves.h"
#include "../../lib/plot/gather.h"
#include "../../lib/plot/picture.h"
#include "num.h"

enum { ASC, DESC, MARKS = 16 };

static struct gather in;
static struct picture pic;
static struct curves plot;
static const char *marks;
static int order = -1, cumulative, share;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &in.layers, "only these layers", 0, 0},
	{'x', "x", "COL", OPT_STR, &in.x, "the column along the x axis (number of the row)", 0, 0},
	{'y', "y", "COL,...", OPT_STR, &in.y, "the columns to draw (the last of numbers)", 0, 0},
	{0, "by", "COL", OPT_STR, &in.by, "a curve a value of that column or key", 0, 0},
	{0, "frame", "NAME", OPT_STR, &in.frame, "only tables of that name, frames of that kind", 0,
	 0},
	{0, "pool", NULL, OPT_FLAG, &in.pool, "all frames of a file are one curve", 0, 0},
	{0, "sort", "asc|desc", OPT_WORD, &order, "sort each curve; x is the rank from 1", 0, 0},
	{0, "share", NULL, OPT_FLAG, &share, "percent of the curve's sum", 0, 0},
	{0, "cumulative", NULL, OPT_FLAG, &cumulative, "the same, added up", 0, 0},
	{0, "mark", "X,...", OPT_STR, &marks, "vertical lines", 0, 0},
	{0, "logx", NULL, OPT_FLAG, &plot.logx, "logarithmic x", 0, 0},
	{0, "logy", NULL, OPT_FLAG, &plot.logy, "logarithmic y", 0, 0},
	{0, "step", NULL, OPT_FLAG, &plot.step, "steps instead of slopes", 0, 0},
	{0, "sheet", NULL, OPT_FLAG, &plot.sheet, "a panel a frame", 0, 0},
	{0, "xlabel", "TEXT", OPT_STR, &plot.x, "under the x axis", 0, 0},
	{0, "ylabel", "TEXT", OPT_STR, &plot.y, "beside the y axis", 0, 0},
	{'t', "text", NULL, OPT_FLAG, &pic.text, "the table behind the picture instead", 0, 0},
	PICTURE_OPTS(pic),
	{0},
};

static struct tool t = {.name = "plot-curves",
			.operands = "[FILE ...]",
			.what = "draw columns as curves",
			.opts = opts,
			.flags = TOOL_BYTES};

static double mark[MARKS], mean[MARKS];
static char said[MARKS][64];

static int
rising(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
read_marks(void)
{
	for (const char *p = marks, *end; p; p = *end ? end + 1 : NULL) {
		end = strchrnul(p, ',');
		if (plot.nmark == MARKS || num_f64(p, end, &mark[plot.nmark]) < 0)
			die("--mark %s: not one to %d numbers", marks, MARKS);
		plot.nmark++;
	}
	qsort(mark, plot.nmark, sizeof *mark, rising);
}

static void
shape(void)
{
	for (size_t i = 0; i < in.n; i++) {
		if (order >= 0)
			curve_sort(&in.curve[i], order == DESC);
		if (cumulative)
			curve_cumulate(&in.curve[i]);
		else if (share)
			curve_share(&in.curve[i]);
	}
}

/* What stands over a mark: its x, and what the curves have reached there on average. */
static void
say_marks(void)
{
	for (size_t m = 0; m < plot.nmark; m++) {
		int n = snprintf(said[m], sizeof said[m], "%.6g", mark[m]);

		if (!cumulative || order < 0)
			continue;
		for (size_t i = 0; i < in.n; i++)
			mean[m] += curve_at(&in.curve[i], mark[m]) / (double)in.n;
		snprintf(said[m] + n, sizeof said[m] - (size_t)n, ": %.4f %%", mean[m]);
	}
}

static const char *
x_name(void)
{
	if (order >= 0)
		return order == DESC ? "rank, the largest first" : "rank, the least first";
	if (in.x)
		return in.x;
	if (in.outlines)
		return "value";
	if (!in.pool && (!strcmp(in.kind, "count") || !strcmp(in.kind, "topk")))
		return "expert";
	return !in.pool && !strcmp(in.kind, "load") ? "device" : "row";
}

static const char *
y_name(void)
{
	static char buf[64];
	const char *of = strcmp(in.column, "n") ? in.column : "picks";

	if (!strcmp(in.column, "n") && strcmp(in.kind, "count"))
		of = "n";
	if (!cumulative && !share)
		return of;
	snprintf(buf, sizeof buf, "%% of all %s%s", of, cumulative ? " up to there" : "");
	return buf;
}

static void
put_num(double x)
{
	char buf[NUM_MAX];

	sink_put(t.sink, buf, num_put_f64(buf, x));
}

/* Curve, x, y in lines, then the marks. */
static void
put_text(void)
{
	sink_printf(t.sink, "# curve\tx\ty\n");
	for (size_t i = 0; i < in.n; i++) {
		const struct curve *c = &in.curve[i];

		for (size_t j = 0; j < c->n; j++) {
			sink_printf(t.sink, "%s%s%s\t", c->group_name,
				    *c->group_name && *c->name ? " " : "", c->name);
			put_num(c->x[j]);
			sink_printf(t.sink, "\t");
			put_num(c->y[j]);
			sink_printf(t.sink, "\n");
		}
	}
	for (size_t m = 0; m < plot.nmark; m++)
		if (cumulative && order >= 0)
			sink_printf(t.sink, "# mark %.6g %.4f\n", mark[m], mean[m]);
		else
			sink_printf(t.sink, "# mark %.6g\n", mark[m]);
	if (sink_flush(t.sink) < 0)
		tool_broken(&t);
}

static void
draw(void)
{
	struct gp g = {0};

	plot.curve = in.curve;
	plot.n = in.n;
	plot.step |= in.outlines;
	plot.x = plot.x ? plot.x : x_name();
	plot.y = plot.y ? plot.y : y_name();
	plot.percent = cumulative;
	plot.mark = mark;
	plot.said = said;
	if (curves_draw(&g, &pic.sheet, &plot) < 0)
		die("nothing to draw: no point%s", plot.logx || plot.logy ? " above 0" : "");
	picture_end(&pic, &t, &g);
}

int
main(int argc, char **argv)
{
	struct tr_frame f;

	tool_start(&t, argc, argv);
	picture_start(&pic, &t);
	gather_start(&in);
	read_marks();
	while (tool_next(&t, &f))
		gather_take(&in, &t, &f);
	gather_end(&in);
	shape();
	say_marks();
	if (pic.text)
		put_text();
	else
		draw();
	for (size_t i = 0; i < in.n; i++)
		curve_free(&in.curve[i]);
	free(in.curve);
	return tool_end(&t);
}
