/* Which experts of the next MoE layer follow those of one, for the same token. */
#ifndef FLOW_H
#define FLOW_H

#include <stdint.h>

#include "../core/moetrace.h"

/* What is counted of two layers: n [experts][experts], pairs of a pick of layer and
 * one of to; n_tokens rows that both have. */
struct flow_pair {
	uint64_t layer, to, n_tokens;
	uint64_t *n;
};

/* One token's way: id[i] is its best pick in the i-th layer of its section, and
 * layer[i] that layer's number. */
struct flow_journey {
	uint64_t draw, section, batch, row;
	uint64_t *layer;
	uint16_t *id;
	uint32_t n;
};

/* 8 bytes a pair of experts and layers; 2 k bytes a row and layer of what is held. */
struct flow;

/* Of the k best picks of a row; keeps journeys tokens, of all with a pick in every
 * layer, drawn by the seed, batch and row alone.  NULL: no memory. */
struct flow *flow_new(uint32_t k, uint64_t journeys, uint64_t seed);
void flow_free(struct flow *f);
/* A new section of these layers and experts: what is held is counted first. */
int flow_begin(struct flow *f, const struct tr_sect *s);
/* Hold the rows of route frame r, without the picks that dropped [rows][ids->k] marks
 * (NULL: none).  ordered: its section promises order=batch,layer, so that the batches
 * before are counted now; without that all are held to the section's end. */
int flow_add(struct flow *f, const struct tr_frame *r, const struct tr_ids *ids,
	     const uint8_t *dropped, int ordered);
/* Count what is held; no more frames follow. */
int flow_end(struct flow *f);
/* 0 or, of the three above, TR_ENOMEM, TR_EORDER the promise is broken, TR_EVALUE a
 * row is there twice, TR_EUSE fewer than k picks; then this says what. */
const char *flow_errstr(const struct flow *f);

/* What was counted, in no order; lent. */
const struct flow_pair *flow_pairs(const struct flow *f, size_t *n);
/* The journeys by section, batch and row, once flow_end was called; lent. */
const struct flow_journey *flow_journeys(const struct flow *f, size_t *n);

/* Give table frame *to, without columns, a row that tells of n [experts][experts];
 * columns lie in f64.  0 or TR_E.... */
int flow_put(double f64[TR_COLS_MAX], struct tr_frame *to, const uint64_t *n, uint32_t experts);

#endif
