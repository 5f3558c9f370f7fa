/*
 * Sinkhorn-Knopp: K = exp((logit - row's greatest) / temperature) is scaled by rows and
 * columns in turn, as u[t] K[t][e] v[e]; the matrix itself is never rewritten.  What a row
 * is divided by changes nothing in the row, so v alone chooses.  In f32 it is the CPU twin
 * of k_sinkhorn; in f64 it is trace-route's.
 */
#ifndef SINKHORN_H
#define SINKHORN_H

#include <float.h>

#include "select.h"

struct sinkhorn {
	uint32_t experts; /* <= SELECT_EXPERTS_MAX */
	uint32_t k;
	enum tr_type type;   /* of the logits */
	uint32_t iterations; /* at most so many sweeps, */
	float temperature;   /* > 0 */
	float tolerance;     /* or until no column changes by more than this part; 0: all sweeps */
	float eps;           /* 0; the reference benchmark's 1e-6 is added to every sum that the
			      * plan so far is divided by */
};

/* 1: a temperature that f32 has, and one over it. */
static inline int
sinkhorn_cools(double temperature)
{
	return temperature >= FLT_MIN && temperature <= FLT_MAX;
}

struct sinkhorn_told {
	uint32_t iterations; /* done */
	float row_error;     /* greatest |sum of a row - 1| of the plan, */
	float column_error;  /* |sum of a column / (rows / experts) - 1| */
};

/*
 * Rows to 1, then columns to rows / experts, a sweep; sums below 1e-30 count as that.
 * logits [rows][experts]; ids [rows][k] and w [rows][k]: the k greatest of the plan's row,
 * best first, of equal ones the lower expert, w being them divided by their sum.  A row's
 * sum is of 16 partial sums, of experts i, i + 16 ..., added as a tree (8 apart first);
 * columns' are of 256 rows each, added in their order: the same bits for any jobs.  NaN
 * counts as -inf.  v [experts] is the columns' scaling where not NULL; told, where not NULL,
 * costs one more sweep.  Needs 4 bytes a logit.  0 or TR_ENOMEM.
 */
int sinkhorn_rows(const struct sinkhorn *s, const void *logits, uint64_t rows, uint16_t *ids,
		  float *w, float *v, struct sinkhorn_told *told, int jobs);

/*
 * The columns' scaling of K [rows][experts] to v [experts], in f64 and one row after the
 * other: rows to 1 / rows, columns to 1 / experts, which is the same v; sums below 1e-300
 * count as that.  sum [experts] is room of the caller's.  Returns the sweeps done.
 */
uint32_t sinkhorn_f64(const double *K, uint64_t rows, uint32_t experts, uint32_t iterations,
		      double tolerance, double *v, double *sum);

#endif
