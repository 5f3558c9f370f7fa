/*
 * The picks of a batch are held, layer by layer, until no more of them come;
 * then two layers at a time are walked along their row numbers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/rows.h"
#include "../core/size.h"
#include "flowown.h"

static int
fail(struct flow *f, int err, const char *what, uint64_t batch)
{
	snprintf(f->err, sizeof f->err, "batch %llu: %s", (unsigned long long)batch, what);
	return err;
}

int
flow_no_memory(struct flow *f)
{
	snprintf(f->err, sizeof f->err, "no memory");
	return TR_ENOMEM;
}

struct flow *
flow_new(uint32_t k, uint64_t journeys, uint64_t seed)
{
	struct flow *f = calloc(1, sizeof *f);

	if (f) {
		f->k = k;
		f->want = journeys;
		f->seed = seed;
		f->last = TR_NONE;
	}
	return f;
}

static void
drop_held(struct flow *f)
{
	for (size_t i = 0; i < f->nheld; i++) {
		free(f->held[i].row);
		free(f->held[i].id);
	}
	f->nheld = 0;
}

void
flow_free(struct flow *f)
{
	if (!f)
		return;
	drop_held(f);
	for (size_t i = 0; i < f->npair; i++)
		free(f->pair[i].n);
	flow_drop_journeys(f);
	free(f->held);
	free(f->pair);
	tr_list_free(&f->map);
	free(f);
}

const char *
flow_errstr(const struct flow *f)
{
	return f->err;
}

const struct flow_pair *
flow_pairs(const struct flow *f, size_t *n)
{
	*n = f->npair;
	return f->pair;
}

const struct flow_journey *
flow_journeys(const struct flow *f, size_t *n)
{
	*n = f->njourney;
	return f->journey;
}

static int
by_place(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	if (x->batch != y->batch)
		return x->batch < y->batch ? -1 : 1;
	if (x->layer != y->layer)
		return x->layer < y->layer ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

struct numbered {
	uint64_t row, at;
};

static int
by_row(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;

	return (x->row > y->row) - (x->row < y->row);
}

/* Make h[0 .. n-1], of one layer and batch, one with rows ascending. */
static int
join(struct flow *f, struct held *h, size_t n)
{
	struct held all = *h;
	struct numbered *num;
	uint64_t rows = 0;

	for (size_t i = 0; i < n; i++)
		rows += h[i].rows;
	if (n == 1 && !h->row)
		return 0;
	num = malloc(rows * sizeof *num + 1);
	all.row = malloc(rows * sizeof *all.row + 1);
	all.id = malloc(rows * f->k * sizeof *all.id + 1);
	all.rows = 0;
	for (size_t i = 0; num && all.row && all.id && i < n; i++) {
		memcpy(all.id + all.rows * f->k, h[i].id, h[i].rows * f->k * sizeof *h->id);
		for (uint64_t k = 0; k < h[i].rows; k++, all.rows++)
			num[all.rows] = (struct numbered){held_row(&h[i], k), all.rows};
	}
	if (num && all.row && all.id) {
		uint16_t *id = malloc(rows * f->k * sizeof *id + 1);

		qsort(num, rows, sizeof *num, by_row);
		for (uint64_t i = 0; id && i < rows; i++) {
			all.row[i] = num[i].row;
			memcpy(id + i * f->k, all.id + num[i].at * f->k, f->k * sizeof *id);
		}
		free(all.id);
		all.id = id;
	}
	free(num);
	for (size_t i = 0; i < n; i++) {
		free(h[i].row);
		free(h[i].id);
		h[i].row = NULL;
		h[i].id = NULL;
	}
	*h = all; /* freed with the others, whole or not */
	if (!all.row || !all.id)
		return flow_no_memory(f);
	for (uint64_t i = 1; i < rows; i++)
		if (all.row[i] == all.row[i - 1])
			return fail(f, TR_EVALUE, "a row is twice in a layer", h->batch);
	return 0;
}

/* Is b the layer after a? */
static int
is_next(const struct flow *f, uint64_t a, uint64_t b)
{
	uint64_t i;

	if (!f->map.n)
		return b == a + 1;
	i = tr_list_find(&f->map, a);
	return i != TR_NONE && tr_list_at(&f->map, i + 1) == b;
}

