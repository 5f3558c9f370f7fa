#include <stdio.h>
#include <string.h>

#include "num.h"
#include "picture.h"

enum { SIDE_MIN = 100, SIDE_MAX = 20000 };

void
picture_suffix(const struct tool *t)
{
	die("%s: no picture that is known: .svg, .png or .pdf", t->output);
}

void
picture_start(struct picture *p, struct tool *t)
{
	const char *x;
	uint64_t w, h;

	p->sheet.title = p->title;
	if (p->text)
		return;
	p->sheet.format = sheet_format(t->output);
	if (p->script && p->sheet.format < 0)
		p->sheet.format = SHEET_SVG;
	if (p->sheet.format < 0)
		picture_suffix(t);
	if (!t->output && !p->script && tool_tty(1))
		die("refusing to write a picture to a terminal: give -o FILE or --script");
	if (!p->size)
		return;
	if (!(x = strchr(p->size, 'x')) || num_u64n(p->size, x, SIDE_MIN, SIDE_MAX, &w) < 0 ||
	    num_u64(x + 1, SIDE_MIN, SIDE_MAX, &h) < 0)
		die("--size %s: wants two numbers from %d to %d, as in 800x600", p->size, SIDE_MIN,
		    SIDE_MAX);
	p->sheet.w = w;
	p->sheet.h = h;
}

const char *
picture_title(const struct series *s, char *buf, size_t size)
{
	if (s->layer == TR_NONE)
		snprintf(buf, size, "%s", s->what);
	else
		snprintf(buf, size, "layer %llu%s%s", (unsigned long long)s->layer,
			 *s->what ? " " : "", s->what);
	return buf;
}

void
picture_columns(const struct tr_frame *f, const char *name, char *to, size_t size)
{
	size_t n = (size_t)snprintf(to, size, "@%s has no column %.64s, it has", f->kind, name);

	for (int i = 0; i < f->ncols && n < size; i++)
		n += (size_t)snprintf(to + n, size - n, "%s %s", i ? "," : "", f->cols[i].name);
}

int
picture_series(struct picture *p, struct series *s, struct tr_frame *f, const char *col, int raw)
{
	int r = series_read(s, f, col, raw);

	if (r == TR_ENOMEM)
		die("no memory");
	if (r < 0)
		die("@%s: column %s is no numbers", f->kind, col ? col : "n");
	if (!r && col && !*p->missing)
		picture_columns(f, col, p->missing, sizeof p->missing);
	return r;
}

void
picture_nothing(const struct picture *p, const char *what)
{
	if (*p->missing)
		die("%s", p->missing);
	die("nothing to draw: %s", what);
}

void
picture_end(struct picture *p, struct tool *t, struct gp *g)
{
	char err[GP_ERR];

	if (p->script && !g->nomem) {
		if (sink_put(t->sink, g->text, g->n) < 0)
			tool_broken(t);
	} else {
		switch (gp_run(g, t->sink, err)) {
		case GP_ABSENT:
			die_absent("gnuplot is not installed (--script writes its program)");
		case GP_FAILED:
			die("%s", err);
		case GP_BROKEN:
			tool_broken(t);
		case GP_NOMEM:
			die("no memory");
		}
	}
	gp_free(g);
}
