#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gather.h"
#include "num.h"
#include "picture.h"
#include "size.h"

enum { CURVES_MAX = 20000 };

void
gather_start(struct gather *g)
{
	char *save = NULL, *copy = xstrdup(g->y ? g->y : "");

	for (char *p = copy; (p = strtok_r(p, ",", &save)); p = NULL) {
		if (g->ncol == GATHER_COLUMNS)
			die("-y: more than %d columns", GATHER_COLUMNS);
		g->col[g->ncol++] = p;
	}
	if (g->y && !g->ncol)
		die("-y: no column");
}

static int
wanted(const struct gather *g, const struct tr_frame *f)
{
	static const char *const not [] = {"trace", "prog", "index", "end"};
	static const char *const raw[] = {"route", "tok", "place",
					  "tail"}; /* unasked, no results */

	if (!f->has_rows || tr_get(f, "derived", 0) == 1)
		return 0;
	for (size_t i = 0; i < LEN(not ); i++)
		if (!strcmp(f->kind, not [i]))
			return 0;
	for (size_t i = 0; !g->frame && i < LEN(raw); i++)
		if (!strcmp(f->kind, raw[i]))
			return 0;
	if (g->layers.n && !tr_list_has(&g->layers, tr_get(f, "layer", TR_NONE)))
		return 0;
	return tool_named(f, g->frame);
}

/* The last column of one number a row that has no other part to play. */
static char *
last_column(const struct gather *g, struct tr_frame *f)
{
	for (int i = f->ncols - 1; i >= 0; i--)
		if (f->cols[i].type != TR_OTHER && f->cols[i].width == 1 &&
		    (!g->x || strcmp(f->cols[i].name, g->x) != 0) &&
		    (!g->by || strcmp(f->cols[i].name, g->by) != 0))
			return f->cols[i].name;
	return NULL;
}

/* Does f have that column, or the key that stands for a constant one?  Keeps
 * for the end what the first such frame has instead. */
static int
has(struct gather *g, const struct tr_frame *f, const char *name)
{
	if (!name || tr_get(f, name, TR_NONE) != TR_NONE)
		return 1;
	for (int i = 0; i < f->ncols; i++)
		if (!strcmp(f->cols[i].name, name))
			return 1;
	if (!*g->missing)
		picture_columns(f, name, g->missing, sizeof g->missing);
	return 0;
}

/* One number a row of that column; NULL: the rows' own numbers. */
static double *
values(struct tool *t, struct tr_frame *f, const char *name)
{
	double *v = xcalloc(f->rows + 1, sizeof *v);
	uint64_t row0 = tr_get(f, "row0", 0);
	struct tr_col c;
	int r = name ? tr_col(f, name, &c) : 0;

	if (r < 0)
		tool_fail(t);
	if (r && c.width != 1)
		die("@%s: column %s has %u values a row, a curve has one", f->kind, name, c.width);
	if (r && (c.type == TR_OTHER || col_f64(&c, 0, f->rows, v) < 0))
		die("@%s: column %s is no numbers but %s", f->kind, name, c.dtype);
	for (uint64_t i = 0; !r && i < f->rows; i++)
		v[i] = (double)(name ? tr_get(f, name, 0) : row0 + i);
	return v;
}

/* All keys but totals and what numbers rows. */
static void
put_keys(struct curve *c, const struct tr_frame *f)
{
	for (int i = 0; i < f->nkeys; i++) {
		const char *key = f->text + f->keys[i].key;
		char val[CURVE_TAG];

		if (!strcmp(key, "n") || !strncmp(key, "n_", 2) || !strncmp(key, "min_", 4) ||
		    !strncmp(key, "max_", 4) || !strcmp(key, "row0"))
			continue;
		if (tr_text(f, key, val, sizeof val) > 0)
			curve_tag(c, key, val, 0,
				  !strcmp(key, "name") || !strcmp(key, "run") ||
					  !strcmp(key, "kernel"));
	}
}

