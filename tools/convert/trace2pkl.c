/*
 * trace2pkl: kde frames of a trace in, a pickle {'x', 'cdf'} of each out, byte
 * for byte as Python writes it (router-analysis 2); or route frames in, a list of
 * GatingDataPoints out (collection.md 2).
 *
 * Method: holds one table; a single one is written when the input has ended.  Of
 * a list it holds a record.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../lib/format/gatingsect.h"
#include "../../lib/format/kdefile.h"
#include "size.h"
#include "tool.h"

static struct tr_list layers, trims;
static int kernel = -1, gating;
static const char *dir;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "layers to write (all)", 0, 0},
	{0, "kernel", "gaussian|tophat|epanechnikov|linear", OPT_WORD, &kernel,
	 "the kernel to write (all)", 0, 0},
	{0, "trim", "LIST", OPT_LIST, &trims, "trims to write (all)", 0, 0},
	{0, "gating", NULL, OPT_FLAG, &gating, "routes, as a list of GatingDataPoints", 0, 0},
	{0, "dir", "DIR", OPT_STR, &dir, "a file a table, named as the original names them", 0, 0},
	{0},
};

static struct tool t = {.name = "trace2pkl",
			.operands = "[FILE ...]",
			.what = "write KDE tables or routes as pickles",
			.opts = opts,
			.flags = TOOL_OWNOUT};

static struct {
	unsigned char *p; /* the single table */
	size_t size, n, cap;
	char **path; /* written so far */
	char model[KDE_TEXT];
} s;

static void
undo(void *sink)
{
	sink_drop(sink);
}

static void
write_file(const char *file, const void *p, size_t n)
{
	struct sink *out = sink_open(file);
	int r;

	if (!out)
		die("%s:", file ? file : "standard output");
	die_undo(undo, out);
	r = sink_put(out, p, n);
	if (r < 0 || (die_keep(out), sink_close(out) < 0)) {
		if (errno == EPIPE)
			die_silent();
		die("%s:", file ? file : "standard output");
	}
}

static _Noreturn void
refuse(const struct tr_frame *f, int err, const char *why)
{
	tr_fail(t.in, f, err, "%s", why);
	tool_fail(&t);
}

/* Which table f is: 1, or 0 where it is not wanted. */
static int
describe(struct kde_name *n, const struct tr_frame *f)
{
	char text[64];
	int r;

	memcpy(n->model, s.model, sizeof n->model);
	n->layer = tool_key(&t, f, "layer");
	n->trim = tr_get(f, "trim", TR_NONE);
	n->kernel = -1;
	if ((r = tr_text(f, "kernel", text, sizeof text)) &&
	    (r < 0 || (n->kernel = kde_kernel(text)) < 0))
		refuse(f, TR_EVALUE, "a kernel that no file is named after");
	/* the table without a kernel in its name */
	if (!n->kernel && tr_text(f, "rule", text, sizeof text) > 0 && !strcmp(text, "scott"))
		n->kernel = -1;
	return tr_list_has(&layers, n->layer) && (kernel < 0 || n->kernel == kernel) &&
	       tr_list_has(&trims, n->trim == TR_NONE ? 0 : n->trim);
}

static double *
column(const struct tr_frame *f, const char *name)
{
	double *x = xcalloc(f->rows ? f->rows : 1, sizeof *x);
	struct tr_col c;

	tool_col(&t, f, name, &c);
	if (c.width != 1 || col_f64(&c, 0, f->rows, x) < 0)
		refuse(f, TR_ECOLS, "x or cdf are not one number a row");
	return x;
}

static char *
path_of(const struct tr_frame *f, const struct kde_name *n)
{
	char name[KDE_TEXT + 128], *path;

	if (kde_name_text(n, name, sizeof name))
		refuse(f, TR_EVALUE, "the name of its file is too long");
	path = xmalloc(strlen(dir) + strlen(name) + 2);
	strcpy(path, dir);
	strcat(path, "/");
	strcat(path, name);
	for (size_t i = 0; i < s.n; i++)
		if (!strcmp(path, s.path[i]))
			die("%s: a second table of that name", path);
	return path;
}

