/* NPZ files written, see npzout.h. */
#include "npzout.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "npy.h"
#include "num.h"
#include "size.h"
#include "zip.h"

static const struct {
	enum array_type type;
	uint32_t size;
	int64_t max; /* id; signed types have -1 as well */
	int64_t min;
} dtypes[] = {[NPZOUT_I16] = {ARRAY_I16, 2, INT16_MAX, -1},
	      [NPZOUT_U8] = {ARRAY_U8, 1, UINT8_MAX, 0},
	      [NPZOUT_U16] = {ARRAY_U16, 2, UINT16_MAX, 0},
	      [NPZOUT_I32] = {ARRAY_I32, 4, INT32_MAX, -1},
	      [NPZOUT_I64] = {ARRAY_I64, 8, INT64_MAX, -1}};

struct out { /* a file */
	struct npzbatches *s;
	const struct npzbatch *b;
	const struct npzout *o;
	struct zip_out *z;
	int stop; /* nothing more is written: it is given up */
};

struct npy { /* memory for a header, and for the data behind it */
	unsigned char *p, *data;
	size_t n;
};

static int __attribute__((format(printf, 2, 3))) fail(struct out *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->s->err, sizeof w->s->err, fmt, ap);
	va_end(ap);
	return -1;
}

static int
put(void *arg, const void *p, size_t n)
{
	const struct out *w = arg;

	return w->stop ? -1 : w->o->put(w->o->arg, p, n);
}

/* ---- arrays ---- */

static int
npy_new(struct out *w, struct npy *a, const char *head, size_t len, size_t bytes)
{
	size_t n;

	if (size_add(len, bytes, &n) < 0 || !(a->p = malloc(n))) {
		fail(w, "no memory");
		return -1;
	}
	memcpy(a->p, head, len);
	a->data = a->p + len;
	a->n = n;
	return 0;
}

static int
array(struct out *w, struct npy *a, enum array_type type, uint32_t size, int ndim,
      const uint64_t *dim)
{
	char head[256];
	size_t len = npy_header(head, type, ndim, dim), bytes = size;

	for (int i = 0; i < ndim; i++)
		if (size_mul(bytes, dim[i], &bytes) < 0) {
			fail(w, "no memory");
			return -1;
		}
	return npy_new(w, a, head, len, bytes);
}

/* Add an array and forget it. */
static void
member(struct out *w, const char *name, struct npy *a)
{
	char file[TR_NAME_MAX + 8];

	snprintf(file, sizeof file, "%s.npy", name);
	zip_add(w->z, file, a->p, a->n, (int)w->o->level, 0); /* a failure shows in zip_finish */
	free(a->p);
}

/* ---- members ---- */

static int
put_ids(struct out *w)
{
	uint64_t layers = w->s->layers, k = npztable_col(w->b->layer, "ids")->width;
	uint64_t dim[3] = {w->b->rows, layers, k};
	uint32_t size = dtypes[w->o->dtype].size;
	struct npy a;

	if (array(w, &a, dtypes[w->o->dtype].type, size, 3, dim) < 0)
		return -1;
	for (uint64_t l = 0; l < layers; l++) {
		const struct npztable *tb = &w->b->layer[l];
		const struct npzcol *c = npztable_col(tb, "ids");
		uint64_t at = 0; /* of the layer's rows */

		for (uint64_t i = 0; i < w->b->rows * k; i++) {
			const int has = at < tb->rows && tb->row[at] == w->b->row[i / k];
			uint32_t e = c->size == 2 ? 0xffff : 0xff;
			int64_t v;

			if (has && c->size == 2)
				e = ((const uint16_t *)(const void *)c->p)[at * k + i % k];
			else if (has)
				e = c->p[at * k + i % k];
			at += has && i % k == k - 1;
			v = e == (c->size == 2 ? 0xffffu : 0xffu) ? -1 : (int64_t)e;
			if (v > dtypes[w->o->dtype].max || v < dtypes[w->o->dtype].min) {
				free(a.p);
				return fail(w,
					    "batch %" PRIu64 ", layer %" PRIu64 ", row %" PRIu64
					    ": %s does not fit --dtype",
					    w->b->number, tr_list_at(&w->s->map, l),
					    w->b->row[i / k],
					    v < 0 ? "an empty slot" : "an expert");
			}
			memcpy(a.data + ((i / k * layers + l) * k + i % k) * size, &v, size);
		}
	}
	member(w, "routed_experts", &a);
	return 0;
}

/* What stands for a row that the layer has not: 0, NaN where it is a float but a weight. */
static void
nothing(unsigned char *to, const struct npzcol *like)
{
	const uint16_t half = 0x7e00;
	const float single = NAN;
	const double twice = NAN;
	const void *nan = like->type == ARRAY_F16   ? (const void *)&half
			  : like->type == ARRAY_F32 ? (const void *)&single
			  : like->type == ARRAY_F64 ? (const void *)&twice
						    : NULL;

	memset(to, 0, (size_t)like->width * like->size);
	for (uint32_t i = 0; i < like->width && nan && strcmp(like->name, "w"); i++)
		memcpy(to + (size_t)i * like->size, nan, like->size);
}

