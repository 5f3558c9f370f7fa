/*
 * Stage one of the search: compute alone.  What a copy computes in a batch is
 * known from how many copies its expert has, so the blocks of a device are a
 * vector of bytes over the batches, and a change is two or a few such vectors.
 * Minimised is not the largest device, which is a plateau, but what devices
 * have above the block count that must be: so much each, and as much again for
 * the first, so that one device two above is better than two one above.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "num.h"
#include "rng.h"
#include "search.h"
#include "size.h"

enum {
	LANES = 16,
	FIRST = 4,
	EACH = 4,
	MANY = 60,
	COPIES = 128,
	DRAWN = SEARCH_DRAWN,
	STRIDE = 1024,
	RISES = 256
};

typedef uint8_t lanes __attribute__((vector_size(LANES)));

struct blocks {
	const struct tokens *t;
	const struct cost_model *m;
	uint32_t experts, ndev, nb, nv; /* nb batches in nv vectors */
	uint32_t n;                     /* instances */
	uint32_t *picks;                /* [experts][nb] */
	uint32_t *capacity;             /* [nb] */
	lanes *target;                  /* [nv] */
	lanes *on;                      /* [ndev][nv] blocks */
	int32_t *excess;                /* [ndev] */
	uint32_t *copies;               /* [experts] */
	uint16_t (*dev)[COPIES];        /* [experts] device of each copy */
	lanes **of;                     /* [experts] blocks of copy i, at i * nv */
	uint32_t *used;                 /* [ndev] */
	lanes *tmp;                     /* [2 * COPIES + 2][nv] */
	uint8_t *home;                  /* [experts][ndev] there was a copy; NULL: no limit */
	uint32_t moved, maxmoved;       /* copies that had none there */
	struct {
		uint64_t seed, at;
	} rng;
	double chance[RISES]; /* that a change is taken which makes it so much worse */
};

/* ---- vectors ---- */

static int32_t
excess_of(const struct blocks *w, const lanes *on)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < w->nv; i++) {
		lanes above = (lanes)(on[i] > w->target[i]), x0 = on[i] - w->target[i];
		lanes many = (lanes)(x0 > MANY);
		lanes g = (((x0 & ~many) | (many & MANY)) * EACH + FIRST) & above;
		uint64_t x[2];

		memcpy(x, &g, sizeof x);
		for (int k = 0; k < 2; k++) {
			uint64_t s = (x[k] & UINT64_C(0x00ff00ff00ff00ff)) +
				     (x[k] >> 8 & UINT64_C(0x00ff00ff00ff00ff));

			sum += s * UINT64_C(0x0001000100010001) >> 48;
		}
	}
	return (int32_t)sum;
}

static void
add(const struct blocks *w, lanes *to, const lanes *x)
{
	for (uint32_t i = 0; i < w->nv; i++)
		to[i] += x[i];
}

static void
sub(const struct blocks *w, lanes *to, const lanes *x)
{
	for (uint32_t i = 0; i < w->nv; i++)
		to[i] -= x[i];
}

/* Blocks of each of the c copies of e by the rule that fills one after the other. */
static void
fill(const struct blocks *w, uint32_t e, uint32_t c, lanes *to)
{
	uint32_t bt = w->m->block_tokens;

	memset(to, 0, (size_t)c * w->nv * sizeof *to);
	for (uint32_t b = 0; b < w->nb; b++) {
		uint32_t n = w->picks[e * w->nb + b], cap = w->capacity[b], left = n;
		uint32_t extra = n > (uint64_t)c * cap ? n - c * cap : 0;

		if (w->m->routing == ROUTE_ROBIN) {
			cap = 0;
			extra = n;
			left = 0;
		}
		for (uint32_t i = 0; i < c; i++) {
			uint32_t load = MIN(left, cap);

			left -= load;
			load += extra / c + (i < extra % c);
			load = (load + bt - 1) / bt;
			((uint8_t *)(to + (size_t)i * w->nv))[b] = (uint8_t)MIN(load, 200u);
		}
	}
}

/* ---- opening ---- */

static void
blocks_close(struct blocks *w)
{
	for (uint32_t e = 0; w->of && e < w->experts; e++)
		free(w->of[e]);
	free(w->picks);
	free(w->capacity);
	free(w->target);
	free(w->on);
	free(w->excess);
	free(w->copies);
	free(w->dev);
	free(w->of);
	free(w->used);
	free(w->tmp);
	free(w->home);
}

