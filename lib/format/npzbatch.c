/* Frames gathered by batch, see npzbatch.h. */
#include "npzbatch.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "size.h"

static int __attribute__((format(printf, 2, 3))) refuse(struct npzbatches *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->err, sizeof s->err, fmt, ap);
	va_end(ap);
	return TR_EVALUE;
}

/* ---- batches ---- */

int
npzbatch_begin(struct npzbatches *s, const struct tr_sect *sect)
{
	if (s->layers)
		return refuse(s, "a second section (trace-join makes one of many)");
	s->layers = sect->layers;
	for (uint64_t i = 0; i < s->layers; i++)
		if (tr_list_add(&s->map, sect->map.n ? tr_list_at(&sect->map, i) : i) < 0)
			return refuse(s, "no memory");
	return s->layers ? 0 : refuse(s, "the trace says of no layers");
}

int
npzbatch_of(struct npzbatches *s, const struct tr_frame *f, struct npzbatch **to)
{
	uint64_t number = tr_get(f, "batch", 0);
	struct npzbatch *b;

	for (size_t i = s->n; i-- > 0;)
		if (s->b[i].number == number) {
			if (s->b[i].written)
				return refuse(s, "batch %" PRIu64 " again, after another", number);
			*to = &s->b[i];
			return 0;
		}
	if (s->n && s->single)
		return refuse(s, "batch %" PRIu64 ": a file holds one (-o DIR/ takes all)", number);
	if (!(s->n & (s->n - 1))) {
		if (!(b = realloc(s->b, (s->n ? 2 * s->n : 1) * sizeof *b)))
			return refuse(s, "no memory");
		s->b = b;
	}
	b = &s->b[s->n];
	memset(b, 0, sizeof *b);
	b->number = number;
	if (!(b->layer = calloc(s->layers, sizeof *b->layer)))
		return refuse(s, "no memory");
	s->n++;
	*to = b;
	return 0;
}

static void
table_free(struct npztable *tb)
{
	for (int i = 0; i < tb->n; i++)
		free(tb->col[i].p);
	free(tb->row);
	tb->n = 0;
	tb->row = NULL;
}

void
npzbatch_done(struct npzbatches *s, struct npzbatch *b, char *path)
{
	for (uint64_t l = 0; l < s->layers && b->layer; l++)
		table_free(&b->layer[l]);
	table_free(&b->tok);
	free(b->layer);
	free(b->row);
	free(b->request);
	free(b->source);
	b->layer = NULL;
	b->row = NULL;
	b->request = NULL;
	b->source = path;
	b->written = 1;
}

void
npzbatch_free(struct npzbatches *s)
{
	for (size_t i = 0; i < s->n; i++)
		npzbatch_done(s, &s->b[i], NULL);
	free(s->b);
	s->b = NULL;
	s->n = 0;
	tr_list_free(&s->map);
}

/* ---- tables ---- */

const struct npzcol *
npztable_col(const struct npztable *tb, const char *name)
{
	for (int i = 0; i < tb->n; i++)
		if (!strcmp(tb->col[i].name, name))
			return &tb->col[i];
	return NULL;
}

static const enum array_type types[] = {
	[TR_U8] = ARRAY_U8,   [TR_U16] = ARRAY_U16,  [TR_U32] = ARRAY_U32, [TR_U64] = ARRAY_U64,
	[TR_I8] = ARRAY_I8,   [TR_I16] = ARRAY_I16,  [TR_I32] = ARRAY_I32, [TR_I64] = ARRAY_I64,
	[TR_F16] = ARRAY_F16, [TR_BF16] = ARRAY_F32, /* numpy has none */
	[TR_F32] = ARRAY_F32, [TR_F64] = ARRAY_F64,
};

static int
room(struct npzcol *c, size_t need)
{
	size_t cap = MAX(2 * c->cap, need);
	unsigned char *p;

	if (need <= c->cap)
		return 0;
	if (!(p = realloc(c->p, cap)))
		return -1;
	c->p = p;
	c->cap = cap;
	return 0;
}

