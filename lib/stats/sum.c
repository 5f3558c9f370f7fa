/*
 * Result frames added.  What a frame carries is counters (n, n_..., min_...,
 * max_...) or identity; frames of equal identity become one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/frame.h"
#include "../core/num.h"
#include "../core/size.h"
#include "sum.h"

enum how { IDENTITY, ADD, LEAST, GREATEST };

struct entry {
	struct tr_frame *f; /* columns in data */
	unsigned char *data;
	uint64_t hash;
};

struct sum {
	struct entry *entry;
	size_t n, cap;
	size_t *slot; /* open addressing, index + 1 */
	size_t nslot;
	char err[256];
};

static enum how
how(const char *name)
{
	if (!strcmp(name, "n") || !strncmp(name, "n_", 2))
		return ADD;
	if (!strncmp(name, "min_", 4))
		return LEAST;
	return strncmp(name, "max_", 4) ? IDENTITY : GREATEST;
}

struct sum *
sum_new(void)
{
	return calloc(1, sizeof(struct sum));
}

void
sum_free(struct sum *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		free(s->entry[i].f);
		free(s->entry[i].data);
	}
	free(s->entry);
	free(s->slot);
	free(s);
}

const char *
sum_errstr(const struct sum *s)
{
	return s->err;
}

size_t
sum_count(const struct sum *s)
{
	return s->n;
}

const struct tr_frame *
sum_at(const struct sum *s, size_t i)
{
	return s->entry[i].f;
}

int
sum_layers(const struct sum *s, struct tr_list *to)
{
	int r = 0;

	for (size_t i = 0; i < s->n && r == 0; i++)
		r = tr_list_add(to, tr_get(s->entry[i].f, "layer", 0));
	return r;
}

int
sum_addable(const struct tr_frame *f)
{
	static const char *const rows[] = {"text", "seq",   "tok",   "route", "kde",
					   "tail", "bench", "place", "table"};
	int counters = 0;

	for (size_t i = 0; i < LEN(rows); i++)
		if (!strcmp(f->kind, rows[i]))
			return 0;
	for (int i = 0; i < f->nkeys; i++)
		counters += how(frame_key(f, i)) != IDENTITY;
	for (int i = 0; i < f->ncols; i++)
		counters += how(f->cols[i].name) != IDENTITY;
	return counters > 0;
}

static size_t
col_bytes(const struct tr_frame *f, int i)
{
	return f->rows * f->cols[i].width * f->cols[i].size;
}

/* ---- identity ---- */

static uint64_t
fnv(uint64_t h, const void *p, size_t n)
{
	const unsigned char *s = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ s[i]) * UINT64_C(0x100000001b3);
	return h;
}

static uint64_t
identity_hash(const struct tr_frame *f)
{
	uint64_t h = fnv(UINT64_C(0xcbf29ce484222325), f->kind, strlen(f->kind)), keys = 0;

	for (int i = 0; i < f->nkeys; i++) /* added up: their order is free */
		if (how(frame_key(f, i)) == IDENTITY)
			keys += fnv(fnv(1, frame_key(f, i), strlen(frame_key(f, i)) + 1),
				    frame_val(f, i), strlen(frame_val(f, i)));
	h = fnv(fnv(h, &keys, sizeof keys), &f->rows, sizeof f->rows);
	for (int i = 0; i < f->ncols; i++) {
		h = fnv(h, f->cols[i].name, strlen(f->cols[i].name) + 1);
		if (how(f->cols[i].name) == IDENTITY && f->rows)
			h = fnv(h, f->cols[i].data, col_bytes(f, i));
	}
	return h;
}

static int
identical(const struct tr_frame *a, const struct tr_frame *b)
{
	const char *val;

	if (strcmp(a->kind, b->kind) || a->nkeys != b->nkeys || a->has_rows != b->has_rows ||
	    a->rows != b->rows || a->ncols != b->ncols)
		return 0;
	for (int i = 0; i < a->nkeys; i++)
		if (!tr_key(b, frame_key(a, i), &val) ||
		    (how(frame_key(a, i)) == IDENTITY && strcmp(frame_val(a, i), val)))
			return 0;
	for (int i = 0; i < a->ncols; i++) {
		const struct tr_col *c = &a->cols[i], *d = &b->cols[i];

		if (strcmp(c->name, d->name) || strcmp(c->dtype, d->dtype) || c->width != d->width)
			return 0;
		if (how(c->name) == IDENTITY && a->rows &&
		    memcmp(c->data, d->data, col_bytes(a, i)))
			return 0;
	}
	return 1;
}

/* ---- addition ---- */

#define ADD_EACH(TYPE)                                                     \
	do {                                                               \
		TYPE *p = to;                                              \
		const TYPE *q = from;                                      \
		int over = 0;                                              \
		for (uint64_t i = 0; i < n; i++)                           \
			over |= __builtin_add_overflow(p[i], q[i], &p[i]); \
		return over ? -1 : 0;                                      \
	} while (0)