static int
count_held(struct flow *f)
{
	struct held *h = f->held;
	size_t n = 0;
	int r = 0;

	if (f->nheld)
		qsort(h, f->nheld, sizeof *h, by_place);
	for (size_t i = 0, end; i < f->nheld && r == 0; i = end) {
		struct held first;

		for (end = i + 1;
		     end < f->nheld && h[end].batch == h[i].batch && h[end].layer == h[i].layer;
		     end++)
			;
		r = join(f, h + i, end - i);
		first = h[n]; /* joined ones to the front; what lies there is empty or itself */
		h[n++] = h[i];
		if (n - 1 != i)
			h[i] = first;
	}
	for (size_t i = 0; i + 1 < n && r == 0; i++)
		if (h[i].batch == h[i + 1].batch && is_next(f, h[i].layer, h[i + 1].layer))
			r = flow_count(f, &h[i], &h[i + 1]);
	for (size_t i = 0, end; f->want && i < n && r == 0; i = end) {
		for (end = i + 1; end < n && h[end].batch == h[i].batch; end++)
			;
		r = flow_draw(f, h + i, end - i);
	}
	drop_held(f);
	return r;
}

int
flow_begin(struct flow *f, const struct tr_sect *s)
{
	int r = count_held(f);

	tr_list_free(&f->map);
	f->map = (struct tr_list){0};
	for (int i = 0; i < s->map.n && r == 0; i++)
		for (uint64_t l = s->map.range[i].lo; l <= s->map.range[i].hi && r == 0; l++)
			r = tr_list_add(&f->map, l);
	f->layers = s->layers;
	if (s->experts)
		f->experts = (uint32_t)s->experts;
	f->last = TR_NONE;
	f->section++;
	return r == TR_ENOMEM ? flow_no_memory(f) : r;
}

/* The rows of a frame, as numbers and as picks. */
static int
copy(struct flow *f, struct held *h, const struct rows *rows, const struct tr_ids *ids,
     const uint8_t *dropped)
{
	int plain = !rows->col.data && !(rows->fixed && ids->rows > 1);

	h->rows = ids->rows;
	h->first = rows_at(rows, 0);
	h->id = malloc(ids->rows * f->k * sizeof *h->id + 1);
	h->row = plain ? NULL : malloc(ids->rows * sizeof *h->row + 1);
	if (!h->id || (!plain && !h->row))
		return -1;
	for (uint64_t i = 0; i < ids->rows; i++) {
		for (uint32_t j = 0; j < f->k; j++) {
			uint32_t e = tr_id(ids, i * ids->k + j);

			if (dropped && dropped[i * ids->k + j])
				e = UINT32_MAX;
			h->id[i * f->k + j] = e == UINT32_MAX ? EMPTY : (uint16_t)e;
		}
		if (h->row)
			h->row[i] = rows_at(rows, i);
	}
	return 0;
}

int
flow_add(struct flow *f, const struct tr_frame *r, const struct tr_ids *ids, const uint8_t *dropped,
	 int ordered)
{
	struct held h = {tr_get(r, "batch", 0), tr_get(r, "layer", 0), 0, 0, f->nheld, NULL, NULL};
	struct rows rows;
	int e;

	if (ids->k < f->k)
		return fail(f, TR_EUSE, "fewer picks than --topk", h.batch);
	if ((e = rows_open(&rows, r)) < 0)
		return fail(f, e, "row is no number", h.batch);
	if (ordered && f->last != TR_NONE && h.batch < f->last)
		return fail(f, TR_EORDER, "not in the order that the trace promises", h.batch);
	if (ordered && h.batch != f->last && (e = count_held(f)) < 0)
		return e;
	f->last = h.batch;
	if (!ids->rows)
		return 0;
	h.order = f->nheld;
	if (f->nheld == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 64;
		void *p = realloc(f->held, cap * sizeof *f->held);

		if (!p)
			return flow_no_memory(f);
		f->held = p;
		f->cap = cap;
	}
	e = copy(f, &h, &rows, ids, dropped);
	f->held[f->nheld++] = h; /* whole or not: freed with the others */
	return e < 0 ? flow_no_memory(f) : 0;
}

static int
by_token(const void *a, const void *b)
{
	const struct flow_journey *x = a, *y = b;

	if (x->section != y->section)
		return x->section < y->section ? -1 : 1;
	if (x->batch != y->batch)
		return x->batch < y->batch ? -1 : 1;
	return (x->row > y->row) - (x->row < y->row);
}

int
flow_end(struct flow *f)
{
	int r = count_held(f);

	if (f->njourney)
		qsort(f->journey, f->njourney, sizeof *f->journey, by_token);
	return r;
}
