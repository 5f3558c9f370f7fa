/*
 * Result frames in; a picture of bars out, a panel a frame (count, topk, load,
 * tables), or a row of bins (hist).  Counters of equal identity are added
 * first, so shards may come one after the other.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/plot/barfiles.h"
#include "../../lib/plot/bars.h"
#include "../../lib/plot/hists.h"
#include "../../lib/plot/overlay.h"
#include "../../lib/plot/picture.h"
#include "../../lib/plot/profile.h"
#include "../../lib/stats/sum.h"
#include "num.h"
#include "size.h"

static struct tr_list layers;
static struct barfiles files;
static struct picture *const pic = &files.pic;
static struct bars_scale *const scale = &files.scale;
static int sorted, cdf, raw, overlay, stats;
static uint64_t top;
static const char *column, *frame, *panel_title, *xlabel, *ylabel;
static int nseen;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{0, "frame", "NAME", OPT_STR, &frame, "only tables of that name, frames of that kind", 0,
	 0},
	{0, "col", "NAME,...", OPT_STR, &column, "the column to draw (n, else the first numbers)",
	 0, 0},
	{0, "count", NULL, OPT_FLAG, &raw, "counts, not shares of the tokens", 0, 0},
	{0, "sort", NULL, OPT_FLAG, &sorted, "the highest first", 0, 0},
	{0, "cdf", NULL, OPT_FLAG, &cdf, "the highest first, added up to 100 %", 0, 0},
	{0, "top", "N", OPT_U64, &top, "the N highest", 1, 0},
	{0, "stats", NULL, OPT_FLAG, &stats, "say mean, std, CV, entropy ... of the counts", 0, 0},
	{0, "overlay", NULL, OPT_FLAG, &overlay, "data sets in one panel", 0, 0},
	{0, "log", NULL, OPT_FLAG, &files.scale.log, "logarithmic heights", 0, 0},
	{0, "max", "X", OPT_F64, &files.scale.max, "value of the greatest height (the largest)", 0,
	 0},
	{0, "free", NULL, OPT_FLAG, &files.scale.free, "each panel its own greatest height", 0, 0},
	{0, "each", NULL, OPT_FLAG, &files.each, "a file a panel", 0, 0},
	{0, "panels", "N", OPT_U64, &files.most, "at most N panels a file", 1, 0},
	{0, "panel-title", "TEXT", OPT_STR, &panel_title, "over a panel, with {layer} and the like",
	 0, 0},
	{0, "xlabel", "TEXT", OPT_STR, &xlabel, "under the x axis", 0, 0},
	{0, "ylabel", "TEXT", OPT_STR, &ylabel, "beside the y axis", 0, 0},
	{'t', "text", NULL, OPT_FLAG, &files.pic.text, "the table behind the picture instead", 0,
	 0},
	PICTURE_OPTS(files.pic),
	{0},
};

static struct tool t = {.name = "plot-bars",
			.operands = "[FILE ...]",
			.what = "draw counts as bar charts",
			.opts = opts,
			.flags = TOOL_OWNOUT | TOOL_FOLD | TOOL_FORCE | TOOL_JOBS};

static struct panel *panel;
static size_t npanel;
static char unit[48];
static struct overlay sets;

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
sort(struct panel *p)
{
	struct bars *b = &p->bars;
	struct bar *bar = xcalloc(b->n, sizeof *bar);
	uint64_t *label = xcalloc(b->n, sizeof *label);
	double sum = 0, so_far = 0;

	for (size_t i = 0; i < b->n; i++)
		bar[i] = (struct bar){p->v[i], i};
	qsort(bar, b->n, sizeof *bar, by_height);
	for (size_t i = 0; i < b->n; i++) {
		sum += bar[i].v;
		p->v[i] = bar[i].v;
		label[i] = bar[i].id;
	}
	for (size_t i = 0; cdf && i < b->n; i++) {
		so_far += p->v[i];
		p->v[i] = sum > 0 ? 100 * so_far / sum : 0;
		label[i] = i + 1;
	}
	if (top && top < b->n)
		b->n = top;
	*b = (struct bars){.n = b->n, .v = p->v, .label = label, .line = cdf ? 0 : b->line};
	p->label = label;
	if (cdf)
		memcpy(p->x, "rank", sizeof "rank");
	free(bar);
}

/* What stands in the corner: of the counts, whatever is drawn of them. */
static void
note(struct panel *p, struct tr_frame *f, const char *name)
{
	uint64_t *n;
	struct series s;

	if (picture_series(pic, &s, f, name, 1)) {
		n = xcalloc(s.rows, sizeof *n);
		for (size_t i = 0; i < s.rows; i++) {
			if (!(s.v[i] >= 0 && s.v[i] < 9e15 && s.v[i] == floor(s.v[i])))
				die("--stats: @%s: %s is no count", f->kind, s.unit);
			n[i] = (uint64_t)s.v[i];
		}
		profile_note(n, s.rows, p->note);
		free(n);
	}
	series_free(&s);
}

