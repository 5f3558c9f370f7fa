/* Unfinished outputs, see part.h. */
#include "part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
next(struct part *p)
{
	p->has = tr_next(p->in, &p->f) > 0;
	return p->has;
}

static int
is(const struct part *p, const char *kind)
{
	return !strcmp(p->f.kind, kind);
}

/* The last batch is whole where something follows it. */
static void
scan(struct part *p)
{
	int routed = 0;

	for (; next(p); routed = is(p, "route"))
		if (routed && !is(p, "route"))
			p->end = p->f.offset;
}

int
part_open(struct part *p, const char *file)
{
	memset(p, 0, sizeof *p);
	if (!(p->file = malloc(strlen(file) + 8)))
		return TR_ENOMEM;
	strcpy(stpcpy(p->file, file), ".part");
	if (access(p->file, R_OK) < 0)
		return 0;
	for (int pass = 0; pass < 2; pass++) {
		tr_free(p->in);
		if (!(p->in = tr_openv(&p->file, 1, NULL)))
			return TR_ENOMEM;
		if (!pass)
			scan(p);
	}
	if (p->end)
		next(p);
	return 0;
}

int
part_batch(struct part *p, uint64_t skip, int (*put)(void *arg, const struct tr_frame *f),
	   void *arg)
{
	int r = 0, tok = 0;

	for (; p->has && p->f.offset < p->end && (!tok || is(p, "route")); next(p)) {
		tok |= is(p, "tok");
		if (is(p, "trace") || is(p, "prog") || is(p, "end"))
			continue;
		if (skip && !tok)
			skip--;
		else if ((r = put(arg, &p->f)) < 0)
			return r;
	}
	return tok ? 0 : TR_EORDER;
}

void
part_close(struct part *p)
{
	tr_free(p->in);
	free(p->file);
	memset(p, 0, sizeof *p);
}
