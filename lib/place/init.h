/* Where the copies start (placement.md 7). */
#ifndef PLACEINIT_H
#define PLACEINIT_H

#include "place.h"

enum init_strategy { INIT_BALANCE, INIT_COACT, INIT_HOT, INIT_RANDOM, INIT_EPLB, INIT_EVEN };
enum init_axis { AXIS_ROW, AXIS_COL };

struct init_opts {
	enum init_strategy strategy;
	enum init_axis axis, hot_axis;
	uint32_t top;           /* experts of the first pass */
	uint32_t per_device;    /* copies that a device takes */
	uint64_t seed;          /* random */
	uint32_t groups, nodes; /* eplb; 0 as 1 */
	int apart;              /* eplb: no more copies of an expert than devices */
	uint64_t tries;         /* even: random changes */
};

/* Place all copies of p.  count [experts]; coact [experts][experts], or NULL where the
 * strategy uses none.  0, TR_ENOMEM, or TR_EVALUE: they do not fit. */
int init_place(struct place *p, const uint64_t *count, const uint64_t *coact,
	       const struct init_opts *o);

/* Move copies that share a device with another of their expert to free slots, or in exchange for
 * the copy that is most alike in load, where that can be.  0 or TR_ENOMEM. */
int init_part(struct place *p, const uint64_t *count, uint32_t per_device);

#endif
