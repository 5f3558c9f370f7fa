/*
 * Three greedy strategies of the reference, ties and all: first each copy gets
 * an element of the axis (a row or a column), then a device of that element.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cost.h"
#include "eplb.h"
#include "even.h"
#include "init.h"
#include "rng.h"
#include "size.h"

struct work {
	struct place *p;
	const struct init_opts *o;
	const uint64_t *count, *coact;
	enum init_axis axis;
	uint32_t n;        /* elements of the axis */
	uint32_t room;     /* copies an element takes */
	uint32_t *used;    /* [n] */
	uint64_t *load;    /* [n] full counts of the copies there */
	uint16_t *element; /* [instances] */
	uint32_t *have;    /* [experts] copies that have an element */
	uint32_t *order;   /* [experts] */
	uint32_t *devused; /* [devices] */
	uint64_t *devload; /* [devices] */
};

static uint32_t
copies(const struct place *p, uint32_t e)
{
	return p->first[e + 1] - p->first[e];
}

/* ---- orders: stable on ascending expert ---- */

struct key {
	uint64_t a, b;
	uint32_t e;
};

static int
by_key(const void *x, const void *y)
{
	const struct key *a = x, *b = y;

	if (a->a != b->a)
		return a->a < b->a ? 1 : -1;
	if (a->b != b->b)
		return a->b < b->b ? 1 : -1;
	return (a->e > b->e) - (a->e < b->e);
}

/* w->order by (copies, count), count alone or copies alone, the greatest first. */
enum how { BY_COPIES_COUNT, BY_COUNT, BY_COPIES };

static int
sort(struct work *w, enum how how)
{
	uint32_t n = w->p->experts;
	struct key *k = malloc((n + 1) * sizeof *k);

	if (!k)
		return TR_ENOMEM;
	for (uint32_t e = 0; e < n; e++)
		k[e] = (struct key){how == BY_COUNT ? w->count[e] : copies(w->p, e),
				    how == BY_COPIES_COUNT ? w->count[e] : 0, e};
	qsort(k, n, sizeof *k, by_key);
	for (uint32_t i = 0; i < n; i++)
		w->order[i] = k[i].e;
	free(k);
	return 0;
}

/* ---- elements of the axis ---- */

static void
give(struct work *w, uint32_t e, uint32_t element)
{
	w->element[w->p->first[e] + w->have[e]++] = (uint16_t)element;
	w->used[element]++;
	w->load[element] += w->count[e];
}

static uint32_t
least_loaded(const struct work *w)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < w->n; i++)
		if (w->used[i] < w->room && (best == UINT32_MAX || w->load[i] < w->load[best]))
			best = i;
	return best;
}

/* The distance of an element to those that hold e; n if none does. */
static uint32_t
apart(const struct work *w, uint32_t e, uint32_t element)
{
	uint32_t d = w->n;

	for (uint32_t i = 0; i < w->have[e]; i++)
		d = MIN(d, cost_hop(w->element[w->p->first[e] + i], element, w->n));
	return d;
}

/* Non-full, smallest (load, -distance, index). */
static int
balanced(struct work *w, uint32_t e)
{
	uint32_t best = UINT32_MAX, far = 0;

	for (uint32_t i = 0; i < w->n; i++) {
		uint32_t d;

		if (w->used[i] >= w->room)
			continue;
		d = apart(w, e, i);
		if (best == UINT32_MAX || w->load[i] < w->load[best] ||
		    (w->load[i] == w->load[best] && d > far)) {
			best = i;
			far = d;
		}
	}
	if (best == UINT32_MAX)
		return TR_EVALUE;
	give(w, e, best);
	return 0;
}

static int
balance(struct work *w)
{
	int r = sort(w, BY_COPIES_COUNT);

	for (uint32_t i = 0; i < w->p->experts && !r; i++)
		for (uint32_t k = copies(w->p, w->order[i]); k > 0 && !r; k--)
			r = balanced(w, w->order[i]);
	return r;
}

/* The element whose experts e goes with most: sum of co-activation - 0.1 load. */
static uint32_t
attracting(const struct work *w, uint32_t e)
{
	uint32_t best = 0, T = w->p->experts;
	double most = 0;

	for (uint32_t i = 0; i < w->n; i++) {
		uint64_t affinity = 0;
		double score;

		/* experts of the element, each once */
		for (uint32_t x = 0; x < T; x++)
			for (uint32_t k = 0; k < w->have[x]; k++)
				if (w->element[w->p->first[x] + k] == i) {
					affinity += w->coact[(size_t)e * T + x];
					break;
				}
		score = (double)affinity - 0.1 * (double)w->load[i];
		if (i == 0 || score > most) {
			most = score;
			best = i;
		}
	}
	return best;
}