static void *
vectors(size_t n)
{
	void *p = aligned_alloc(LANES, (n + 1) * LANES);

	if (p)
		memset(p, 0, (n + 1) * LANES);
	return p;
}

/* Batch b drawn around the mean of the real ones: what was not seen may look so.  Sums
 * of twelve uniform draws for normal ones; experts that all tokens pick do not vary. */
static void
draw(struct blocks *w, uint32_t b, double margin)
{
	uint32_t real = (uint32_t)w->t->nbatch;

	w->capacity[b] = w->capacity[b % real];
	((uint8_t *)w->target)[b] = ((uint8_t *)w->target)[b % real];
	for (uint32_t e = 0; e < w->experts; e++) {
		double mean = (double)w->t->count[e] / real, z = -6, x, var = mean;
		double tokens = (double)w->t->ntoken / real;

		for (uint64_t k = 0; k < 12; k++)
			z += rng_f64(w->rng.seed, UINT64_C(0x626e) << 48 | b, e * 16 + k);
		var *= tokens > 0 ? MAX(1 - mean / tokens, 0) : 0;
		x = mean + (z + margin) * sqrt(var);
		w->picks[e * w->nb + b] = x > 0 ? (uint32_t)(x + 0.5) : 0;
	}
}

/* Could a device have more blocks than a byte holds? */
static int
too_large(const struct blocks *w, const struct place *p)
{
	uint32_t *used = calloc(w->ndev, sizeof *used), per = 1;
	uint64_t most = 0;

	for (uint32_t i = 0; used && i < p->n; i++)
		per = MAX(per, ++used[p->dev[i]]);
	free(used);
	for (size_t i = 0; i < (size_t)w->experts * w->nb; i++)
		most = MAX(most, (uint64_t)w->picks[i]);
	most = (most + w->m->block_tokens - 1) / w->m->block_tokens;
	return most * per > 255;
}

static int
blocks_open(struct blocks *w, const struct place *p, double margin, uint32_t drawn)
{
	const struct tokens *t = w->t;

	w->experts = p->experts;
	w->ndev = p->rows * p->cols;
	w->n = p->n;
	w->nb = (uint32_t)t->nbatch + drawn;
	w->nv = (w->nb + LANES - 1) / LANES;
	w->picks = calloc((size_t)w->experts * w->nb + 1, sizeof *w->picks);
	w->capacity = calloc(w->nb + 1, sizeof *w->capacity);
	w->target = vectors(w->nv);
	w->on = vectors((size_t)w->ndev * w->nv);
	w->excess = calloc(w->ndev, sizeof *w->excess);
	w->copies = calloc(w->experts, sizeof *w->copies);
	w->dev = calloc(w->experts, sizeof *w->dev);
	w->of = calloc(w->experts, sizeof *w->of);
	w->used = calloc(w->ndev, sizeof *w->used);
	w->tmp = vectors((2 * COPIES + 2) * (size_t)w->nv);
	if (!w->picks || !w->capacity || !w->target || !w->on || !w->excess || !w->copies ||
	    !w->dev || !w->of || !w->used || !w->tmp)
		return TR_ENOMEM;
	for (uint32_t b = 0; b < t->nbatch; b++) {
		size_t from = t->first[t->batch[b]], end = t->first[t->batch[b + 1]];
		uint64_t least = 0;

		for (size_t i = from; i < end; i++)
			w->picks[t->pick[i] * w->nb + b]++;
		w->capacity[b] = cost_capacity(w->m, w->n, end - from);
		for (uint32_t e = 0; e < w->experts; e++)
			least += (w->picks[e * w->nb + b] + w->m->block_tokens - 1) /
				 w->m->block_tokens;
		least = (least + w->ndev - 1) / w->ndev;
		((uint8_t *)w->target)[b] = (uint8_t)MIN(least, (uint64_t)200);
	}
	if (drawn && !t->nbatch)
		return TR_EVALUE;
	for (uint32_t b = (uint32_t)t->nbatch; b < w->nb; b++)
		draw(w, b, margin);
	if (too_large(w, p))
		return TR_ELIMIT;
	for (uint32_t e = 0; e < w->experts; e++) {
		w->copies[e] = p->first[e + 1] - p->first[e];
		if (w->copies[e] > COPIES)
			return TR_ELIMIT;
		if (!(w->of[e] = vectors((size_t)COPIES * w->nv)))
			return TR_ENOMEM;
		fill(w, e, w->copies[e], w->of[e]);
		for (uint32_t i = 0; i < w->copies[e]; i++) {
			uint16_t d = p->dev[p->first[e] + i];

			w->dev[e][i] = d;
			w->used[d]++;
			add(w, w->on + (size_t)d * w->nv, w->of[e] + (size_t)i * w->nv);
		}
	}
	for (uint32_t d = 0; d < w->ndev; d++)
		w->excess[d] = excess_of(w, w->on + (size_t)d * w->nv);
	return 0;
}

