/*
 * The picks of a batch are held, layer by layer, until no more of them come;
 * then two layers at a time are walked along their row numbers.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/rng.h"
#include "../core/rows.h"
#include "../core/size.h"
#include "expertstats.h"
#include "flow.h"

enum { EMPTY = UINT16_MAX };

/* Rows of one layer of one batch. */
struct held {
	uint64_t batch, layer, first, rows, order; /* order: of arrival */
	uint64_t *row;                             /* NULL: first, first + 1, ... */
	uint16_t *id;                              /* [rows][k] */
};

struct flow {
	uint32_t k, experts;
	uint64_t seed, want, section, last; /* last: batch; TR_NONE: none yet */
	struct tr_list map;
	uint64_t layers;
	struct held *held;
	size_t nheld, cap;
	struct flow_pair *pair;
	size_t npair;
	struct flow_journey *journey; /* a heap, the largest draw on top, until flow_end */
	size_t njourney;
	char err[128];
};

static int
fail(struct flow *f, int err, const char *what, uint64_t batch)
{
	snprintf(f->err, sizeof f->err, "batch %llu: %s", (unsigned long long)batch, what);
	return err;
}

static int
no_memory(struct flow *f)
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

static void
drop_journey(struct flow_journey *j)
{
	free(j->layer);
	free(j->id);
}

