/*
 * Placements changed copy by copy, each change evaluated exactly and in part:
 * which copy a pick goes to does not hang on where copies are, so a change
 * touches only the tokens of the copies that move, and their devices.
 */
#ifndef PLACESEARCH_H
#define PLACESEARCH_H

#include <signal.h>

#include "cost.h"

struct search;

enum { SEARCH_DRAWN = 400 };

/* Begin at p, which is copied.  Fast where tokens tell their rows, repeat no expert, have at
 * most 15 picks, and the mesh at most 8 columns, 31 rows and 256 devices; elsewhere each change
 * costs a full evaluation.  NULL: no memory. */
struct search *search_new(const struct place *p, const struct tokens *t, const struct cost_model *m,
			  enum cost_objective o, uint32_t per_device);
void search_free(struct search *s);
/* Would it be fast there? */
int search_can_be_fast(const struct place *p, const struct tokens *t, const struct cost_model *m);

/* The objective now, and what it would be were instances a and b to change
 * devices, or (search_try_move) a to go to a device with a free slot. */
double search_cost(const struct search *s);
double search_try_swap(struct search *s, uint32_t a, uint32_t b);
double search_try_move(struct search *s, uint32_t a, uint32_t dev);
/* Make the last tried change. */
void search_accept(struct search *s);
/* The placement as it is; lent. */
const struct place *search_place(const struct search *s);
/* Is a change legal: another device, and none that has a copy of the expert? */
int search_may_swap(const struct search *s, uint32_t a, uint32_t b);
int search_may_move(const struct search *s, uint32_t a, uint32_t dev);
/* The copy a handed over to another expert, on its device; a full evaluation, not for searches
 * that are fast: their stage one does it. */
double search_try_hand(struct search *s, uint32_t a, uint32_t expert);
int search_may_hand(const struct search *s, uint32_t a, uint32_t expert);
int search_fast(const struct search *s);
/* Let changes of the soft objective not make SEARCH_DRAWN more batches worse, drawn from the
 * mean of the real ones, margin sigma above it.  0 or TR_ENOMEM. */
int search_margin(struct search *s, double margin, uint64_t seed);

/* Let it not hold more than max copies where home has none of their expert; home is copied.
 * 0, TR_ENOMEM, or TR_EVALUE: it holds more now. */
int search_limit(struct search *s, const struct place *home, uint32_t max);

/* ---- annealing ---- */

/* A walk of a search: what it has done is in it and in the placement alone once it is
 * settled, so it can be left, stored and gone on with. */
struct walk {
	/* the caller's */
	uint64_t seed, stream;
	double t0, t1; /* temperatures; <0: calibrated from sampled changes */
	double tau;    /* us of the soft maximum over tokens that is annealed; 0: the cost itself */
	int local;     /* accept what is strictly better, nothing else */
	int transfers; /* copies may be handed over, where that can be evaluated */
	/* its state; {0}, or that of a walk that was left */
	uint64_t draws, done;
	double least;      /* true cost of the best; 0: none yet */
	struct place best; /* owned */
	int soft;
	struct search *s; /* lent */
};

struct schedule {
	double t0, t1;
	uint64_t iters;                   /* of the walk in all; 0: until time ends */
	double begun, seconds;            /* by search_now; 0: until iters are done */
	double target;                    /* stop at this cost; 0: none */
	const volatile sig_atomic_t *end; /* not 0: stop, where changes are slow; NULL: never */
};

/* us of the soft maximum that suit a model: a sixth of its largest step. */
double search_tau(const struct cost_model *m);
double search_now(void); /* seconds */
/* Calibrates no longer than the schedule has time.  0 or TR_ENOMEM. */
int walk_begin(struct walk *w, struct search *s, const struct schedule *c);
/* Try n changes at the temperatures of the schedule: 0; 1, time is over or the target reached; or TR_ENOMEM. */
int walk_go(struct walk *w, const struct schedule *c, uint64_t n);
/* What is walked on: the soft objective or the cost. */
double walk_energy(const struct walk *w);
/* Let what follows hang on the placement alone, not on sums that were carried along. */
int walk_settle(struct walk *w); /* 0 or TR_ENOMEM */
void walk_end(struct walk *w);

/* ---- copies and compute (stage one) ---- */

/* Choose copies and devices so that no device has more blocks in a batch than
 * must be, by swaps and by copies that one expert gives to another; start and
 * result in *p.  until: search_now() when it must have ended, 0 at its own pace.  margin above 0: with the drawn batches, too.  maxmoved: copies that may be where *p has none of their expert,
 * UINT32_MAX all.  Same seed, same result.  TR_ELIMIT: more than 128 copies of an expert, or
 * more blocks on a device than a byte holds; *p is as it was.  0 or TR_E.... */
int search_blocks(struct place *p, const struct tokens *t, const struct cost_model *m,
		  double margin, uint64_t seed, uint64_t iters, double until, uint32_t maxmoved);
/* Blocks of each instance in the drawn batches, [instances][SEARCH_DRAWN], and what must be. */
int search_drawn(const struct place *p, const struct tokens *t, const struct cost_model *m,
		 double margin, uint64_t seed, uint16_t *load, uint16_t *target);

#endif
