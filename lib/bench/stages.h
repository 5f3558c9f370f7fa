/*
 * The router's stages timed by turns, as frames.  These functions die, as those of tool.h
 * do; they are for main and its helpers only.
 */
#ifndef STAGES_H
#define STAGES_H

#include "bench.h"
#include "router.h"
#include "sweep.h"

enum { STAGES_SAMPLES = 200 };

struct stages {
	struct bench *bench; /* opened */
	struct tool *tool;
	struct router *router; /* not opened yet */
	int wanted[ROUTER_STRATEGIES];
	int no_check, no_graph;
	uint64_t warmup, samples; /* turns; samples 0: as bench_samples says */
	const char *timeline;     /* NULL: none */
};

/* Check each strategy, time its stages, put the section.  Dies, after its frames are out
 * and without an end, where a result is not the CPU's. */
void stages_run(struct stages *s);

/* Packing with and without an index for batches of seq_len tokens each. */
void stages_sweep(struct bench *b, struct tool *t, const struct sweep *w,
		  const struct tr_list *batches, uint64_t seq_len);
/* What frames of either say of the sizes. */
void stages_sizes(struct tr_frame *f, const struct bench *b, uint64_t rows, uint64_t d,
		  uint32_t experts, uint32_t k, enum tr_type type);

#endif
