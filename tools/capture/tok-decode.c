/*
 * Tokens in, their texts out: the rows of each sequence of a tok frame, by what a tokenizer.json
 * says of its decoder.
 */
#include <stdlib.h>

#include "../../lib/token/open.h"
#include "rows.h"
#include "tool.h"

static const char *model;
static int special;
static uint64_t phase = TR_NONE;

static const struct opt opts[] = {
	{'m', "model", "FILE/DIR", OPT_STR, &model, "tokenizer.json, or a folder with it", 0, 0},
	{0, "phase", "N", OPT_U64, &phase, "rows of that phase alone, 1: what was generated", 0, 1},
	{0, "special", NULL, OPT_FLAG, &special, "keep special tokens as text", 0, 0},
	{0},
};

static struct tool t = {
	.name = "tok-decode",
	.operands = "[FILE ...]",
	.what = "make texts of tokens",
	.opts = opts,
	.flags = TOOL_TRACE,
};

static struct tokenizer *tokenizer;

/* A row, and the sequence that it is of. */
struct row {
	uint64_t seq, number;
	uint32_t id;
};

static int
by_seq(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* The rows of f that are wanted, by sequence. */
static size_t
rows(struct tr_frame *f, struct row *row)
{
	struct value seq, ph;
	struct tr_col tok;
	uint64_t id;
	size_t n = 0;

	tool_col(&t, f, "tok", &tok);
	if (value_open(&seq, f, "seq") < 0 || value_open(&ph, f, "phase") < 0)
		tool_refuse(&t, f, "columns seq or phase are none");
	for (uint64_t i = 0; i < f->rows; i++) {
		if (phase != TR_NONE && value_at(&ph, i) != phase)
			continue;
		if (col_u64(&tok, i, 1, &id) < 0 || id >= UINT32_MAX)
			tool_refuse(&t, f, "row %llu: tok is no id", (unsigned long long)i);
		row[n++] = (struct row){value_at(&seq, i), i, (uint32_t)id};
	}
	if (n)
		qsort(row, n, sizeof *row, by_seq);
	return n;
}

static void
decode(struct tr_frame *f)
{
	struct row *row = xcalloc(f->rows + 1, sizeof *row);
	uint32_t *id = xcalloc(f->rows + 1, sizeof *id), bad;
	struct bytes text = {0};
	struct tr_frame out;
	size_t n = rows(f, row), end;
	int rc;

	for (size_t i = 0; i < n; i = end) {
		for (end = i; end < n && row[end].seq == row[i].seq; end++)
			id[end - i] = row[end].id;
		text.n = 0;
		rc = tokenizer_decode(tokenizer, id, end - i, special, &text, &bad);
		if (rc == TOKENIZER_ID)
			tool_refuse(&t, f, "id %u of sequence %llu: no token of %s", bad,
				    (unsigned long long)row[i].seq, model);
		if (rc < 0)
			die("%s", tokenizer_strerror(rc));
		tr_new(&out, "text");
		tr_setu(&out, "batch", tr_get(f, "batch", 0));
		tr_setu(&out, "seq", row[i].seq);
		tr_payload(&out, text.p, text.n);
		tool_put(&t, &out);
	}
	free(text.p);
	free(row);
	free(id);
}

int
main(int argc, char **argv)
{
	char why[TOKENIZER_WHY], *name;
	struct tr_frame f;
	int rc, any = 0;

	tool_start(&t, argc, argv);
	if (!model)
		die("no -m: a folder with tokenizer.json");
	if (!(tokenizer = tokenizer_open(model, TOKENIZER_DECODE, &name, &rc, why)))
		die("%s", why);
	while (tool_next(&t, &f)) {
		if (!strcmp(f.kind, "tok")) {
			tool_check(&t, tr_decode(&f));
			decode(&f);
			any = 1;
		} else if (strcmp(f.kind, "route") && strcmp(f.kind, "text")) {
			tool_put(&t, &f);
		}
	}
	if (!any)
		die("no tok frame: tok-encode(1) makes them of texts");
	tokenizer_free(tokenizer);
	free(name);
	return tool_end(&t);
}