static int
add_ints(enum tr_type type, void *to, const void *from, uint64_t n)
{
	switch (type) {
	case TR_U8:
		ADD_EACH(uint8_t);
	case TR_U16:
		ADD_EACH(uint16_t);
	case TR_U32:
		ADD_EACH(uint32_t);
	case TR_U64:
		ADD_EACH(uint64_t);
	case TR_I8:
		ADD_EACH(int8_t);
	case TR_I16:
		ADD_EACH(int16_t);
	case TR_I32:
		ADD_EACH(int32_t);
	case TR_I64:
		ADD_EACH(int64_t);
	default:
		return -1;
	}
}

/* Is element i of a less than that of b?  A NaN is greater than all for the
 * least, less than all for the greatest: it never wins over a number. */
static int
less(const struct tr_col *a, const struct tr_col *b, uint64_t i, enum how h)
{
	double x = 0, y = 0;
	int64_t v, w;

	if (a->type == TR_U64)
		return ((const uint64_t *)a->data)[i] < ((const uint64_t *)b->data)[i];
	if (a->type == TR_I64) {
		v = ((const int64_t *)a->data)[i];
		w = ((const int64_t *)b->data)[i];
		return v < w;
	}
	col_f64(a, i, 1, &x);
	col_f64(b, i, 1, &y);
	if (x != x || y != y)
		return h == LEAST ? x == x && y != y : x != x && y == y;
	return x < y;
}

static int
fail(struct sum *s, int err, const struct tr_frame *f, const char *name, const char *what)
{
	snprintf(s->err, sizeof s->err, "@%s: %s %s", f->kind, name, what);
	return err;
}

static int
add_cols(struct sum *s, struct tr_frame *to, const struct tr_frame *f)
{
	for (int i = 0; i < f->ncols; i++) {
		const struct tr_col *c = &to->cols[i], *d = &f->cols[i];
		enum how h = how(c->name);
		uint64_t n = f->rows * c->width;

		if (h == ADD && add_ints(c->type, (void *)c->data, d->data, n) < 0)
			return fail(s, TR_EVALUE, f, c->name, "overflows");
		for (uint64_t k = 0; h > ADD && k < n; k++)
			if (h == LEAST ? less(d, c, k, h) : less(c, d, k, h))
				memcpy((unsigned char *)c->data + k * c->size,
				       (const unsigned char *)d->data + k * c->size, c->size);
	}
	return 0;
}

/* The lesser or greater of two keys; of two spellings the first in C order. */
static int
better(const char *new, const char *old, enum how h)
{
	double x, y;

	if (num_f64(new, new + strlen(new), &x) < 0)
		return 0;
	if (num_f64(old, old + strlen(old), &y) < 0)
		return 1;
	if (x == y)
		return strcmp(new, old) < 0;
	return h == LEAST ? x < y : x > y;
}

static int
add_keys(struct sum *s, struct tr_frame *to, const struct tr_frame *f)
{
	for (int i = 0; i < f->nkeys; i++) {
		const char *key = frame_key(f, i), *old;
		uint64_t a = 0, b = 0;
		enum how h = how(key);
		int r = 0;

		if (h == ADD) {
			tr_num(to, key, &a);
			tr_num(f, key, &b);
			if (a > INT64_MAX - b)
				return fail(s, TR_EVALUE, f, key, "overflows");
			r = tr_setu(to, key, a + b);
		} else if (h != IDENTITY && tr_key(to, key, &old) &&
			   better(frame_val(f, i), old, h)) {
			r = tr_set(to, key, frame_val(f, i));
		}
		if (r < 0)
			return fail(s, r, f, key, "does not fit");
	}
	return 0;
}

/* Counters must be what can be added. */
static int
check(struct sum *s, const struct tr_frame *f)
{
	uint64_t n;

	if (!sum_addable(f)) {
		snprintf(s->err, sizeof s->err, "@%s is no sum: it has no counters to add%s",
			 f->kind,
			 strcmp(f->kind, "route") ? "" : " (expert-load, coact, topk-stats count)");
		return TR_EVALUE;
	}
	for (int i = 0; i < f->nkeys; i++)
		if (how(frame_key(f, i)) == ADD && tr_num(f, frame_key(f, i), &n) < 0)
			return fail(s, TR_EVALUE, f, frame_key(f, i), "is no integer");
	for (int i = 0; i < f->ncols; i++) {
		enum how h = how(f->cols[i].name);

		if ((h == ADD && f->cols[i].type > TR_I64) ||
		    (h > ADD && f->cols[i].type == TR_OTHER))
			return fail(s, TR_ECOLS, f, f->cols[i].name, "has no type to add");
	}
	return 0;
}

static int
grow(struct sum *s)
{
	size_t cap = s->cap ? 2 * s->cap : 64, nslot = 4 * cap;
	void *p = realloc(s->entry, cap * sizeof *s->entry);
	size_t *slot = calloc(nslot, sizeof *slot);

	if (p)
		s->entry = p;
	if (!p || !slot) {
		free(slot);
		return TR_ENOMEM;
	}
	free(s->slot);
	s->slot = slot;
	s->nslot = nslot;
	s->cap = cap;
	for (size_t i = 0; i < s->n; i++) {
		size_t k = s->entry[i].hash & (nslot - 1);

		while (slot[k])
			k = (k + 1) & (nslot - 1);
		slot[k] = i + 1;
	}
	return 0;
}

