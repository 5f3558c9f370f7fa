/*
 * Structure over gen's popularity: groups of experts, domains of requests that
 * drift, prefill and decode, bursts, and layers that follow from the one
 * before.  Draws are by counter, so a row depends on seed, batch, row and layer
 * alone; what is off, or has probability 0, leaves gen's rows as they are.
 */
#ifndef GENMODEL_H
#define GENMODEL_H

#include "gen.h"
#include "moetrace.h"

#define GENMODEL_NEVER UINT64_MAX

struct genmodel {
	/* the caller's; what is 0 is off */
	const struct gen *gen, *decode; /* decode: popularity of decode rows */
	uint64_t rows, request_rows;    /* of a batch, of a request */
	uint64_t groups, domains;
	uint64_t drift;   /* batches until the mixture is the same; 0: it stays */
	uint64_t prefill; /* rows of a request, or GENMODEL_NEVER */
	uint64_t burst_rows, origin_rows;
	double affinity;     /* probability that a pick is from the row's group */
	double domain_share; /* by its domain's popularity */
	double burst, chain; /* that a run is one, that a pick is the image of another */

	uint64_t affine, share, bursts, chained; /* the same, of 2^32 */
	int plain;                               /* nothing is on */
	struct genlayer *layer;                  /* to be drawn, in this order */
	uint64_t nlayers;
	uint16_t *prev, *lead; /* picks of a batch in the layer before, of a run's first row */
	uint64_t *mix;         /* cumulated weights of the domains in batch mix_batch */
	uint64_t mix_batch;
	uint64_t request_batch, request; /* the last one looked at, and its domain */
	uint32_t domain;
	uint64_t run_batch, run; /* the last run, and whether it is a burst */
	int hot;
};

/* What holds of a row in all layers. */
struct genrow {
	uint32_t home, domain; /* 0 where there are none */
	uint16_t origin;
	uint8_t decode;
};

/* The tables of one layer, for it and each domain: rank to expert, the same
 * group by group, and the image of each expert of the layer before. */
struct genlayer {
	uint64_t number;
	int wanted; /* 0: drawn for the layers after it only */
	uint16_t *rank, *group, *image;
};

/* After the caller's part is filled: 0, or -1 without memory.  A chain keeps
 * 2 bytes a pick of a batch. */
int genmodel_init(struct genmodel *m);
void genmodel_free(struct genmodel *m);
/* The layers' tables; layers is what map lists, if it is not empty.  A chain
 * draws all from 0 on.  0, or -1 without memory. */
int genmodel_layers(struct genmodel *m, uint64_t layers, const struct tr_list *map);

void genmodel_facts(struct genmodel *m, uint64_t batch, uint64_t row, struct genrow *r);
/* k picks.  Rows of a layer are asked for from 0 up where there are bursts,
 * and layers from 0 up in each batch where there is a chain. */
void genmodel_row(struct genmodel *m, const struct genlayer *l, uint64_t batch, uint64_t row,
		  uint16_t *ids);

/* For genrow.c.  The top byte of a stream is what is drawn; a group's experts
 * are n from the place returned. */
enum genmodel_what {
	GEN_DEAL = 0x41,
	GEN_ROW,
	GEN_REQUEST,
	GEN_DOMAIN,
	GEN_COIN,
	GEN_IMAGE,
	GEN_BURST,
	GEN_REDRAW,
	GEN_LOGIT
};
static inline uint64_t
genmodel_stream(enum genmodel_what what, uint64_t layer, uint64_t n)
{
	return (uint64_t)what << 56 | layer << 40 | n;
}
uint32_t genmodel_group(const struct genmodel *m, uint32_t g, uint32_t *n);

#endif
