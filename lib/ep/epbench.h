/*
 * Strategies of an expert-parallel layer measured side by side on all ranks, and what that
 * came to.
 */
#ifndef EPBENCH_H
#define EPBENCH_H

#include "eplayer.h"

enum { EPBENCH_STRATEGIES = 3 };

/* What samples are of: a phase, or of the overlapped layer what struct eplayer_overlap says. */
enum epbench_row {
	EPBENCH_WALL = EPLAYER_PHASES,
	EPBENCH_WALL_ROUTE,
	EPBENCH_PART,
	EPBENCH_PART_COMM,
	EPBENCH_PART_COMP,
	EPBENCH_ROUTE,    /* the sum of selection, index and gather, on a rank */
	EPBENCH_COMP,     /* local and remote experts */
	EPBENCH_EXCHANGE, /* there and back */
	EPBENCH_APART, /* all but the logits, phase after phase, each as long as on the slowest */
	EPBENCH_ROWS,
};
extern const char *const epbench_rows[EPBENCH_ROWS];

/* Of one strategy, on rank 0. */
struct epbench_told {
	double *us[EPBENCH_ROWS];    /* [samples]: the slowest rank of each; NULL: it has it not */
	double *rank0[EPBENCH_ROWS]; /* the same of rank 0 */
	double median[EPBENCH_ROWS]; /* of us; NAN where there is none */
	double expert_max_mean, expert_cv, rank_max_mean, rank_cv; /* rows of all ranks */
	double line[24];                                           /* of the table */
	double sent; /* bytes to others, of the rank that sends most */
	int slowest; /* rank with the longest phases in sum, exchanges left out */
};

struct epbench {
	/* the caller's */
	struct eplayer layer; /* all but ep, dev, in and expert_seed */
	struct inputs in;     /* of rank 0 */
	const char *transport;
	int virtual_ranks; /* of one process: neither links nor overlap mean anything */
	int same_tokens, gpu, device, jobs, samples, warmup;
	int want[EPBENCH_STRATEGIES]; /* which are told; naive_topk is measured in any case */

	/* rank 0's */
	struct epbench_told told[EPBENCH_STRATEGIES];
	int ranks;
	char backend[8];
	double *memory;
};
extern const enum router_strategy epbench_strategies[EPBENCH_STRATEGIES];

/* For ep_run: checks, then measures.  arg is a struct epbench. */
int epbench_work(struct ep *ep, void *arg);
void epbench_free(struct epbench *b);

/* Figures of the table, on rank 0. */
double epbench_delta(const struct epbench *b, int strategy, int row); /* to naive_topk */
/* NAN where ranks are virtual, of links also where there is one alone. */
double epbench_eta_apart(const struct epbench *b, int strategy);  /* phases apart, over the
								   * overlapped wall */
double epbench_eta_within(const struct epbench *b, int strategy); /* route, exchanges and experts
								   * as they took inside the
								   * overlapped layer, over it */
double epbench_hidden(const struct epbench *b, int strategy);     /* share of the shorter of
								   * exchanges and experts that
								   * the other hid */
double epbench_bytes(const struct epbench *b); /* of rows and ids that a rank has, for itself too */
double epbench_algbw(const struct epbench *b, int strategy); /* 1e9 of them a second */
double epbench_busbw(const struct epbench *b, int strategy); /* times (ranks - 1) / ranks */

/*
 * Frames of it, on rank 0: a bench frame name=phase of a row, and the strategy's line of the
 * table name=ep.  Columns lie in b.  1; 0: it has none; or TR_E....
 */
int epbench_phase(const struct epbench *b, int strategy, int row, struct tr_frame *f);
int epbench_line(struct epbench *b, int strategy, struct tr_frame *f);

#endif
