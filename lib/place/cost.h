/*
 * What a placement costs: routing picks copies, a linear model of hops, columns
 * and blocks gives microseconds (placement.md 6).
 */
#ifndef COST_H
#define COST_H

#include <math.h>

#include "place.h"
#include "size.h"

enum cost_routing {
	ROUTE_BALANCED,
	ROUTE_LEAST,
	ROUTE_ROBIN,
	ROUTE_NEAREST,
	ROUTE_REROUTE,
	ROUTE_FIRST
};
enum cost_kind { COST_LINEAR, COST_SIMPLE };
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
	/* hops replaced: from row to device, [rows][devices], lent; NULL: hops on the ring */
	const double *distance;
	enum cost_kind kind;
	double simple[3]; /* COST_SIMPLE: us of a pick on the fullest device, of one that crosses
			   * the busiest row, of one above the average of devices; copies are the
			   * least loaded, dispatch is what crosses, combine what queues */
};

enum { COST_NOWHERE = UINT32_MAX }; /* ROUTE_REROUTE: no expert that is left has room */

struct cost { /* us; of one batch, or means over batches */
	double latency, dispatch, compute, combine;
};

struct cost_result {
	struct cost mean;
	double p95, p99;
	struct cost *batch; /* [nbatch], owned */
	size_t nbatch;
	uint64_t dropped, rerouted; /* picks without room; and those of other experts than picked */
};

/* Coefficients of the reference: least squares over its latency table. */
void cost_fit(uint32_t rows, double abcd[4]);
/* The same over n measured points: us[i] of a token of columns[i] instances in a column (or so
 * many devices), all of them hops[i] away.  0, or -1: the points do not tell. */
int cost_fit_points(const double *hops, const double *columns, const double *us, size_t n,
		    double abcd[4]);
/* Hops between two rows of a ring. */
static inline uint32_t
cost_hop(uint32_t a, uint32_t b, uint32_t rows)
{
	uint32_t d = a < b ? b - a : a - b;

	return d < rows - d ? d : rows - d;
}

/* Picks a copy takes of a batch of so many, where instances are so many. */
uint32_t cost_capacity(const struct cost_model *m, uint32_t instances, size_t picks);
/* The row where token k of a batch lives, ORIGIN_AVERAGE as ORIGIN_ROBIN where it tells none. */
uint16_t cost_origin_of(const struct tokens *t, const struct cost_model *m, uint32_t rows,
			size_t batch, size_t k);
/* The instance of each pick of a batch, to[0] for its first pick, or COST_NOWHERE.  origins [tokens of
 * the batch]: used by ROUTE_NEAREST. 0 or TR_ENOMEM. */
int cost_route(const struct place *p, const struct tokens *t, size_t batch,
	       const struct cost_model *m, const uint16_t *origin, uint32_t *to);
/* 0, TR_ENOMEM, TR_EVALUE: an origin beyond the mesh, picks beyond the placement, or ROUTE_REROUTE
 * of tokens without scores. */
int cost_eval(const struct place *p, const struct tokens *t, const struct cost_model *m,
	      struct cost_result *r);

/* What else a placement does to a trace. */
struct cost_measure {
	/* [devices] picks; [rows][devices] tokens from a row to a device, each once: means over
	 * the rows, where a batch is in each in turn */
	double *load, *sends;
	/* means over tokens: share of picks on their own row, hops, devices, most instances
	 * in a column */
	double row, hop, device, column;
	double even;       /* mean over batches of mean over max of the devices' picks */
	struct cost bound; /* that no placement of so many copies a device is below */
};
/* Owned by the caller, cost_measure_free.  0 or TR_ENOMEM. */
int cost_measure(const struct place *p, const struct tokens *t, const struct cost_model *m,
		 uint32_t per_device, struct cost_measure *x);
void cost_measure_free(struct cost_measure *x);
void cost_free(struct cost_result *r);
double cost_objective(const struct cost_result *r, enum cost_objective o);
/* Element min(n, ceil(q n)), from 1, of the sorted latencies. */
static inline size_t
cost_rank(size_t n, double q)
{
	size_t at = (size_t)ceil(q * (double)n);

	return MIN(n, MAX(at, (size_t)1)) - 1;
}
double cost_percentile(const struct cost *batch, size_t n, double q);

#endif