static int
take_col(struct npzbatches *s, struct npztable *tb, const struct tr_col *c)
{
	struct npzcol *to = tb->col;
	uint32_t size = c->type == TR_BF16 ? 4 : c->size;
	size_t bytes = c->rows * c->width * size;
	int i = 0;

	while (i < tb->n && strcmp(to[i].name, c->name))
		i++;
	if (c->type == TR_OTHER)
		return refuse(s, "column %s: numpy has no %s", c->name, c->dtype);
	to += i;
	if (i == tb->n) {
		if (i == NPZBATCH_COLUMNS || tb->rows)
			return refuse(s, "column %s is not in all frames", c->name);
		snprintf(to->name, sizeof to->name, "%s", c->name);
		to->type = types[c->type];
		to->size = size;
		to->width = c->width;
		tb->n++;
	}
	if (to->type != types[c->type] || to->width != c->width ||
	    to->n != tb->rows * c->width * size)
		return refuse(s, "column %s: not as in the frame before", c->name);
	if (room(to, to->n + bytes) < 0)
		return refuse(s, "no memory");
	if (c->type == TR_BF16)
		col_f32(c, 0, c->rows * c->width, (float *)(void *)(to->p + to->n));
	else if (bytes)
		memcpy(to->p + to->n, c->data, bytes);
	to->n += bytes;
	return 0;
}

/* A key that stands for a column: seq=17. */
static int
take_key(struct npzbatches *s, struct npztable *tb, const struct tr_frame *f, const char *name,
	 enum tr_type type)
{
	struct tr_col c = {.type = type, .size = tr_size(type), .width = 1, .rows = f->rows};
	uint64_t n;
	char *p;
	int r = tr_num(f, name, &n);

	if (r < 0 || (r && n >> (8 * c.size - 1) >> 1))
		return refuse(s, "%s is no number of its column", name);
	for (int i = 0; i < f->ncols; i++)
		r = strcmp(f->cols[i].name, name) ? r : 0;
	if (!r)
		return 0;
	snprintf(c.name, sizeof c.name, "%s", name);
	if (!(p = malloc(c.rows * c.size + 1)))
		return refuse(s, "no memory");
	c.data = p;
	for (uint64_t i = 0; i < c.rows; i++)
		memcpy(p + i * c.size, &n, c.size); /* little-endian */
	r = take_col(s, tb, &c);
	free(p);
	return r;
}

static int
take_cols(struct npzbatches *s, struct npztable *tb, const struct tr_frame *f, int is_tok)
{
	int r = 0;

	for (int i = 0; i < f->ncols && r >= 0; i++) {
		const char *name = f->cols[i].name;

		if (strcmp(name, "row") && (s->all || !strcmp(name, is_tok ? "tok" : "ids") ||
					    !strcmp(name, is_tok ? "phase" : "logit")))
			r = take_col(s, tb, &f->cols[i]);
	}
	if (is_tok && r >= 0)
		r = take_key(s, tb, f, "phase", TR_U8);
	if (s->all && r >= 0)
		r = is_tok ? take_key(s, tb, f, "seq", TR_U32)
			   : take_key(s, tb, f, "origin", TR_U16);
	return r;
}

static int
take_table(struct npzbatches *s, struct npztable *tb, struct tr_frame *f, int is_tok)
{
	struct rows rows;
	int had = tb->n, r;

	if ((r = tr_decode(f)) < 0 || (r = rows_open(&rows, f)) < 0 ||
	    (r = take_cols(s, tb, f, is_tok)) < 0)
		return r;
	for (int i = 0; i < tb->n; i++)
		if (tb->col[i].n != (tb->rows + f->rows) * tb->col[i].width * tb->col[i].size ||
		    (tb->rows && tb->n != had))
			return refuse(s, "column %s is not in all frames", tb->col[i].name);
	if (tb->rows + f->rows > tb->cap) {
		uint64_t cap = MAX(2 * tb->cap, tb->rows + f->rows);
		uint64_t *row = realloc(tb->row, cap * sizeof *row);

		if (!row)
			return refuse(s, "no memory");
		tb->row = row;
		tb->cap = cap;
	}
	for (uint64_t i = 0; i < f->rows; i++)
		tb->row[tb->rows++] = rows_at(&rows, i);
	return 0;
}

