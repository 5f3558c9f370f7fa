/*
 * Steps, each the change that lowers what devices have above the target most,
 * summed in squares, for each copy that leaves home; and where they are stuck, a
 * drawn hand-over that makes it worse, and steps from there, kept if better.
 */
#include <stdlib.h>
#include <string.h>

#include "even.h"
#include "replan.h"
#include "replicate.h"
#include "rng.h"
#include "size.h"

enum { TRIES = 1000, KICKS = 300 }; /* of the plan from nothing; of this one */
#define KICK (UINT64_C(0x7270) << 48)

struct layout {
	uint32_t ndev, per, experts;
	const uint64_t *count;
	uint32_t *copies;    /* [experts] */
	uint8_t *has, *home; /* [experts][ndev] */
	double *load;        /* [ndev], of mean 1 */
	double unit, target;
	uint32_t *used, *on; /* [ndev], [ndev][per] experts */
	uint32_t moved, max;
};

struct step {
	double gain; /* for each copy that moves */
	/* SWAP: x of device from and y of to change places; MOVE: x goes to a free slot of to; GIVE: x
	 * gets a copy more on a free slot of from; HAND: in place of y on from */
	uint32_t x, from, y, to;
	enum { NO_STEP, SWAP, MOVE, HAND, GIVE } kind;
};

static double
above(const struct layout *w, double load)
{
	double x = load - w->target;

	return x > 0 ? x * x : 0;
}

static double
share(const struct layout *w, uint32_t e, uint32_t copies)
{
	return (double)w->count[e] * w->unit / copies;
}

static int
away(const struct layout *w, uint32_t e, uint32_t dev)
{
	return !w->home[(size_t)e * w->ndev + dev];
}

static int
has(const struct layout *w, uint32_t e, uint32_t dev)
{
	return w->has[(size_t)e * w->ndev + dev];
}

/* Keep it if it gains more for its moves; those of copies that go home cost nothing. */
static void
offer(const struct layout *w, struct step *best, struct step s, double gain, int moves)
{
	if (gain <= 1e-15 || (moves > 0 && w->moved + (uint32_t)moves > w->max))
		return;
	s.gain = gain / MAX(moves, 1) * (moves > 0 ? 1 : 1e6);
	if (s.gain > best->gain)
		*best = s;
}

/* x of a device above the target changes places with y of another, or goes to a free slot. */
static void
offer_swaps(const struct layout *w, struct step *best, uint32_t a)
{
	for (uint32_t i = 0; i < w->used[a]; i++) {
		uint32_t x = w->on[a * w->per + i];
		double sx = share(w, x, w->copies[x]), la = w->load[a];

		for (uint32_t b = 0; b < w->ndev; b++) {
			double lb = w->load[b], was = above(w, la) + above(w, lb);

			if (b == a || has(w, x, b))
				continue;
			if (w->used[b] < w->per)
				offer(w, best, (struct step){0, x, a, x, b, MOVE},
				      was - above(w, la - sx) - above(w, lb + sx),
				      away(w, x, b) - away(w, x, a));
			for (uint32_t k = 0; k < w->used[b] && lb < la; k++) {
				uint32_t y = w->on[b * w->per + k];
				double d = sx - share(w, y, w->copies[y]);

				if (d > 0 && !has(w, y, a))
					offer(w, best, (struct step){0, x, a, y, b, SWAP},
					      was - above(w, la - d) - above(w, lb + d),
					      away(w, x, b) + away(w, y, a) - away(w, x, a) -
						      away(w, y, b));
			}
		}
	}
}

/* What is above once x has more copies by dx and y by dy, and dev has one x more, one y less. */
static double
gain_hand(const struct layout *w, uint32_t x, int dx, uint32_t y, int dy, uint32_t dev)
{
	double was = 0, is = 0;
	double sx = share(w, x, w->copies[x]), tx = share(w, x, (uint32_t)((int)w->copies[x] + dx));
	double sy = y == UINT32_MAX ? 0 : share(w, y, w->copies[y]);
	double ty = y == UINT32_MAX ? 0 : share(w, y, (uint32_t)((int)w->copies[y] + dy));

	for (uint32_t d = 0; d < w->ndev; d++) {
		int hx = has(w, x, d), hy = y != UINT32_MAX && has(w, y, d);
		double l = w->load[d];

		if (!hx && !hy && d != dev)
			continue;
		was += above(w, l);
		l += hx * (tx - sx) + hy * (ty - sy);
		if (d == dev)
			l += tx - (y == UINT32_MAX ? 0 : ty);
		is += above(w, l);
	}
	return was - is;
}

/* An expert that is on a device above the target gets one more copy, on a free slot or in place
 * of an expert that has others. */