static void
take(const struct tr_frame *f)
{
	struct kde_name n;
	double *x, *cdf;
	char err[128];

	if (!describe(&n, f))
		return;
	if (s.n && !dir)
		refuse(f, TR_EVALUE,
		       "a second table: one a file (--dir, or choose with -l, --kernel, --trim)");
	x = column(f, "x");
	cdf = column(f, "cdf");
	if (kde_check(x, cdf, f->rows, err, sizeof err))
		refuse(f, TR_EVALUE, err);
	if (!(s.p = kde_pickle(x, cdf, f->rows, &s.size)))
		die("no memory");
	free(x);
	free(cdf);
	if (s.n == s.cap)
		s.path = xrealloc(s.path, s.cap = s.cap * 2 + 16, sizeof *s.path);
	s.path[s.n] = dir ? path_of(f, &n) : NULL;
	if (dir) {
		write_file(s.path[s.n], s.p, s.size);
		free(s.p);
	}
	s.n++;
}

/* Put what the list has so far, and empty it. */
static void
drain(struct sink *out, struct gating_out *o, int bad)
{
	if (bad)
		die("no memory");
	if (sink_put(out, o->p, o->n) < 0) {
		if (errno == EPIPE)
			die_silent();
		die("%s:", t.output ? t.output : "standard output");
	}
	o->n = 0;
}

static void
write_records(void)
{
	struct sink *out = sink_open(t.output);
	struct gating_join *j = gating_join_new();
	struct gating_out o = {0};
	struct gating g;
	struct tr_frame f;
	char why[GATING_ERR];
	int more, e;

	if (!out)
		die("%s:", t.output ? t.output : "standard output");
	die_undo(undo, out);
	if (!j)
		die("no memory");
	do {
		more = tool_next(&t, &f);
		if (more && !strcmp(f.kind, "route") &&
		    !tr_list_has(&layers, tool_key(&t, &f, "layer")))
			continue;
		if (gating_ends(j, more ? &f : NULL, &g)) {
			drain(out, &o, gating_put(&o, &g));
			s.n++;
		}
		if (more && (e = gating_take(j, &f, tool_section(&t)->experts, why)) < 0) {
			if (*why)
				refuse(&f, e, why);
			tool_check(&t, e == TR_ECOLS ? tr_fail(t.in, &f, e,
							       "@%s: its columns are not what they "
							       "must be",
							       f.kind)
						     : e);
		}
	} while (more);
	if (!s.n)
		die("no route frames%s", layers.n ? " of that choice" : "");
	drain(out, &o, gating_end(&o));
	die_keep(out);
	if (sink_close(out) < 0)
		die("%s:", t.output ? t.output : "standard output");
	gating_out_free(&o);
	gating_join_free(j);
}

int
main(int argc, char **argv)
{
	struct tr_frame f;

	tool_start(&t, argc, argv);
	if (dir && t.output)
		die("-o and --dir together");
	if (gating && (dir || kernel >= 0 || trims.n))
		die("--gating: a list goes into one file, and has no kernel or trim");
	if (!dir && (!t.output || !strcmp(t.output, "-")) && tool_tty(1))
		die("a pickle is nothing for a terminal: give -o FILE or --dir DIR");
	if (dir && mkdir(dir, 0777) < 0 && errno != EEXIST)
		die("%s:", dir);
	if (gating) {
		write_records();
		return tool_end(&t);
	}
	while (tool_next(&t, &f))
		if (!strcmp(f.kind, "trace")) {
			s.model[0] = 0;
			if (tr_text(&f, "model", s.model, sizeof s.model) < 0)
				refuse(&f, TR_EVALUE, "the name of the model is too long");
		} else if (!strcmp(f.kind, "kde")) {
			take(&f);
		}
	if (!s.n)
		die("no kde frames%s", layers.n || trims.n || kernel >= 0
					       ? " of that choice"
					       : ": logit-kde writes them (routes: --gating)");
	if (!dir)
		write_file(t.output, s.p, s.size);
	return tool_end(&t);
}