static void
put_tags(struct gather *g, struct tool *t, const struct tr_frame *f, struct curve *c,
	 const char *col)
{
	const char *file = t->nfiles ? t->files[f->input - 1] : "-";
	char val[NUM_MAX + 1];

	if (*g->value) {
		curve_tag(c, g->by, g->value, 1, 1);
	} else if (g->by) {
		val[num_put_f64(val, c->by)] = 0;
		curve_tag(c, g->by, val, 1, 0);
	}
	curve_tag(c, "", col, 1, 1);
	if (*g->model)
		curve_tag(c, "model", g->model, 0, 1);
	if (*g->part)
		curve_tag(c, "part", g->part, 0, 1);
	curve_tag(c, "file", file, 0, 1);
	if (g->pool || *g->value)
		return;
	curve_tag(c, "kind", f->kind, 0, 1);
	put_keys(c, f);
}

/* The curve of that column and value in this group, begun where there is none. */
static struct curve *
curve_of(struct gather *g, struct tool *t, const struct tr_frame *f, int column, const char *name,
	 double by)
{
	struct curve *c;

	for (size_t i = g->n; i-- > 0 && (*g->value || g->curve[i].group == g->group);)
		if (g->curve[i].group == g->group && g->curve[i].column == column &&
		    g->curve[i].by == by)
			return &g->curve[i];
	if (g->n == CURVES_MAX)
		die("more than %d curves: --frame, -l and --pool make fewer", CURVES_MAX);
	if (g->n == g->cap) {
		g->cap = g->cap ? 2 * g->cap : 16;
		g->curve = xrealloc(g->curve, g->cap, sizeof *g->curve);
	}
	c = memset(&g->curve[g->n++], 0, sizeof *c);
	c->group = g->group;
	c->input = f->input;
	c->column = column;
	c->by = by;
	c->layer = g->pool || *g->value ? TR_NONE : tr_get(f, "layer", TR_NONE);
	put_tags(g, t, f, c, name);
	return c;
}

static void
take_column(struct gather *g, struct tool *t, struct tr_frame *f, int column, const char *name,
	    const double *x, const double *by)
{
	double *v = values(t, f, name);
	struct curve *c = NULL;

	for (uint64_t i = 0; i < f->rows; i++) {
		double value = by ? by[i] : 0;

		if (isnan(value))
			continue;
		if (!c || c->by != value)
			c = curve_of(g, t, f, column, name, value);
		/* rows of pooled frames count on */
		if (curve_add(c, (g->pool || *g->value) && !g->x ? (double)c->n : x[i], v[i]) < 0)
			die("no memory");
	}
	free(v);
}

/* The group of frames that have the same value of the key by, text or number; 0: it is no
 * key of f but a column.  Their points are one curve. */
static size_t
keyed(struct gather *g, const struct tr_frame *f)
{
	*g->value = 0;
	for (int i = 0; g->by && i < f->ncols; i++)
		if (!strcmp(f->cols[i].name, g->by))
			return 0;
	if (!g->by || tr_text(f, g->by, g->value, sizeof g->value) <= 0)
		return 0;
	for (size_t i = 0; i < g->n; i++)
		for (int k = 0; g->curve[i].input == f->input && k < g->curve[i].ntag; k++)
			if (!strcmp(g->curve[i].tag[k].key, g->by) &&
			    !strcmp(g->curve[i].tag[k].val, g->value))
				return g->curve[i].group;
	return ++g->ngroup;
}

/* What all have alike, for the axes. */
static void
common(struct gather *g, char to[TR_NAME_MAX], const char *s)
{
	if (!g->ngroup)
		snprintf(to, TR_NAME_MAX, "%s", s);
	else if (strcmp(to, s) != 0)
		*to = 0;
}

/* The outline of a hist frame of one row of bins, from lo to hi: it begins and
 * ends at 0, and is drawn in steps.  Is f none, 0. */
