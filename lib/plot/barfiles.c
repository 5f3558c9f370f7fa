#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "barfiles.h"
#include "batch.h"
#include "num.h"
#include "size.h"

struct file {
	char *name;
	size_t from, n; /* of the panels in order */
};

struct plan {
	struct barfiles *b;
	struct bars *bars; /* [n] in the order of files */
	struct file *file;
	size_t nfile;
};

static int
several(const struct barfiles *b, const struct tool *t)
{
	return b->each || b->most || (t->output && strchr(t->output, '{'));
}

static void
drop(void *sink)
{
	sink_drop(sink);
}

void
barfiles_start(struct barfiles *b, struct tool *t)
{
	int plain = b->pic.script || b->pic.text;

	if (several(b, t) && b->pic.text)
		die("-t: a table is one file, without {}, --each and --panels");
	if (several(b, t) && (!t->output || !strcmp(t->output, "-")))
		die("several files need a name: -o 'layer_{layer}.svg'");
	if (several(b, t) && sheet_format(t->output) < 0)
		picture_suffix(t);
	picture_start(&b->pic, t);
	if (several(b, t) && !plain)
		return;
	if (!(t->sink = sink_open(several(b, t) ? NULL : t->output)))
		die("%s:", t->output ? t->output : "standard output");
	die_undo(drop, t->sink);
}

/* ---- the table ---- */

static void
put_point(struct tool *t, const char *what, double x, double y)
{
	char buf[2 * NUM_MAX + 2];
	size_t n = num_put_f64(buf, x);

	buf[n++] = '\t';
	n += num_put_f64(buf + n, y);
	buf[n++] = '\n';
	sink_printf(t->sink, "%s\t", what);
	sink_put(t->sink, buf, n);
}

static void
put_set(struct tool *t, const char *title, const struct bars *b)
{
	const char *set = b->set ? b->set : "";

	for (size_t i = 0; i < b->n; i++) {
		double x = b->width > 0 ? b->from + b->width * ((double)i + 0.5)
			   : b->label   ? (double)b->label[i]
					: (double)i;

		sink_printf(t->sink, "%s\t%s\t", title, set);
		put_point(t, "bar", x, b->v[i]);
	}
	for (size_t i = 0; b->law && i < b->n; i++) {
		sink_printf(t->sink, "%s\t%s\t", title, set);
		put_point(t, "law", b->from + b->width * ((double)i + 0.5), b->law[i]);
	}
	for (size_t i = 0; i < b->ncurve; i++) {
		sink_printf(t->sink, "%s\t%s\t", title, set);
		put_point(t, "curve", b->cx[i], b->cy[i]);
	}
}

static void
put_text(struct tool *t, const struct panel *p, size_t n)
{
	sink_printf(t->sink, "# panel\tset\twhat\tx\ty\n");
	for (size_t i = 0; i < n; i++)
		for (const struct bars *b = &p[i].bars; b; b = b->behind)
			put_set(t, p[i].title, b);
	if (sink_flush(t->sink) < 0)
		tool_broken(t);
}

/* ---- files ---- */

/* The template of --each where -o has none: what its panels have, before the suffix. */
static char *template(const struct barfiles *b, const struct tool *t, const struct panel *p)
{
	const struct {
		const char *key;
		uint64_t n;
	} part[] = {{"layer", p->facts.layer},
		    {"k", p->facts.k},
		    {"rank", p->facts.rank},
		    {"expert", p->facts.expert}};
	const char *slash = strrchr(t->output, '/'), *dot = strrchr(t->output, '.');
	char *to = xmalloc(strlen(t->output) + 128), *at = to;

	strcpy(to, t->output);
	if (!b->each || strchr(t->output, '{'))
		return to;
	if (!dot || (slash && dot < slash))
		dot = t->output + strlen(t->output);
	at += dot - t->output;
	for (size_t i = 0; i < LEN(part); i++)
		if (part[i].n != TR_NONE)
			at += sprintf(at, "_%s_{%s}", part[i].key, part[i].key);
	strcpy(at, dot);
	return to;
}