static void
add(struct series *s, struct tr_frame *f)
{
	size_t n = s->rows * s->columns;
	double sum = 0;
	struct panel *p;

	panel = xrealloc(panel, npanel + 1, sizeof *panel);
	p = memset(&panel[npanel++], 0, sizeof *panel);
	p->facts = (struct facts){s->layer, TR_NONE, tr_get(f, "k", TR_NONE), TR_NONE, TR_NONE};
	picture_title(s, p->title, sizeof p->title);
	memcpy(p->x, s->x, sizeof p->x);
	p->v = s->v;
	p->bars = (struct bars){.n = n, .v = s->v};
	for (size_t i = 0; i < n; i++)
		sum += s->v[i];
	if (!cdf)
		p->bars.line = sum / (double)n; /* all alike */
	if (stats)
		note(p, f, column);
	memcpy(unit, s->unit, sizeof unit);
	s->v = NULL; /* the panel's now */
}

static void
take(struct tr_frame *f)
{
	size_t first = npanel;
	char why[NAMING_ERR];
	struct series s = {0};
	const char *lo;
	int r;

	if (!strcmp(f->kind, "hist") && !column &&
	    (tr_key(f, "lo", &lo) > 0 || tr_col(f, "lo", &(struct tr_col){0}) > 0)) {
		if ((r = hists_read(f, &panel, &npanel, why)) < 0)
			die("%s", r == TR_ENOMEM ? "no memory" : why);
		memcpy(unit, "values", sizeof "values");
	} else if (profile_take(pic, f, column, &panel, &npanel)) {
		scale->free = 1; /* each its own unit */
		return;
	} else {
		r = picture_series(pic, &s, f, column, raw);
		if (r && s.matrix)
			die("@%s is a matrix: plot-heat draws it", f->kind);
		if (r && s.rows && s.columns)
			add(&s, f);
		series_free(&s);
	}
	for (size_t i = first; (sorted || cdf || top) && i < npanel; i++)
		sort(&panel[i]);
}

static void
label(void)
{
	struct tr_frame *trace = tr_head_trace(t.head);
	char err[NAMING_ERR], text[NAMING_MAX];

	for (size_t i = 0; i < npanel; i++) {
		struct panel *p = &panel[i];
		size_t n = strlen(p->title);

		if (!*p->facts.model)
			tr_text(trace, "model", p->facts.model, sizeof p->facts.model);
		if (!*p->facts.dataset)
			tr_text(trace, "dataset", p->facts.dataset, sizeof p->facts.dataset);
		if (!overlay && *p->set)
			snprintf(p->title + n, sizeof p->title - n, " %s", p->set);
		if (panel_title && naming_put(text, panel_title, &p->facts, 0, err) < 0)
			die("--panel-title %s", err);
		if (panel_title)
			snprintf(p->title, sizeof p->title, "%.199s", text);
		if (xlabel)
			snprintf(p->x, sizeof p->x, "%s", xlabel);
		if (p->law && !p->bars.set)
			p->bars.set = *p->set ? p->set : "observed";
		for (int k = 0; k < 2; k++)
			p->bars.note[k] = *p->note[k] ? p->note[k] : NULL;
		p->bars.title = p->title;
		p->bars.x = p->x;
	}
	scale->unit = ylabel ? ylabel : cdf ? "% of all picks" : unit;
	scale->law = "uniform";
}

int
main(int argc, char **argv)
{
	struct sum *sum = sum_new();
	struct tr_frame f;

	tool_start(&t, argc, argv);
	barfiles_start(&files, &t);
	while (tool_next(&t, &f)) {
		if (!series_has(&f) || !tr_list_has(&layers, tr_get(&f, "layer", 0)) ||
		    !tool_named(&f, frame))
			continue;
		nseen++;
		overlay_arrived(&sets, &f);
		if ((sum_addable(&f) ? sum_add(sum, &f) : sum_keep(sum, &f)) < 0)
			die("%s", sum_errstr(sum));
	}
	sum_sort(sum);
	for (size_t i = 0; i < sum_count(sum); i++) {
		f = *sum_at(sum, i);
		take(&f);
	}
	if (!nseen && frame)
		die("nothing to draw: no frames of %s%s", frame,
		    layers.n ? " of these layers" : "");
	if (!npanel)
		picture_nothing(pic, "it draws what expert-load, logit-hist and topk-stats write");
	if (overlay)
		npanel = overlay_put(&sets, panel, npanel);
	label();
	barfiles_put(&files, &t, panel, npanel);
	sum_free(sum);
	return tool_end(&t);
}
