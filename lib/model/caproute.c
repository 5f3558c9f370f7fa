/* Columns of routers, see caproute.h. */
#include "caproute.h"

#include <stdlib.h>
#include <string.h>

#include "half.h"
#include "size.h"

enum { LOGIT, WEIGHT, IDS, DROPPED, HIDDEN, COLUMNS };

struct caproute_layer {
	void *col[COLUMNS]; /* NULL: not wanted, or no rows yet */
	uint64_t rows, cap;
};

/* Bytes of a row of each column; 0: it is not wanted. */
static void
widths(const struct caproute *c, size_t *bytes)
{
	const struct model_info *i = &c->m->info;
	const int drops = (i->flags & MODEL_DROPS) && i->capacity != MODEL_FREE;

	bytes[LOGIT] = c->flags & CAPTURE_LOGIT ? i->experts * 4 : 0;
	bytes[WEIGHT] = i->topk * 4;
	bytes[IDS] = i->topk * (i->experts > 255 ? 2 : 1);
	bytes[DROPPED] = drops ? i->topk : 0;
	bytes[HIDDEN] = c->flags & CAPTURE_HIDDEN ? i->d * 2 : 0;
}

int
caproute_open(struct caproute *c, const struct model *m, int flags)
{
	c->m = m;
	c->flags = flags;
	c->n = tr_list_count(&m->info.routed);
	return (c->layer = calloc(c->n + 1, sizeof *c->layer)) ? 0 : TR_ENOMEM;
}

void
caproute_drop(struct caproute *c, uint64_t i)
{
	for (int k = 0; k < COLUMNS; k++)
		free(c->layer[i].col[k]);
	memset(&c->layer[i], 0, sizeof *c->layer);
}

void
caproute_free(struct caproute *c)
{
	for (uint64_t i = 0; i < c->n; i++)
		caproute_drop(c, i);
	free(c->layer);
	memset(c, 0, sizeof *c);
}

int
caproute_side(const struct caproute *c, uint64_t layer)
{
	const struct tr_list *second = &c->m->info.second;

	return second->n && tr_list_has(second, layer) ? CAPSEQ_TARGET : CAPSEQ_SOURCE;
}

/* Room for so many rows; they double where they grow, as those of generated tokens do. */
static int
room(struct caproute_layer *l, const size_t *bytes, uint64_t rows)
{
	const uint64_t cap = l->cap ? MAX(rows, 2 * l->cap) : rows;
	size_t n;

	l->rows = MAX(l->rows, rows);
	if (rows <= l->cap)
		return 0;
	for (int k = 0; k < COLUMNS; k++) {
		void *p;

		if (!bytes[k])
			continue;
		if (size_mul(cap, bytes[k], &n) < 0 || !(p = realloc(l->col[k], n + 1)))
			return TR_ENOMEM;
		l->col[k] = p;
	}
	l->cap = cap;
	return 0;
}

int
caproute_take(struct caproute *c, const struct model_route *r, const uint32_t *to, uint64_t rows)
{
	const struct model_info *i = &c->m->info;
	struct caproute_layer *l = &c->layer[tr_list_find(&i->routed, r->layer)];
	const uint64_t k = i->topk;
	size_t bytes[COLUMNS];

	widths(c, bytes);
	if (room(l, bytes, rows) < 0)
		return TR_ENOMEM;
	for (uint64_t n = 0; n < r->rows; n++) {
		const uint64_t at = to[n];
		uint8_t *ids = (uint8_t *)l->col[IDS] + at * bytes[IDS];

		memcpy((char *)l->col[WEIGHT] + at * bytes[WEIGHT], r->w + n * k, bytes[WEIGHT]);
		if (bytes[IDS] == 2 * k)
			memcpy(ids, r->ids + n * k, 2 * k);
		else
			for (uint64_t s = 0; s < k; s++)
				ids[s] = (uint8_t)r->ids[n * k + s];
		if (bytes[DROPPED])
			memcpy((char *)l->col[DROPPED] + at * k, r->dropped + n * k, k);
		if (bytes[LOGIT])
			memcpy((char *)l->col[LOGIT] + at * bytes[LOGIT], r->logit + n * i->experts,
			       bytes[LOGIT]);
		if (bytes[HIDDEN])
			half_fromn((uint16_t *)l->col[HIDDEN] + at * i->d, r->hidden + n * i->d,
				   i->d);
	}
	return 0;
}

/* The numbers of its rows, where they do not count up. */
static int
numbered(const struct capseq_side *s, struct tr_frame *f)
{
	for (uint64_t i = 1; i < s->rows; i++)
		if (s->number[i] != s->number[0] + i)
			return tr_addcol(f, "row", TR_U32, 1, s->number);
	return s->number[0] ? tr_setu(f, "row0", s->number[0]) : 0;
}

int
caproute_frame(const struct caproute *c, uint64_t i, const struct capseq *s,
	       const struct tr_frame *tok, struct tr_frame *f)
{
	const struct model_info *m = &c->m->info;
	const struct caproute_layer *l = &c->layer[i];
	const uint64_t number = tr_list_at(&m->routed, i);
	void *const *col = l->col;
	const char *batch;
	int e;

	if (!l->rows)
		return 0;
	tr_new(f, "route");
	if ((e = tr_setu(f, "layer", number)) < 0 ||
	    (tr_key(tok, "batch", &batch) && (e = tr_set(f, "batch", batch)) < 0))
		return e;
	tr_rows(f, l->rows);
	if ((e = tr_addcol(f, "ids", m->experts > 255 ? TR_U16 : TR_U8, m->topk, col[IDS])) < 0 ||
	    (e = tr_addcol(f, "w", TR_F32, m->topk, col[WEIGHT])) < 0 ||
	    (col[LOGIT] && (e = tr_addcol(f, "logit", TR_F32, m->experts, col[LOGIT])) < 0) ||
	    (col[DROPPED] && (e = tr_addcol(f, "dropped", TR_U8, m->topk, col[DROPPED])) < 0) ||
	    (col[HIDDEN] && (e = tr_addcol(f, "hidden", TR_F16, m->d, col[HIDDEN])) < 0) ||
	    (e = numbered(&s->side[caproute_side(c, number)], f)) < 0)
		return e;
	return 1;
}
