/*
 * Logits and tables of their distribution, or training logits themselves, in; the
 * same rows with p-values out: p of a logit is the share above it, large logits have
 * small ones.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/density/collect.h"
#include "../../lib/density/empirical.h"
#include "../../lib/density/ptable.h"
#include "num.h"
#include "size.h"

static struct tr_list layers;
static const char *tables, *train, *points, *kernel;
static uint64_t trim = TR_NONE;
static int interp = -1, drop;
static double clamp;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{'m', "model", "FILE", OPT_STR, &tables,
	 "kde frames; without it they are the input of --at", 0, 0},
	{0, "empirical", "FILE", OPT_STR, &train, "count the logits of that trace, no tables", 0,
	 0},
	{0, "kernel", "NAME", OPT_STR, &kernel, "the tables of that kernel (the first of a layer)",
	 0, 0},
	{0, "trim", "N", OPT_U64, &trim, "the tables of that trim", 0, 0},
	{0, "compat", "interp", OPT_WORD, &interp, "1 - cdf between points, as the original", 0, 0},
	{0, "clamp", "X", OPT_F64, &clamp, "at least X, at most 1 - X (0: not)", 0, 0},
	{0, "drop", NULL, OPT_FLAG, &drop, "leave the logits out", 0, 0},
	{0, "at", "X,...", OPT_STR, &points, "p of these numbers in each table", 0, 0},
	{0},
};

static struct tool t = {.name = "logit-pval",
			.operands = "[FILE ...]",
			.what = "turn router logits into p-values",
			.opts = opts,
			.flags = TOOL_RESULT};

static struct ptables table;

/* A kde frame of the wanted layers, kernel and trim, unless its layer has one. */
static void
take(struct tr_frame *f)
{
	uint64_t layer = tr_get(f, "layer", 0);
	const char *why;
	int r;

	if (!tr_list_has(&layers, layer))
		return;
	r = ptables_add(&table, f, kernel, trim, interp >= 0, &why);
	if (r == TR_ENOMEM)
		die("no memory");
	if (r < 0)
		die("the table of layer %llu: %s", (unsigned long long)layer, why);
}

static void
read_tables(void)
{
	char *files[] = {(char *)tables};
	struct tr *in = tool_reader(&t, files, 1);
	struct tr_frame f;
	int r;

	while ((r = tr_next(in, &f)) > 0)
		take(&f);
	if (r < 0)
		die("%s", tr_errstr(in));
	tool_reader_end(&t, in);
	if (!table.n)
		die("%s: no kde frames%s", tables,
		    kernel || trim != TR_NONE || layers.n ? " of that kind" : "");
}

/* ---- training logits ---- */

static int
all_finite(double *v, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++)
		if (v[k] - v[k] != 0)
			return 0;
	return 1;
}

static struct collect trained = {.column = "logit", .layers = &layers, .take = all_finite};

static void
read_training(void)
{
	char *files[] = {(char *)train};
	struct tr *in = tool_reader(&t, files, 1);
	struct tr_frame f;
	int r;

	while ((r = tr_next(in, &f)) > 0) {
		if (strcmp(f.kind, "route"))
			continue;
		if ((r = tr_decode(&f)) < 0)
			break;
		collect_add(&trained, &t, &f);
	}
	if (r < 0)
		die("%s", tr_errstr(in));
	tool_reader_end(&t, in);
	collect_end(&trained, &t, "--empirical: no logits of those layers",
		    "with a logit that is no number");
	for (size_t i = 0; i < trained.n; i++)
		empirical_sort(trained.at[i].v, trained.at[i].rows * trained.at[i].width);
}

/* ---- p ---- */

/* What tells p of a layer: one of the two. */
struct law {
	uint64_t layer;
	const struct ptable *table;
	const struct collected *values;
};

static size_t
laws(void)
{
	return train ? trained.n : table.n;
}

static struct law
law_at(size_t i)
{
	if (train)
		return (struct law){trained.at[i].layer, NULL, &trained.at[i]};
	return (struct law){table.a[i].layer, &table.a[i].p, NULL};
}