static void
offer_copies(const struct layout *w, struct step *best, uint32_t x)
{
	for (uint32_t b = 0; b < w->ndev; b++) {
		if (has(w, x, b))
			continue;
		if (w->used[b] < w->per)
			offer(w, best, (struct step){0, x, b, x, b, GIVE},
			      gain_hand(w, x, 1, UINT32_MAX, 0, b), away(w, x, b));
		for (uint32_t k = 0; k < w->used[b]; k++) {
			uint32_t y = w->on[b * w->per + k];

			if (w->copies[y] > 1)
				offer(w, best, (struct step){0, x, b, y, b, HAND},
				      gain_hand(w, x, 1, y, -1, b), away(w, x, b) - away(w, y, b));
		}
	}
}

static void
put(struct layout *w, uint32_t e, uint32_t dev)
{
	w->on[dev * w->per + w->used[dev]++] = e;
	w->has[(size_t)e * w->ndev + dev] = 1;
	w->moved += (uint32_t)away(w, e, dev);
}

static void
take(struct layout *w, uint32_t e, uint32_t dev)
{
	uint32_t *on = w->on + dev * w->per, k = 0;

	while (on[k] != e)
		k++;
	on[k] = on[--w->used[dev]];
	w->has[(size_t)e * w->ndev + dev] = 0;
	w->moved -= (uint32_t)away(w, e, dev);
}

static void
loads(struct layout *w)
{
	memset(w->load, 0, w->ndev * sizeof *w->load);
	for (uint32_t d = 0; d < w->ndev; d++)
		for (uint32_t k = 0; k < w->used[d]; k++) {
			uint32_t e = w->on[d * w->per + k];

			w->load[d] += share(w, e, w->copies[e]);
		}
}

/* Loads of an expert's devices as its copies become others. */
static void
reshare(struct layout *w, uint32_t e, double by)
{
	for (uint32_t d = 0; d < w->ndev; d++)
		if (has(w, e, d))
			w->load[d] += by;
}

static void
make(struct layout *w, const struct step *s)
{
	double sx = share(w, s->x, w->copies[s->x]), sy = share(w, s->y, w->copies[s->y]);

	if (s->kind == SWAP || s->kind == MOVE) {
		take(w, s->x, s->from);
		if (s->kind == SWAP) {
			take(w, s->y, s->to);
			put(w, s->y, s->from);
		}
		put(w, s->x, s->to);
		sx -= s->kind == SWAP ? sy : 0;
		w->load[s->from] -= sx;
		w->load[s->to] += sx;
		return;
	}
	if (s->kind == HAND) {
		take(w, s->y, s->from);
		w->load[s->from] -= sy;
		w->copies[s->y]--;
		reshare(w, s->y, share(w, s->y, w->copies[s->y]) - sy);
	}
	w->copies[s->x]++;
	reshare(w, s->x, share(w, s->x, w->copies[s->x]) - sx);
	put(w, s->x, s->from);
	w->load[s->from] += share(w, s->x, w->copies[s->x]);
}

static int
steps(struct layout *w)
{
	uint8_t *seen = calloc(w->experts + 1, 1);

	if (!seen)
		return TR_ENOMEM;
	for (;;) {
		struct step best = {.gain = 0};

		memset(seen, 0, w->experts);
		for (uint32_t d = 0; d < w->ndev; d++) {
			if (w->load[d] <= w->target)
				continue;
			offer_swaps(w, &best, d);
			for (uint32_t k = 0; k < w->used[d]; k++) {
				uint32_t e = w->on[d * w->per + k];

				if (!seen[e])
					offer_copies(w, &best, e);
				seen[e] = 1;
			}
		}
		if (best.kind == NO_STEP)
			break;
		make(w, &best);
	}
	free(seen);
	return 0;
}

/* ---- kicks ---- */

static double
sum(const struct layout *w)
{
	double x = 0;

	for (uint32_t d = 0; d < w->ndev; d++)
		x += above(w, w->load[d]);
	return x;
}

/* has of the best, from which all else follows. */
static void
restore(struct layout *w, const uint8_t *has)
{
	memset(w->used, 0, w->ndev * sizeof *w->used);
	memset(w->copies, 0, w->experts * sizeof *w->copies);
	w->moved = 0;
	for (uint32_t e = 0; e < w->experts; e++)
		for (uint32_t d = 0; d < w->ndev; d++) {
			w->has[(size_t)e * w->ndev + d] = 0;
			if (has[(size_t)e * w->ndev + d]) {
				put(w, e, d);
				w->copies[e]++;
			}
		}
	loads(w);
}

/* One that most devices would feel: an expert of the fullest of some drawn devices takes the
 * place of another, which is the least missed of some drawn. */