static int
take_route(struct npzbatches *s, struct npzbatch *b, struct tr_frame *f)
{
	uint64_t i = tr_list_find(&s->map, tr_get(f, "layer", TR_NONE));
	struct tr_col c = {0};

	if (i == TR_NONE)
		return refuse(s, "layer is not in map");
	if (tr_col(f, "ids", &c) <= 0 || (c.type != TR_U8 && c.type != TR_U16) || c.width < 1)
		return refuse(s, "ids are %s", c.dtype);
	return take_table(s, &b->layer[i], f, 0);
}

/* The text of a key that is not there yet. */
static int
take_text(struct npzbatches *s, char **to, const struct tr_frame *f, const char *key)
{
	char text[NPZBATCH_TEXT];

	if (*to || tr_text(f, key, text, sizeof text) <= 0)
		return 0;
	return (*to = strdup(text)) ? 0 : refuse(s, "no memory");
}

int
npzbatch_take(struct npzbatches *s, struct npzbatch *b, struct tr_frame *f)
{
	int r;

	*s->err = '\0';
	if (!strcmp(f->kind, "route"))
		return take_route(s, b, f);
	if (!strcmp(f->kind, "tok"))
		return take_table(s, &b->tok, f, 1);
	r = take_text(s, &b->request, f, "request");
	return r < 0 ? r : take_text(s, &b->source, f, "source");
}

static int
same_rows(const struct npztable *a, const struct npztable *b)
{
	return a->rows == b->rows &&
	       (!a->rows || !memcmp(a->row, b->row, a->rows * sizeof *a->row));
}

/* Rows of layer l that have not been met: 1 where n is the next of them. */
static int
meets(const struct npztable *l, uint64_t *at, uint64_t n)
{
	return *at < l->rows && l->row[*at] == n ? (++*at, 1) : 0;
}

/* Rows of tok that a layer has.  Its first layer says what rows of it others have. */
static int
unite(struct npzbatches *s, struct npzbatch *b)
{
	uint64_t *at = calloc(s->layers, sizeof *at), l = s->layers;

	b->row = malloc((b->tok.rows + 1) * sizeof *b->row);
	if (!at || !b->row) {
		free(at);
		return refuse(s, "no memory");
	}
	b->rows = 0;
	for (uint64_t i = 0; i < b->tok.rows; i++) {
		int any = 0;

		for (l = 0; l < s->layers; l++)
			any |= meets(&b->layer[l], &at[l], b->tok.row[i]);
		if (any)
			b->row[b->rows++] = b->tok.row[i];
	}
	for (l = 0; l < s->layers && at[l] == b->layer[l].rows;)
		l++;
	free(at);
	if (l < s->layers)
		return refuse(s,
			      "batch %" PRIu64 ": layer %" PRIu64
			      " has rows that its tok frames have not, or in another order",
			      b->number, tr_list_at(&s->map, l));
	return 0;
}

/* Layers that have some of their rows in common have all. */
static int
apart(const struct npztable *a, const struct npztable *b)
{
	for (uint64_t i = 0, k = 0; i < a->rows && k < b->rows;)
		if (a->row[i] == b->row[k])
			return 0;
		else if (a->row[i] < b->row[k])
			i++;
		else
			k++;
	return 1;
}

int
npzbatch_check(struct npzbatches *s, struct npzbatch *b)
{
	const struct npztable *first = b->layer;
	uint64_t other = 0;

	for (uint64_t l = 0; l < s->layers; l++) {
		const struct npztable *tb = &b->layer[l];
		const struct npzcol *c = npztable_col(tb, "ids");

		if (!c)
			return refuse(s, "batch %" PRIu64 ": no route frame of layer %" PRIu64,
				      b->number, tr_list_at(&s->map, l));
		if (same_rows(tb, first) && c->width == npztable_col(first, "ids")->width)
			continue;
		other = other ? other : l;
		if (c->width != npztable_col(first, "ids")->width || !b->tok.rows ||
		    !apart(tb, first) || !same_rows(tb, &b->layer[other]))
			return refuse(s,
				      "batch %" PRIu64 ": layer %" PRIu64
				      " has other rows than layer %" PRIu64,
				      b->number, tr_list_at(&s->map, l), tr_list_at(&s->map, 0));
	}
	if (b->tok.rows)
		return unite(s, b);
	b->rows = first->rows;
	if (!(b->row = malloc((b->rows + 1) * sizeof *b->row)))
		return refuse(s, "no memory");
	memcpy(b->row, first->row, b->rows * sizeof *b->row);
	return 0;
}
