/* Extra copies that halve the busiest, in percent of the picks (placement.md 5.2). */
#ifndef SPLIT_H
#define SPLIT_H

#include <stdint.h>

#include "../format/json.h"

struct split {
	uint32_t slots;  /* extra copies; 0: none */
	uint32_t shared; /* the expert that is cut into equal parts first, UINT32_MAX: none */
	uint32_t copies; /* that many parts, all but one of slots */
};

/* The splitting itself: freq and original [n + slots], the first n given.
 * shared: index of an expert that is cut into `replicas` equal parts first, or
 * UINT32_MAX.  Returns the number of entries. */
uint32_t split_halve(double *freq, uint32_t *original, uint32_t n, uint32_t slots, uint32_t shared,
		     uint32_t replicas);
/* What each copy takes of the picks, in percent, and its expert: those of the experts
 * first, then the extra ones as they came; both [experts + slots].  Their number. */
uint32_t split_percent(const struct split *o, const uint64_t *count, uint32_t experts,
		       double *percent, uint32_t *expert);
/* A layer's key and object of the placement simulator (5.4) into o. */
void split_json(struct json_out *o, uint64_t layer, const uint32_t *expert, const double *percent,
		uint32_t n);

#endif
