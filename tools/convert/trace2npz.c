/*
 * trace2npz: a trace in, NPZ files out as serving engines dump them, a batch a file:
 * routed_experts [tokens, layers, k], prompt_token_ids, output_token_ids, request_id.
 *
 * Method: a batch is held until the next one begins (under order=batch,layer) or until
 * the end: 2 k bytes a row and layer, with --all also the other columns.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../lib/format/npy.h"
#include "../../lib/format/zip.h"
#include "num.h"
#include "rows.h"
#include "size.h"
#include "tool.h"

enum { COLUMNS = 16, TEXT = 1024 };
enum { I16, U8, U16, I32, I64 };

static const struct {
	enum array_type type;
	uint32_t size;
	int64_t max; /* id; signed types have -1 as well */
} ids_type[] = {{ARRAY_I16, 2, INT16_MAX},
		{ARRAY_U8, 1, UINT8_MAX},
		{ARRAY_U16, 2, UINT16_MAX},
		{ARRAY_I32, 4, INT32_MAX},
		{ARRAY_I64, 8, INT64_MAX}};

struct store { /* a column of a table, all its frames */
	char name[TR_NAME_MAX];
	enum array_type type;
	uint32_t size, width; /* bytes of an element, elements of a row */
	unsigned char *p;
	size_t n, cap; /* bytes */
};

struct table { /* route frames of a layer, or tok frames */
	int n;
	struct store col[COLUMNS];
	uint64_t rows, cap;
	uint64_t *row; /* their numbers */
};

struct batch {
	uint64_t number;
	char *request, *source;
	struct table tok, *layer; /* [layers] */
	int written;
};

static struct {
	struct tool *t;
	struct batch *b;
	size_t n, files;
	struct tr_list map;
	uint64_t layers;
	int ordered, dir;
} s;

static int all, dtype;
static uint64_t deflate;

static const struct opt opts[] = {
	{0, "dtype", "i16|u8|u16|i32|i64", OPT_WORD, &dtype, "type of routed_experts (i16)", 0, 0},
	{0, "all", NULL, OPT_FLAG, &all, "write the other columns of route and tok too", 0, 0},
	{0, "deflate", "N", OPT_U64, &deflate, "compress members, level N (stored)", 1, 9},
	{0},
};

_Noreturn static void __attribute__((format(printf, 2, 3)))
refuse(const struct tr_frame *f, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	tr_fail(s.t->in, f, TR_EVALUE, "%s", text);
	tool_fail(s.t);
}

/* ---- taking ---- */

static struct batch *
batch_of(const struct tr_frame *f)
{
	uint64_t number = tr_get(f, "batch", 0);
	struct batch *b;

	for (size_t i = s.n; i-- > 0;)
		if (s.b[i].number == number) {
			if (s.b[i].written)
				refuse(f, "batch %" PRIu64 " again, after another", number);
			return &s.b[i];
		}
	if (s.n && !s.dir)
		refuse(f, "batch %" PRIu64 ": a file holds one (-o DIR/ takes all)", number);
	if (!(s.n & (s.n - 1)))
		s.b = xrealloc(s.b, s.n ? 2 * s.n : 1, sizeof *s.b);
	b = &s.b[s.n++];
	memset(b, 0, sizeof *b);
	b->number = number;
	b->layer = xcalloc(s.layers, sizeof *b->layer);
	return b;
}

static void *
room(void *p, size_t *cap, size_t need)
{
	if (need <= *cap)
		return p;
	*cap = MAX(2 * *cap, need);
	return xrealloc(p, *cap, 1);
}

static const enum array_type types[] = {
	[TR_U8] = ARRAY_U8,   [TR_U16] = ARRAY_U16,  [TR_U32] = ARRAY_U32, [TR_U64] = ARRAY_U64,
	[TR_I8] = ARRAY_I8,   [TR_I16] = ARRAY_I16,  [TR_I32] = ARRAY_I32, [TR_I64] = ARRAY_I64,
	[TR_F16] = ARRAY_F16, [TR_BF16] = ARRAY_F32, /* numpy has none */
	[TR_F32] = ARRAY_F32, [TR_F64] = ARRAY_F64,
};

