/* Rows that picked both of two experts. */
#ifndef COACT_H
#define COACT_H

#include <stdint.h>

#include "moetrace.h"

/* One layer.  n [experts][experts], symmetric once coact_end was called; the
 * diagonal holds the rows that picked the expert. */
struct coact {
	uint32_t experts;
	uint64_t n_tokens, pending; /* pending: rows in the 32-bit counters */
	uint64_t *n;
	uint32_t *n32, stride, k; /* k: of the pending rows */
};

int coact_init(struct coact *c, uint32_t experts); /* 0 or TR_ENOMEM */
void coact_free(struct coact *c);
/* Count all rows (k at most 1024, ids as tr_ids checks them).  A row that repeats
 * an expert counts it once.  0 or TR_ENOMEM. */
int coact_count(struct coact *c, const struct tr_ids *ids);
/* Bring all counts into n. */
void coact_end(struct coact *c);

/* Norms of a whole matrix (diagonal: marginals), to [experts][experts]:
 * log2(n_ij N / (n_i n_j)), 0 where n_ij is 0; n_ij / (n_i + n_j - n_ij). */
void coact_pmi(const uint64_t *n, uint64_t n_tokens, uint32_t experts, double *to);
void coact_jaccard(const uint64_t *n, uint32_t experts, double *to);

#endif
