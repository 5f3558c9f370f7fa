/*
 * pkl2trace: pickles of KDE tables {'x', 'cdf'} in, a trace of kde frames out
 * (router-analysis 2); or a list of GatingDataPoints in, routes out (collection.md 2).
 *
 * Method: names and options say which table a file is, so the files are sorted
 * first and then read one by one; nothing in them is executed.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/format/gatingsect.h"
#include "../../lib/format/kdefile.h"
#include "../../lib/format/pickle.h"
#include "size.h"
#include "tool.h"

enum { POINTS = 1 << 25 }; /* two columns of them fit a frame */

struct table {
	const char *file;
	struct kde_name n;
};

static uint64_t layer = TR_NONE, trim = TR_NONE, experts = 64, topk = 8;
static int kernel = -1, gating;
static const char *model;

static const struct opt opts[] = {
	{'l', "layer", "N", OPT_U64, &layer, "the layer (as the name says, else 0)", 0, 1 << 20},
	{'k', "topk", "N", OPT_U64, &topk, "picks of a token, for the trace line (8)", 1, 65534},
	{0, "experts", "N", OPT_U64, &experts, "number of experts, for the trace line (64)", 1,
	 TR_EXPERTS_MAX},
	{'m', "model", "NAME", OPT_STR, &model, "the model (as the name says)", 0, 0},
	{0, "kernel", "gaussian|tophat|epanechnikov|linear", OPT_WORD, &kernel,
	 "the kernel (as the name says)", 0, 0},
	{0, "trim", "N", OPT_U64, &trim, "logits trimmed of a token (as the name says)", 0, 65534},
	{0, "gating", NULL, OPT_FLAG, &gating, "a list of GatingDataPoints, not a table", 0, 0},
	{0},
};

static struct tool t = {.name = "pkl2trace",
			.operands = "[FILE ...]",
			.what = "read KDE tables or routes from pickles",
			.opts = opts,
			.flags = TOOL_TRACE | TOOL_NOIN};

static void
describe(struct table *p, const char *file)
{
	p->file = file;
	kde_name_read(&p->n, file);
	if (layer != TR_NONE || p->n.layer == TR_NONE)
		p->n.layer = layer == TR_NONE ? 0 : layer;
	if (kernel >= 0)
		p->n.kernel = kernel;
	if (trim != TR_NONE)
		p->n.trim = trim;
	if (!model)
		return;
	if (strlen(model) >= sizeof p->n.model)
		die("model: too long for a header");
	strcpy(p->n.model, model);
}

static int
compare(const void *a, const void *b)
{
	const struct kde_name *x = &((const struct table *)a)->n;
	const struct kde_name *y = &((const struct table *)b)->n;

	if (x->layer != y->layer)
		return x->layer < y->layer ? -1 : 1;
	if (x->kernel != y->kernel)
		return x->kernel < y->kernel ? -1 : 1;
	return (x->trim + 1 > y->trim + 1) - (x->trim + 1 < y->trim + 1); /* unsaid first */
}

static void
put_trace(const struct table *p, int n)
{
	struct tr_list l = {0};
	struct tr_frame f;

	for (int i = 0; i < n; i++) {
		if (i && !compare(&p[i - 1], &p[i]))
			die("%s and %s are one table: tell them apart with --layer, --kernel, "
			    "--trim",
			    p[i - 1].file, p[i].file);
		if (strcmp(p[i].n.model, p->n.model))
			die("%s: model \"%s\", but \"%s\" before: one model a trace", p[i].file,
			    p[i].n.model, p->n.model);
		if (!tr_list_has(&l, p[i].n.layer) || !l.n)
			if (tr_list_add(&l, p[i].n.layer) < 0)
				die("no memory");
	}
	if (tr_new_trace(&f, &l, experts, MIN(topk, experts)) < 0)
		die("too many layers for a header");
	if (*p->n.model && tr_set(&f, "model", p->n.model) < 0)
		die("model: too long for a header");
	tr_list_free(&l);
	tool_open(&t, &f);
}