static struct law
law_of(uint64_t layer)
{
	for (size_t i = 0; i < laws(); i++)
		if (law_at(i).layer == layer)
			return law_at(i);
	die("no %s of layer %llu", train ? "training logits" : "table", (unsigned long long)layer);
}

static double
p_of(const struct law *l, double x)
{
	double v = l->table ? ptable_p(l->table, x)
			    : empirical_p(l->values->v, l->values->rows * l->values->width, x);

	return clamp > 0 && v == v ? MIN(MAX(v, clamp), 1 - clamp) : v;
}

/* ---- points ---- */

static void
put_points(void)
{
	double *x = xcalloc(strlen(points) + 1, sizeof *x), *v;
	struct tr_frame f;
	size_t n = 0;

	for (const char *p = points, *end; p; p = *end ? end + 1 : NULL) {
		end = strchrnul(p, ',');
		if (num_f64(p, end, &x[n++]) < 0)
			die("--at %s: a point that is no number", points);
	}
	v = xcalloc(n, sizeof *v);
	for (size_t i = 0; i < laws(); i++) {
		struct law l = law_at(i);

		for (size_t k = 0; k < n; k++)
			v[k] = p_of(&l, x[k]);
		tr_new(&f, "table");
		tr_set(&f, "name", "p");
		tr_setu(&f, "layer", l.layer);
		tr_rows(&f, n);
		tr_addcol(&f, "x", TR_F64, 1, x);
		tr_addcol(&f, "p", TR_F64, 1, v);
		tool_put(&t, &f);
	}
	free(x);
	free(v);
}

/* ---- rows ---- */

static void
put_rows(struct tr_frame *f)
{
	static double *v;
	static size_t room;
	struct law l = law_of(tr_get(f, "layer", 0));
	struct tr_col c;
	size_t n;

	tool_col(&t, f, "logit", &c);
	n = (size_t)f->rows * c.width;
	if (n > room)
		v = xrealloc(v, room = n, sizeof *v);
	if (col_f64(&c, 0, n, v) < 0)
		die("logit is no number");
	if (clamp > 0 || !l.table)
		for (size_t i = 0; i < n; i++)
			v[i] = p_of(&l, v[i]);
	else
		ptable_row(l.table, v, n, v);
	if (tr_decode(f) < 0)
		tool_fail(&t);
	for (int i = 0; i < f->ncols; i++)
		while (i < f->ncols && ((drop && !strcmp(f->cols[i].name, "logit")) ||
					!strcmp(f->cols[i].name, "p"))) {
			memmove(&f->cols[i], &f->cols[i + 1],
				(size_t)(f->ncols - i - 1) * sizeof f->cols[0]);
			f->ncols--;
		}
	if (tr_addcol(f, "p", TR_F64, c.width, v) < 0)
		die("a frame with too many columns");
	tool_put(&t, f);
}

int
main(int argc, char **argv)
{
	struct tr_frame f;

	tool_start(&t, argc, argv);
	if (!tables && !train && !points)
		die("no tables: -m FILE, which logit-kde writes, or --empirical FILE");
	if (train && (tables || kernel || trim != TR_NONE || interp >= 0))
		die("--empirical: not with -m, --kernel, --trim, --compat");
	if (clamp < 0 || clamp >= 0.5)
		die("--clamp: not from 0 to 0.5");
	if (tables)
		read_tables();
	if (train)
		read_training();
	while (tool_next(&t, &f)) {
		if (points && !tables && !train)
			take(&f);
		if (!strcmp(f.kind, "trace") || !strcmp(f.kind, "prog") || !strcmp(f.kind, "seq") ||
		    !strcmp(f.kind, "tok"))
			tool_put(&t, &f);
		if (!points && !strcmp(f.kind, "route") &&
		    tr_list_has(&layers, tr_get(&f, "layer", 0)))
			put_rows(&f);
	}
	if (points && !laws())
		die("no kde frames: logit-kde and pkl2trace write them");
	if (points)
		put_points();
	return tool_end(&t);
}
