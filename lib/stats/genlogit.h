/*
 * Logits for picks that are drawn already, so that they are what a top-k of them
 * picks: the log of each expert's popularity over an even one, times sqrt(6) / pi,
 * and a normal number.  A pick drawn by popularity is the largest of log-popularity
 * and Gumbel noise, whose deviation is pi / sqrt(6).  The k largest go to the picks,
 * in their order; an expert that loses its own to a pick takes the pick's.
 */
#ifndef GENLOGIT_H
#define GENLOGIT_H

#include "genmodel.h"

enum genlogit_type { GENLOGIT_F32, GENLOGIT_F16, GENLOGIT_BF16 };

struct genlogit {
	const struct genmodel *m;
	enum genlogit_type type;
	uint64_t rows;    /* of a frame, at most: the caller's; then 64 MiB of f32 */
	float *x;         /* [rows][experts], as the type holds them */
	uint16_t *half;   /* [rows][experts], F16 and BF16 */
	double *law[2];   /* by rank: of all rows, of decode rows */
	double *pop[2];   /* by expert of the layer */
	uint16_t *best;   /* scratch: the k largest and the next */
	double *p;        /* scratch, k */
	uint8_t *is_pick; /* [experts], 0 between two rows */
};

/* After genmodel_init, whose m stays the caller's: 0, or -1 without memory. */
int genlogit_init(struct genlogit *g, const struct genmodel *m, enum genlogit_type type);
void genlogit_free(struct genlogit *g);

/* The layer that the rows below are of. */
void genlogit_layer(struct genlogit *g, const struct genlayer *l);
/* Logits of a row of it into the i-th of x and half, i < rows, for its picks ids [k]:
 * these descend strictly, and all others are below.  w [k]: the softmax of the picks'
 * logits. */
void genlogit_row(struct genlogit *g, uint64_t layer, uint64_t batch, uint64_t row,
		  const uint16_t *ids, uint64_t i, float *w);

#endif
