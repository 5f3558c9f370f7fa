/*
 * Options of routing rules as numbers.  These functions die, as those of tool.h do;
 * they are for main and its helpers only.
 */
#ifndef RULEARGS_H
#define RULEARGS_H

#include "rules.h"

/* auto, dj, dj:X or a number in (0, 1]: r->mode and r->beta. */
void ruleargs_beta(struct rules *r, const char *s);
/* none, the machine epsilon of f32, f16 or bf16, or a number below 0.5. */
double ruleargs_clamp(const char *s);
/* What options say, and the rule may not know. */
struct ruleargs {
	uint64_t topk, min_k, max_k, groups, topk_groups; /* 0: not given, but min_k: 1 */
	int score, sigmoid, empirical, best;              /* score: -1 not given */
	const char *bias_file;
};
/* score, groups and min_k of *r; dies where options contradict r->kind, or its numbers are none. */
void ruleargs_take(struct rules *r, const struct ruleargs *a);
/* The numbers of a file, blanks, commas or lines between them: [*n], the caller's. */
double *ruleargs_bias(const char *file, uint32_t *n);

#endif
