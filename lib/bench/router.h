/*
 * The router's stages, timed on a device: product, selection, index, gather, apart and
 * fused, by strategy.
 */
#ifndef ROUTER_H
#define ROUTER_H

#include "dev.h"

enum router_strategy {
	ROUTER_NAIVE_TOPK,    /* product, select, index, gather: a call each */
	ROUTER_MASKED_MATMUL, /* picks become a dense matrix of gates; nothing is moved */
	ROUTER_FUSED_SELECT,  /* selection counts for the index, too */
	ROUTER_SINKHORN,      /* selection from the balanced plan */
	ROUTER_FUSED_ROUTER,  /* product and selection in one, logits never in memory; no groups */
	ROUTER_STRATEGIES,
};
extern const char *const router_names[ROUTER_STRATEGIES];

enum router_stage {
	ROUTER_LOGIT,
	ROUTER_SELECT,
	ROUTER_LOGIT_SELECT,
	ROUTER_INDEX,
	ROUTER_SELECT_INDEX,
	ROUTER_GATHER,
	ROUTER_PACK,        /* index and gather */
	ROUTER_SELECT_PACK, /* of fused_select: all but the product */
	ROUTER_ROUTE,       /* all of them, as one span */
	ROUTER_STAGES,
};
extern const char *const router_stages[ROUTER_STAGES];

struct router {
	/* the caller's */
	const struct dev *dev;
	uint64_t rows, d;   /* d 0: logits alone, neither product nor gather */
	struct select s;    /* of what strategies but sinkhorn select */
	struct sinkhorn h;  /* its experts, k and type are set here */
	const float *bias;  /* host: of s, whose own is set here; or NULL */
	const void *x, *w;  /* host: [rows][d], [experts][d], or NULL with */
	const void *logits; /* host: [rows][experts], or NULL with x and w */
	int warm;           /* always the same buffers; else as many as outgrow the cache */
	int weighted;       /* gathered rows are multiplied by their weights */

	/* router.c's own: device memory, by turns */
	uint64_t nx, nset;
	uint64_t next_x, next_logits; /* of router_turn */
	unsigned char *xs, *router, *sets, *packed, *work;
	float *gates, *biases;
	size_t set, logits_size, picks_size; /* bytes of a set, of its parts */
	size_t at_ids, at_w, at_counts, at_offsets, at_perm, at_place;
	struct sinkhorn_told *told;
};

/* Memory, inputs on the device.  0, or negative and dev_errstr. */
int router_open(struct router *r);
void router_close(struct router *r);

/* Does strategy a have that stage here? */
int router_has(const struct router *r, enum router_strategy a, enum router_stage b);
/* The i-th call of a stage; 0 or negative. */
int router_call(struct router *r, enum router_strategy a, enum router_stage b, uint64_t i,
		void *stream);
/* What to give router_call as i in place of a stage's own count, where stages take turns: all that
 * read rows, and all that read logits, have one count.  With their own, two stages of as many
 * calls a turn would have the same copy, one after the other, and the second would find it in the
 * cache. */
uint64_t router_turn(struct router *r, enum router_stage b, uint64_t i);
/* The device's memory of the i-th turn. */
struct router_set {
	unsigned char *logits; /* [rows][experts] */
	uint16_t *ids;         /* [rows][k] */
	float *w;
	struct index x;
};
struct router_set router_set(const struct router *r, enum router_strategy a, uint64_t i);
/* Bytes that a call must read and write at least, and its operations. */
double router_bytes(const struct router *r, enum router_strategy a, enum router_stage b);
double router_flops(const struct router *r, enum router_strategy a, enum router_stage b);

/* What a strategy's route came to, on the host. */
struct router_result {
	float max_mean, cv; /* of the picks of the experts */
	struct sinkhorn_told told;
	char check[64]; /* "ok", or what differs from the CPU's plain functions */
};
int router_check(struct router *r, enum router_strategy a, struct router_result *to);

#endif