/* ---- changes ---- */

static void
cool(struct blocks *w, double temperature)
{
	for (int i = 0; i < RISES; i++)
		w->chance[i] = num_exp(-i / temperature);
}

static int
take(struct blocks *w, int32_t rise)
{
	return rise <= 0 || (rise < RISES && rng_f64(w->rng.seed, UINT64_C(0x626d) << 48,
						     w->rng.at++) < w->chance[rise]);
}

static int
has(const struct blocks *w, uint32_t e, uint32_t dev)
{
	for (uint32_t i = 0; i < w->copies[e]; i++)
		if (w->dev[e][i] == dev)
			return 1;
	return 0;
}

/* Would a copy of e be away from home on that device? */
static uint32_t
away(const struct blocks *w, uint32_t e, uint32_t dev)
{
	return w->home && !w->home[e * w->ndev + dev];
}

/* Copy i of e and copy k of f change devices; 1 if that was taken. */
static int
swap(struct blocks *w, uint32_t e, uint32_t i, uint32_t f, uint32_t k)
{
	uint32_t a = w->dev[e][i], b = w->dev[f][k];
	lanes *x = w->tmp, *y = w->tmp + w->nv;
	const lanes *u = w->of[e] + (size_t)i * w->nv, *v = w->of[f] + (size_t)k * w->nv;
	uint32_t moved = w->moved + away(w, e, b) + away(w, f, a) - away(w, e, a) - away(w, f, b);
	int32_t ea, eb;

	if (a == b || e == f || has(w, e, b) || has(w, f, a) || moved > w->maxmoved)
		return 0;
	for (uint32_t j = 0; j < w->nv; j++) {
		lanes d = v[j] - u[j];

		x[j] = w->on[(size_t)a * w->nv + j] + d;
		y[j] = w->on[(size_t)b * w->nv + j] - d;
	}
	ea = excess_of(w, x);
	eb = excess_of(w, y);
	if (!take(w, ea + eb - w->excess[a] - w->excess[b]))
		return 0;
	memcpy(w->on + (size_t)a * w->nv, x, w->nv * sizeof *x);
	memcpy(w->on + (size_t)b * w->nv, y, w->nv * sizeof *y);
	w->excess[a] = ea;
	w->excess[b] = eb;
	w->dev[e][i] = (uint16_t)b;
	w->dev[f][k] = (uint16_t)a;
	w->moved = moved;
	return 1;
}

/* All copies of e off (-1) or onto (+1) their devices. */
static void
apply(struct blocks *w, uint32_t e, int sign)
{
	for (uint32_t i = 0; i < w->copies[e]; i++)
		(sign > 0 ? add : sub)(w, w->on + (size_t)w->dev[e][i] * w->nv,
				       w->of[e] + (size_t)i * w->nv);
}

/* The excess of the devices of e and f, and what it becomes. */
static int32_t
measure(struct blocks *w, uint32_t e, uint32_t f, int keep)
{
	int32_t sum = 0;

	for (int x = 0; x < 2; x++) {
		uint32_t g = x ? f : e;

		for (uint32_t i = 0; i < w->copies[g]; i++) {
			uint32_t d = w->dev[g][i];
			int32_t v = excess_of(w, w->on + (size_t)d * w->nv);

			if (x && has(w, e, d))
				continue; /* counted with e */
			sum += v;
			if (keep)
				w->excess[d] = v;
		}
	}
	return sum;
}

