/*
 * Sinkhorn-Knopp in f32: the CPU twin of k_sinkhorn.  K = exp((logit - row's greatest) /
 * temperature) is balanced as u[t] K[t][e] v[e], rows to 1 and columns to rows / experts;
 * the matrix itself is never rewritten.
 */
#ifndef SINKHORN_H
#define SINKHORN_H

#include "select.h"

struct sinkhorn {
	uint32_t experts; /* <= SELECT_EXPERTS_MAX */
	uint32_t k;
	enum tr_type type;   /* of the logits */
	uint32_t iterations; /* at most so many sweeps, */
	float temperature;   /* > 0 */
	float tolerance;     /* or until no column changes by more than this part; 0: all sweeps */
	float eps;           /* 0; the reference benchmark's 1e-6 is added to every sum */
};

struct sinkhorn_told {
	uint32_t iterations; /* done */
	float row_error;     /* greatest |sum of a row - 1| of the plan, */
	float column_error;  /* |sum of a column / (rows / experts) - 1| */
};

/*
 * logits [rows][experts]; ids [rows][k] and w [rows][k]: the k greatest of the plan's row,
 * best first, of equal ones the lower expert, w being them divided by their sum.  Partial
 * sums are of 256 rows, added in their order: the same bits for any jobs.  NaN counts as
 * -inf.  v [experts] is the columns' scaling where not NULL.  0 or TR_ENOMEM.
 */
int sinkhorn_rows(const struct sinkhorn *s, const void *logits, uint64_t rows, uint16_t *ids,
		  float *w, float *v, struct sinkhorn_told *told, int jobs);

#endif
