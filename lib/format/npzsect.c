/* A section out of NPZ files, see npzsect.h. */
#include "npzsect.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "num.h"
#include "rng.h"
#include "size.h"

struct npzsect_buf { /* columns of a frame */
	uint32_t id[NPZSECT_FRAME], pos[NPZSECT_FRAME];
	uint16_t row[NPZSECT_FRAME];
	uint8_t phase[NPZSECT_FRAME];
	int64_t v[NPZSECT_FRAME];
};

static int __attribute__((format(printf, 2, 3))) fail(struct npzsect *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->err, sizeof s->err, fmt, ap);
	va_end(ap);
	return -1;
}

/* ---- tokens ---- */

static int
bound(struct npzsect *s, const char *p, const char *end, int64_t dflt, int64_t *to)
{
	uint64_t n;
	int minus = p < end && *p == '-';

	*to = dflt;
	if (p == end)
		return 0;
	if (num_u64n(p + minus, end, 0, INT64_MAX, &n) < 0)
		return fail(s, "--token-slice: %.*s is no integer", (int)(end - p), p);
	*to = minus ? -(int64_t)n : (int64_t)n;
	return 0;
}

int
npzsect_slice(struct npzsect *s, const char *text)
{
	const char *colon = strchr(text, ':');

	s->part = !strcmp(text, "prompt")   ? NPZSECT_PROMPT
		  : !strcmp(text, "output") ? NPZSECT_OUTPUT
					    : NPZSECT_ALL;
	if (s->part || !strcmp(text, "all"))
		return 0;
	if (!colon)
		return fail(s, "--token-slice %s: not all, prompt, output or A:B", text);
	s->part = NPZSECT_PART;
	if (bound(s, text, colon, 0, &s->from) < 0)
		return -1;
	return bound(s, colon + 1, text + strlen(text), INT64_MAX, &s->to);
}

/* The tokens of the slice (placement 4). */
static void
take_rows(const struct npzsect *s, struct npzfile *f)
{
	int64_t n = (int64_t)f->r.tokens, a = 0, b = n;
	uint64_t p = f->r.ntok[0], o = f->r.ntok[1];

	if (p + o == 0)
		p = f->r.tokens;
	if (s->part == NPZSECT_PROMPT)
		b = (int64_t)MIN(p, f->r.tokens);
	if (s->part == NPZSECT_OUTPUT) {
		a = (int64_t)MIN(p, f->r.tokens);
		b = (int64_t)MIN(p + o, f->r.tokens);
	}
	if (s->part == NPZSECT_PART) {
		a = MIN(s->from < 0 ? MAX(s->from + n, 0) : s->from, n);
		b = MIN(s->to < 0 ? MAX(s->to + n, 0) : s->to, n);
	}
	f->first = (uint64_t)a;
	f->rows = b > a ? (uint64_t)(b - a) : 0;
}

/* ---- files ---- */

void
npzsect_open(const struct npzsect *s, struct npzfile *f)
{
	if (f->open)
		return;
	f->open = 1;
	f->got = npzroute_open(&f->r, f->p, f->n, &s->o);
	if (f->got > 0)
		take_rows(s, f);
}

void
npzsect_scan(const struct npzsect *s, struct npzfile *f)
{
	npzsect_open(s, f);
	if (f->got > 0)
		f->limit = npzroute_limit(&f->r);
}

/* Bytes of a row of ids. */
static size_t
width(const struct npzsect *s)
{
	return s->k * (s->experts > 255 ? 2 : 1);
}

void
npzsect_load(const struct npzsect *s, struct npzfile *f)
{
	npzsect_open(s, f);
	if (f->got <= 0 || f->r.layers != s->layers || f->r.k != s->k || !f->rows ||
	    f->rows * s->nlayer > NPZSECT_GROUP / width(s))
		return;
	/* whole here; larger ones a few layers at a time, by npzsect_put */
	f->ids = malloc(f->rows * s->nlayer * width(s));
	if (f->ids && npzroute_ids(&f->r, f->first, f->rows, s->axis, (uint32_t)s->nlayer,
				   s->experts, f->ids, f->rows * width(s), f->err) < 0)
		f->got = -2;
}

size_t
npzsect_inflated(const struct npzfile *f)
{
	return f->r.l.nowned && f->r.ids ? array_count(f->r.ids) * f->r.ids->size : 0;
}

void
npzsect_drop(struct npzfile *f)
{
	free(f->ids);
	f->ids = NULL;
	npzroute_close(&f->r);
	f->open = 0;
}

