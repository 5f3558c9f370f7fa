/* Unfinished outputs, see part.h. */
#include "part.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rows.h"

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

/* A trace, or the beginning of one, perhaps a compressed one. */
static int
begins(const char *file)
{
	static const char *const magic[] = {"@trace", "\x28\xb5\x2f\xfd"};
	char buf[6];
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof buf);

	if (fd >= 0)
		close(fd);
	for (size_t i = 0; i < 2 && n >= 0; i++) {
		const size_t most = strlen(magic[i]);

		if (!memcmp(buf, magic[i], (size_t)n < most ? (size_t)n : most))
			return 1;
	}
	return 0;
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
	if (!begins(p->file))
		return TR_EVALUE;
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

/* Rows of the input, behind which a run may have put others. */
static int
same(const struct tr_frame *in, struct tr_frame *old)
{
	static const char *const name[] = {"seq", "phase"};
	struct value a, b;
	struct tr_col x, y;
	uint64_t m, n;

	if (old->rows < in->rows || tr_decode(old) < 0)
		return 0;
	for (size_t k = 0; k < 2; k++) {
		if (value_open(&a, in, name[k]) < 0 || value_open(&b, old, name[k]) < 0)
			return 0;
		for (uint64_t i = 0; i < in->rows; i++)
			if (value_at(&a, i) != value_at(&b, i))
				return 0;
	}
	if (tr_col(in, "tok", &x) <= 0 || tr_col(old, "tok", &y) <= 0)
		return 0;
	for (uint64_t i = 0; i < in->rows; i++)
		if (col_u64(&x, i, 1, &m) < 0 || col_u64(&y, i, 1, &n) < 0 || m != n)
			return 0;
	return 1;
}

int
part_batch(struct part *p, const struct tr_frame *in, uint64_t skip,
	   int (*put)(void *arg, const struct tr_frame *f), void *arg)
{
	int r = 0, tok = 0;

	for (; p->has && p->f.offset < p->end && (!tok || is(p, "route")); next(p)) {
		tok |= is(p, "tok");
		if (is(p, "tok") && !same(in, &p->f))
			return TR_EORDER;
		if (is(p, "trace") || is(p, "prog") || is(p, "end"))
			continue;
		if (skip && !tok)
			skip--;
		else if (put && (r = put(arg, &p->f)) < 0)
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