static void
take_col(struct table *tb, const struct tr_frame *f, const struct tr_col *c)
{
	struct store *st = tb->col;
	uint32_t size = c->type == TR_BF16 ? 4 : c->size;
	size_t bytes = c->rows * c->width * size;
	int i = 0;

	while (i < tb->n && strcmp(st[i].name, c->name))
		i++;
	if (c->type == TR_OTHER)
		refuse(f, "column %s: numpy has no %s", c->name, c->dtype);
	st += i;
	if (i == tb->n) {
		if (i == COLUMNS || tb->rows)
			refuse(f, "column %s is not in all frames", c->name);
		snprintf(st->name, sizeof st->name, "%s", c->name);
		st->type = types[c->type];
		st->size = size;
		st->width = c->width;
		tb->n++;
	}
	if (st->type != types[c->type] || st->width != c->width ||
	    st->n != tb->rows * c->width * size)
		refuse(f, "column %s: not as in the frame before", c->name);
	st->p = room(st->p, &st->cap, st->n + bytes);
	if (c->type == TR_BF16)
		col_f32(c, 0, c->rows * c->width, (float *)(void *)(st->p + st->n));
	else if (bytes)
		memcpy(st->p + st->n, c->data, bytes);
	st->n += bytes;
}

/* A key that stands for a column: seq=17. */
static void
take_key(struct table *tb, const struct tr_frame *f, const char *name, enum tr_type type)
{
	struct tr_col c = {.type = type, .size = tr_size(type), .width = 1, .rows = f->rows};
	uint64_t n;
	char *p;
	int r = tr_num(f, name, &n);

	if (r < 0 || (r && n >> (8 * c.size - 1) >> 1))
		refuse(f, "%s is no number of its column", name);
	for (int i = 0; i < f->ncols; i++)
		r = strcmp(f->cols[i].name, name) ? r : 0;
	if (!r)
		return;
	snprintf(c.name, sizeof c.name, "%s", name);
	c.data = p = xmalloc(c.rows * c.size + 1);
	for (uint64_t i = 0; i < c.rows; i++)
		memcpy(p + i * c.size, &n, c.size); /* little-endian */
	take_col(tb, f, &c);
	free(p);
}

static void
take_table(struct table *tb, struct tr_frame *f, int is_tok)
{
	struct rows rows;
	int had = tb->n;

	if (tr_decode(f) < 0 || rows_open(&rows, f) < 0)
		tool_fail(s.t);
	for (int i = 0; i < f->ncols; i++) {
		const char *name = f->cols[i].name;

		if (strcmp(name, "row") && (all || !strcmp(name, is_tok ? "tok" : "ids") ||
					    (is_tok && !strcmp(name, "phase"))))
			take_col(tb, f, &f->cols[i]);
	}
	if (is_tok) {
		take_key(tb, f, "phase", TR_U8);
		if (all)
			take_key(tb, f, "seq", TR_U32);
	} else if (all) {
		take_key(tb, f, "origin", TR_U16);
	}
	for (int i = 0; i < tb->n; i++)
		if (tb->col[i].n != (tb->rows + f->rows) * tb->col[i].width * tb->col[i].size ||
		    (tb->rows && tb->n != had))
			refuse(f, "column %s is not in all frames", tb->col[i].name);
	if (tb->rows + f->rows > tb->cap) {
		tb->cap = MAX(2 * tb->cap, tb->rows + f->rows);
		tb->row = xrealloc(tb->row, tb->cap, sizeof *tb->row);
	}
	for (uint64_t i = 0; i < f->rows; i++)
		tb->row[tb->rows++] = rows_at(&rows, i);
}

static void
take_route(struct batch *b, struct tr_frame *f)
{
	uint64_t i = tr_list_find(&s.map, tool_key(s.t, f, "layer"));
	struct tr_ids ids;
	struct tr_col c;

	tool_ids(s.t, f, &ids); /* checks them */
	tool_col(s.t, f, "ids", &c);
	if (i == TR_NONE)
		refuse(f, "layer is not in map");
	if ((c.type != TR_U8 && c.type != TR_U16) || c.width < 1)
		refuse(f, "ids are %s", c.dtype);
	take_table(&b->layer[i], f, 0);
}

