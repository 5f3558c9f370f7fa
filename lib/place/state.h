/* A search as it stands (plan.h) as frames: two place frames a chain, and back. */
#ifndef PLACESTATE_H
#define PLACESTATE_H

#include "plan.h"

struct state { /* of one layer; {0} at first */
	uint64_t layer;
	int finished; /* the first chain's best is the result, and all that there is */
	uint32_t sum; /* plan_sum of what it is a search of */
	struct plan_state s;
	struct place *place; /* [2 s.n] now and best of each chain, owned */
};

/* The frame of a chain's placement now, or of its best; lent by c.  Of is told for layer, finished
 * and sum alone. */
void state_frame(const struct plan *plan, const struct state *of, const struct plan_state *s,
		 const struct plan_chain *c, int best, struct tr_frame *f);
/* Take a place frame: 0; 1, f is of a search other than plan; TR_ENOMEM, TR_EVALUE,
 * TR_ECOLS: no place frame that a search stored. */
int state_take(struct state *s, const struct plan *plan, struct tr_frame *f);
void state_free(struct state *s);

#endif
