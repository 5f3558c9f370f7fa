/*
 * Placements changed copy by copy, each change evaluated exactly and in part:
 * which copy a pick goes to does not hang on where copies are, so a change
 * touches only the tokens of the copies that move, and their devices.
 */
#ifndef PLACESEARCH_H
#define PLACESEARCH_H

#include "cost.h"

struct search;

enum { SEARCH_DRAWN = 400 };

/* Begin at p, which is copied.  Fast where tokens tell their rows, repeat no expert, have at
 * most 15 picks, and the mesh at most 8 columns, 31 rows and 256 devices; elsewhere each change
 * costs a full evaluation.  NULL: no memory. */
struct search *search_new(const struct place *p, const struct tokens *t, const struct cost_model *m,
			  enum cost_objective o, uint32_t per_device);
void search_free(struct search *s);

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
int search_fast(const struct search *s);
/* Let changes of the soft objective not make SEARCH_DRAWN more batches worse, drawn from the
 * mean of the real ones, margin sigma above it.  0 or TR_ENOMEM. */
int search_margin(struct search *s, double margin, uint64_t seed);

/* ---- annealing ---- */

struct anneal {
	uint64_t iters; /* 0: until time ends */
	double seconds; /* 0: until iters are done */
	double t0, t1;  /* <0: calibrated from sampled moves */
	double tau; /* us of the soft maximum over tokens that is annealed; 0: the cost itself */
	uint64_t seed, stream;
	int local; /* accept what is strictly better, nothing else */
	/* called now and then: done 0 .. 1, best cost; not 0 ends the search.  NULL: never */
	int (*tell)(void *arg, double seconds, uint64_t iters, double cost, double best);
	void *arg;
	uint64_t done; /* iterations made */
};

/* Search from s; it ends at the best placement seen.  The best cost. */
double search_anneal(struct search *s, struct anneal *a);

/* ---- copies and compute (stage one) ---- */

/* Choose copies and devices so that no device has more blocks in a batch than
 * must be, by swaps and by copies that one expert gives to another; start and
 * result in *p.  margin above 0: with the drawn batches, too.  Same seed, same result.  0 or TR_E.... */
int search_blocks(struct place *p, const struct tokens *t, const struct cost_model *m,
		  double margin, uint64_t seed, uint64_t iters);
/* Blocks of each instance in the drawn batches, [instances][SEARCH_DRAWN], and what must be. */
int search_drawn(const struct place *p, const struct tokens *t, const struct cost_model *m,
		 double margin, uint64_t seed, uint16_t *load, uint16_t *target);

#endif
