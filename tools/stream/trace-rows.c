/*
 * A trace in, the same rows in frames of N rows out: route and tok frames that
 * follow each other and differ in their rows alone are gathered or cut.  A
 * frame that is right already passes as it is.  One frame is held for each
 * kind, of N rows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "size.h"
#include "tool.h"

static uint64_t number = 4096;
static int batches;

static struct opt opts[] = {
	{'n', "number", "N", OPT_U64, &number, "rows of a frame (4096)", 1, 1 << 24},
	{0, "batches", NULL, OPT_FLAG, &batches, "each frame becomes a batch of its own", 0, 0},
	{0},
};

static struct tool t = {
	.name = "trace-rows",
	.operands = "[FILE ...]",
	.what = "cut the rows of a trace into frames of one size",
	.opts = opts,
	.flags = TOOL_TRACE,
};

/* The frame that is being gathered. */
static struct tr_frame held;
static unsigned char *data[TR_COLS_MAX];
static uint64_t cap, row0;
static int counted; /* its rows count up from row0 */

static struct count { /* frames of a kind and layer */
	char kind[TR_NAME_MAX];
	uint64_t layer, n;
} * count;
static size_t ncount;

/* Batches count up for each layer and kind, so that equal rows get equal numbers. */
static uint64_t
next_batch(const struct tr_frame *f)
{
	uint64_t layer = tr_get(f, "layer", TR_NONE);

	for (size_t i = 0; i < ncount; i++)
		if (count[i].layer == layer && !strcmp(count[i].kind, f->kind))
			return count[i].n++;
	count = xrealloc(count, ncount + 1, sizeof *count);
	count[ncount].layer = layer;
	count[ncount].n = 1;
	snprintf(count[ncount++].kind, sizeof count->kind, "%s", f->kind);
	return 0;
}

static void
put(struct tr_frame *f)
{
	if (batches) {
		tr_setu(f, "batch", next_batch(f));
		tr_unset(f, "row0");
	}
	tool_put(&t, f);
}

static void
flush(void)
{
	if (!held.rows)
		return;
	for (int i = 0; i < held.ncols; i++)
		held.cols[i].data = data[i];
	tr_rows(&held, held.rows);
	if (counted && row0)
		tr_setu(&held, "row0", row0);
	else if (counted)
		tr_unset(&held, "row0");
	put(&held);
	held.rows = 0;
}

/* Do rows of f, the next of which is row, continue what is held? */
static int
continues(const struct tr_frame *f, const struct rows *r)
{
	const char *val;
	int keys = 0;

	if (!held.rows || strcmp(held.kind, f->kind) || held.ncols != f->ncols ||
	    counted != (!r->col.data && !r->fixed) || (counted && r->row0 != row0 + held.rows))
		return 0;
	for (int i = 0; i < f->ncols; i++) {
		const struct tr_col *c = &f->cols[i], *d = &held.cols[i];

		if (strcmp(c->name, d->name) || strcmp(c->dtype, d->dtype) || c->width != d->width)
			return 0;
	}
	for (int i = 0; i < held.nkeys; i++) {
		const char *key = held.text + held.keys[i].key;

		if (!strcmp(key, "row0"))
			continue;
		keys++;
		if (!tr_key(f, key, &val) || strcmp(val, held.text + held.keys[i].val))
			return 0;
	}
	return keys == f->nkeys - tr_key(f, "row0", &val);
}

static void
begin(const struct tr_frame *f, const struct rows *r, uint64_t first)
{
	held = *f;
	held.from = NULL;
	held.enc[0] = 0;
	held.raw = NULL;
	held.payload = NULL;
	held.rows = 0;
	counted = !r->col.data && !r->fixed;
	row0 = r->row0 + first;
	for (int i = 0; i < f->ncols; i++) {
		size_t bytes;

		if (size_mul(cap, (size_t)f->cols[i].width * f->cols[i].size, &bytes) < 0)
			die("--number is too large for columns this wide");
		free(data[i]);
		data[i] = xmalloc(bytes);
	}
}

static void
add(const struct tr_frame *f, uint64_t first, uint64_t n)
{
	for (int i = 0; i < f->ncols; i++) {
		size_t bytes = (size_t)f->cols[i].width * f->cols[i].size;

		memcpy(data[i] + held.rows * bytes,
		       (const unsigned char *)f->cols[i].data + first * bytes, n * bytes);
	}
	held.rows += n;
}

static void
gather(struct tr_frame *f)
{
	struct rows r;
	int e = rows_open(&r, f);

	if (e == TR_ECOLS || e == TR_EVALUE)
		tr_fail(t.in, f, e, "@%s: row numbers are none", f->kind);
	if (e < 0)
		tool_fail(&t);
	if (!continues(f, &r))
		flush();
	if (f->rows == 0 || (f->rows == number && !held.rows)) {
		put(f);
		return;
	}
	if (tr_decode(f) < 0)
		tool_fail(&t);
	cap = number;
	for (uint64_t i = 0, n; i < f->rows; i += n) {
		if (!held.rows)
			begin(f, &r, i);
		n = MIN(number - held.rows, f->rows - i);
		add(f, i, n);
		if (held.rows == number)
			flush();
	}
}

int
main(int argc, char **argv)
{
	struct tr_frame f;

	tool_start(&t, argc, argv);
	while (tool_next(&t, &f)) {
		if (!strcmp(f.kind, "route") || !strcmp(f.kind, "tok")) {
			gather(&f);
			continue;
		}
		flush();
		if (batches && !strcmp(f.kind, "trace")) {
			ncount = 0;
			tr_unset(&f, "order"); /* a layer's batches now follow each other */
		}
		if (!batches || strcmp(f.kind, "seq")) /* a sequence is no longer a batch */
			tool_put(&t, &f);
	}
	return tool_end(&t);
}
