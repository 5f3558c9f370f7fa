/*
 * Annealing, from the placement that runs, over swaps of two copies and copies that one expert
 * hands to another in place.  The energy is the copies away from home, and a price that rises of
 * the load above the goal; the lower it begins, the fewer move, so that it is doubled until the
 * goal is met.  Where none does, the plan from nothing, its devices named so that most copies are
 * at home, and annealed from there.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "assign.h"
#include "even.h"
#include "num.h"
#include "replan.h"
#include "replicate.h"
#include "rng.h"
#include "size.h"

#define STREAM (UINT64_C(0x7270) << 48)

enum { TRIES = 1000 };    /* of the plan from nothing */
enum { CHANGES = 16000 }; /* drawn for each slot */
enum { BISECT = 8 };      /* goals tried where the one wanted is missed */

/* Temperature and prices, in copies away: of a device's load above the goal, the mean load being
 * 1, at the end; and of a device above it at all. */
static const double hot = 0.2, cold = 0.05, high = 1000, fine = 3;
/* The price at first: the less, the fewer copies move, and the likelier the goal is missed. */
static const double least = 5, most = 80;

struct layout {
	uint32_t ndev, per, experts;
	const uint64_t *count;
	double unit, goal;  /* loads are of mean 1 */
	double light;       /* what is beside a copy, at least */
	double target;      /* the goal, or one that is looser */
	uint8_t *home;      /* [experts + 1][ndev]; the expert beyond is a free slot */
	uint32_t *homes;    /* [ndev][per] experts */
	double price, fine; /* of a load above the target, for each of the mean and at all */
	uint32_t max;       /* copies that may be away */
	uint32_t most;      /* copies that may be */
	/* what changes */
	uint32_t *on;          /* [ndev][per] experts */
	uint32_t *copies;      /* [experts + 1] */
	uint8_t *has;          /* [experts + 1][ndev] */
	uint16_t *where;       /* [experts + 1][ndev] */
	double *load;          /* [ndev] */
	uint32_t away, n;      /* copies */
	uint32_t over, *above; /* devices above the target */
	uint32_t *rank;        /* [ndev] among those */
};

/* The layout kept: the fewest copies away that meet the goal, or else the least load above. */
struct kept {
	uint32_t *on;
	uint32_t away;
	double fullest; /* the goal, or above it */
};

static int
is_over(const struct layout *w, double load)
{
	return load > w->target;
}

static double
above(const struct layout *w, double load)
{
	return load > w->target ? w->fine + w->price * (load - w->target) : 0;
}

static double
share(const struct layout *w, uint32_t e, uint32_t copies)
{
	return e == w->experts ? 0 : (double)w->count[e] * w->unit / copies;
}

static int
has(const struct layout *w, uint32_t e, uint32_t dev)
{
	return w->has[(size_t)e * w->ndev + dev];
}

static int
away(const struct layout *w, uint32_t e, uint32_t dev)
{
	return e != w->experts && !w->home[(size_t)e * w->ndev + dev];
}

static double
fullest(const struct layout *w)
{
	double x = 0;

	for (uint32_t d = 0; d < w->ndev; d++)
		x = MAX(x, w->load[d]);
	return x;
}

/* ---- changes ---- */

static void
set_load(struct layout *w, uint32_t dev, double load)
{
	int was = is_over(w, w->load[dev]), is = is_over(w, load);

	w->load[dev] = load;
	if (is > was) {
		w->rank[dev] = w->over;
		w->above[w->over++] = dev;
	} else if (is < was) {
		uint32_t last = w->above[--w->over];

		w->above[w->rank[dev]] = last;
		w->rank[last] = w->rank[dev];
	}
}

static void
put(struct layout *w, uint32_t e, uint32_t dev)
{
	if (e == w->experts)
		return;
	w->has[(size_t)e * w->ndev + dev] = 1;
	w->where[(size_t)e * w->ndev + w->copies[e]++] = (uint16_t)dev;
	w->away += (uint32_t)away(w, e, dev);
	w->n++;
}

static void
take(struct layout *w, uint32_t e, uint32_t dev)
{
	uint16_t *where = w->where + (size_t)e * w->ndev;
	uint32_t k = 0;

	if (e == w->experts)
		return;
	while (where[k] != dev)
		k++;
	where[k] = where[--w->copies[e]];
	w->has[(size_t)e * w->ndev + dev] = 0;
	w->away -= (uint32_t)away(w, e, dev);
	w->n--;
}

