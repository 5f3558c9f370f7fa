/* Feed-forward networks on the processor: rows go to the network of their expert. */
#ifndef MODEL_NETWORKS_H
#define MODEL_NETWORKS_H

#include "dots.h"
#include "engine.h"

/* As the steps experts and ffn of an engine, of which ids and w NULL make the second (k 1).
 * What lies between the products of a few thousand rows is all that is held.  A row's sum is
 * in the order of experts.  0, TR_ENOMEM, or TR_EVALUE for an id that is none. */
int networks(const struct ffns *f, int bf16, const float *x, const uint16_t *ids, const float *w,
	     uint64_t rows, uint64_t k, float *y, struct team *t);

#endif
