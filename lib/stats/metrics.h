/*
 * How even a router's load is, in the numbers that papers give (router-bench.md
 * A6): what the picks of each expert tell, and what rows, logits and weights do.
 */
#ifndef METRICS_H
#define METRICS_H

#include "moetrace.h"

/* Which picks beyond its capacity an expert drops. */
enum metrics_order {
	METRICS_TOKEN,  /* those that come last */
	METRICS_WEIGHT, /* those of the least weight */
};

struct metrics_want {
	uint64_t ranks;           /* even parts of the experts, 0: none */
	double capacity;          /* factor, NaN: none */
	enum metrics_order order; /* for the weight that is dropped */
	int weigh;                /* and whether to tell it: 4 bytes a pick are kept */
};

struct metrics; /* 24 bytes an expert of each layer and batch that is told apart */

struct metrics *metrics_new(const struct metrics_want *want); /* NULL: no memory */
void metrics_free(struct metrics *m);

/* Take in the rows of route frame f, its picks ids [rows][k] without those that
 * dropped [rows][k] marks (NULL: none), for the count frame of that layer, batch
 * (TR_NONE: it has none) and number of experts.  Sums are exact, so the order of
 * frames matters to METRICS_TOKEN alone.  0, or TR_E... and metrics_errstr says why. */
int metrics_add(struct metrics *m, uint64_t layer, uint64_t batch, uint32_t experts,
		const struct tr_frame *f, const struct tr_ids *ids, const uint8_t *dropped);

/* *to: the table of one row for a count frame; its columns are m's until the next
 * call.  NaN: what n_tokens rows with logits, or weights, did not tell.  0 or TR_E.... */
int metrics_table(struct metrics *m, const struct tr_frame *count, struct tr_frame *to);

const char *metrics_errstr(const struct metrics *m);

#endif
