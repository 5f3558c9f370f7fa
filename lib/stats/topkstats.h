/* How often an expert is among the k best of a row, for every k at once. */
#ifndef TOPKSTATS_H
#define TOPKSTATS_H

#include <stdint.h>

#include "moetrace.h"

/* One layer.  n[i * experts + e]: rows whose i-th best pick is e, so that the
 * counts of any k are sums over i < k. */
struct topk {
	uint32_t experts, k;
	uint64_t n_tokens;
	uint64_t *n;
};

int topk_init(struct topk *t, uint32_t experts, uint32_t k); /* 0 or TR_ENOMEM */
void topk_free(struct topk *t);
/* Count all rows; dropped [rows][k] or NULL: picks to leave out. */
void topk_count(struct topk *t, const struct tr_ids *ids, const uint8_t *dropped);
/* The same by the rule of the DynaNDE notebooks (trace-csv, Counting): experts
 * ordered by weight as "%.6f" prints it, the higher number first among equals,
 * zero cells filling up to k.  w [rows][k].  0 or TR_ENOMEM. */
int topk_count_printed(struct topk *t, const struct tr_ids *ids, const float *w);
/* Sums over i < k into to[experts]. */
void topk_sum(const struct topk *t, uint32_t k, uint64_t *to);

#endif