static int
coactivation(struct work *w)
{
	uint32_t T = w->p->experts, top = MIN(w->o->top, T);
	int r = sort(w, BY_COUNT);

	for (uint32_t i = 0; i < T && !r; i++) {
		uint32_t e = w->order[i], at = UINT32_MAX;

		if (!copies(w->p, e))
			continue;
		if (i >= top) {
			at = attracting(w, e);
			if (w->used[at] >= w->room)
				at = UINT32_MAX;
		}
		if (at == UINT32_MAX)
			at = least_loaded(w);
		if (at == UINT32_MAX)
			return TR_EVALUE;
		give(w, e, at);
	}
	if (!r)
		r = sort(w, BY_COPIES);
	for (uint32_t i = 0; i < T && !r; i++)
		for (uint32_t k = copies(w->p, w->order[i]); k > 1 && !r; k--)
			r = balanced(w, w->order[i]);
	return r;
}

/* ---- devices of an element ---- */

/* Device j of element i. */
static uint32_t
device(const struct work *w, uint32_t i, uint32_t j)
{
	return w->axis == AXIS_ROW ? i * w->p->cols + j : j * w->p->cols + i;
}

struct score {
	uint64_t load;
	uint32_t used, along, row, col, dev;
};

/* Is a better: smaller load, used; larger distances; smaller device? */
static int
better(const struct score *a, const struct score *b)
{
	if (a->load != b->load)
		return a->load < b->load;
	if (a->used != b->used)
		return a->used < b->used;
	if (a->along != b->along)
		return a->along > b->along;
	if (a->row != b->row)
		return a->row > b->row;
	if (a->col != b->col)
		return a->col > b->col;
	return a->dev < b->dev;
}

/* Distances to the devices that the first k copies of e are on. */
static void
measure(const struct work *w, uint32_t e, uint32_t k, struct score *s)
{
	const struct place *p = w->p;

	s->row = p->rows;
	s->col = p->cols;
	for (uint32_t i = 0; i < k; i++) {
		uint32_t d = p->dev[p->first[e] + i];

		s->row = MIN(s->row, cost_hop(s->dev / p->cols, d / p->cols, p->rows));
		s->col = MIN(s->col, cost_hop(s->dev % p->cols, d % p->cols, p->cols));
	}
	s->along = w->axis == AXIS_ROW ? s->row : s->col;
}

static int
choose(struct work *w, uint32_t e, uint32_t k, uint32_t element)
{
	uint32_t across = w->axis == AXIS_ROW ? w->p->cols : w->p->rows;
	struct score best = {.dev = UINT32_MAX};

	for (uint32_t j = 0; j < across; j++) {
		struct score s = {.dev = device(w, element, j)};

		if (w->devused[s.dev] >= w->o->per_device)
			continue;
		s.load = w->devload[s.dev];
		s.used = w->devused[s.dev];
		measure(w, e, k, &s);
		if (best.dev == UINT32_MAX || better(&s, &best))
			best = s;
	}
	if (best.dev == UINT32_MAX)
		return -1;
	w->p->dev[w->p->first[e] + k] = (uint16_t)best.dev;
	w->devused[best.dev]++;
	w->devload[best.dev] += w->count[e];
	return 0;
}

/* An element with a free device, the one of least total load. */
static uint32_t
fallback(const struct work *w)
{
	uint32_t across = w->axis == AXIS_ROW ? w->p->cols : w->p->rows, best = UINT32_MAX;
	uint64_t least = 0;

	for (uint32_t i = 0; i < w->n; i++) {
		uint64_t load = 0;
		int has = 0;

		for (uint32_t j = 0; j < across; j++) {
			load += w->devload[device(w, i, j)];
			has |= w->devused[device(w, i, j)] < w->o->per_device;
		}
		if (has && (best == UINT32_MAX || load < least)) {
			best = i;
			least = load;
		}
	}
	return best;
}

static int
devices(struct work *w)
{
	int r = sort(w, BY_COPIES_COUNT);

	for (uint32_t i = 0; i < w->p->experts && !r; i++) {
		uint32_t e = w->order[i];

		for (uint32_t k = 0; k < copies(w->p, e) && !r; k++) {
			uint32_t at;

			if (choose(w, e, k, w->element[w->p->first[e] + k]) == 0)
				continue;
			at = fallback(w);
			if (at == UINT32_MAX || choose(w, e, k, at) < 0)
				r = TR_EVALUE;
		}
	}
	return r;
}

/* ---- random ---- */

/* All copies in random order on the free slots in random order; one that would join
 * its like goes to the next free device instead, where there is one. */