/* Copy i of e becomes one of f, on the same device. */
static int
transfer(struct blocks *w, uint32_t e, uint32_t i, uint32_t f)
{
	uint32_t ce = w->copies[e], cf = w->copies[f], d = w->dev[e][i];
	uint32_t moved = w->moved + away(w, f, d) - away(w, e, d);
	int32_t before;

	if (e == f || ce < 2 || cf == COPIES || has(w, f, d) || moved > w->maxmoved)
		return 0;
	before = measure(w, e, f, 0);
	apply(w, e, -1);
	apply(w, f, -1);
	memmove(&w->dev[e][i], &w->dev[e][i + 1], (ce - i - 1) * sizeof w->dev[e][0]);
	w->dev[f][cf] = (uint16_t)d;
	w->copies[e]--;
	w->copies[f]++;
	fill(w, e, ce - 1, w->of[e]);
	fill(w, f, cf + 1, w->of[f]);
	apply(w, e, 1);
	apply(w, f, 1);
	if (take(w, measure(w, e, f, 0) - before)) {
		measure(w, e, f, 1);
		w->moved = moved;
		return 1;
	}
	apply(w, e, -1);
	apply(w, f, -1);
	memmove(&w->dev[e][i + 1], &w->dev[e][i], (ce - i - 1) * sizeof w->dev[e][0]);
	w->dev[e][i] = (uint16_t)d;
	w->copies[e]++;
	w->copies[f]--;
	fill(w, e, ce, w->of[e]);
	fill(w, f, cf, w->of[f]);
	apply(w, e, 1);
	apply(w, f, 1);
	return 0;
}

/* 0 .. n - 1 of 32 drawn bits. */
static uint32_t
part(uint32_t draw, uint32_t n)
{
	return (uint32_t)((uint64_t)draw * n >> 32);
}

static int64_t
total(const struct blocks *w)
{
	int64_t sum = 0;

	for (uint32_t d = 0; d < w->ndev; d++)
		sum += w->excess[d];
	return sum;
}

int
search_blocks(struct place *p, const struct tokens *t, const struct cost_model *m, double margin,
	      uint64_t seed, uint64_t iters, double until, uint32_t maxmoved)
{
	double begun = search_now();
	struct blocks w = {.t = t, .m = m, .rng = {seed, 0}, .maxmoved = maxmoved};
	int r = blocks_open(&w, p, margin, margin > 0 && t->nbatch ? DRAWN : 0);
	struct place q;

	if (!r && maxmoved != UINT32_MAX) {
		w.home = calloc((size_t)w.experts * w.ndev + 1, 1);
		r = w.home ? 0 : TR_ENOMEM;
		for (uint32_t i = 0; i < p->n && !r; i++)
			w.home[p->expert[i] * w.ndev + p->dev[i]] = 1;
	}
	for (uint64_t n = 0; n < iters && !r; n++) {
		uint32_t e, f, draw[4];

		if (n % STRIDE == 0) {
			double done = (double)n / (double)iters, now = until > 0 ? search_now() : 0;

			if (until > 0)
				done = MAX(done, (now - begun) / (until - begun));
			if (done >= 1 || !total(&w))
				break;
			cool(&w, 3 * num_pow(0.02, done));
		}
		rng_u32x4(seed, UINT64_C(0x626c) << 48, n, draw);
		e = part(draw[0], w.experts);
		f = part(draw[1], w.experts);
		if (n % 4 == 0)
			transfer(&w, e, part(draw[2], w.copies[e]), f);
		else
			swap(&w, e, part(draw[2], w.copies[e]), f, part(draw[3], w.copies[f]));
	}
	if (!r && (r = place_init(&q, p->rows, p->cols, p->experts, w.copies)) == 0) {
		for (uint32_t e = 0; e < w.experts; e++)
			memcpy(q.dev + q.first[e], w.dev[e], w.copies[e] * sizeof *q.dev);
		place_free(p);
		*p = q;
	}
	blocks_close(&w);
	return r;
}

int
search_drawn(const struct place *p, const struct tokens *t, const struct cost_model *m,
	     double margin, uint64_t seed, uint16_t *load, uint16_t *target)
{
	struct blocks w = {.t = t, .m = m, .rng = {seed, 0}};
	int r = blocks_open(&w, p, margin, DRAWN);

	for (uint32_t b = 0; b < DRAWN && !r; b++)
		target[b] = ((uint8_t *)w.target)[t->nbatch + b];
	for (uint32_t e = 0; e < w.experts && !r; e++)
		for (uint32_t i = 0; i < w.copies[e]; i++)
			for (uint32_t b = 0; b < DRAWN; b++)
				load[(size_t)(p->first[e] + i) * DRAWN + b] =
					((uint8_t *)(w.of[e] + (size_t)i * w.nv))[t->nbatch + b];
	blocks_close(&w);
	return r;
}
