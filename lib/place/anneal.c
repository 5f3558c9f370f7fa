#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "num.h"
#include "rng.h"
#include "searchstate.h"

enum { STRIDE = 64 };     /* changes between two looks at the clock, where they are fast */
enum { FULL_RISES = 10 }; /* of calibration, where a change is a full evaluation */

static uint32_t
below(struct walk *w, uint32_t n)
{
	return (uint32_t)rng_below(w->seed, UINT64_C(0x616e) << 48 | w->stream, w->draws++, n);
}

double
search_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- draws: a legal change, tried; INFINITY where the draw is none ---- */

/* Swaps, moves to free slots, and, where all is evaluated anyway, copies handed over. */
static double
draw_exact(struct search *s, struct walk *w)
{
	uint32_t a = below(w, s->p.n), b = below(w, s->p.n), kind = below(w, 4);

	if (kind == 0 && s->p.n < s->ndev * s->per_device) {
		b = below(w, s->ndev);
		return search_may_move(s, a, b) ? search_try_move(s, a, b) : INFINITY;
	}
	if (kind == 1 && !s->fast && w->transfers)
		return search_may_hand(s, a, s->p.expert[b]) ? search_try_hand(s, a, s->p.expert[b])
							     : INFINITY;
	return search_may_swap(s, a, b) ? search_try_swap(s, a, b) : INFINITY;
}

static double
draw_soft(struct search *s, struct walk *w)
{
	uint32_t a = below(w, s->p.n), b = below(w, s->p.n);

	if (s->p.n < s->ndev * s->per_device && below(w, 4) == 0) {
		b = below(w, s->ndev);
		return search_may_move(s, a, b) ? search_try_soft(s, a, NOBODY, b) : INFINITY;
	}
	return search_may_swap(s, a, b) ? search_try_soft(s, a, b, 0) : INFINITY;
}

/* Is that schedule at its end?  share: how far it is, of 1.  Walks that are fast end with the round,
 * where they can be stored and gone on with. */
static int
over(const struct walk *w, const struct schedule *c, double *share)
{
	double gone = c->seconds > 0 ? (search_now() - c->begun) / c->seconds : 0;

	*share = c->iters ? (double)w->done / (double)MAX(c->iters - 1, (uint64_t)1) : 0;
	*share = MIN(MAX(*share, gone), 1);
	return gone >= 1 || (c->target > 0 && w->least <= c->target) ||
	       (!w->s->fast && c->end && *c->end);
}

/* The mean rise of a hundred sampled changes that are worse; of some where they take long. */
static double
calibrate(struct search *s, struct walk *w, const struct schedule *c)
{
	double sum = 0, now = walk_energy(w);
	int n = 0, want = s->fast ? 100 : FULL_RISES;

	for (int i = 0; i < (w->soft ? 2000 : 4 * want) && n < want; i++) {
		double rise;

		/* no signal ends it: what a search that is gone on with does hangs on it */
		if (!s->fast && c->seconds > 0 && search_now() - c->begun >= c->seconds)
			break;
		rise = (w->soft ? draw_soft : draw_exact)(s, w) - now;

		if (rise > 0 && rise < 1e9) {
			sum += rise;
			n++;
		}
	}
	return n ? sum / n : 1;
}

/* ---- walks ---- */

double
walk_energy(const struct walk *w)
{
	return w->soft ? w->s->soft : w->s->cost;
}

int
walk_begin(struct walk *w, struct search *s, const struct schedule *c)
{
	int r;

	w->s = s;
	w->least = w->least > 0 ? w->least : s->cost;
	w->soft = s->fast && !w->local && w->tau > 0;
	if (w->soft && (r = search_soft_open(s, w->tau)) < 0)
		return r;
	if (!w->best.n && (r = place_copy(&w->best, &s->p)) < 0)
		return r;
	if (w->t0 < 0 && !w->local) {
		w->t0 = 0.35 * calibrate(s, w, c);
		w->t1 = w->t1 < 0 ? w->t0 / 100 : w->t1;
	}
	return 0;
}

static int
keep(struct walk *w)
{
	const struct place *p = &w->s->p;

	if (w->s->cost >= w->least)
		return 0;
	w->least = w->s->cost;
	if (!w->transfers) {
		memcpy(w->best.dev, p->dev, p->n * sizeof *p->dev);
		return 0;
	}
	place_free(&w->best);
	return place_copy(&w->best, p);
}

int
walk_go(struct walk *w, const struct schedule *c, uint64_t n)
{
	struct search *s = w->s;
	double t = 0;
	int r;

	for (uint64_t i = 0; i < n && (!c->iters || w->done < c->iters); i++, w->done++) {
		double cost, now, share;

		if (!s->fast || i % STRIDE == 0) {
			if (over(w, c, &share))
				return 1;
			t = c->t0 > 0 ? c->t0 * num_pow(c->t1 / c->t0, share) : 0;
		}
		cost = (w->soft ? draw_soft : draw_exact)(s, w);
		now = walk_energy(w);
		if (cost == INFINITY)
			continue;
		if (w->local ? cost >= now
			     : cost > now &&
				       rng_f64(w->seed, UINT64_C(0x616e) << 48 | w->stream,
					       w->draws++) >= num_exp((now - cost) / MAX(1e-9, t)))
			continue;
		if (w->soft)
			search_accept_soft(s);
		else
			search_accept(s);
		if ((r = keep(w)) < 0)
			return r;
	}
	return 0;
}

int
walk_settle(struct walk *w)
{
	return w->soft ? search_soft_open(w->s, w->tau) : 0;
}

void
walk_end(struct walk *w)
{
	place_free(&w->best);
}