/* All from on; an expert twice on a device leaves a slot free. */
static void
load_all(struct layout *w)
{
	memset(w->copies, 0, (w->experts + 1) * sizeof *w->copies);
	memset(w->has, 0, (w->experts + (size_t)1) * w->ndev);
	memset(w->load, 0, w->ndev * sizeof *w->load);
	w->away = w->n = w->over = 0;
	for (uint32_t i = 0; i < w->ndev * w->per; i++) {
		if (has(w, w->on[i], i / w->per))
			w->on[i] = w->experts;
		put(w, w->on[i], i / w->per);
	}
	for (uint32_t d = 0; d < w->ndev; d++) {
		double load = 0;

		for (uint32_t i = d * w->per; i < (d + 1) * w->per; i++)
			load += share(w, w->on[i], w->copies[w->on[i]]);
		set_load(w, d, load);
	}
}

struct change {
	uint32_t a, b; /* slots */
	uint32_t x, y; /* SWAP: x of a and y of b change places; HAND: x comes in place of y at b */
	enum { NOTHING, SWAP, HAND } kind;
	int away;     /* copies more away from home */
	double above; /* load more above the goal */
};

static void
weigh_swap(const struct layout *w, struct change *c)
{
	uint32_t a = c->a / w->per, b = c->b / w->per;
	double d = share(w, c->x, w->copies[c->x]) - share(w, c->y, w->copies[c->y]);

	c->kind = NOTHING;
	if (a == b || c->x == c->y || has(w, c->x, b) || has(w, c->y, a))
		return;
	c->kind = SWAP;
	c->away = away(w, c->x, b) + away(w, c->y, a) - away(w, c->x, a) - away(w, c->y, b);
	c->above = above(w, w->load[a] - d) + above(w, w->load[b] + d) - above(w, w->load[a]) -
		   above(w, w->load[b]);
}

static void
weigh_hand(const struct layout *w, struct change *c)
{
	uint32_t x = c->x, y = c->y, b = c->b / w->per, nx = w->copies[x], ny = w->copies[y];
	const uint16_t *wx = w->where + (size_t)x * w->ndev, *wy = w->where + (size_t)y * w->ndev;
	double sx = share(w, x, nx + 1), dx = sx - share(w, x, nx);
	double sy = share(w, y, ny), dy;

	c->kind = NOTHING;
	if (x == y || x == w->experts || has(w, x, b))
		return;
	if (y == w->experts ? w->n >= w->most : ny < 2)
		return;
	dy = y == w->experts ? 0 : share(w, y, ny - 1) - sy;
	if (sy + dy + w->light > w->target)
		return;
	c->kind = HAND;
	c->away = away(w, x, b) - away(w, y, b);
	c->above = above(w, w->load[b] + sx - sy) - above(w, w->load[b]);
	for (uint32_t i = 0; i < nx; i++) {
		double l = w->load[wx[i]];

		c->above += above(w, l + dx + (has(w, y, wx[i]) ? dy : 0)) - above(w, l);
	}
	for (uint32_t i = 0; i < ny && y != w->experts; i++)
		if (wy[i] != b && !has(w, x, wy[i]))
			c->above += above(w, w->load[wy[i]] + dy) - above(w, w->load[wy[i]]);
}

/* Loads of an expert's devices, by as much each. */
static void
reshare(struct layout *w, uint32_t e, double by)
{
	for (uint32_t i = 0; i < w->copies[e]; i++) {
		uint32_t d = w->where[(size_t)e * w->ndev + i];

		set_load(w, d, w->load[d] + by);
	}
}

static void
make(struct layout *w, const struct change *c)
{
	uint32_t a = c->a / w->per, b = c->b / w->per;
	double sx = share(w, c->x, w->copies[c->x]), sy = share(w, c->y, w->copies[c->y]);

	take(w, c->y, b);
	set_load(w, b, w->load[b] - sy);
	if (c->kind == SWAP) {
		take(w, c->x, a);
		put(w, c->y, a);
		set_load(w, a, w->load[a] - sx + sy);
		w->on[c->a] = c->y;
	} else {
		if (c->y != w->experts)
			reshare(w, c->y, share(w, c->y, w->copies[c->y]) - sy);
		reshare(w, c->x, share(w, c->x, w->copies[c->x] + 1) - sx);
		sx = share(w, c->x, w->copies[c->x] + 1);
	}
	put(w, c->x, b);
	set_load(w, b, w->load[b] + sx);
	w->on[c->b] = c->x;
}