static int
kick(struct layout *w, uint64_t seed, uint64_t *at)
{
	struct step best = {.kind = NO_STEP};
	uint32_t a = (uint32_t)rng_below(seed, KICK, (*at)++, w->ndev), x;

	for (int i = 0; i < 4; i++) {
		uint32_t d = (uint32_t)rng_below(seed, KICK, (*at)++, w->ndev);

		a = w->load[d] > w->load[a] ? d : a;
	}
	if (!w->used[a])
		return 0;
	x = w->on[a * w->per + rng_below(seed, KICK, (*at)++, w->used[a])];
	for (int i = 0; i < 8; i++) {
		uint32_t b = (uint32_t)rng_below(seed, KICK, (*at)++, w->ndev), y;
		double gain;

		if (has(w, x, b) || !w->used[b])
			continue;
		y = w->on[b * w->per + rng_below(seed, KICK, (*at)++, w->used[b])];
		if (w->copies[y] < 2 || w->moved + (uint32_t)away(w, x, b) > w->max)
			continue;
		gain = gain_hand(w, x, 1, y, -1, b);
		if (best.kind == NO_STEP || gain > best.gain)
			best = (struct step){gain, x, b, y, b, HAND};
	}
	if (best.kind == NO_STEP)
		return 0;
	make(w, &best);
	return 1;
}

static int
kicks(struct layout *w, uint64_t seed)
{
	size_t size = (size_t)w->experts * w->ndev;
	uint8_t *best = malloc(size + 1);
	double least = sum(w);
	uint32_t moved = w->moved;
	uint64_t at = 0;

	if (!best)
		return TR_ENOMEM;
	memcpy(best, w->has, size);
	for (uint32_t i = 0; i < KICKS && least > 0; i++) {
		double now;

		for (uint32_t n = 0; n <= i % 3; n++)
			kick(w, seed, &at);
		if (steps(w) < 0)
			break; /* what was best is kept */
		now = sum(w);
		if (now < least || (now <= least && w->moved < moved)) {
			least = now;
			moved = w->moved;
			memcpy(best, w->has, size);
		} else {
			restore(w, best);
		}
	}
	restore(w, best);
	free(best);
	return 0;
}

static double
fullest(const struct layout *w)
{
	double x = 0;

	for (uint32_t d = 0; d < w->ndev; d++)
		x = MAX(x, w->load[d]);
	return x;
}

/* Max over mean of a plan from nothing, with as many copies. */
static int
from_nothing(const struct place *p, const uint64_t *count, struct replan *o, double unit)
{
	uint32_t *copies = calloc(p->experts + 1, sizeof *copies), n = p->rows * p->cols;
	double *load = calloc(n, sizeof *load);
	struct place q = {0};
	int r = copies && load ? 0 : TR_ENOMEM;

	if (!r) {
		replicate_minmax(count, p->experts, 0, 0, p->n, n, copies);
		r = place_init(&q, p->rows, p->cols, p->experts, copies);
	}
	if (!r && (r = even_place(&q, count, o->per_device, TRIES, o->seed)) == 0) {
		even_load(&q, count, load);
		o->best = 0;
		for (uint32_t d = 0; d < n; d++)
			o->best = MAX(o->best, load[d] * unit);
	}
	place_free(&q);
	free(copies);
	free(load);
	return r;
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
			if (has(w, e, p->dev[i]))
				q.dev[k++] = p->dev[i];
		for (uint32_t d = 0; d < w->ndev; d++)
			if (has(w, e, d) && away(w, e, d))
				q.dev[k++] = (uint16_t)d;
	}
	if (r)
		return r;
	place_free(p);
	*p = q;
	return 0;
}

int
replan(struct place *p, const uint64_t *count, struct replan *o)
{
	struct layout w = {.ndev = p->rows * p->cols,
			   .per = o->per_device,
			   .experts = p->experts,
			   .count = count,
			   .max = o->maxmoved};
	double sum = 0;
	int r = 0;

	for (uint32_t e = 0; e < p->experts; e++)
		sum += (double)count[e];
	w.unit = sum > 0 ? w.ndev / sum : 0;
	w.copies = calloc(w.experts + 1, sizeof *w.copies);
	w.has = calloc((size_t)w.experts * w.ndev + 1, 1);
	w.home = calloc((size_t)w.experts * w.ndev + 1, 1);
	w.load = calloc(w.ndev, sizeof *w.load);
	w.used = calloc(w.ndev, sizeof *w.used);
	w.on = calloc((size_t)w.ndev * w.per + 1, sizeof *w.on);
	if (!w.copies || !w.has || !w.home || !w.load || !w.used || !w.on)
		r = TR_ENOMEM;
	for (uint32_t i = 0; i < p->n && !r; i++)
		w.home[(size_t)p->expert[i] * w.ndev + p->dev[i]] = 1;
	for (uint32_t i = 0; i < p->n && !r; i++) {
		if (has(&w, p->expert[i], p->dev[i]))
			continue; /* a double is no use */
		w.copies[p->expert[i]]++;
		put(&w, p->expert[i], p->dev[i]);
	}
	if (!r && (r = from_nothing(p, count, o, w.unit)) == 0) {
		w.target = o->best * (1 + o->within);
		loads(&w);
		if ((r = steps(&w)) == 0)
			r = kicks(&w, o->seed);
	}
	if (!r) {
		o->reached = fullest(&w);
		o->moved = w.moved;
		r = result(&w, p);
	}
	free(w.copies);
	free(w.has);
	free(w.home);
	free(w.load);
	free(w.used);
	free(w.on);
	return r;
}