static void
take_seq(struct batch *b, const struct tr_frame *f)
{
	char text[TEXT];

	if (!b->request && tr_text(f, "request", text, sizeof text) > 0)
		b->request = xstrdup(text);
	if (!b->source && tr_text(f, "source", text, sizeof text) > 0)
		b->source = xstrdup(text);
}

/* ---- writing ---- */

static int
put(void *arg, const void *p, size_t n)
{
	return sink_put(arg, p, n);
}

static void
undo(void *sink)
{
	sink_drop(sink);
}

/* An array: memory for header and data, the data at *data. */
static unsigned char *
array(enum array_type type, uint32_t size, int ndim, const uint64_t *dim, size_t *n,
      unsigned char **data)
{
	char head[256];
	size_t len = npy_header(head, type, ndim, dim), count = size;
	unsigned char *p;

	for (int i = 0; i < ndim; i++)
		if (size_mul(count, dim[i], &count) < 0)
			die("no memory");
	p = xmalloc(len + count);
	memcpy(p, head, len);
	*data = p + len;
	*n = len + count;
	return p;
}

/* Add an array and forget it. */
static void
member(struct zip_out *z, const char *name, unsigned char *p, size_t n)
{
	char file[TR_NAME_MAX + 8];

	snprintf(file, sizeof file, "%s.npy", name);
	zip_add(z, file, p, n, (int)deflate, 0); /* a failure shows in zip_finish */
	free(p);
}

static const struct store *
column(const struct table *tb, const char *name)
{
	for (int i = 0; i < tb->n; i++)
		if (!strcmp(tb->col[i].name, name))
			return &tb->col[i];
	return NULL;
}

static void
put_ids(struct zip_out *z, const struct batch *b)
{
	const struct table *first = b->layer;
	uint64_t k = column(first, "ids")->width, dim[3] = {first->rows, s.layers, k};
	uint32_t size = ids_type[dtype].size;
	unsigned char *data, *p;
	size_t n;

	p = array(ids_type[dtype].type, size, 3, dim, &n, &data);
	for (uint64_t l = 0; l < s.layers; l++) {
		const struct store *c = column(&b->layer[l], "ids");

		for (uint64_t i = 0; i < first->rows * k; i++) {
			uint32_t e = c->p[i];
			int64_t v;

			if (c->size == 2)
				e = ((const uint16_t *)(const void *)c->p)[i];
			v = e == (c->size == 2 ? 0xffffu : 0xffu) ? -1 : (int64_t)e;
			if (v > ids_type[dtype].max || (v < 0 && (dtype == U8 || dtype == U16)))
				die("batch %" PRIu64 ", layer %" PRIu64 ", row %" PRIu64
				    ": %s does not fit --dtype",
				    b->number, tr_list_at(&s.map, l), first->row[i / k],
				    v < 0 ? "an empty slot" : "an expert");
			memcpy(data + ((i / k * s.layers + l) * k + i % k) * size, &v, size);
		}
	}
	member(z, "routed_experts", p, n);
}

/* Another column of all layers: [tokens, layers, width], or [tokens, layers]. */
static void
put_column(struct zip_out *z, const struct batch *b, const struct store *like)
{
	uint64_t rows = b->layer[0].rows, dim[3] = {rows, s.layers, like->width};
	size_t n, bytes = (size_t)like->width * like->size;
	unsigned char *data, *p;

	p = array(like->type, like->size, like->width > 1 ? 3 : 2, dim, &n, &data);
	for (uint64_t l = 0; l < s.layers; l++) {
		const struct store *c = column(&b->layer[l], like->name);

		if (!c || c->type != like->type || c->width != like->width)
			die("batch %" PRIu64 ", layer %" PRIu64
			    ": column %s is not that of layer %" PRIu64,
			    b->number, tr_list_at(&s.map, l), like->name, tr_list_at(&s.map, 0));
		for (uint64_t i = 0; i < rows; i++)
			memcpy(data + (i * s.layers + l) * bytes, c->p + i * bytes, bytes);
	}
	member(z, like->name, p, n);
}

