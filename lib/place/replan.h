/* A running placement made even again for new loads, by few copies that move. */
#ifndef REPLAN_H
#define REPLAN_H

#include "place.h"

struct replan {
	uint32_t per_device;
	uint32_t maxmoved; /* copies that may be where p has none of their expert */
	double within;     /* stop at so much above the best that a plan from nothing reaches */
	uint64_t seed;
	/* told */
	double best, reached; /* max over mean: of the plan from nothing, of the result */
	uint32_t moved;
	uint32_t least; /* copies that must move, at least */
	int missed;     /* the goal */
};

/* p in and out, of no more copies; one that shares its device with one of its expert is of no use
 * and goes.  The goal is best by 1 + within, and missed only where maxmoved forbids it.  Moves are
 * swaps, copies put on free slots, and copies that one expert hands to another in place.  0, TR_ENOMEM, TR_EVALUE: more copies than per_device allows. */
int replan(struct place *p, const uint64_t *count, struct replan *o);

#endif
