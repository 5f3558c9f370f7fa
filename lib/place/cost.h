/*
 * What a placement costs: routing picks copies, a linear model of hops, columns
 * and blocks gives microseconds (placement.md 6).
 */
#ifndef COST_H
#define COST_H

#include "place.h"

enum cost_routing { ROUTE_BALANCED, ROUTE_LEAST, ROUTE_ROBIN, ROUTE_NEAREST };
enum cost_objective { COST_MEAN, COST_P95, COST_P99 };
enum cost_origin { ORIGIN_AVERAGE, ORIGIN_ROBIN, ORIGIN_RANDOM };

struct cost_model {
	enum cost_routing routing;
	double factor;           /* of the capacity */
	enum cost_origin origin; /* of tokens that tell none */
	uint64_t seed;
	double dispatch[4], combine[4]; /* A + B columns or devices + C mean hop + D largest hop */
	double block;                   /* us of one block */
	uint32_t block_tokens;
};

struct cost { /* us; of one batch, or means over batches */
	double latency, dispatch, compute, combine;
};

struct cost_result {
	struct cost mean;
	double p95, p99;
	struct cost *batch; /* [nbatch], owned */
	size_t nbatch;
};

/* Coefficients of the reference: least squares over its latency table. */
void cost_fit(uint32_t rows, double abcd[4]);
/* Hops between two rows of a ring. */
static inline uint32_t
cost_hop(uint32_t a, uint32_t b, uint32_t rows)
{
	uint32_t d = a < b ? b - a : a - b;

	return d < rows - d ? d : rows - d;
}

/* The instance of each pick of a batch, to[0] for its first pick.  origins [tokens of
 * the batch]: used by ROUTE_NEAREST. 0 or TR_ENOMEM. */
int cost_route(const struct place *p, const struct tokens *t, size_t batch,
	       const struct cost_model *m, const uint16_t *origin, uint32_t *to);
/* 0, TR_ENOMEM, TR_EVALUE: an origin beyond the mesh, or picks beyond the placement. */
int cost_eval(const struct place *p, const struct tokens *t, const struct cost_model *m,
	      struct cost_result *r);
/* Picks of each device over all batches, [devices], added to what is there.  0 or TR_ENOMEM. */
int cost_load(const struct place *p, const struct tokens *t, const struct cost_model *m,
	      uint64_t *load);
void cost_free(struct cost_result *r);
double cost_objective(const struct cost_result *r, enum cost_objective o);
/* Element min(n, ceil(q n)), from 1, of the sorted latencies. */
double cost_percentile(const struct cost *batch, size_t n, double q);

#endif