/* Token ids of a phase; those that are not known are left out. */
static void
put_tokens(struct zip_out *z, const struct table *tok, uint8_t phase, const char *name)
{
	const struct store *id = column(tok, "tok"), *ph = column(tok, "phase");
	uint64_t n = 0;
	unsigned char *data, *p;
	size_t len;

	if (!id || id->type != ARRAY_U32)
		return;
	for (int pass = 0; pass < 2; pass++) {
		if (pass)
			p = array(ARRAY_I64, 8, 1, &n, &len, &data);
		n = 0;
		for (uint64_t i = 0; i < tok->rows; i++) {
			uint64_t v = ((const uint32_t *)(const void *)id->p)[i];

			if (v == UINT32_MAX || (ph ? ph->p[i] : 0) != phase)
				continue;
			if (pass)
				memcpy(data + 8 * n, &v, 8);
			n++;
		}
	}
	member(z, name, p, len);
}

static void
put_request(struct zip_out *z, const char *text)
{
	int minus = *text == '-';
	uint64_t u;
	unsigned char *p, *data;
	char head[256];
	size_t n, len = 0;

	if (num_u64(text + minus, 0, INT64_MAX, &u) == 0) {
		p = array(ARRAY_I64, 8, 0, NULL, &n, &data);
		u = minus ? -u : u;
		memcpy(data, &u, 8);
		member(z, "request_id", p, n);
		return;
	}
	for (const char *c = text; *c; c++)
		len += (*c & 0xc0) != 0x80;
	n = npy_header_text(head, len);
	p = xcalloc(n + 4 * len, 1);
	memcpy(p, head, n);
	data = p + n;
	n += 4 * len;
	for (const unsigned char *c = (const unsigned char *)text; *c; data += 4) {
		uint32_t code = *c < 0x80 ? *c : *c < 0xe0 ? *c & 31 : *c < 0xf0 ? *c & 15 : *c & 7;

		for (c++; (*c & 0xc0) == 0x80; c++)
			code = code << 6 | (*c & 63);
		memcpy(data, &code, 4);
	}
	member(z, "request_id", p, n);
}

static void
check(const struct batch *b)
{
	const struct table *first = b->layer;

	for (uint64_t l = 0; l < s.layers; l++) {
		const struct table *tb = &b->layer[l];
		const struct store *c = column(tb, "ids");

		if (!c)
			die("batch %" PRIu64 ": no route frame of layer %" PRIu64, b->number,
			    tr_list_at(&s.map, l));
		if (tb->rows != first->rows || c->width != column(first, "ids")->width ||
		    (tb->rows && memcmp(tb->row, first->row, tb->rows * sizeof *tb->row) != 0))
			die("batch %" PRIu64 ": layer %" PRIu64
			    " has other rows than layer %" PRIu64,
			    b->number, tr_list_at(&s.map, l), tr_list_at(&s.map, 0));
	}
	if (b->tok.n && (b->tok.rows != first->rows ||
			 (b->tok.rows &&
			  memcmp(b->tok.row, first->row, b->tok.rows * sizeof *b->tok.row) != 0)))
		die("batch %" PRIu64 ": its tok frames have other rows than layer %" PRIu64,
		    b->number, tr_list_at(&s.map, 0));
}

static void
table_free(struct table *tb)
{
	for (int i = 0; i < tb->n; i++)
		free(tb->col[i].p);
	free(tb->row);
	tb->n = 0;
	tb->row = NULL;
}

/* Where the file of b goes: in a folder under the name it came from. */
static char *
name_of(const struct batch *b)
{
	const char *dir = s.t->output, *slash = dir[strlen(dir) - 1] == '/' ? "" : "/";
	char *path = xmalloc(strlen(dir) + TEXT + 40);
	const char *base = b->source ? strrchr(b->source, '/') : NULL, *dot;

	base = base ? base + 1 : b->source;
	if (!base || !*base || *base == '.')
		sprintf(path, "%s%sbatch-%" PRIu64 ".npz", dir, slash, b->number);
	else if ((dot = strrchr(base, '.')) && dot != base)
		sprintf(path, "%s%s%.*s.npz", dir, slash, (int)(dot - base), base);
	else
		sprintf(path, "%s%s%s.npz", dir, slash, base);
	for (size_t i = 0; i < s.n; i++)
		if (s.b[i].written && s.b[i].source && !strcmp(s.b[i].source, path))
			die("%s: batches %" PRIu64 " and %" PRIu64 " both come from it", path,
			    s.b[i].number, b->number);
	return path;
}

