#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "even.h"
#include "rng.h"
#include "size.h"

struct even {
	uint32_t ndev, per, experts, n;
	const uint64_t *count;
	double *share;    /* [experts] load of a copy */
	uint32_t *copies; /* [experts] */
	double *load;     /* [devices] */
	uint32_t *used;   /* [devices] */
	uint32_t *on;     /* [devices][per] experts */
	uint32_t *order;  /* [devices] by load, the lightest first */
	uint64_t seed, draws;
};

static int
has(const struct even *w, uint32_t dev, uint32_t expert)
{
	for (uint32_t i = 0; i < w->used[dev]; i++)
		if (w->on[dev * w->per + i] == expert)
			return 1;
	return 0;
}

struct item {
	double share;
	uint32_t expert;
};

static int
by_share(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->share != y->share)
		return x->share < y->share ? 1 : -1;
	return (x->expert > y->expert) - (x->expert < y->expert);
}

/* The heaviest first to the lightest device with room and without its like. */
static int
pack(struct even *w)
{
	struct item *item = malloc((w->n + 1) * sizeof *item);
	uint32_t n = 0;

	if (!item)
		return TR_ENOMEM;
	for (uint32_t e = 0; e < w->experts; e++)
		for (uint32_t i = 0; i < w->copies[e]; i++)
			item[n++] = (struct item){w->share[e], e};
	qsort(item, n, sizeof *item, by_share);
	for (uint32_t k = 0; k < n; k++) {
		uint32_t best = UINT32_MAX, any = UINT32_MAX;

		for (uint32_t d = 0; d < w->ndev; d++) {
			if (w->used[d] == w->per)
				continue;
			if (any == UINT32_MAX || w->load[d] < w->load[any])
				any = d;
			if ((best == UINT32_MAX || w->load[d] < w->load[best]) &&
			    !has(w, d, item[k].expert))
				best = d;
		}
		if (any == UINT32_MAX) {
			free(item);
			return TR_EVALUE;
		}
		best = best == UINT32_MAX ? any : best;
		w->on[best * w->per + w->used[best]++] = item[k].expert;
		w->load[best] += item[k].share;
	}
	free(item);
	return 0;
}

/* Place a on f and place b on g change their experts. */
static void
swap(struct even *w, uint32_t f, uint32_t a, uint32_t g, uint32_t b)
{
	uint32_t *x = &w->on[f * w->per + a], *y = &w->on[g * w->per + b], e = *x;
	double d = w->share[*x] - w->share[*y];

	w->load[f] -= d;
	w->load[g] += d;
	*x = *y;
	*y = e;
}

/* The swap of f and g that leaves them most alike: 1 if more than before. */
static int
improve(struct even *w, uint32_t f, uint32_t g)
{
	/* by more than rounding could undo, or it would never end */
	double gap = w->load[f] - w->load[g], best = gap - 1e-9 * w->load[f];
	uint32_t ba = UINT32_MAX, bb = 0;

	for (uint32_t a = 0; a < w->used[f]; a++)
		for (uint32_t b = 0; b < w->used[g]; b++) {
			uint32_t e = w->on[f * w->per + a], x = w->on[g * w->per + b];
			double d = w->share[e] - w->share[x], left = fabs(gap - 2 * d);

			if (d <= 0 || left >= best || e == x || has(w, g, e) || has(w, f, x))
				continue;
			best = left;
			ba = a;
			bb = b;
		}
	if (ba == UINT32_MAX)
		return 0;
	swap(w, f, ba, g, bb);
	return 1;
}

static uint32_t
fullest(const struct even *w)
{
	uint32_t f = 0;

	for (uint32_t d = 1; d < w->ndev; d++)
		if (w->load[d] > w->load[f])
			f = d;
	return f;
}

/* Devices by load; insertion sort, since little has moved. */
static void
sort(struct even *w)
{
	for (uint32_t i = 1; i < w->ndev; i++) {
		uint32_t d = w->order[i], k = i;

		for (; k > 0 && w->load[w->order[k - 1]] > w->load[d]; k--)
			w->order[k] = w->order[k - 1];
		w->order[k] = d;
	}
}

/* The fullest with the emptiest, then the next, until none helps. */
static void
descend(struct even *w)
{
	for (;;) {
		uint32_t f, k = 0;

		sort(w);
		f = w->order[w->ndev - 1];
		while (k + 1 < w->ndev && !improve(w, f, w->order[k]))
			k++;
		if (k + 1 >= w->ndev)
			return;
	}
}

/* ---- out of where no swap helps ---- */

static uint32_t
below(struct even *w, uint32_t n)
{
	return (uint32_t)rng_below(w->seed, UINT64_C(0x6576) << 48, w->draws++, n);
}

static void
reload(struct even *w)
{
	for (uint32_t e = 0; e < w->experts; e++)
		w->share[e] = (double)w->count[e] / w->copies[e];
	for (uint32_t d = 0; d < w->ndev; d++) {
		w->load[d] = 0;
		for (uint32_t i = 0; i < w->used[d]; i++)
			w->load[d] += w->share[w->on[d * w->per + i]];
	}
}

