/*
 * A trace in; each frame out as text: its header line without what only
 * concerns its bytes (bytes, enc, crc), then a line a row.  Two files that say
 * the same in the same order of keys show alike.  moetrace(5), TEXT.
 */
#include <string.h>

#include "num.h"
#include "tool.h"

static uint64_t rows = TR_NONE;

static const struct opt opts[] = {
	{'n', "number", "N", OPT_U64, &rows, "the first N rows of a frame (all)", 0, 0},
	{0},
};

static struct tool t = {.name = "trace-show",
			.operands = "[FILE ...]",
			.what = "print frames as text",
			.opts = opts,
			.flags = TOOL_BYTES};

static void
put(const char *s, size_t n)
{
	sink_put(t.sink, s, n); /* a failure stays: tool_end reports it */
}

static void
puts_out(const char *s)
{
	put(s, strlen(s));
}

static void
put_num(uint64_t n)
{
	char num[NUM_MAX];

	put(num, num_put_u64(num, n));
}

static void
put_header(const struct tr_frame *f)
{
	puts_out("@");
	puts_out(f->kind);
	for (int i = 0; i < f->nkeys; i++) {
		puts_out(" ");
		puts_out(f->text + f->keys[i].key);
		puts_out("=");
		puts_out(f->text + f->keys[i].val);
	}
	if (f->has_rows) {
		puts_out(" rows=");
		put_num(f->rows);
		puts_out(" cols=");
		for (int i = 0; i < f->ncols; i++) {
			puts_out(i ? "," : "");
			puts_out(f->cols[i].name);
			puts_out(":");
			puts_out(f->cols[i].dtype);
			if (f->cols[i].width == 1)
				continue;
			puts_out(":");
			put_num(f->cols[i].width);
		}
	}
	puts_out("\n");
}

/* An empty slot, as moetrace(5), TEXT, has it. */
static int
is_empty(const struct tr_col *c, uint64_t at)
{
	const unsigned char *p = (const unsigned char *)c->data + at * c->size;

	if (c->type > TR_U64 ||
	    (strcmp(c->name, "ids") && strcmp(c->name, "dev") && strcmp(c->name, "expert")))
		return 0;
	for (uint32_t i = 0; i < c->size; i++)
		if (p[i] != 0xff)
			return 0;
	return 1;
}

static void
put_cell(const struct tr_col *c, uint64_t row)
{
	char num[NUM_MAX];

	for (uint64_t at = row * c->width; at < (row + 1) * c->width; at++) {
		if (at > row * c->width)
			put(",", 1);
		if (c->type == TR_OTHER)
			put("?", 1);
		else if (is_empty(c, at))
			put("-", 1);
		else
			put(num, num_put_col(num, c, at));
	}
}

/* What is no table: text a line each, anything else by its size. */
static void
put_payload(const struct tr_frame *f)
{
	const char *p = f->payload, *end = p + f->bytes;

	if (f->enc[0] || (strcmp(f->kind, "note") && strcmp(f->kind, "text"))) {
		puts_out("\t# ");
		put_num(f->bytes);
		puts_out(" bytes\n");
		return;
	}
	for (const char *lf; p < end; p = lf + 1) {
		if (!(lf = memchr(p, '\n', (size_t)(end - p))))
			lf = end;
		put("\t", 1);
		for (; p < lf; p++) /* a terminal obeys control bytes */
			if ((unsigned char)*p < 32 || *p == 127)
				sink_printf(t.sink, "%%%02x", (unsigned)(unsigned char)*p);
			else
				put(p, 1);
		put("\n", 1);
	}
}

int
main(int argc, char **argv)
{
	struct tr_frame f;

	tool_start(&t, argc, argv);
	while (tool_next(&t, &f)) {
		put_header(&f);
		if (!f.has_rows && f.bytes && rows)
			put_payload(&f);
		if (rows && tr_decode(&f) < 0)
			tool_fail(&t);
		for (uint64_t r = 0; r < f.rows && r < rows; r++)
			for (int i = 0; i < f.ncols; i++) {
				put_cell(&f.cols[i], r);
				put(i + 1 < f.ncols ? "\t" : "\n", 1);
			}
	}
	return tool_end(&t);
}