static void
write_batch(struct batch *b)
{
	char *path = s.dir ? name_of(b) : NULL;
	const char *file = path ? path : s.t->output;
	struct zip_out *z;
	struct sink *out;

	check(b);
	if (!(out = sink_open(file)))
		die("%s:", file ? file : "standard output");
	die_undo(undo, out);
	if (!(z = zip_create(put, out)))
		die("no memory");
	put_ids(z, b);
	put_tokens(z, &b->tok, 0, "prompt_token_ids");
	put_tokens(z, &b->tok, 1, "output_token_ids");
	if (b->request)
		put_request(z, b->request);
	for (int i = 0; i < b->layer[0].n && all; i++)
		if (strcmp(b->layer[0].col[i].name, "ids"))
			put_column(z, b, &b->layer[0].col[i]);
	for (int i = 0; i < b->tok.n && all; i++) {
		struct store *c = &b->tok.col[i];
		uint64_t dim[2] = {b->tok.rows, c->width};
		unsigned char *p, *data;
		size_t n;

		if (column(&b->layer[0], c->name)) /* the route column has the name */
			continue;
		p = array(c->type, c->size, c->width > 1 ? 2 : 1, dim, &n, &data);
		if (c->n)
			memcpy(data, c->p, c->n);
		member(z, c->name, p, n);
	}
	errno = 0;
	if (zip_finish(z) < 0 || (die_keep(out), sink_close(out) < 0)) {
		if (errno == EPIPE)
			die_silent();
		die("%s:", file ? file : "standard output");
	}
	s.files++;
	for (uint64_t l = 0; l < s.layers; l++)
		table_free(&b->layer[l]);
	table_free(&b->tok);
	free(b->layer);
	free(b->request);
	free(b->source);
	b->request = NULL;
	b->source = path; /* so that no other takes the name */
	b->written = 1;
}

static void
begin(const struct tr_frame *f)
{
	const struct tr_sect *sect = tool_section(s.t);
	char order[32];

	if (s.layers)
		die("a second section (trace-join makes one of many)");
	s.layers = sect->layers;
	for (uint64_t i = 0; i < s.layers; i++)
		if (tr_list_add(&s.map, sect->map.n ? tr_list_at(&sect->map, i) : i) < 0)
			die("no memory");
	s.ordered = tr_text(f, "order", order, sizeof order) > 0 && !strcmp(order, "batch,layer");
	if (!s.layers)
		die("the trace says of no layers");
}

int
main(int argc, char **argv)
{
	static struct tool t = {.name = "trace2npz",
				.operands = "[FILE ...]",
				.what = "write routed experts as NPZ files",
				.opts = opts,
				.flags = TOOL_OWNOUT};
	static struct tr_frame f;
	struct stat st;

	s.t = &t;
	tool_start(&t, argc, argv);
	if (t.output && strcmp(t.output, "-")) {
		size_t n = strlen(t.output);

		s.dir = !stat(t.output, &st) && S_ISDIR(st.st_mode);
		if (!s.dir && n && t.output[n - 1] == '/') {
			if (mkdir(t.output, 0777) < 0)
				die("%s:", t.output);
			s.dir = 1;
		}
	} else if (tool_tty(1)) {
		die("an NPZ is nothing for a terminal: give -o FILE or -o DIR/");
	}
	while (tool_next(&t, &f)) {
		int route = !strcmp(f.kind, "route"), tok = !strcmp(f.kind, "tok");

		if (!strcmp(f.kind, "trace"))
			begin(&f);
		else if (route || tok || !strcmp(f.kind, "seq")) {
			struct batch *b = batch_of(&f);

			for (struct batch *o = s.b; s.ordered && s.dir && o < b; o++)
				if (!o->written)
					write_batch(o);
			if (route)
				take_route(b, &f);
			else if (tok)
				take_table(&b->tok, &f, 1);
			else
				take_seq(b, &f);
		}
	}
	for (size_t i = 0; i < s.n; i++)
		if (!s.b[i].written)
			write_batch(&s.b[i]);
	for (size_t i = 0; i < s.n; i++)
		free(s.b[i].source);
	if (!s.files)
		die("no batch with routing");
	free(s.b);
	tr_list_free(&s.map);
	return tool_end(&t);
}