/* A random swap of the fullest device, or a copy that one expert hands to another; 1 if done. */
static int
kick(struct even *w)
{
	uint32_t f = fullest(w), g = below(w, w->ndev), a, b, e, x;

	if (!w->used[g])
		return 0;
	b = below(w, w->used[g]);
	x = w->on[g * w->per + b];
	if (below(w, 2)) {
		e = below(w, w->experts);
		if (e == x || w->copies[x] < 2 || has(w, g, e))
			return 0;
		w->copies[x]--;
		w->copies[e]++;
		w->on[g * w->per + b] = e;
		reload(w);
		return 1;
	}
	a = below(w, w->used[f]);
	e = w->on[f * w->per + a];
	if (f == g || e == x || has(w, g, e) || has(w, f, x))
		return 0;
	swap(w, f, a, g, b);
	return 1;
}

struct kept {
	uint32_t *on, *copies;
	double most; /* load of the fullest */
};

static int
keep(const struct even *w, struct kept *k)
{
	size_t n = (size_t)w->ndev * w->per;

	if (!k->on) {
		k->on = malloc((n + 1) * sizeof *k->on);
		k->copies = malloc((w->experts + 1) * sizeof *k->copies);
	}
	if (!k->on || !k->copies)
		return TR_ENOMEM;
	memcpy(k->on, w->on, n * sizeof *k->on);
	memcpy(k->copies, w->copies, w->experts * sizeof *k->copies);
	k->most = w->load[fullest(w)];
	return 0;
}

static void
go_back(struct even *w, const struct kept *k)
{
	memcpy(w->on, k->on, (size_t)w->ndev * w->per * sizeof *k->on);
	memcpy(w->copies, k->copies, w->experts * sizeof *k->copies);
	reload(w);
}

/* Kicks, then down again; what is worse by more than a threshold, which falls to
 * nothing, is taken back (Dueck and Scheuer, Threshold accepting, 1990). */
static int
shake(struct even *w, uint64_t tries)
{
	struct kept best = {0}, last = {0};
	double mean = 0;
	int r = keep(w, &best);

	for (uint32_t d = 0; d < w->ndev; d++)
		mean += w->load[d] / w->ndev;
	r = r ? r : keep(w, &last);
	for (uint64_t i = 0; i < tries && !r; i++) {
		double left = 1 - (double)i / (double)tries, now;

		for (uint32_t k = 1 + below(w, 3); k > 0; k--)
			kick(w);
		descend(w);
		now = w->load[fullest(w)];
		if (now > last.most + (last.most - mean) * 0.5 * left * left)
			go_back(w, &last);
		else
			r = keep(w, &last);
		if (!r && now < best.most)
			r = keep(w, &best);
	}
	if (!r)
		go_back(w, &best);
	free(best.on);
	free(best.copies);
	free(last.on);
	free(last.copies);
	return r;
}

void
even_load(const struct place *p, const uint64_t *count, double *load)
{
	memset(load, 0, p->rows * p->cols * sizeof *load);
	for (uint32_t i = 0; i < p->n; i++) {
		uint32_t e = p->expert[i];

		load[p->dev[i]] += (double)count[e] / (p->first[e + 1] - p->first[e]);
	}
}

/* *p becomes what w holds, copies of an expert by device. */
static int
store(const struct even *w, struct place *p)
{
	struct place q;
	uint32_t *at;
	int r = place_init(&q, p->rows, p->cols, p->experts, w->copies);

	if (r < 0)
		return r;
	if (!(at = calloc(w->experts + 1, sizeof *at))) {
		place_free(&q);
		return TR_ENOMEM;
	}
	for (uint32_t d = 0; d < w->ndev; d++)
		for (uint32_t i = 0; i < w->used[d]; i++) {
			uint32_t e = w->on[d * w->per + i];

			q.dev[q.first[e] + at[e]++] = (uint16_t)d;
		}
	free(at);
	place_free(p);
	*p = q;
	return 0;
}

int
even_place(struct place *p, const uint64_t *count, uint32_t per_device, uint64_t tries,
	   uint64_t seed)
{
	struct even w = {.ndev = p->rows * p->cols,
			 .per = per_device,
			 .experts = p->experts,
			 .n = p->n,
			 .count = count,
			 .seed = seed};
	int r = TR_ENOMEM;

	w.share = malloc((w.experts + 1) * sizeof *w.share);
	w.copies = malloc((w.experts + 1) * sizeof *w.copies);
	w.load = calloc(w.ndev, sizeof *w.load);
	w.used = calloc(w.ndev, sizeof *w.used);
	w.on = calloc((size_t)w.ndev * w.per + 1, sizeof *w.on);
	w.order = malloc(w.ndev * sizeof *w.order);
	if (w.share && w.copies && w.load && w.used && w.on && w.order) {
		for (uint32_t d = 0; d < w.ndev; d++)
			w.order[d] = d;
		for (uint32_t e = 0; e < w.experts; e++) {
			w.copies[e] = p->first[e + 1] - p->first[e];
			w.share[e] = (double)count[e] / MAX(w.copies[e], 1u);
		}
		if ((r = pack(&w)) == 0) {
			descend(&w);
			r = tries ? shake(&w, tries) : 0;
		}
		if (!r)
			r = store(&w, p);
	}
	free(w.share);
	free(w.copies);
	free(w.load);
	free(w.used);
	free(w.on);
	free(w.order);
	return r;
}