static char *
name_of(const char *form, const struct panel *p, uint64_t a, uint64_t b)
{
	char text[NAMING_MAX], err[NAMING_ERR];
	struct facts f = p->facts;

	f.a = a;
	f.b = b;
	if (naming_put(text, form, &f, 1, err) < 0)
		die("-o %s", err);
	return xstrdup(text);
}

struct named {
	char *name;
	size_t at;
};

static int
by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r ? r : (x->at > y->at) - (x->at < y->at);
}

static int
by_first(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void
add_file(struct plan *l, const char *form, const struct panel *p, size_t from, size_t n,
	 size_t before)
{
	l->file[l->nfile++] = (struct file){name_of(form, p, before + 1, before + n), from, n};
}

/* Panels whose name is one are one file, of so many as fit in. */
static void
arrange(struct plan *l, struct tool *t, struct panel *p, size_t n)
{
	char *form = template(l->b, t, p);
	struct named *named = xcalloc(n, sizeof *named);
	size_t most = l->b->each ? 1 : l->b->most ? l->b->most : n;

	l->file = xcalloc(n, sizeof *l->file);
	l->bars = xcalloc(n, sizeof *l->bars);
	for (size_t i = 0; i < n; i++)
		named[i] = (struct named){name_of(form, &p[i], 0, 0), i};
	qsort(named, n, sizeof *named, by_name);
	for (size_t i = 0, first = 0; i < n; i++) {
		l->bars[i] = p[named[i].at].bars;
		if (i + 1 < n && !strcmp(named[i].name, named[i + 1].name))
			continue;
		for (size_t k = first; k <= i; k += most)
			add_file(l, form, &p[named[k].at], k, MIN(most, i + 1 - k), k - first);
		first = i + 1;
	}
	qsort(l->file, l->nfile, sizeof *l->file, by_first);
	for (size_t i = 1; i < l->nfile; i++)
		if (!strcmp(l->file[i].name, l->file[i - 1].name))
			die("-o %s: several files would be %s: {expert}, {k}, {rank}, {a}, {b} "
			    "tell them apart",
			    form, l->file[i].name);
	for (size_t i = 0; i < n; i++)
		free(named[i].name);
	free(named);
	free(form);
}

static void
draw(void *arg, size_t i, struct gp *g)
{
	const struct plan *l = arg;
	struct sheet s = l->b->pic.sheet;

	bars_draw(g, &s, l->bars + l->file[i].from, l->file[i].n, &l->b->scale);
}

static void
put_files(struct plan *l, struct tool *t)
{
	struct batch batch = {.name = xcalloc(l->nfile, sizeof *batch.name),
			      .n = l->nfile,
			      .script = l->b->pic.script,
			      .draw = draw,
			      .arg = l};

	for (size_t i = 0; i < l->nfile; i++)
		batch.name[i] = l->file[i].name;
	batch_run(&batch, t);
	free(batch.name);
}

void
barfiles_put(struct barfiles *b, struct tool *t, struct panel *p, size_t n)
{
	struct plan l = {.b = b};
	struct file whole = {NULL, 0, n};
	struct gp g = {0};

	if (b->pic.text) {
		put_text(t, p, n);
		return;
	}
	if (several(b, t)) {
		arrange(&l, t, p, n);
		put_files(&l, t);
		for (size_t i = 0; i < l.nfile; i++)
			free(l.file[i].name);
		free(l.file);
	} else {
		l.file = &whole;
		l.bars = xcalloc(n, sizeof *l.bars);
		for (size_t i = 0; i < n; i++)
			l.bars[i] = p[i].bars;
		draw(&l, 0, &g);
		picture_end(&b->pic, t, &g);
	}
	free(l.bars);
}
