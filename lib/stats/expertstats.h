/* How the picks of a layer are spread over its experts, and over data sets
 * (collection.md 9).  Logarithms are to base 2: bits. */
#ifndef EXPERTSTATS_H
#define EXPERTSTATS_H

#include <stdint.h>

#include "../core/moetrace.h"

/* The columns that expertstats_put gives a frame lie in it. */
struct expertstats {
	double f64[TR_COLS_MAX];
	uint64_t u64[TR_COLS_MAX];
};

/* Give *f, a table frame without columns, one row: the sixteen statistics of n
 * [experts], then Gini and what follows from the entropy.  Moments are of the
 * population, quantiles linear between order statistics; NaN where all counts are
 * equal and so have no skewness.  Columns lie in *to.  0 or TR_E.... */
int expertstats_put(struct expertstats *to, struct tr_frame *f, const uint64_t *n,
		    uint32_t experts);

/* -sum p log2 p of n [len] >= 0 picks; 0 where there are none. */
double expertstats_entropy(const uint64_t *n, size_t len);
/* Jensen-Shannon divergence of the shares of two counts, 0 to 1 bit; NaN where
 * one has no picks. */
double expertstats_js(const uint64_t *a, const uint64_t *b, uint32_t experts);

struct expertstats_mi {
	double x, y;  /* entropies of rows and of columns */
	double joint; /* of both */
	double mi;    /* x + y - joint */
	double bias;  /* what Miller and Madow would take off it */
};
/* Of a matrix n [rows][cols]; all 0 where it has no picks.  0 or TR_ENOMEM. */
int expertstats_mi(const uint64_t *n, size_t rows, size_t cols, struct expertstats_mi *to);

#endif