static int
at_random(struct work *w)
{
	struct place *p = w->p;
	uint32_t ndev = p->rows * p->cols, nslot = ndev * w->o->per_device;
	uint32_t *slot = malloc((nslot + 1) * sizeof *slot);
	uint32_t left = nslot;

	if (!slot)
		return TR_ENOMEM;
	if (nslot < p->n) {
		free(slot);
		return TR_EVALUE;
	}
	for (uint32_t i = 0; i < nslot; i++) {
		uint32_t j = (uint32_t)rng_below(w->o->seed, UINT64_C(0x706c6163) << 32, i, i + 1);

		slot[i] = slot[j];
		slot[j] = i % ndev;
	}
	for (uint32_t i = 0; i < p->n; i++) {
		uint32_t e = p->expert[i], pick = left - 1;

		for (uint32_t s = left; s-- > 0;) {
			int like = 0;

			for (uint32_t k = p->first[e]; k < i; k++)
				like |= p->dev[k] == slot[s];
			if (!like) {
				pick = s;
				break;
			}
		}
		p->dev[i] = (uint16_t)slot[pick];
		slot[pick] = slot[--left];
	}
	free(slot);
	return 0;
}

/* ---- doubles ---- */

static double
share(const struct place *p, const uint64_t *count, uint32_t i)
{
	return (double)count[p->expert[i]] / copies(p, p->expert[i]);
}

/* Where a copy i that has its like on its device goes: to a free slot, or in exchange for the copy
 * that is most alike in load. */
static int
part(struct place *p, const uint64_t *count, uint32_t per_device, uint32_t *used, uint32_t i)
{
	uint32_t e = p->expert[i], a = p->dev[i], best = UINT32_MAX;
	double least = INFINITY;

	for (uint32_t d = 0; d < p->rows * p->cols; d++)
		if (used[d] < per_device && !place_holds(p, e, d)) {
			used[a]--;
			used[d]++;
			p->dev[i] = (uint16_t)d;
			place_unslot(p); /* no longer as many on each */
			return 1;
		}
	for (uint32_t j = 0; j < p->n; j++) {
		double x = fabs(share(p, count, i) - share(p, count, j));

		if (x < least && !place_holds(p, e, p->dev[j]) &&
		    !place_holds(p, p->expert[j], a)) {
			least = x;
			best = j;
		}
	}
	if (best == UINT32_MAX)
		return 0;
	p->dev[i] = p->dev[best];
	p->dev[best] = (uint16_t)a;
	if (p->slot) {
		uint16_t s = p->slot[i];

		p->slot[i] = p->slot[best];
		p->slot[best] = s;
	}
	return 1;
}

int
init_part(struct place *p, const uint64_t *count, uint32_t per_device)
{
	uint32_t *used = calloc(p->rows * p->cols + 1, sizeof *used);

	if (!used)
		return TR_ENOMEM;
	for (uint32_t i = 0; i < p->n; i++)
		used[p->dev[i]]++;
	for (uint32_t i = 0; i < p->n; i++)
		for (uint32_t k = p->first[p->expert[i]]; k < i; k++)
			if (p->dev[k] == p->dev[i]) {
				part(p, count, per_device, used, i);
				break;
			}
	free(used);
	return 0;
}

int
init_place(struct place *p, const uint64_t *count, const uint64_t *coact, const struct init_opts *o)
{
	struct work w = {.p = p, .o = o, .count = count, .coact = coact};
	uint32_t ndev = p->rows * p->cols;
	int r = TR_ENOMEM;

	if ((uint64_t)o->per_device * ndev < p->n)
		return TR_EVALUE;
	if (o->strategy == INIT_EPLB)
		return eplb_place(p, count, o->groups, o->nodes, o->apart);
	if (o->strategy == INIT_EVEN)
		return even_place(p, count, o->per_device, o->tries, o->seed);
	w.axis = o->strategy == INIT_HOT ? o->hot_axis : o->axis;
	w.n = w.axis == AXIS_ROW ? p->rows : p->cols;
	w.room = o->per_device * (ndev / w.n);
	w.used = calloc(w.n, sizeof *w.used);
	w.load = calloc(w.n, sizeof *w.load);
	w.element = calloc(p->n + 1, sizeof *w.element);
	w.have = calloc(p->experts + 1, sizeof *w.have);
	w.order = calloc(p->experts + 1, sizeof *w.order);
	w.devused = calloc(ndev, sizeof *w.devused);
	w.devload = calloc(ndev, sizeof *w.devload);
	if (w.used && w.load && w.element && w.have && w.order && w.devused && w.devload) {
		if (o->strategy == INIT_RANDOM)
			r = at_random(&w);
		else
			r = o->strategy == INIT_BALANCE ? balance(&w) : coactivation(&w);
		if (!r && o->strategy != INIT_RANDOM)
			r = devices(&w);
	}
	free(w.used);
	free(w.load);
	free(w.element);
	free(w.have);
	free(w.order);
	free(w.devused);
	free(w.devload);
	return r;
}
