/* A whole search for one layer: stages, restarts and chains. */
#ifndef PLACEPLAN_H
#define PLACEPLAN_H

#include "config.h"
#include "search.h"

struct plan {
	/* what to do */
	const struct cost_model *model;
	enum cost_objective objective;
	uint32_t per_device;
	int ours;                    /* stage one, then annealing of the soft objective */
	int keep_copies;             /* ours without stage one */
	const struct config *config; /* else: the kinds of placement.md 8 */
	double seconds;              /* of all together; 0: iters */
	uint64_t iters;              /* ours, of each chain; 0: until time ends */
	double margin;               /* ours: room for tokens not seen (search_margin) */
	double target;               /* stop at this cost; 0: none */
	uint64_t seed;
	uint32_t chains, threads; /* chains differ in their draws alone: the best is kept */
	/* called from one thread at a time; not 0 ends the chain.  NULL: never */
	int (*tell)(void *arg, uint32_t chain, double seconds, uint64_t iters, double cost,
		    double best);
	void *arg;
};

/* Search from *p, all of whose copies are placed; it becomes the best found.  0 or TR_E...;
 * cost: of the best by the objective. */
int plan_run(const struct plan *plan, struct place *p, const struct tokens *t, double *cost);

#endif
