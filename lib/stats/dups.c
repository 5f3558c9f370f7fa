/* Ranges of rows, merged where they touch; a whole batch is one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dups.h"
#include "rows.h"

struct range {
	uint64_t lo, hi; /* hi is not in it */
};

struct ranges {
	struct range *r; /* ascending, apart */
	size_t n, cap;
};

struct set {
	uint64_t batch, layer;
	struct ranges rows;
	int used;
};

struct table {
	struct set *set; /* open addressing */
	size_t n, cap;   /* cap: a power of two */
};

struct dups {
	struct table route, tok;
	struct ranges frame, merged;
	int major; /* 'b' or 'l' leads the promised order, 0: none */
	int begun;
	uint64_t batch, layer; /* of the last route frame */
};

struct dups *
dups_new(void)
{
	return calloc(1, sizeof(struct dups));
}

static void
forget(struct table *t)
{
	for (size_t i = 0; i < t->cap; i++)
		free(t->set[i].rows.r);
	free(t->set);
	memset(t, 0, sizeof *t);
}

void
dups_free(struct dups *d)
{
	if (!d)
		return;
	forget(&d->route);
	forget(&d->tok);
	free(d->frame.r);
	free(d->merged.r);
	free(d);
}

void
dups_section(struct dups *d, const char *order)
{
	forget(&d->route);
	forget(&d->tok);
	d->begun = 0;
	d->major = 0;
	if (order && !strcmp(order, "batch,layer"))
		d->major = 'b';
	if (order && !strcmp(order, "layer,batch"))
		d->major = 'l';
}

static struct set *
slot(const struct table *t, uint64_t batch, uint64_t layer)
{
	uint64_t h = (batch * UINT64_C(0x9e3779b97f4a7c15) + layer) * UINT64_C(0xff51afd7ed558ccd);
	size_t i = (h >> 32) & (t->cap - 1);

	while (t->set[i].used && (t->set[i].batch != batch || t->set[i].layer != layer))
		i = (i + 1) & (t->cap - 1);
	return &t->set[i];
}

static struct ranges *
of(struct table *t, uint64_t batch, uint64_t layer)
{
	struct set *s;

	if (2 * t->n >= t->cap) {
		struct table big = {.n = t->n, .cap = t->cap ? 2 * t->cap : 64};

		if (!(big.set = calloc(big.cap, sizeof *big.set)))
			return NULL;
		for (size_t i = 0; i < t->cap; i++)
			if (t->set[i].used)
				*slot(&big, t->set[i].batch, t->set[i].layer) = t->set[i];
		free(t->set);
		*t = big;
	}
	s = slot(t, batch, layer);
	if (!s->used) {
		*s = (struct set){.batch = batch, .layer = layer, .used = 1};
		t->n++;
	}
	return &s->rows;
}

static int
append(struct ranges *r, uint64_t lo, uint64_t hi)
{
	if (r->n && r->r[r->n - 1].hi == lo) {
		r->r[r->n - 1].hi = hi;
		return 0;
	}
	if (r->n == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 4;
		void *p = realloc(r->r, cap * sizeof *r->r);

		if (!p)
			return TR_ENOMEM;
		r->r = p;
		r->cap = cap;
	}
	r->r[r->n++] = (struct range){lo, hi};
	return 0;
}

static int
by_lo(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->lo > y->lo) - (x->lo < y->lo);
}

/* Rows of f into d->frame: sorted, but not yet known to be apart. */
static int
frame_rows(struct dups *d, const struct tr_frame *f)
{
	struct rows rows;
	int sorted = 1, e;

	d->frame.n = 0;
	if (f->rows == 0)
		return 0;
	if ((e = rows_open(&rows, f)) < 0)
		return e;
	if (!rows.col.data && !rows.fixed)
		return append(&d->frame, rows.row0, rows.row0 + f->rows);
	for (uint64_t i = 0; i < f->rows; i++) {
		uint64_t at = rows_at(&rows, i);

		if (d->frame.n && at < d->frame.r[d->frame.n - 1].hi)
			sorted = 0;
		if ((e = append(&d->frame, at, at + 1)) < 0)
			return e;
	}
	if (!sorted)
		qsort(d->frame.r, d->frame.n, sizeof *d->frame.r, by_lo);
	return 0;
}

/* d->merged = a and d->frame: 0, 1 and *at if a row is in both (or twice in
 * the frame), <0. */
static int
merge(struct dups *d, const struct ranges *a, uint64_t *at)
{
	const struct ranges *b = &d->frame;
	size_t i = 0, k = 0;
	uint64_t last = 0;

	d->merged.n = 0;
	while (i < a->n || k < b->n) {
		const struct range *next = k == b->n || (i < a->n && a->r[i].lo <= b->r[k].lo)
						   ? &a->r[i++]
						   : &b->r[k++];

		if (d->merged.n && next->lo < last) {
			*at = next->lo;
			return 1;
		}
		last = next->hi;
		if (append(&d->merged, next->lo, next->hi) < 0)
			return TR_ENOMEM;
	}
	return 0;
}

/* Is the frame where order= says, and what may be forgotten? */
static int
check_order(struct dups *d, uint64_t batch, uint64_t layer, char err[DUPS_ERR])
{
	uint64_t major = d->major == 'b' ? batch : layer, minor = d->major == 'b' ? layer : batch;
	uint64_t old = d->major == 'b' ? d->batch : d->layer,
		 oldminor = d->major == 'b' ? d->layer : d->batch;

	if (d->begun && d->major && (major < old || (major == old && minor < oldminor))) {
		snprintf(err, DUPS_ERR,
			 "batch %llu layer %llu after batch %llu layer %llu, "
			 "against the order= of @trace",
			 (unsigned long long)batch, (unsigned long long)layer,
			 (unsigned long long)d->batch, (unsigned long long)d->layer);
		return TR_EORDER;
	}
	if (d->begun && d->major && (major != old || minor != oldminor))
		forget(&d->route);
	d->begun = 1;
	d->batch = batch;
	d->layer = layer;
	return 0;
}

int
dups_add(struct dups *d, const struct tr_frame *f, char err[DUPS_ERR])
{
	int is_tok = !strcmp(f->kind, "tok"), e;
	uint64_t batch = tr_get(f, "batch", 0), layer = is_tok ? 0 : tr_get(f, "layer", 0), at = 0;
	struct ranges *seen, old;

	snprintf(err, DUPS_ERR, "its rows cannot be read");
	if (!is_tok && (e = check_order(d, batch, layer, err)) < 0)
		return e;
	if ((e = frame_rows(d, f)) < 0)
		return e;
	if (!(seen = of(is_tok ? &d->tok : &d->route, batch, layer)))
		return TR_ENOMEM;
	if (d->frame.n == 1 && (!seen->n || seen->r[seen->n - 1].hi <= d->frame.r[0].lo))
		return append(seen, d->frame.r[0].lo, d->frame.r[0].hi);
	if ((e = merge(d, seen, &at)) < 0)
		return e;
	if (e > 0) {
		if (is_tok)
			snprintf(err, DUPS_ERR, "row %llu of batch %llu comes twice",
				 (unsigned long long)at, (unsigned long long)batch);
		else
			snprintf(err, DUPS_ERR, "row %llu of batch %llu layer %llu comes twice",
				 (unsigned long long)at, (unsigned long long)batch,
				 (unsigned long long)layer);
		return TR_EVALUE;
	}
	old = *seen;
	*seen = d->merged;
	d->merged = old;
	return 0;
}
