/*
 * Several traces of one section in, one out, in batch,layer order: what
 * trace-split undid.  Each input must be in that order; one frame of each is
 * held, and what has no batch waits for the next frame that has one, or for
 * the end.  A row that two inputs hold is refused.  framing.md section 6.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "size.h"
#include "tool.h"

static struct opt opts[] = {{0}};

static struct tool t = {
	.name = "trace-merge",
	.operands = "FILE ...",
	.what = "merge traces by batch",
	.opts = opts,
	.flags = TOOL_TRACE | TOOL_OWNIN | TOOL_FORCE,
};

struct key {
	uint64_t batch, layer; /* layer + 1; 0: a frame of all layers */
};

struct held { /* a frame without a batch, copied */
	struct tr_frame f;
	void *bytes;
};

static struct input {
	struct tr *in;
	struct tr_frame f;
	struct key key, last;
	uint64_t row;
	int more; /* f is there */
	struct held *held;
	size_t nheld;
} * ins;

/* Rows of the batch and layer at hand, as runs. */
static struct run {
	uint64_t lo, hi;
	int input, seq; /* seq: a sequence, not rows */
	char kind[TR_NAME_MAX];
} * runs;
static size_t nruns, capruns;

static struct tr_head *head;

_Noreturn static void
fail(struct input *in, const char *what)
{
	tr_fail(in->in, &in->f, TR_EORDER, "@%s: %s", in->f.kind, what);
	die("%s", tr_errstr(in->in));
}

static int
by_key(const struct key *a, const struct key *b)
{
	if (a->batch != b->batch)
		return a->batch < b->batch ? -1 : 1;
	return (a->layer > b->layer) - (a->layer < b->layer);
}

static void
hold(struct input *in)
{
	struct tr_frame *f = &in->f;
	struct held *h;
	uint64_t off = 0;

	in->held = xrealloc(in->held, in->nheld + 1, sizeof *in->held);
	h = &in->held[in->nheld++];
	h->f = *f;
	h->f.from = NULL;
	if (f->need && (t.text || t.zstd)) { /* its columns are wanted */
		if (tr_decode(f) < 0)
			die("%s", tr_errstr(in->in));
		h->bytes = xmalloc(f->need);
		memcpy(h->bytes, f->cols[0].data, f->need);
		for (int i = 0; i < f->ncols; i++) {
			h->f.cols[i].data = (char *)h->bytes + off;
			off = size_align(off + f->rows * f->cols[i].width * f->cols[i].size,
					 TR_ALIGN);
		}
		h->f.enc[0] = 0;
		tr_rows(&h->f, f->rows);
		return;
	}
	h->bytes = xmalloc(f->nraw);
	memcpy(h->bytes, f->raw, f->nraw);
	h->f.raw = h->bytes;
	if (f->payload)
		h->f.payload = (char *)h->bytes + ((const char *)f->payload - (const char *)f->raw);
}

static void
check_rows(struct rows *r, struct input *in)
{
	int e = rows_open(r, &in->f);

	if (e == TR_ECOLS || e == TR_EVALUE)
		fail(in, "row numbers are none");
	if (e < 0)
		die("%s", tr_errstr(in->in));
}

/* On to the next frame of in that has a batch, or to its end. */
static void
advance(struct input *in)
{
	struct rows r;
	uint64_t n;
	int e;

	in->more = 0;
	while ((e = tr_next(in->in, &in->f)) > 0) {
		int route = !strcmp(in->f.kind, "route");

		e = tr_head_add(head, &in->f, t.force);
		if (e < 0)
			fail(in, tr_head_errstr(head));
		if (e > 0 && !strcmp(in->f.kind, "end")) {
			e = tr_next(in->in, &in->f);
			if (e > 0)
				die("%s: several sections: make them one by trace-join",
				    t.files[in - ins]);
			break;
		}
		if (e > 0)
			continue;
		if (tr_get(&in->f, "derived", 0) == 1)
			continue;
		if (!route && tr_num(&in->f, "batch", &n) <= 0) {
			hold(in);
			continue;
		}
		in->key.batch = tr_get(&in->f, "batch", 0);
		in->key.layer = tr_num(&in->f, "layer", &n) > 0 ? n + 1 : 0;
		if (by_key(&in->key, &in->last) < 0)
			fail(in, "not in batch,layer order: trace-sort it first");
		in->last = in->key;
		in->row = 0;
		if (route && in->f.rows) {
			check_rows(&r, in);
			in->row = rows_at(&r, 0);
		}
		in->more = 1;
		return;
	}
	if (e < 0)
		die("%s", tr_errstr(in->in));
}