void
flow_free(struct flow *f)
{
	if (!f)
		return;
	drop_held(f);
	for (size_t i = 0; i < f->npair; i++)
		free(f->pair[i].n);
	for (size_t i = 0; i < f->njourney; i++)
		drop_journey(&f->journey[i]);
	free(f->held);
	free(f->pair);
	free(f->journey);
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

/* ---- counting ---- */

static uint64_t
row_of(const struct held *h, uint64_t i)
{
	return h->row ? h->row[i] : h->first + i;
}

/* Place of a row in h, or TR_NONE. */
static uint64_t
place(const struct held *h, uint64_t row)
{
	uint64_t lo = 0, hi = h->rows;

	if (!h->row)
		return row - h->first < h->rows ? row - h->first : TR_NONE;
	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (h->row[mid] < row)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < h->rows && h->row[lo] == row ? lo : TR_NONE;
}

static struct flow_pair *
pair_of(struct flow *f, uint64_t layer, uint64_t to)
{
	struct flow_pair *p;

	for (size_t i = 0; i < f->npair; i++)
		if (f->pair[i].layer == layer && f->pair[i].to == to)
			return &f->pair[i];
	if (!(p = realloc(f->pair, (f->npair + 1) * sizeof *p)))
		return NULL;
	f->pair = p;
	p += f->npair;
	*p = (struct flow_pair){layer, to, 0,
				calloc((size_t)f->experts * f->experts + 1, sizeof *p->n)};
	if (!p->n)
		return NULL;
	f->npair++;
	return p;
}

static inline void
count_row(uint64_t *n, uint32_t experts, const uint16_t *a, const uint16_t *b, uint32_t k)
{
	for (uint32_t i = 0; i < k; i++)
		for (uint32_t j = 0; j < k; j++)
			if (a[i] != EMPTY && b[j] != EMPTY)
				n[(size_t)a[i] * experts + b[j]]++;
}

static int
count_pair(struct flow *f, const struct held *a, const struct held *b)
{
	struct flow_pair *p = pair_of(f, a->layer, b->layer);
	uint32_t k = f->k;
	uint64_t i = 0, j = 0;

	if (!p)
		return no_memory(f);
	if (!a->row && !b->row) {
		uint64_t from = MAX(a->first, b->first);
		uint64_t to = MIN(a->first + a->rows, b->first + b->rows);
		const uint16_t *x, *y;

		if (from >= to)
			return 0;
		p->n_tokens += to - from;
		x = a->id + (from - a->first) * k;
		y = b->id + (from - b->first) * k;
		if (k == 1)
			for (uint64_t r = 0; r < to - from; r++)
				count_row(p->n, f->experts, x + r, y + r, 1);
		else
			for (uint64_t r = 0; r < to - from; r++)
				count_row(p->n, f->experts, x + r * k, y + r * k, k);
		return 0;
	}
	while (i < a->rows && j < b->rows) {
		uint64_t x = row_of(a, i), y = row_of(b, j);

		if (x == y) {
			p->n_tokens++;
			count_row(p->n, f->experts, a->id + i * k, b->id + j * k, k);
		}
		i += x <= y;
		j += y <= x;
	}
	return 0;
}

/* ---- journeys ---- */

/* Draws may be equal, and then the earlier token wins. */
static int
later(const struct flow_journey *a, const struct flow_journey *b)
{
	if (a->draw != b->draw)
		return a->draw > b->draw;
	if (a->section != b->section)
		return a->section > b->section;
	return a->batch != b->batch ? a->batch > b->batch : a->row > b->row;
}

static void
sift(struct flow_journey *h, size_t n, size_t i)
{
	for (size_t c; (c = 2 * i + 1) < n; i = c) {
		struct flow_journey x = h[i];

		c += c + 1 < n && later(&h[c + 1], &h[c]);
		if (!later(&h[c], &x))
			return;
		h[i] = h[c];
		h[c] = x;
	}
}

/* The way of row j->row through the layers of a batch: 1, 0 where one lacks it. */
static int
follow(struct flow *f, const struct held *h, size_t n, struct flow_journey *j)
{
	j->n = (uint32_t)n;
	j->layer = malloc(n * sizeof *j->layer);
	j->id = malloc(n * sizeof *j->id);
	for (size_t i = 0; j->layer && j->id && i < n; i++) {
		uint64_t at = place(&h[i], j->row);

		if (at == TR_NONE || h[i].id[at * f->k] == EMPTY) {
			drop_journey(j);
			return 0;
		}
		j->layer[i] = h[i].layer;
		j->id[i] = h[i].id[at * f->k];
	}
	if (j->layer && j->id)
		return 1;
	drop_journey(j);
	return no_memory(f);
}

static int
draw_journeys(struct flow *f, const struct held *h, size_t n)
{
	uint32_t word[4];
	void *p;
	int r;

	if (n != f->layers)
		return 0;
	if (!f->journey) {
		if (!(p = calloc(f->want, sizeof *f->journey)))
			return no_memory(f);
		f->journey = p;
	}
	for (uint64_t i = 0; i < h->rows; i++) {
		struct flow_journey j = {0, f->section, h->batch, row_of(h, i), NULL, NULL, 0};

		rng_u32x4(f->seed, j.batch, j.row, word);
		j.draw = (uint64_t)word[1] << 32 | word[0];
		if (f->njourney == f->want && !later(f->journey, &j))
			continue;
		if ((r = follow(f, h, n, &j)) <= 0) {
			if (r < 0)
				return r;
			continue;
		}
		if (f->njourney < f->want) {
			f->journey[f->njourney++] = j;
			for (size_t k = f->njourney / 2; f->njourney == f->want && k-- > 0;)
				sift(f->journey, f->njourney, k);
			continue;
		}
		drop_journey(f->journey);
		f->journey[0] = j;
		sift(f->journey, f->njourney, 0);
	}
	return 0;
}

/* ---- what is held ---- */

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
			num[all.rows] = (struct numbered){row_of(&h[i], k), all.rows};
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
		return no_memory(f);
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
			r = count_pair(f, &h[i], &h[i + 1]);
	for (size_t i = 0, end; f->want && i < n && r == 0; i = end) {
		for (end = i + 1; end < n && h[end].batch == h[i].batch; end++)
			;
		r = draw_journeys(f, h + i, end - i);
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
	return r == TR_ENOMEM ? no_memory(f) : r;
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
			return no_memory(f);
		f->held = p;
		f->cap = cap;
	}
	e = copy(f, &h, &rows, ids, dropped);
	f->held[f->nheld++] = h; /* whole or not: freed with the others */
	return e < 0 ? no_memory(f) : 0;
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

/* ---- what they tell ---- */

int
flow_put(double f64[TR_COLS_MAX], struct tr_frame *to, const uint64_t *n, uint32_t experts)
{
	static const char *const names[] = {"transitions",        "unique_pairs", "persistence",
					    "persistence_chance", "from_bits",    "to_bits",
					    "cond_bits",          "mi_bits",      "mi_bias_bits",
					    "mi_corrected_bits",  "top1",         "top1_popular"};
	double sum = 0, same = 0, chance = 0, top = 0, unique = 0, popular = 0;
	uint64_t *side = calloc(2 * (size_t)experts + 1, sizeof *side);
	struct expertstats_mi m;
	int r = side ? expertstats_mi(n, experts, experts, &m) : TR_ENOMEM;

	if (r < 0) {
		free(side);
		return r;
	}
	for (uint32_t i = 0; i < experts; i++) {
		uint64_t most = 0;

		for (uint32_t j = 0; j < experts; j++) {
			uint64_t x = n[(size_t)i * experts + j];

			side[i] += x;
			side[experts + j] += x;
			most = MAX(most, x);
			unique += x > 0;
		}
		top += (double)most;
		same += (double)n[(size_t)i * experts + i];
	}
	for (uint32_t i = 0; i < experts; i++) {
		sum += (double)side[i];
		chance += (double)side[i] * (double)side[experts + i];
		popular = MAX(popular, (double)side[experts + i]);
	}
	free(side);
	const double x[] = {sum,    unique,        same / sum,    chance / (sum * sum),
			    m.x,    m.y,           m.joint - m.x, m.mi,
			    m.bias, m.mi - m.bias, top / sum,     popular / sum};

	tr_rows(to, 1);
	for (size_t i = 0; i < LEN(x) && r == 0; i++) {
		f64[i] = x[i];
		r = tr_addcol(to, names[i], TR_F64, 1, &f64[i]);
	}
	return r;
}