static int
insert(struct sum *s, const struct tr_frame *f, uint64_t hash, size_t slot)
{
	struct entry e = {malloc(sizeof *e.f), NULL, hash};
	size_t off = 0;

	for (int i = 0; i < f->ncols; i++)
		off += size_align(col_bytes(f, i), TR_ALIGN);
	e.data = aligned_alloc(TR_ALIGN, off + TR_ALIGN);
	if (!e.f || !e.data) {
		free(e.f);
		free(e.data);
		return TR_ENOMEM;
	}
	*e.f = *f;
	e.f->from = NULL;
	e.f->enc[0] = 0;
	if (f->has_rows)
		tr_rows(e.f, f->rows);
	else
		tr_payload(e.f, NULL, 0);
	off = 0;
	for (int i = 0; i < f->ncols; i++) {
		if (f->rows)
			memcpy(e.data + off, f->cols[i].data, col_bytes(f, i));
		e.f->cols[i].data = e.data + off;
		off += size_align(col_bytes(f, i), TR_ALIGN);
	}
	s->slot[slot] = s->n + 1;
	s->entry[s->n++] = e;
	return 0;
}

static int
add(struct sum *s, struct tr_frame *f, int merge)
{
	uint64_t hash;
	size_t k;
	int r;

	if ((r = tr_decode(f)) < 0) {
		snprintf(s->err, sizeof s->err, "@%s: broken payload", f->kind);
		return r;
	}
	if (s->n == s->cap && (r = grow(s)) < 0) {
		snprintf(s->err, sizeof s->err, "no memory");
		return r;
	}
	hash = identity_hash(f);
	for (k = hash & (s->nslot - 1); s->slot[k]; k = (k + 1) & (s->nslot - 1)) {
		struct entry *e = &s->entry[s->slot[k] - 1];

		if (merge && e->hash == hash && identical(e->f, f)) {
			r = add_keys(s, e->f, f);
			return r < 0 ? r : add_cols(s, e->f, f);
		}
	}
	if ((r = insert(s, f, hash, k)) < 0)
		snprintf(s->err, sizeof s->err, "no memory");
	return r;
}

int
sum_add(struct sum *s, struct tr_frame *f)
{
	int r = check(s, f);

	return r < 0 ? r : add(s, f, 1);
}

int
sum_keep(struct sum *s, struct tr_frame *f)
{
	return add(s, f, 0);
}

/* ---- order ---- */

static int
by_text(const char *a, const char *b)
{
	uint64_t x, y;

	if (num_u64(a, 0, INT64_MAX, &x) == 0 && num_u64(b, 0, INT64_MAX, &y) == 0)
		return (x > y) - (x < y);
	return strcmp(a, b);
}

static int
by_identity(const void *p, const void *q)
{
	const struct tr_frame *a = ((const struct entry *)p)->f, *b = ((const struct entry *)q)->f;
	uint64_t x = tr_get(a, "layer", 0), y = tr_get(b, "layer", 0);
	int i = 0, k = 0, r = strcmp(a->kind, b->kind);

	if (r || x != y)
		return r ? r : x < y ? -1 : 1;
	for (;; i++, k++) {
		while (i < a->nkeys && how(frame_key(a, i)) != IDENTITY)
			i++;
		while (k < b->nkeys && how(frame_key(b, k)) != IDENTITY)
			k++;
		if (i == a->nkeys || k == b->nkeys)
			break;
		if ((r = strcmp(frame_key(a, i), frame_key(b, k))) ||
		    (r = by_text(frame_val(a, i), frame_val(b, k))))
			return r;
	}
	if (i < a->nkeys || k < b->nkeys)
		return i < a->nkeys ? 1 : -1;
	if (a->rows != b->rows || a->ncols != b->ncols)
		return a->rows != b->rows ? (a->rows < b->rows ? -1 : 1)
					  : (a->ncols < b->ncols ? -1 : 1);
	for (i = 0; i < a->ncols; i++) {
		const struct tr_col *c = &a->cols[i], *d = &b->cols[i];

		if ((r = strcmp(c->name, d->name)) || (r = strcmp(c->dtype, d->dtype)))
			return r;
		if (c->width != d->width)
			return c->width < d->width ? -1 : 1;
		if (how(c->name) == IDENTITY && (r = memcmp(c->data, d->data, col_bytes(a, i))))
			return r;
	}
	return 0;
}

void
sum_sort(struct sum *s)
{
	if (s->n)
		qsort(s->entry, s->n, sizeof *s->entry, by_identity);

	if (s->nslot)
		memset(s->slot, 0, s->nslot * sizeof *s->slot);
	for (size_t i = 0; i < s->n; i++) {
		size_t k = s->entry[i].hash & (s->nslot - 1);

		while (s->slot[k])
			k = (k + 1) & (s->nslot - 1);
		s->slot[k] = i + 1;
	}
}