static int
by_run(const void *a, const void *b)
{
	const struct run *x = a, *y = b;
	int r = strcmp(x->kind, y->kind);

	if (r || x->lo == y->lo)
		return r;
	return x->lo < y->lo ? -1 : 1;
}

/* The batch and layer are complete: no row may have come twice. */
static void
check_runs(const struct key *key)
{
	int sorted = 1;

	for (size_t i = 1; i < nruns && sorted; i++)
		sorted = by_run(&runs[i - 1], &runs[i]) < 0;
	if (!sorted)
		qsort(runs, nruns, sizeof *runs, by_run);
	for (size_t i = 1; i < nruns; i++)
		if (!strcmp(runs[i].kind, runs[i - 1].kind) && runs[i].lo <= runs[i - 1].hi)
			die("%s and %s both hold @%s batch=%llu%s, %s %llu",
			    t.files[runs[i - 1].input], t.files[runs[i].input], runs[i].kind,
			    (unsigned long long)key->batch, key->layer ? " in a layer" : "",
			    runs[i].seq ? "seq" : "row", (unsigned long long)runs[i].lo);
	nruns = 0;
}

static void
add_run(int input, uint64_t lo, uint64_t hi)
{
	if (nruns == capruns) {
		capruns = capruns ? 2 * capruns : 64;
		runs = xrealloc(runs, capruns, sizeof *runs);
	}
	runs[nruns] =
		(struct run){.lo = lo, .hi = hi, .input = input, .seq = !ins[input].f.has_rows};
	strcpy(runs[nruns++].kind, ins[input].f.kind);
}

static void
note_rows(int input)
{
	struct input *in = &ins[input];
	struct rows r;
	uint64_t n, lo;

	if (!in->f.has_rows) {
		if (tr_num(&in->f, "seq", &n) > 0)
			add_run(input, n, n);
		return;
	}
	if ((strcmp(in->f.kind, "route") && strcmp(in->f.kind, "tok")) || !in->f.rows)
		return;
	check_rows(&r, in);
	if (!r.col.data && !r.fixed) {
		add_run(input, r.row0, r.row0 + in->f.rows - 1);
		return;
	}
	for (uint64_t i = 0, k; i < in->f.rows; i = k) {
		lo = rows_at(&r, i);
		for (k = i + 1; k < in->f.rows && rows_at(&r, k) == lo + (k - i);)
			k++;
		add_run(input, lo, lo + (k - i) - 1);
	}
}

static void
release(struct input *in)
{
	for (size_t i = 0; i < in->nheld; i++) {
		tool_put(&t, &in->held[i].f);
		free(in->held[i].bytes);
	}
	in->nheld = 0;
}

static int
least(void)
{
	int best = -1;

	for (int i = 0; i < t.nfiles; i++) {
		int r;

		if (!ins[i].more)
			continue;
		r = best < 0 ? -1 : by_key(&ins[i].key, &ins[best].key);
		if (r < 0 || (r == 0 && ins[i].row < ins[best].row))
			best = i;
	}
	return best;
}

int
main(int argc, char **argv)
{
	struct key at = {0};
	const char *order;

	tool_start(&t, argc, argv);
	if (!t.nfiles)
		die("give the FILEs to merge");
	if (!(head = tr_head_new()))
		die("no memory");
	ins = xcalloc((size_t)t.nfiles, sizeof *ins);
	for (int i = 0; i < t.nfiles; i++)
		ins[i].in = tool_reader(&t, &t.files[i], 1);
	for (int i = 0; i < t.nfiles; i++)
		advance(&ins[i]); /* folds @trace and @prog on its way */
	if (tr_key(tr_head_trace(head), "order", &order) && strcmp(order, "batch,layer"))
		die("order=%.40s: trace-sort the inputs first", order);
	errno = 0;
	if (tr_head_put(head, t.out) < 0) {
		if (errno == EPIPE)
			die_silent();
		die(errno ? "the merged head:" : "the merged head is too long");
	}
	for (int i; (i = least()) >= 0; advance(&ins[i])) {
		if (by_key(&at, &ins[i].key))
			check_runs(&at);
		at = ins[i].key;
		note_rows(i);
		release(&ins[i]);
		tool_put(&t, &ins[i].f);
	}
	check_runs(&at);
	for (int i = 0; i < t.nfiles; i++) {
		release(&ins[i]);
		free(ins[i].held);
		tool_reader_end(&t, ins[i].in);
	}
	tr_head_free(head);
	return tool_end(&t);
}