/* ---- the search ---- */

static uint32_t
below(uint32_t word, uint32_t n)
{
	return (uint32_t)((uint64_t)word * n >> 32);
}

/* Two copies change places; any expert takes a copy's place; or one that is at home there does,
 * by a copy more or by a swap.  Half of them are on a device above the target, if there is one. */
static void
draw(const struct layout *w, struct change *c, const uint32_t r[4])
{
	uint32_t slots = w->ndev * w->per, kind = r[2] & 7;

	c->b = below(r[0], slots);
	if (w->over > 0 && r[2] & 8)
		c->b = w->above[below(r[0], w->over)] * w->per + below(r[2], w->per);
	c->a = below(r[1], slots);
	c->y = w->on[c->b];
	c->x = w->on[c->a];
	if (kind < 3) {
		weigh_swap(w, c);
		return;
	}
	if (kind < 5) {
		c->x = below(r[1], w->experts);
		weigh_hand(w, c);
		return;
	}
	c->kind = NOTHING;
	c->x = w->homes[c->b / w->per * w->per + below(r[1], w->per)];
	if (c->x == w->experts || has(w, c->x, c->b / w->per))
		return;
	if (kind & 1) {
		weigh_hand(w, c);
		return;
	}
	c->a = w->where[(size_t)c->x * w->ndev + below(r[2], w->copies[c->x])] * w->per;
	while (w->on[c->a] != c->x)
		c->a++;
	weigh_swap(w, c);
}

static void
keep(const struct layout *w, struct kept *k)
{
	double x = MAX(fullest(w), w->goal);

	if (x > k->fullest || (x >= k->fullest && w->away >= k->away))
		return;
	k->fullest = x;
	k->away = w->away;
	memcpy(k->on, w->on, (size_t)w->ndev * w->per * sizeof *w->on);
}

/* An expert whose share is above the target, with the lightest beside it, needs more copies; that
 * takes several changes of which the first make it worse, so they are given at the start, where
 * they harm least. */
static void
divide(struct layout *w)
{
	for (uint32_t e = 0; e < w->experts; e++)
		while (share(w, e, w->copies[e]) + w->light > w->target) {
			struct change best = {.kind = NOTHING};

			for (uint32_t b = 0; b < w->ndev * w->per; b++) {
				struct change c = {.x = e, .y = w->on[b], .b = b};

				weigh_hand(w, &c);
				if (c.kind == NOTHING || (c.away > 0 && w->away >= w->max))
					continue;
				if (best.kind == NOTHING ||
				    c.away + c.above < best.away + best.above)
					best = c;
			}
			if (best.kind == NOTHING)
				break;
			make(w, &best);
		}
}

/* From the slots on; the temperature falls, and the price rises from low, by as much at each step.
 * 1: the target was met. */
static int
anneal(struct layout *w, struct kept *k, const uint32_t *on, double low, uint64_t seed,
       uint64_t *at)
{
	uint64_t tries = (uint64_t)CHANGES * w->ndev * w->per;
	double cool = num_log(cold / hot), dear = num_log(high / low), t = hot;
	int met = 0;

	memmove(w->on, on, (size_t)w->ndev * w->per * sizeof *on);
	load_all(w);
	w->price = low;
	w->fine = 0;
	divide(w);
	for (uint64_t i = 0; i < tries; i++) {
		struct change c;
		uint32_t r[4];
		double rise;

		if (i % 256 == 0) {
			double done = (double)i / (double)tries;

			t = hot * num_exp(done * cool);
			w->price = low * num_exp(done * dear);
			w->fine = fine * done;
		}
		rng_u32x4(seed, STREAM, (*at)++, r);
		draw(w, &c, r);
		if (c.kind == NOTHING || (c.away > 0 && w->away + (uint32_t)c.away > w->max))
			continue;
		rise = c.away + c.above;
		if (rise > 0 && (r[3] + 0.5) * 0x1p-32 >= num_exp(-rise / t))
			continue;
		make(w, &c);
		met |= !w->over;
		if (!w->over && (w->away < k->away || k->fullest > w->goal))
			keep(w, k);
	}
	load_all(w); /* without what rounding gathered */
	keep(w, k);
	return met;
}