/* Another column of all layers: [tokens, layers, width], or [tokens, layers]. */
static int
put_column(struct out *w, const struct npzcol *like)
{
	uint64_t layers = w->s->layers, rows = w->b->rows;
	uint64_t dim[3] = {rows, layers, like->width};
	size_t bytes = (size_t)like->width * like->size;
	struct npy a;

	if (array(w, &a, like->type, like->size, like->width > 1 ? 3 : 2, dim) < 0)
		return -1;
	for (uint64_t l = 0; l < layers; l++) {
		const struct npztable *tb = &w->b->layer[l];
		const struct npzcol *c = npztable_col(tb, like->name);

		if (!c || c->type != like->type || c->width != like->width) {
			free(a.p);
			return fail(w,
				    "batch %" PRIu64 ", layer %" PRIu64
				    ": column %s is not that of layer %" PRIu64,
				    w->b->number, tr_list_at(&w->s->map, l), like->name,
				    tr_list_at(&w->s->map, 0));
		}
		for (uint64_t i = 0, at = 0; i < rows; i++)
			if (at < tb->rows && tb->row[at] == w->b->row[i])
				memcpy(a.data + (i * layers + l) * bytes, c->p + at++ * bytes,
				       bytes);
			else
				nothing(a.data + (i * layers + l) * bytes, like);
	}
	member(w, like->name, &a);
	return 0;
}

/* A column of the tokens. */
static int
put_tok(struct out *w, const struct npzcol *c)
{
	uint64_t dim[2] = {w->b->rows, c->width};
	const size_t bytes = (size_t)c->width * c->size;
	struct npy a;

	if (array(w, &a, c->type, c->size, c->width > 1 ? 2 : 1, dim) < 0)
		return -1;
	for (uint64_t i = 0, n = 0; n < w->b->rows; i++)
		if (w->b->tok.row[i] == w->b->row[n])
			memcpy(a.data + n++ * bytes, c->p + i * bytes, bytes);
	member(w, c->name, &a);
	return 0;
}

/* Token ids of a phase; those that are not known are left out. */
static int
put_tokens(struct out *w, uint8_t phase, const char *name)
{
	const struct npztable *tok = &w->b->tok;
	const struct npzcol *id = npztable_col(tok, "tok"), *ph = npztable_col(tok, "phase");
	struct npy a = {0};
	uint64_t n = 0, at;

	if (!id || id->type != ARRAY_U32)
		return 0;
	for (int pass = 0; pass < 2; pass++) {
		if (pass && array(w, &a, ARRAY_I64, 8, 1, &n) < 0)
			return -1;
		n = at = 0;
		for (uint64_t i = 0; i < tok->rows; i++) {
			uint64_t v = ((const uint32_t *)(const void *)id->p)[i];

			if (at == w->b->rows || tok->row[i] != w->b->row[at])
				continue; /* no layer has it */
			at++;
			if (v == UINT32_MAX || (ph ? ph->p[i] : 0) != phase)
				continue;
			if (pass)
				memcpy(a.data + 8 * n, &v, 8);
			n++;
		}
	}
	member(w, name, &a);
	return 0;
}

/* One string, as numpy has it: 4 bytes a code point. */
static int
put_name(struct out *w, const char *text)
{
	char head[256];
	size_t len = 0;
	struct npy a;
	unsigned char *to;

	for (const char *c = text; *c; c++)
		len += (*c & 0xc0) != 0x80;
	if (npy_new(w, &a, head, npy_header_text(head, len), 4 * len) < 0)
		return -1;
	memset(a.data, 0, 4 * len);
	to = a.data;
	for (const unsigned char *c = (const unsigned char *)text; *c; to += 4) {
		uint32_t code = *c < 0x80 ? *c : *c < 0xe0 ? *c & 31 : *c < 0xf0 ? *c & 15 : *c & 7;

		for (c++; (*c & 0xc0) == 0x80; c++)
			code = code << 6 | (*c & 63);
		memcpy(to, &code, 4);
	}
	member(w, "request_id", &a);
	return 0;
}

static int
put_request(struct out *w, const char *text)
{
	int minus = *text == '-';
	struct npy a;
	uint64_t u;

	if (num_u64(text + minus, 0, INT64_MAX, &u) < 0)
		return put_name(w, text);
	if (array(w, &a, ARRAY_I64, 8, 0, NULL) < 0)
		return -1;
	u = minus ? -u : u;
	memcpy(a.data, &u, 8);
	member(w, "request_id", &a);
	return 0;
}

static int
put_members(struct out *w)
{
	const struct npztable *first = w->b->layer, *tok = &w->b->tok;
	int r = put_ids(w);

	if (r >= 0)
		r = put_tokens(w, 0, "prompt_token_ids");
	if (r >= 0)
		r = put_tokens(w, 1, "output_token_ids");
	if (r >= 0 && w->b->request)
		r = put_request(w, w->b->request);
	for (int i = 0; i < first->n && r >= 0; i++)
		if (strcmp(first->col[i].name, "ids"))
			r = put_column(w, &first->col[i]);
	for (int i = 0; i < tok->n && w->s->all && r >= 0; i++)
		if (!npztable_col(first, tok->col[i].name)) /* else the route column has the name */
			r = put_tok(w, &tok->col[i]);
	return r;
}

int
npzout_write(struct npzbatches *s, const struct npzbatch *b, const struct npzout *o)
{
	struct out w = {.s = s, .b = b, .o = o};

	*s->err = '\0';
	if (!(w.z = zip_create(put, &w)))
		return fail(&w, "no memory");
	w.stop = put_members(&w) < 0;
	errno = 0;
	return zip_finish(w.z) < 0 || w.stop ? -1 : 0;
}