/* The array of that name, as doubles. */
static double *
column(const struct tool_file *f, const struct array_list *l, const char *name, uint64_t *n)
{
	const struct array *a = NULL;
	double *x;

	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->a[i].path, name))
			continue;
		if (a)
			die("%s: two arrays %s", f->name, name);
		a = &l->a[i];
	}
	if (!a)
		die("%s: no array %s in it", f->name, name);
	if (a->ndim != 1)
		die("%s: %s in %d dimensions, not one", f->name, name, a->ndim);
	*n = a->dim[0];
	x = xcalloc(*n ? *n : 1, sizeof *x);
	if (array_f64(a, 0, *n, x))
		die("%s: %s holds no numbers", f->name, name);
	return x;
}

static void
put_table(const struct table *p)
{
	struct array_opts o = {.max_elements = POINTS, .tables = 1};
	struct array_list l = {0};
	struct tool_file file;
	struct tr_frame f;
	uint64_t n, ncdf;
	double *x, *cdf;
	char err[128];

	tool_slurp(&file, p->file);
	if (pickle_read(&l, file.p, file.n, &o))
		die("%s: %s", file.name, l.err);
	x = column(&file, &l, "x", &n);
	cdf = column(&file, &l, "cdf", &ncdf);
	if (n != ncdf)
		die("%s: %" PRIu64 " of x, but %" PRIu64 " of cdf", file.name, n, ncdf);
	if (kde_check(x, cdf, n, err, sizeof err))
		die("%s: %s", file.name, err);
	tr_new(&f, "kde");
	tr_setu(&f, "layer", p->n.layer);
	if (p->n.kernel >= 0)
		tr_set(&f, "kernel", kde_kernels[p->n.kernel]);
	if (p->n.trim != TR_NONE)
		tr_setu(&f, "trim", p->n.trim);
	tr_set(&f, "table", "cumsum");
	tr_rows(&f, n);
	tr_addcol(&f, "x", TR_F64, 1, x);
	tr_addcol(&f, "cdf", TR_F64, 1, cdf);
	tool_put(&t, &f);
	free(x);
	free(cdf);
	array_free(&l);
	tool_unslurp(&file);
}

static void
check(const char *file, int e, const char *why)
{
	if (e == TR_ENOMEM)
		die("%s: no memory", file);
	if (e == TR_EVALUE)
		die("%s: a token that is no id", file);
	if (e < 0)
		die("%s: %s", file, e == -1 && *why ? why : "too large for a frame");
}

static void
put_records(const char *name)
{
	struct gating_frames x = {0};
	char why[GATING_ERR] = "";
	struct gating_list *l;
	struct tool_file file;
	struct gating g;
	struct tr_frame f;
	int e;

	tool_slurp(&file, name);
	if (!(l = gating_read(file.p, file.n, why)))
		die("%s: %s", file.name, why);
	check(file.name, gating_trace(l, &f, why), why);
	if (model && tr_set(&f, "model", model) < 0)
		die("model: too long for a header");
	tool_open(&t, &f);
	for (size_t i = 0; i < gating_count(l); i++) {
		check(file.name, gating_get(l, i, &g, why), why);
		check(file.name, e = gating_begins(&x, &g), why);
		if (e) {
			check(file.name, gating_seq(&x, &g, &f), "");
			tool_put(&t, &f);
		}
		if (e && g.tokens) {
			check(file.name, gating_tok(&x, &g, &f), "");
			tool_put(&t, &f);
		}
		check(file.name, gating_route(&x, &g, &f), "");
		tool_put(&t, &f);
	}
	gating_frames_free(&x);
	gating_free(l);
	tool_unslurp(&file);
}

int
main(int argc, char **argv)
{
	struct table *p;
	int n;

	tool_start(&t, argc, argv);
	if (gating) {
		if (t.nfiles > 1 || layer != TR_NONE || kernel >= 0 || trim != TR_NONE)
			die("--gating: one file, which says its layers, and has no kernel or trim");
		put_records(t.nfiles ? t.files[0] : "-");
		return tool_end(&t);
	}
	n = t.nfiles ? t.nfiles : 1;
	p = xcalloc((size_t)n, sizeof *p);
	for (int i = 0; i < n; i++)
		describe(&p[i], t.nfiles ? t.files[i] : "-");
	qsort(p, (size_t)n, sizeof *p, compare);
	put_trace(p, n);
	for (int i = 0; i < n; i++)
		put_table(&p[i]);
	free(p);
	return tool_end(&t);
}