/* ---- the plan from nothing ---- */

/* The slots of a placement, those that are free last; what does not fit is left out. */
static void
fill(const struct layout *w, const struct place *p, uint32_t *on)
{
	for (uint32_t i = 0; i < w->ndev * w->per; i++)
		on[i] = w->experts;
	for (uint32_t i = 0; i < p->n; i++) {
		uint32_t *slot = on + p->dev[i] * w->per, k = 0;

		while (k < w->per && slot[k] != w->experts && slot[k] != p->expert[i])
			k++;
		if (k < w->per)
			slot[k] = p->expert[i];
	}
}

/* The devices of w, which are alike, named so that most copies are at home. */
static int
rename_devices(struct layout *w)
{
	size_t slots = (size_t)w->ndev * w->per;
	int32_t *gain = calloc((size_t)w->ndev * w->ndev + 1, sizeof *gain);
	uint32_t *to = malloc((w->ndev + 1) * sizeof *to), *on = malloc((slots + 1) * sizeof *on);
	int r = gain && to && on ? 0 : TR_ENOMEM;

	for (size_t i = 0; i < slots && !r; i++)
		for (uint32_t d = 0; d < w->ndev && w->on[i] != w->experts; d++)
			gain[i / w->per * w->ndev + d] += !away(w, w->on[i], d);
	if (!r && (r = assign_most(gain, w->ndev, to)) == 0) {
		memcpy(on, w->on, slots * sizeof *on);
		for (size_t i = 0; i < slots; i++)
			w->on[to[i / w->per] * w->per + i % w->per] = on[i];
	}
	free(gain);
	free(to);
	free(on);
	return r;
}

/* Onto w, with as many copies. */
static int
from_nothing(struct layout *w, const struct place *p, const struct replan *o)
{
	uint32_t *copies = calloc(p->experts + 1, sizeof *copies);
	struct place q = {0};
	int r = copies ? 0 : TR_ENOMEM;

	if (!r) {
		replicate_minmax(w->count, p->experts, 0, 0, p->n, w->ndev, copies);
		r = place_init(&q, p->rows, p->cols, p->experts, copies);
	}
	if (!r && (r = even_place(&q, w->count, o->per_device, TRIES, o->seed)) == 0) {
		fill(w, &q, w->on);
		r = rename_devices(w);
	}
	place_free(&q);
	free(copies);
	return r;
}

/* Copies that must move at least: a device above the goal is relieved if it loses a copy, of
 * which there are no more than copies that move, or if one of its experts gains one. */
static uint32_t
floor_of(const struct layout *w)
{
	uint32_t left = w->over, n = 0;
	uint32_t *hits = calloc(w->ndev + 1, sizeof *hits); /* experts on so many such devices */
	uint32_t k = w->ndev;

	if (!hits)
		return 0;
	for (uint32_t e = 0; e < w->experts; e++) {
		uint32_t h = 0;

		for (uint32_t i = 0; i < w->copies[e]; i++)
			h += (uint32_t)is_over(w, w->load[w->where[(size_t)e * w->ndev + i]]);
		hits[h]++;
	}
	while (left > 0) {
		while (k > 0 && !hits[k])
			k--;
		hits[k] -= k > 0;
		left -= MIN(left, 1 + k);
		n++;
	}
	free(hits);
	return n;
}

static int
result(struct layout *w, struct place *p)
{
	struct place q;
	int r = place_init(&q, p->rows, p->cols, p->experts, w->copies);

	for (uint32_t e = 0; e < p->experts && !r; e++) {
		uint32_t k = q.first[e];

		/* those that stay keep their order */
		for (uint32_t i = p->first[e]; i < p->first[e + 1]; i++)
			if (has(w, e, p->dev[i])) {
				q.dev[k++] = p->dev[i];
				w->has[(size_t)e * w->ndev + p->dev[i]] = 0;
			}
		for (uint32_t d = 0; d < w->ndev; d++)
			if (has(w, e, d))
				q.dev[k++] = (uint16_t)d;
	}
	if (r)
		return r;
	place_free(p);
	*p = q;
	return 0;
}

