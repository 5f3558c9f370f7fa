/*
 * The three JSONC files of the placement simulator (placement.md 8.3; page
 * moetrace-place(5)): system, initial placement, search.
 */
#ifndef PLACECONFIG_H
#define PLACECONFIG_H

#include "cost.h"
#include "init.h"

enum { CONFIG_ERR = 512, CONFIG_STEPS = 64 };
/* keys that a trace or a placement may belie */
enum { CONFIG_LAYER, CONFIG_EXPERTS, CONFIG_SLOTS, CONFIG_ROWS, CONFIG_COLS, CONFIG_AT };
enum search_kind { SEARCH_NONE, SEARCH_RANDOM, SEARCH_LOCAL, SEARCH_ANNEAL, SEARCH_SEQUENCE };

struct search_step {
	enum search_kind kind; /* local or anneal */
	uint64_t iters;
	double t0, t1;
};

/* 0 or "" where nothing is said and the default is that. */
struct config {
	/* system */
	char trace[1024];
	uint64_t layer; /* TR_NONE: any */
	uint64_t rows, cols, experts, shared, slots, shared_copies;
	uint64_t routing, objective, origin;              /* enums of cost.h */
	double factor, dispatch[4], combine[4], block_us; /* dispatch[0] NaN: fitted to rows */
	uint64_t block_tokens, max_records, max_seq_len;
	double fast_test_pct;
	uint64_t cost;                                              /* enum cost_kind */
	double simple[3];                                           /* alpha, beta, gamma */
	char latency[1024], combine_latency[1024], rank_cost[1024]; /* files of numbers */
	char at[CONFIG_AT][32]; /* "LINE:COLUMN: " of those keys, "" where the file has none */
	/* initial placement */
	uint64_t strategy, axis, hot_axis, top_n; /* enums of init.h */
	char spread[32];
	/* search */
	uint64_t search, restarts, iters, local_iters, anneal_iters;
	double t0, t1;
	struct search_step step[CONFIG_STEPS];
	uint32_t nstep;
};

void config_default(struct config *c);
/* Take in the n bytes of a file of that kind, which are changed: 0, or -1 and err
 * "LINE:COLUMN: reason".  What is not named keeps its value. */
int config_system(struct config *c, char *p, size_t n, char err[CONFIG_ERR]);
int config_init(struct config *c, char *p, size_t n, char err[CONFIG_ERR]);
int config_search(struct config *c, char *p, size_t n, char err[CONFIG_ERR]);
/* "local:50,anneal:200:1.0:0.01" into the steps: 0, or -1 and err. */
int config_sequence(struct config *c, const char *text, char err[CONFIG_ERR]);

#endif
