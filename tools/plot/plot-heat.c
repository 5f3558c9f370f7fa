/*
 * Result frames in; a picture of coloured cells out.  A frame that is a matrix
 * (coact, flow, tables) is a panel; frames that are a line of numbers (count,
 * topk, load) become the rows of one, a row a layer.  Counters of equal
 * identity are added first, so shards may come one after the other.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/plot/heat.h"
#include "../../lib/plot/picture.h"
#include "../../lib/stats/sum.h"
#include "num.h"
#include "size.h"

static struct tr_list layers;
static struct picture pic;
static struct heat_scale scale;
static int diagonal, raw, ideal;
static const char *column, *frame;
static int nseen;
static uint64_t top;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{0, "frame", "NAME", OPT_STR, &frame, "only tables of that name, frames of that kind", 0,
	 0},
	{0, "col", "NAME", OPT_STR, &column, "the column to draw (n, else the first numbers)", 0,
	 0},
	{0, "count", NULL, OPT_FLAG, &raw, "counts, not shares of the tokens", 0, 0},
	{0, "ideal", NULL, OPT_FLAG, &ideal, "over what each would have if all in a row were alike",
	 0, 0},
	{0, "diagonal", NULL, OPT_FLAG, &diagonal, "an expert with itself, too", 0, 0},
	{0, "log", NULL, OPT_FLAG, &scale.log, "logarithmic colours", 0, 0},
	{0, "max", "X", OPT_F64, &scale.max, "value of the last colour (the largest)", 0, 0},
	{0, "top", "N", OPT_U64, &top, "of square matrices the N largest, the first largest", 1, 0},
	{'t', "text", NULL, OPT_FLAG, &pic.text, "the table behind the picture instead", 0, 0},
	PICTURE_OPTS(pic),
	{0},
};

static struct tool t = {.name = "plot-heat",
			.operands = "[FILE ...]",
			.what = "draw matrices as heat maps",
			.opts = opts,
			.flags = TOOL_BYTES | TOOL_FOLD | TOOL_FORCE};

static struct panel {
	char title[200], x[32], y[32];
	size_t rows, columns;
	double *v;
	uint64_t *label, *column;
	int dead;
} * panel;
static size_t npanel;
static char unit[48];

/* The panel for s: a new one, or that of the lines before it. */
static struct panel *
panel_of(const struct series *s)
{
	size_t columns = s->matrix ? s->columns : s->rows;
	struct panel *p;

	for (size_t i = 0; i < npanel && !s->matrix; i++)
		if (panel[i].label && panel[i].columns == columns &&
		    !strcmp(panel[i].title, s->what))
			return &panel[i];
	panel = xrealloc(panel, npanel + 1, sizeof *panel);
	p = memset(&panel[npanel++], 0, sizeof *panel);
	if (s->matrix)
		picture_title(s, p->title, sizeof p->title);
	else
		memcpy(p->title, s->what, sizeof s->what);
	memcpy(p->x, s->x, sizeof p->x);
	memcpy(p->y, s->matrix ? s->y : "layer", 6);
	p->columns = columns;
	return p;
}

/* 1 is the mean of the row. */
static void
over_ideal(double *v, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += v[i];
	for (size_t i = 0; i < n; i++)
		v[i] = sum > 0 ? v[i] * (double)n / sum : NAN;
}

static void
add(const struct series *s, const char *kind)
{
	struct panel *p = panel_of(s);
	size_t rows = s->matrix ? s->rows : 1;

	p->v = xrealloc(p->v, (p->rows + rows) * p->columns, sizeof *p->v);
	memcpy(p->v + p->rows * p->columns, s->v, rows * p->columns * sizeof *p->v);
	if (!s->matrix) {
		p->label = xrealloc(p->label, p->rows + 1, sizeof *p->label);
		p->label[p->rows] = s->layer == TR_NONE ? p->rows : s->layer;
	}
	p->dead = !strcmp(kind, "count") || !strcmp(kind, "load");
	for (size_t i = 0; ideal && i < rows; i++)
		over_ideal(p->v + (p->rows + i) * p->columns, p->columns);
	for (size_t i = 0; s->diagonal && !diagonal && i < rows; i++)
		p->v[i * p->columns + i] = NAN; /* it would hide the rest */
	p->rows += rows;
	memcpy(unit, s->unit, sizeof unit);
	if (ideal)
		memcpy(unit, "load / ideal load", sizeof "load / ideal load");
}