static int
by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The lightest experts, of one copy less than a device takes; nothing where slots are free. */
static int
find_light(struct layout *w)
{
	double *s = malloc((w->experts + (size_t)1) * sizeof *s);

	if (!s)
		return TR_ENOMEM;
	for (uint32_t e = 0; e < w->experts; e++)
		s[e] = share(w, e, MAX(w->copies[e], 1u));
	qsort(s, w->experts, sizeof *s, by_value);
	w->light = 0;
	for (uint32_t k = 0; k + 1 < MIN(w->per, w->experts) && w->n == w->ndev * w->per; k++)
		w->light += s[k];
	free(s);
	return 0;
}

/* Where the goal is out of reach: the least that is not, by the same steps for each such goal. */
static void
loosen(struct layout *w, struct kept *k, const struct replan *o)
{
	double lo = o->best, hi;
	uint64_t at = UINT64_C(1) << 63;

	memcpy(w->on, w->homes, (size_t)w->ndev * w->per * sizeof *w->on);
	load_all(w);
	hi = fullest(w);
	for (int i = 0; i < BISECT; i++) {
		w->target = (lo + hi) / 2;
		if (anneal(w, k, w->homes, least, o->seed, &at))
			hi = w->target;
		else
			lo = w->target;
	}
	w->target = w->goal;
}

static int
search(struct layout *w, const struct place *p, struct replan *o)
{
	size_t size = (size_t)w->ndev * w->per * sizeof *w->on;
	struct kept k = {.fullest = INFINITY, .on = malloc(size + 1)};
	uint64_t at = 0;
	int r = k.on ? from_nothing(w, p, o) : TR_ENOMEM;

	if (r < 0) {
		free(k.on);
		return r;
	}
	load_all(w);
	o->best = fullest(w);
	/* of the best itself, too, by other roundings */
	w->goal = w->target = o->best * (1 + o->within) + 1e-9;
	if (w->away <= w->max)
		keep(w, &k);
	memcpy(w->on, w->homes, size);
	load_all(w);
	keep(w, &k);
	o->least = floor_of(w);
	r = find_light(w);
	if (w->over > 0 && !r) {
		int met = 0;

		for (double low = least; low <= most && !met; low *= 2)
			met = anneal(w, &k, w->homes, low, o->seed, &at);
		if (!met && k.fullest <= w->goal) { /* the plan from nothing is what is kept */
			memcpy(w->on, k.on, size);
			anneal(w, &k, w->on, most, o->seed, &at);
		}
		if (k.fullest > w->goal)
			loosen(w, &k, o);
	}
	memcpy(w->on, k.on, size);
	load_all(w);
	o->reached = fullest(w);
	o->missed = w->over > 0;
	o->moved = w->away;
	free(k.on);
	return r;
}

int
replan(struct place *p, const uint64_t *count, struct replan *o)
{
	struct layout w = {.ndev = p->rows * p->cols,
			   .per = o->per_device,
			   .experts = p->experts,
			   .count = count,
			   .max = o->maxmoved,
			   .most = p->n};
	size_t slots = (size_t)w.ndev * w.per, pairs = (w.experts + (size_t)1) * w.ndev;
	double sum = 0;
	int r = TR_ENOMEM;

	for (uint32_t e = 0; e < p->experts; e++)
		sum += (double)count[e];
	w.unit = sum > 0 ? w.ndev / sum : 0;
	w.copies = calloc(w.experts + (size_t)1, sizeof *w.copies);
	w.has = calloc(pairs, 1);
	w.home = calloc(pairs, 1);
	w.where = malloc(pairs * sizeof *w.where);
	w.above = malloc((w.ndev + 1) * sizeof *w.above);
	w.rank = malloc((w.ndev + 1) * sizeof *w.rank);
	w.load = calloc(w.ndev, sizeof *w.load);
	w.on = malloc((slots + 1) * sizeof *w.on);
	w.homes = malloc((slots + 1) * sizeof *w.homes);
	if (w.copies && w.has && w.home && w.where && w.above && w.rank && w.load && w.on &&
	    w.homes) {
		for (uint32_t i = 0; i < p->n; i++)
			w.home[(size_t)p->expert[i] * w.ndev + p->dev[i]] = 1;
		fill(&w, p, w.homes);
		if ((r = search(&w, p, o)) == 0)
			r = result(&w, p);
	}
	free(w.copies);
	free(w.has);
	free(w.home);
	free(w.where);
	free(w.above);
	free(w.rank);
	free(w.load);
	free(w.on);
	free(w.homes);
	return r;
}
