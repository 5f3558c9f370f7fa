/*
 * Tables in; a picture of lying bars out, a bar a row, whose parts are columns
 * that add up: what dispatch, compute and combine have in the cost of each run.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/plot/gather.h"
#include "../../lib/plot/picture.h"
#include "num.h"
#include "size.h"

enum { ROW = 22, WIDE = 420, KEY = 110, NAME = 18 }; /* pixels */

static struct gather in;
static struct picture pic;
static const char *unit;
static int sorted;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &in.layers, "only these layers", 0, 0},
	{'y', "y", "COL,...", OPT_STR, &in.y, "the columns that add up (dispatch,compute,combine)",
	 0, 0},
	{0, "frame", "NAME", OPT_STR, &in.frame, "only tables of that name, frames of that kind", 0,
	 0},
	{0, "sort", NULL, OPT_FLAG, &sorted, "the shortest first", 0, 0},
	{0, "xlabel", "TEXT", OPT_STR, &unit, "under the bars", 0, 0},
	{'t', "text", NULL, OPT_FLAG, &pic.text, "the table behind the picture instead", 0, 0},
	PICTURE_OPTS(pic),
	{0},
};

static struct tool t = {.name = "plot-stack",
			.operands = "[FILE ...]",
			.what = "draw columns as stacked bars",
			.opts = opts,
			.flags = TOOL_BYTES};

static struct bar {
	char name[200];
	double part[GATHER_COLUMNS], sum;
	size_t at;
} * bar;
static size_t nbar;
static const char *const colour[] = {"#2c728e", "#e9a03b", "#d1495b", "#5aa469",
				     "#7a5195", "#9c755f", "#86bcb6", "#bab0ac"};

/* A curve holds one column of one frame: its points are the parts of as many bars. */
static void
collect(void)
{
	for (size_t i = 0; i < in.n; i++) {
		const struct curve *c = &in.curve[i];
		size_t first = 0;

		while (first < nbar && bar[first].at != c->group)
			first++;
		for (size_t k = 0; k < c->n; k++) {
			if (first + k == nbar) {
				bar = xrealloc(bar, nbar + 1, sizeof *bar);
				memset(&bar[nbar], 0, sizeof *bar);
				bar[nbar].at = c->group;
				snprintf(bar[nbar].name, sizeof bar->name, "%.160s", c->group_name);
				if (c->n > 1)
					snprintf(bar[nbar].name + strlen(bar[nbar].name),
						 sizeof bar->name - strlen(bar[nbar].name), "%s%zu",
						 *c->group_name ? " " : "", k);
				nbar++;
			}
			if (isnan(c->y[k]))
				continue;
			if (c->y[k] < 0 || isinf(c->y[k]))
				die("column %s: a part of a bar is below 0, or infinite",
				    in.col[c->column]);
			bar[first + k].part[c->column] = c->y[k];
			bar[first + k].sum += c->y[k];
		}
	}
}

static int
by_sum(const void *a, const void *b)
{
	const struct bar *x = a, *y = b;

	if (x->sum != y->sum)
		return x->sum > y->sum ? 1 : -1;
	return strcmp(x->name, y->name);
}

static void
put_text(void)
{
	char line[64];

	sink_put(t.sink, "# bar", 5);
	for (int c = 0; c < in.ncol; c++) {
		sink_put(t.sink, "\t", 1);
		sink_put(t.sink, in.col[c], strlen(in.col[c]));
	}
	sink_put(t.sink, "\tsum\n", 5);
	for (size_t i = 0; i < nbar; i++) {
		sink_put(t.sink, bar[i].name, strlen(bar[i].name));
		for (int c = 0; c <= in.ncol; c++) {
			line[0] = '\t';
			sink_put(t.sink, line,
				 1 + num_put_f64(line + 1,
						 c < in.ncol ? bar[i].part[c] : bar[i].sum));
		}
		sink_put(t.sink, "\n", 1);
	}
}

static void
put_bars(struct gp *g, int c)
{
	gp_printf(g, "$part%d << EOD\n", c);
	for (size_t i = 0; i < nbar; i++) {
		double from = 0;

		for (int k = 0; k < c; k++)
			from += bar[i].part[k];
		gp_printf(g, "%.9g %.9g %.9g %zu\n", from + bar[i].part[c] / 2, from,
			  from + bar[i].part[c], i);
	}
	gp_printf(g, "EOD\n");
}

static void
draw(struct gp *g)
{
	size_t letters = 0, names = 0;
	double most = 0;

	for (size_t i = 0; i < nbar; i++) {
		letters = MAX(letters, strlen(bar[i].name));
		most = MAX(most, bar[i].sum);
	}
	pic.sheet.letters = letters;
	for (int c = 0; c < in.ncol; c++)
		names = MAX(names, strlen(in.col[c]));
	pic.sheet.right = MAX(KEY, 46 + 7 * (int)names);
	/* A key higher than the panel becomes columns, and those lie over the bars. */
	sheet_begin(g, &pic.sheet, 1, WIDE, (double)MAX(nbar * ROW, (size_t)in.ncol * NAME) + 8);
	sheet_panel(g, &pic.sheet, 0, "", unit ? unit : "", "");
	for (int c = 0; c < in.ncol; c++)
		put_bars(g, c);
	gp_printf(g,
		  "set xrange [0:%.9g]\nset xtics %.9g\nset yrange [%.9g:-0.7]\n"
		  "set grid x linewidth 0.5 linecolor '#dddddd'\nset style fill solid noborder\n"
		  "set key at screen %.5g,%.5g right top Left reverse samplen 2\nset ytics (",
		  most > 0 ? most * 1.04 : 1, sheet_nice(most, pic.sheet.pw / 70),
		  (double)nbar - 0.3, 1 - 8 / (double)pic.sheet.w,
		  1 - (pic.sheet.title ? 40 : 26) / (double)pic.sheet.h);
	for (size_t i = 0; i < nbar; i++) {
		gp_printf(g, "%s", i ? ", " : "");
		gp_quote(g, bar[i].name);
		gp_printf(g, " %zu", i);
	}
	gp_printf(g, ")\nplot ");
	for (int c = 0; c < in.ncol; c++) {
		gp_printf(g,
			  "%s$part%d using 1:4:2:3:($4-0.36):($4+0.36) with boxxyerror "
			  "linecolor '%s' title ",
			  c ? ", " : "", c, colour[(size_t)c % LEN(colour)]);
		gp_quote(g, in.col[c]);
	}
	gp_printf(g, "\n");
	sheet_end(g);
}

int
main(int argc, char **argv)
{
	struct tr_frame f;
	struct gp g = {0};

	tool_start(&t, argc, argv);
	if (!in.y) { /* what place-eval says */
		in.y = "dispatch,compute,combine";
		in.frame = in.frame ? in.frame : "cost";
		unit = unit ? unit : "us";
	}
	picture_start(&pic, &t);
	gather_start(&in);
	while (tool_next(&t, &f))
		gather_take(&in, &t, &f);
	gather_end(&in);
	collect();
	if (sorted)
		qsort(bar, nbar, sizeof *bar, by_sum);
	if (pic.text) {
		put_text();
		return tool_end(&t);
	}
	draw(&g);
	picture_end(&pic, &t, &g);
	return tool_end(&t);
}