struct weight {
	double sum;
	size_t at;
};

static int
heavier(const void *a, const void *b)
{
	const struct weight *x = a, *y = b;

	if (x->sum != y->sum)
		return x->sum < y->sum ? 1 : -1;
	return (x->at > y->at) - (x->at < y->at);
}

/* Of a square matrix the experts of most, in rows or in columns, in one order for both. */
static void
keep_top(struct panel *p)
{
	const size_t n = p->columns, m = top;
	struct weight *w = xcalloc(n, sizeof *w);
	double *v = xcalloc(m * m, sizeof *v);

	for (size_t i = 0; i < n; i++) {
		double row = 0, column = 0;

		for (size_t j = 0; j < n; j++) {
			row += isfinite(p->v[i * n + j]) ? p->v[i * n + j] : 0;
			column += isfinite(p->v[j * n + i]) ? p->v[j * n + i] : 0;
		}
		w[i] = (struct weight){MAX(row, column), i};
	}
	qsort(w, n, sizeof *w, heavier);
	p->label = xcalloc(m, sizeof *p->label);
	p->column = p->label;
	for (size_t i = 0; i < m; i++) {
		p->label[i] = w[i].at;
		for (size_t j = 0; j < m; j++)
			v[i * m + j] = p->v[w[i].at * n + w[j].at];
	}
	free(p->v);
	free(w);
	p->v = v;
	p->rows = p->columns = m;
}

static void
put_text(void)
{
	char buf[NUM_MAX + 1];

	sink_printf(t.sink, "# panel\trow\tcolumn\tvalue\n");
	for (size_t i = 0; i < npanel; i++) {
		const struct panel *p = &panel[i];

		for (size_t k = 0; k < p->rows * p->columns; k++) {
			size_t row = k / p->columns;
			size_t col = k % p->columns;
			uint64_t name = p->label ? p->label[row] : row;
			uint64_t column = p->column ? p->column[col] : col;

			buf[num_put_f64(buf, p->v[k])] = 0;
			sink_printf(t.sink, "%s\t%llu\t%llu\t%s\n", p->title,
				    (unsigned long long)name, (unsigned long long)column, buf);
		}
	}
	if (sink_flush(t.sink) < 0)
		tool_broken(&t);
}

static void
draw(void)
{
	struct heat *heat = xcalloc(npanel, sizeof *heat);
	struct gp g = {0};

	for (size_t i = 0; i < npanel; i++) {
		struct panel *p = &panel[i];

		heat[i] = (struct heat){p->title, p->x,     p->y,      p->rows, p->columns,
					p->v,     p->label, p->column, p->dead};
	}
	scale.unit = unit;
	heat_draw(&g, &pic.sheet, heat, npanel, &scale);
	picture_end(&pic, &t, &g);
	free(heat);
}

int
main(int argc, char **argv)
{
	struct sum *sum = sum_new();
	struct tr_frame f;
	struct series s;
	int r;

	tool_start(&t, argc, argv);
	picture_start(&pic, &t);
	while (tool_next(&t, &f)) {
		if (!series_has(&f) || !tr_list_has(&layers, tr_get(&f, "layer", 0)) ||
		    !tool_named(&f, frame))
			continue;
		nseen++;
		if ((sum_addable(&f) ? sum_add(sum, &f) : sum_keep(sum, &f)) < 0)
			die("%s", sum_errstr(sum));
	}
	sum_sort(sum);
	for (size_t i = 0; i < sum_count(sum); i++) {
		f = *sum_at(sum, i);
		r = picture_series(&pic, &s, &f, column, raw);
		if (r && s.rows && s.columns)
			add(&s, f.kind);
		series_free(&s);
	}
	if (!nseen && frame)
		die("nothing to draw: no frames of %s%s", frame,
		    layers.n ? " of these layers" : "");
	if (!npanel)
		picture_nothing(&pic, "it draws what coact, expert-load and topk-stats write");
	for (size_t i = 0; top && i < npanel; i++) {
		if (panel[i].label || panel[i].rows != panel[i].columns)
			die("--top: %s is no square matrix", panel[i].title);
		if (top < panel[i].columns)
			keep_top(&panel[i]);
	}
	if (pic.text)
		put_text();
	else
		draw();
	sum_free(sum);
	return tool_end(&t);
}
