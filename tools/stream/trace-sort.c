/*
 * A trace in, the same frames in order out.  The frames of a section are noted
 * by place and key (48 bytes each), sorted, and read again where they lie; what
 * is no file is spooled to an unlinked one in $TMPDIR.  framing.md section 6.
 */
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "size.h"
#include "spool.h"
#include "tool.h"

static int by_layer;

static struct opt opts[] = {
	{0, "order", "batch,layer|layer,batch", OPT_WORD, &by_layer, "the order (batch,layer)", 0,
	 0},
	{0},
};

static struct tool t = {
	.name = "trace-sort",
	.operands = "[FILE ...]",
	.what = "bring the frames of a trace into order",
	.opts = opts,
	.flags = TOOL_TRACE | TOOL_OWNIN,
};

static struct place {
	uint64_t key[3]; /* first the class, see note */
	uint64_t seq, off, n;
} * place;
static size_t nplace, cap;

static int
by_key(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	for (int i = 0; i < 3; i++)
		if (x->key[i] != y->key[i])
			return x->key[i] < y->key[i] ? -1 : 1;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

/* What has no batch stays in front of the others or behind them all, as it came. */
static void
note(struct tr *in, const struct tr_frame *f)
{
	static int met;
	int route = !strcmp(f->kind, "route");
	uint64_t n, batch = tr_get(f, "batch", 0), layer = tr_get(f, "layer", 0);
	struct place p = {.seq = nplace, .off = f->offset, .n = f->nraw};
	struct rows r;

	if (nplace == 0)
		met = 0;
	if (tr_get(f, "derived", 0) == 1)
		return;
	if (!route && tr_num(f, "batch", &n) <= 0) {
		p.key[0] = met ? TR_NONE : 0;
	} else {
		int layered = tr_num(f, "layer", &n) > 0;

		met = 1;
		/* frames without a layer (tok, seq) come first of their batch */
		if (by_layer) {
			p.key[0] = 1 + (layered ? 1 + layer : 0);
			p.key[1] = batch;
		} else {
			p.key[0] = 1 + batch;
			p.key[1] = layered ? 1 + layer : 0;
		}
		if (route && f->rows) {
			int e = rows_open(&r, f);

			if (e == TR_ECOLS || e == TR_EVALUE)
				tr_fail(in, f, e, "@route: row numbers are none");
			if (e < 0)
				die("%s", tr_errstr(in));
			p.key[2] = rows_at(&r, 0);
		}
	}
	if (nplace == cap) {
		cap = cap ? 2 * cap : 1024;
		place = xrealloc(place, cap, sizeof *place);
	}
	place[nplace++] = p;
}

static void
put_sorted(struct spool *s)
{
	static struct rows_buf buf;
	static struct tr_frame f;

	if (nplace)
		qsort(place, nplace, sizeof *place, by_key);
	for (size_t i = 0; i < nplace; i++) {
		const struct place *p = &place[i];

		if (spool_frame(s, p->off, p->n, t.text || t.zstd, &f, &buf) < 0)
			die("%s: the frame at byte %llu cannot be read again", s->name,
			    (unsigned long long)p->off);
		tool_put(&t, &f);
	}
	nplace = 0;
}

static void
sort_file(const char *file)
{
	static const char *const orders[] = {"batch,layer", "layer,batch"};
	const char *order = orders[by_layer], *old;
	struct tr_frame f;
	struct spool s;
	struct tr *in;
	int r;

	tool_spool(&s, file);
	char *name = (char *)s.name;

	in = tool_reader(&t, &name, 1);
	while ((r = tr_next(in, &f)) > 0) {
		int end = !strcmp(f.kind, "end");

		if (!strcmp(f.kind, "trace") && (!tr_key(&f, "order", &old) || strcmp(old, order)))
			tr_set(&f, "order", order);
		if (end)
			put_sorted(&s);
		if (end || !strcmp(f.kind, "trace") || !strcmp(f.kind, "prog"))
			tool_put(&t, &f);
		else
			note(in, &f);
	}
	if (r < 0)
		die("%s", tr_errstr(in));
	tool_reader_end(&t, in);
	spool_close(&s);
}

int
main(int argc, char **argv)
{
	tool_start(&t, argc, argv);
	for (int i = 0; i < t.nfiles; i++)
		sort_file(t.files[i]);
	if (!t.nfiles)
		sort_file("-");
	return tool_end(&t);
}