/* Shape of the first file that has routing: layers, and what is taken of them. */
static int
shape(struct npzsect *s, const struct npzfile *f)
{
	s->layers = f->r.layers;
	s->k = f->r.k;
	s->axis = malloc(s->layers * sizeof *s->axis);
	s->layer = malloc(s->layers * sizeof *s->layer);
	s->buf = malloc(sizeof *s->buf);
	if (!s->axis || !s->layer || !s->buf)
		return fail(s, "no memory");
	s->first = f->name;
	for (uint64_t i = 0; i < s->layers; i++)
		if (!s->want.n || tr_list_has(&s->want, s->offset + i)) {
			s->axis[s->nlayer] = (uint32_t)i;
			s->layer[s->nlayer++] = s->offset + i;
		}
	for (uint64_t i = 0, n; s->want.n && (n = tr_list_at(&s->want, i)) != TR_NONE; i++)
		if (n < s->offset || n >= s->offset + s->layers)
			return fail(s,
				    "%s: there is no layer %" PRIu64 ", only %" PRIu64
				    " to %" PRIu64,
				    s->first, n, s->offset, s->offset + s->layers - 1);
	return 0;
}

int
npzsect_check(struct npzsect *s, struct npzfile *f)
{
	if (f->got < 0)
		return fail(s, "%s: %s", f->name, f->got == -2 ? f->err : f->r.l.err);
	if (!f->got)
		return 0;
	if (!s->first && shape(s, f) < 0)
		return -1;
	if (f->r.layers != s->layers || f->r.k != s->k)
		return fail(s,
			    "%s: %" PRIu64 " layers, %" PRIu64 " picks, but %s has %" PRIu64
			    ", %" PRIu64,
			    f->name, f->r.layers, f->r.k, s->first, s->layers, s->k);
	return 1;
}

int
npzsect_limit(struct npzsect *s, const struct npzfile *f)
{
	s->experts = MAX(s->experts, f->limit);
	if (s->experts > TR_EXPERTS_MAX)
		return fail(s, "%s: an id of %" PRIu64 ", at most %d are read", f->name,
			    s->experts - 1, TR_EXPERTS_MAX - 1);
	return 0;
}

/* ---- frames ---- */

int
npzsect_head(struct npzsect *s, struct tr_frame *f)
{
	struct tr_list map = {0};
	char text[TR_HEADER_MAX / 2];
	int bad = 0;

	if (s->experts < s->k)
		return fail(s, "%s: %" PRIu64 " picks of %" PRIu64 " experts", s->first, s->k,
			    s->experts);
	tr_new(f, "trace");
	tr_setu(f, "v", 1);
	tr_setu(f, "layers", s->nlayer);
	tr_setu(f, "experts", s->experts);
	tr_setu(f, "topk", s->k);
	for (uint64_t i = 0; i < s->nlayer && !bad; i++)
		if (tr_list_add(&map, s->layer[i]) < 0)
			bad = fail(s, "no memory");
	if (!bad && s->layer[s->nlayer - 1] != s->nlayer - 1) {
		if (tr_list_text(&map, text, sizeof text) < 0)
			bad = fail(s, "more layers than a header holds");
		else
			tr_set(f, "map", text);
	}
	tr_set(f, "order", "batch,layer");
	tr_list_free(&map);
	return bad;
}

static int
put_seq(struct npzsect *s, const struct npzfile *file, const char *request)
{
	const char *slash = strrchr(file->path, '/'), *name = slash ? slash + 1 : file->path;
	struct tr_frame f;

	tr_new(&f, "seq");
	tr_setu(&f, "batch", s->batch);
	tr_setu(&f, "seq", 0);
	tr_set(&f, "request", request);
	if (strcmp(name, "-") && tr_set(&f, "source", name) < 0)
		return fail(s, "%s: its name is too long for a header", file->path);
	return s->put(s->arg, &f);
}

/* Token ids of rows [start, start + n) of the file; unknown: all ones. */
static int
token_ids(struct npzsect *s, const struct npzfile *file, uint64_t start, uint64_t n)
{
	const struct npzroute *r = &file->r;
	int64_t *v = s->buf->v;

	memset(s->buf->id, 0xff, sizeof s->buf->id);
	for (int i = 0; i < 2; i++) {
		uint64_t base = i ? r->ntok[0] : 0, a = MAX(start, base);
		uint64_t b = MIN(start + n, base + r->ntok[i]);

		if (a >= b)
			continue;
		if (array_i64(r->tok[i], a - base, b - a, v) < 0)
			return fail(s, "%s: %s: an id above 2^63", file->name, r->tok[i]->path);
		for (uint64_t y = a; y < b; y++) {
			if (v[y - a] < 0 || v[y - a] >= UINT32_MAX)
				return fail(s,
					    "%s: %s: token %" PRIu64 ": %" PRId64 " is no token id",
					    file->name, r->tok[i]->path, y - base, v[y - a]);
			s->buf->id[y - start] = (uint32_t)v[y - a];
		}
	}
	return 0;
}

