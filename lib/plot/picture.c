#include <stdio.h>
#include <string.h>

#include "num.h"
#include "picture.h"

enum { SIDE_MIN = 100, SIDE_MAX = 20000 };

void
picture_start(struct picture *p, struct tool *t)
{
	const char *x;
	uint64_t w, h;

	p->sheet.title = p->title;
	if (p->text)
		return;
	if ((p->sheet.format = sheet_format(t->output)) < 0)
		die("%s: no picture that is known: .svg, .png or .pdf", t->output);
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
