/* A whole search for one layer: stages, restarts and chains. */
#ifndef PLACEPLAN_H
#define PLACEPLAN_H

#include "config.h"
#include "ranks.h"
#include "search.h"

/* A search of ours as it stands: written by plan->save, gone on with by plan->from. */
struct plan_chain {
	uint32_t number, rung;
	const struct place *now, *best;
	uint64_t draws, done;
	double least, t0, t1;
};

struct plan_state {
	double seconds; /* that it took */
	uint32_t n;     /* chains of this process, and all of them */
	struct plan_chain *chain;
};

struct plan {
	/* what to do */
	const struct cost_model *model;
	enum cost_objective objective;
	uint32_t per_device;
	int ours;                         /* stage one, then annealing of the soft objective */
	int keep_copies;                  /* ours without stage one */
	const struct config *config;      /* else: the kinds of placement.md 8 */
	double seconds;                   /* of all together; 0: iters */
	uint64_t iters;                   /* ours, of each chain; 0: until time ends */
	double margin;                    /* ours: room for tokens not seen (search_margin) */
	double target;                    /* stop at this cost; 0: none */
	const volatile sig_atomic_t *end; /* not 0: stop, with the best so far; NULL: never */
	uint32_t maxmoved;                /* ours: copies that may leave home; PLACE_ALL: all */
	int temper; /* ours: chains at fixed temperatures that they exchange */
	uint64_t seed;
	uint32_t chains, threads;  /* chains differ in their draws alone: the best is kept */
	const struct ranks *ranks; /* ours: chain i is that of rank i % size; NULL: one */
	/* called from one thread at a time; not 0 ends the chain.  NULL: never */
	int (*tell)(void *arg, uint32_t chain, double seconds, uint64_t iters, double cost,
		    double best);
	const struct plan_state *from; /* ours: go on with it; NULL: begin */
	double every;                  /* seconds between two calls of save */
	/* ours: called now and then and at the end; not 0 ends the search.  NULL: never */
	int (*save)(void *arg, const struct plan_state *state);
	void *arg;
};

enum { PLACE_ALL = UINT32_MAX, PLAN_CHAINS = 256 };

/* Search from *p, all of whose copies are placed; it becomes the best found.  0 or TR_E...;
 * TR_EIO where ranks or save failed; cost: of the best by the objective.  home: the placement
 * that copies are at home in, p's. */
int plan_run(const struct plan *plan, struct place *p, const struct tokens *t, double *cost);
/* The search of ours, of plan_run. */
int plan_ours(const struct plan *plan, struct place *p, const struct tokens *t, double *cost);
/* Where average-rows would make each change a full evaluation: the tokens once for each row,
 * whose mean is the same; else wide->nbatch is 0.  0 or TR_ENOMEM. */
int plan_widen(const struct plan *plan, const struct place *p, const struct tokens *t,
	       struct tokens *wide);
/* A checksum of what the objective is made of: mesh, slots, model and tokens. */
uint32_t plan_sum(const struct plan *plan, const struct place *p, const struct tokens *t);
/* Is a change evaluated in part there, not in full? */
int plan_fast(const struct plan *plan, const struct place *p, const struct tokens *t);
double plan_cost(const struct plan *plan, const struct place *p, const struct tokens *t);

#endif