/* Token ids, positions and phases of rows [at, at + n). */
static int
put_tok(struct npzsect *s, const struct npzfile *file, uint64_t at, uint64_t n)
{
	struct npzsect_buf *b = s->buf;
	const struct npzroute *r = &file->r;
	uint64_t start = file->first + at;
	struct tr_frame f;

	if (token_ids(s, file, start, n) < 0)
		return -1;
	for (uint64_t y = 0; y < n; y++) {
		b->pos[y] = (uint32_t)(start + y);
		b->phase[y] = start + y >= r->ntok[0];
	}
	tr_new(&f, "tok");
	tr_setu(&f, "batch", s->batch);
	tr_setu(&f, "seq", 0);
	if (at)
		tr_setu(&f, "row0", at);
	tr_rows(&f, n);
	if (r->ntok[0] + r->ntok[1])
		tr_addcol(&f, "tok", TR_U32, 1, b->id);
	tr_addcol(&f, "pos", TR_U32, 1, b->pos);
	if (r->ntok[0] + r->ntok[1])
		tr_addcol(&f, "phase", TR_U8, 1, b->phase);
	return s->put(s->arg, &f);
}

/* Mesh row where token y of the batch lives. */
static uint16_t
origin(const struct npzsect *s, uint64_t y)
{
	switch (s->origin) {
	case NPZSECT_RANDOM:
		return (uint16_t)rng_below(s->seed, s->batch, y, s->mesh_rows);
	case NPZSECT_BLOCK:
		return (uint16_t)(y / s->block % s->mesh_rows);
	default:
		return (uint16_t)(y % s->mesh_rows);
	}
}

static int
put_route(struct npzsect *s, const struct npzfile *file, uint64_t layer, const unsigned char *ids,
	  const char *id)
{
	uint64_t at = 0, n;

	do {
		struct tr_frame f;

		n = MIN(file->rows - at, (uint64_t)NPZSECT_FRAME);
		tr_new(&f, "route");
		tr_setu(&f, "batch", s->batch);
		tr_setu(&f, "layer", layer);
		if (at)
			tr_setu(&f, "row0", at);
		if (id)
			tr_set(&f, "moe-balance.batch_id", id);
		tr_rows(&f, n);
		tr_addcol(&f, "ids", s->experts > 255 ? TR_U16 : TR_U8, s->k,
			  n ? ids + at * width(s) : NULL);
		for (uint64_t y = 0; y < n && s->origin; y++)
			s->buf->row[y] = origin(s, at + y);
		if (s->origin)
			tr_addcol(&f, "origin", TR_U16, 1, s->buf->row);
		if (s->put(s->arg, &f) < 0)
			return -1;
		at += n;
	} while (at < file->rows);
	return 0;
}

/* The route frames, with the columns of as many layers at once as NPZSECT_GROUP holds. */
static int
put_layers(struct npzsect *s, struct npzfile *f, const char *id)
{
	size_t bytes = f->rows * width(s);
	int whole = f->ids != NULL;
	uint64_t group = whole || !f->rows ? s->nlayer : MAX(NPZSECT_GROUP / bytes, 1u);

	for (uint64_t i = 0; i < s->nlayer; i++) {
		uint64_t m = MIN(group, s->nlayer - i);

		if (i % group == 0 && f->rows && !whole) {
			if (!f->ids && !(f->ids = malloc(MIN(group, s->nlayer) * bytes)))
				return fail(s, "no memory");
			if (npzroute_ids(&f->r, f->first, f->rows, s->axis + i, (uint32_t)m,
					 s->experts, f->ids, bytes, f->err) < 0)
				return fail(s, "%s: %s", f->name, f->err);
		}
		if (put_route(s, f, s->layer[i], f->ids ? f->ids + i % group * bytes : NULL, id) <
		    0)
			return -1;
	}
	return 0;
}

int
npzsect_put(struct npzsect *s, struct npzfile *f)
{
	char request[sizeof f->r.request];
	const char *id = NULL; /* JSON of the simulator's batch_id, where batch is another */
	struct json_out json = {.style = JSON_PYTHON};
	uint64_t n;
	int r;

	/* without an id the place in the list stands for it */
	snprintf(request, sizeof request, "%" PRIu64, f->index);
	if (*f->r.request)
		memcpy(request, f->r.request, sizeof request);
	if (f->r.named) {
		json_put_str(&json, request, strlen(request));
		json_put_bytes(&json, "", 1);
		id = json.p;
	} else if (num_u64(request, 0, INT64_MAX, &n) < 0 || n != s->batch) {
		id = request;
	}
	r = json.bad ? fail(s, "no memory") : put_seq(s, f, request);
	for (uint64_t at = 0; at < f->rows && r >= 0; at += NPZSECT_FRAME)
		r = put_tok(s, f, at, MIN(f->rows - at, (uint64_t)NPZSECT_FRAME));
	if (r >= 0)
		r = put_layers(s, f, id);
	json_out_free(&json);
	s->batch++;
	return r < 0 ? -1 : 0;
}

void
npzsect_free(struct npzsect *s)
{
	free(s->axis);
	free(s->layer);
	free(s->buf);
	tr_list_free(&s->want);
}
