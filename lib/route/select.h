/*
 * Top-k selection of rows of logits, with weights: the CPU twin of k_select.  Results
 * have the same bits on every machine, for any number of threads, as a kernel has.
 */
#ifndef SELECT_H
#define SELECT_H

#include "../core/moetrace.h"
#include "rules.h"

enum { SELECT_EXPERTS_MAX = 1024, SELECT_K_MAX = 64 };
enum { SELECT_NONE = 0xffff }; /* an id that is none */

struct select {
	uint32_t experts;       /* 1 .. SELECT_EXPERTS_MAX */
	uint32_t k;             /* 1 .. min(experts, SELECT_K_MAX) */
	enum tr_type type;      /* of the logits: TR_F32, TR_F16, TR_BF16 */
	enum rules_score score; /* what makes weights (rules.h) */
	int renorm;             /* weights are divided by their sum (RULES_AFTER's always are) */
	const float *bias;      /* [experts], added to the scores that choose; or NULL */
	uint32_t groups;        /* 0: none; else it divides experts, and rows choose among the */
	uint32_t topk_groups;   /* experts of their topk_groups best groups alone */
};

/* 0, or -1 and why. */
int select_fit(const struct select *s, char *why, size_t size);

/*
 * logits [rows][experts], rows contiguous, aligned or not; -0 is 0 everywhere.
 * ids [rows][k]: best first, equal ones by lower expert; always different and below
 * experts.  NaN is worse than -inf; a row of NaN picks 0 .. k-1.  What is compared:
 * without bias and groups the logits; else, in f32, the score that s->score names plus
 * the bias, NaN where the logit is (of RULES_AFTER and RULES_NONE the logit is the score).
 * A group is worth its greatest (RULES_SIGMOID: the sum of its two greatest, NaN if one
 * is; of a group of one, that one), and of equal groups the lower is better.
 * w [rows][k], of the logits without the bias, in the order of picks; m is the greatest
 * logit of those that count, e(x) is keys_weight(x, m):
 *   RULES_AFTER    e(x) over their sum, in the order of picks; renorm adds nothing
 *   RULES_BEFORE   e(x) over the sum of all experts, of whatever group: 32 partial sums,
 *                  of experts i, i + 32 ... in order, added as a tree (16 apart first)
 *   RULES_SIGMOID  keys_sigmoid of the logit
 *   RULES_NONE     the logit
 * renorm divides the others by their sum in the order of picks where that is not 0.  A
 * weight that is NaN has the bits 0x7fc00000.
 * Returns the number of rows that hold a NaN.  jobs threads share the rows.
 */
uint64_t select_rows(const struct select *s, const void *logits, uint64_t rows, uint16_t *ids,
		     float *w, int jobs);

/* The same with the plainest loops, for tests and for processors without vectors. */
uint64_t select_plain(const struct select *s, const void *logits, uint64_t rows, uint16_t *ids,
		      float *w);

/* gates [rows][experts] of ids and w [rows][k]: the weight of each pick, else 0. */
void select_mask(const struct select *s, const uint16_t *ids, const float *w, uint64_t rows,
		 float *gates, int jobs);

/* Code for which processor runs: "avx512", "avx2", "neon" or "plain".  select_isa("plain")
 * and so on choose another that this one has: 0, or -1.  Not while others select. */
const char *select_isa_name(void);
int select_isa(const char *name);

#endif