static int
take_outline(struct gather *g, struct tool *t, struct tr_frame *f)
{
	const char *lo, *hi;
	struct curve *c;
	struct tr_col n;
	double a, b, *v;
	size_t bins;

	if (strcmp(f->kind, "hist") || g->x || g->by || g->ncol || g->pool ||
	    tr_key(f, "lo", &lo) <= 0 || tr_key(f, "hi", &hi) <= 0)
		return 0;
	if (tr_col(f, "n", &n) <= 0)
		tool_fail(t);
	if (n.width > 1 && n.rows > 1)
		die("@hist: %llu rows of bins: a curve has one (plot-bars draws them)",
		    (unsigned long long)n.rows);
	bins = n.rows * n.width;
	v = xcalloc(bins + 1, sizeof *v);
	if (col_f64(&n, 0, bins, v) < 0 || num_f64(lo, lo + strlen(lo), &a) < 0 ||
	    num_f64(hi, hi + strlen(hi), &b) < 0 || !(a < b))
		die("@hist: its bins are no numbers");
	common(g, g->kind, f->kind);
	common(g, g->column, "n");
	g->group = ++g->ngroup;
	g->input = f->input;
	c = curve_of(g, t, f, 0, "n", 0);
	for (size_t i = 0; i <= bins + 1; i++) /* the first edge twice */
		if (curve_add(c, a + (b - a) / (double)bins * (double)(i ? i - 1 : 0),
			      i && i <= bins ? v[i - 1] : 0) < 0)
			die("no memory");
	g->outlines = 1;
	free(v);
	return 1;
}

void
gather_take(struct gather *g, struct tool *t, struct tr_frame *f)
{
	char *last = NULL, **name = g->ncol ? g->col : &last;
	int n = g->ncol ? g->ncol : 1, all;
	const char *key;
	double *x, *by;
	size_t group;

	if (!strcmp(f->kind, "trace")) {
		*g->model = *g->part = 0;
		tr_text(f, "model", g->model, sizeof g->model);
		tr_text(f, "part", g->part, sizeof g->part);
	}
	if (!wanted(g, f))
		return;
	g->nseen++;
	if (f->rows && take_outline(g, t, f))
		return;
	all = has(g, f, g->x) & (g->by && tr_key(f, g->by, &key) > 0 ? 1 : has(g, f, g->by));
	for (int i = 0; i < g->ncol; i++)
		all &= has(g, f, g->col[i]);
	if (!all || !f->rows || (!g->ncol && !(last = last_column(g, f))))
		return;
	common(g, g->kind, f->kind);
	common(g, g->column, n == 1 ? *name : "");
	if ((group = keyed(g, f)))
		g->group = group;
	else if (!g->pool || f->input != g->input)
		g->group = ++g->ngroup;
	g->input = f->input;
	x = values(t, f, g->x);
	by = g->by && !group ? values(t, f, g->by) : NULL;
	for (int i = 0; i < n; i++)
		take_column(g, t, f, i, name[i], x, by);
	free(x);
	free(by);
}

static int
order(const void *a, const void *b)
{
	const struct curve *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	if (x->by != y->by)
		return x->by < y->by ? -1 : 1;
	return x->column - y->column;
}

void
gather_end(struct gather *g)
{
	if (!g->nseen && g->frame)
		die("nothing to draw: no frames of %s%s%s", g->frame,
		    g->layers.n ? " of these layers" : "",
		    strcmp(g->frame, "cost") ? "" : " (place-eval writes them)");
	if (!g->nseen)
		die("nothing to draw: no result frames%s",
		    g->layers.n ? " of these layers"
				: ": expert-load, topk-stats and place-eval write some");
	if (!g->n && *g->missing)
		die("%s", g->missing);
	if (!g->n)
		die("nothing to draw: no column of one number a row, or no rows");
	qsort(g->curve, g->n, sizeof *g->curve, order);
	curve_names(g->curve, g->n);
}
