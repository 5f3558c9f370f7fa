/* Picks of each expert, counted by others: an NPY or NPZ file of one matrix [layers, experts]. */
#ifndef NPZCOUNT_H
#define NPZCOUNT_H

#include "npzsect.h"

/*
 * Write the counts of f through s->put: the trace frame before those of the first
 * file, then a count frame a layer; k picks a token make n_tokens of them.  Uses
 * of s what is the caller's, layers and experts.  0, or -1 and s->err.
 */
int npzcount_put(struct npzsect *s, const struct npzfile *f, uint64_t k);

#endif
