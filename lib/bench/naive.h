/*
 * Packing rows by expert as one would without an index, to compare with: what the
 * reference benchmark's sweep times.
 */
#ifndef NAIVE_H
#define NAIVE_H

#include "../route/index.h"

enum naive {
	NAIVE_ATOMIC, /* each route takes the next slot of its expert (x->counts are there) */
	NAIVE_SCAN,   /* for each expert all routes are looked at */
};

/* to [offsets[experts]][d]: row ids' tokens times w, by expert; x->counts and x->offsets as
 * index_rows makes them, x->perm and x->place as they come.  On one thread the order of
 * both is that of index_rows. */
void naive_pack(enum naive how, struct index *x, enum tr_type type, const void *from,
		const uint16_t *ids, const float *w, uint64_t rows, uint64_t d, void *to);

#endif
