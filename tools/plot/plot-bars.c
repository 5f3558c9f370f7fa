/*
 * Result frames in; a picture of bars out, a panel a frame (count, topk, load,
 * hist, tables).  Counters of equal identity are added first, so shards may
 * come one after the other.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/plot/bars.h"
#include "../../lib/plot/picture.h"
#include "../../lib/stats/sum.h"

static struct tr_list layers;
static struct picture pic;
static struct bars_scale scale;
static int sorted, cdf, raw;
static uint64_t top;
static const char *column, *frame;
static int nseen;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{0, "frame", "NAME", OPT_STR, &frame, "only tables of that name, frames of that kind", 0,
	 0},
	{0, "col", "NAME", OPT_STR, &column, "the column to draw (n, else the first numbers)", 0,
	 0},
	{0, "count", NULL, OPT_FLAG, &raw, "counts, not shares of the tokens", 0, 0},
	{0, "sort", NULL, OPT_FLAG, &sorted, "the highest first", 0, 0},
	{0, "cdf", NULL, OPT_FLAG, &cdf, "the highest first, added up to 100 %", 0, 0},
	{0, "top", "N", OPT_U64, &top, "the N highest", 1, 0},
	{0, "log", NULL, OPT_FLAG, &scale.log, "logarithmic heights", 0, 0},
	{0, "max", "X", OPT_F64, &scale.max, "value of the greatest height (the largest)", 0, 0},
	PICTURE_OPTS(pic),
	{0},
};

static struct tool t = {.name = "plot-bars",
			.operands = "[FILE ...]",
			.what = "draw counts as bar charts",
			.opts = opts,
			.flags = TOOL_BYTES | TOOL_FOLD | TOOL_FORCE};

static struct panel {
	char title[200], x[32];
	struct bars bars;
} * panel;
static size_t npanel;
static char unit[48];

struct bar {
	double v;
	uint64_t id;
};

static int
by_height(const void *a, const void *b)
{
	const struct bar *x = a, *y = b;

	if (x->v != y->v)
		return x->v < y->v ? 1 : -1;
	return (x->id > y->id) - (x->id < y->id);
}

/* Bars in falling order, their names with them. */
static void
sort(struct bars *b, double *v)
{
	struct bar *bar = xcalloc(b->n, sizeof *bar);
	uint64_t *label = xcalloc(b->n, sizeof *label);
	double sum = 0, so_far = 0;

	for (size_t i = 0; i < b->n; i++)
		bar[i] = (struct bar){v[i], i};
	qsort(bar, b->n, sizeof *bar, by_height);
	for (size_t i = 0; i < b->n; i++) {
		sum += bar[i].v;
		v[i] = bar[i].v;
		label[i] = bar[i].id;
	}
	for (size_t i = 0; cdf && i < b->n; i++) {
		so_far += v[i];
		v[i] = sum > 0 ? 100 * so_far / sum : 0;
		label[i] = i + 1;
	}
	if (top && top < b->n)
		b->n = top;
	b->label = label;
	free(bar);
}

static void
add(struct series *s)
{
	size_t n = s->rows * s->columns;
	double sum = 0;
	struct panel *p;

	panel = xrealloc(panel, npanel + 1, sizeof *panel);
	p = memset(&panel[npanel++], 0, sizeof *panel);
	picture_title(s, p->title, sizeof p->title);
	memcpy(p->x, s->x, sizeof p->x);
	p->bars = (struct bars){.n = n, .v = s->v, .from = s->from, .width = s->width};
	for (size_t i = 0; i < n; i++)
		sum += s->v[i];
	if (!s->width && !cdf)
		p->bars.line = sum / (double)n; /* all alike */
	if (sorted || cdf || top) {
		p->bars.width = 0;
		sort(&p->bars, s->v);
	}
	memcpy(unit, s->unit, sizeof unit);
	if (cdf) {
		memcpy(unit, "% of all picks", sizeof "% of all picks");
		memcpy(p->x, "rank", sizeof "rank");
	}
	s->v = NULL; /* the panel's now */
}

static void
draw(void)
{
	struct bars *bars = xcalloc(npanel, sizeof *bars);
	struct gp g = {0};

	for (size_t i = 0; i < npanel; i++) {
		bars[i] = panel[i].bars;
		bars[i].title = panel[i].title;
		bars[i].x = panel[i].x;
	}
	scale.unit = unit;
	bars_draw(&g, &pic.sheet, bars, npanel, &scale);
	picture_end(&pic, &t, &g);
	free(bars);
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
		if (r && s.matrix && !s.width)
			die("@%s is a matrix: plot-heat draws it", f.kind);
		if (r && s.rows && s.columns)
			add(&s);
		series_free(&s);
	}
	if (!nseen && frame)
		die("nothing to draw: no frames of %s%s", frame,
		    layers.n ? " of these layers" : "");
	if (!npanel)
		picture_nothing(&pic, "it draws what expert-load and topk-stats write");
	draw();
	sum_free(sum);
	return tool_end(&t);
}
