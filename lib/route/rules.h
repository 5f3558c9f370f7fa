/* Routing rules: which experts a row of logits goes to, and with what weights. */
#ifndef RULES_H
#define RULES_H

#include <stddef.h>
#include <stdint.h>

enum rules_kind {
	RULES_TOPK,
	RULES_GROUP,
	RULES_CAPACITY, /* top-k; a full expert drops the pick */
	RULES_REROUTE,  /* a full expert passes it on to the row's next best */
	RULES_SINKHORN,
	RULES_BH, /* Benjamini-Hochberg on p-values */
	RULES_HC, /* Higher Criticism */
};

/* What makes scores, and thereby weights, from logits (of the others than BH, HC). */
enum rules_score {
	RULES_BEFORE,  /* softmax over all experts */
	RULES_AFTER,   /* softmax over the picks; the logits choose */
	RULES_NONE,    /* the logits themselves */
	RULES_SIGMOID, /* of each logit */
};

/* The ranks that HC looks at. */
enum rules_beta {
	RULES_AUTO, /* p of rank i below i/E */
	RULES_PART, /* the first max(1, floor(beta E)) */
	RULES_ALL,
	RULES_DJ, /* i <= beta E and p of rank i >= 1/E (Donoho and Jin) */
};

struct rules {
	enum rules_kind kind;
	uint32_t experts;
	uint32_t width; /* slots of a row, <= experts: k, or the max_k of BH and HC */
	enum rules_score score;
	double temperature; /* > 0: divides the logits wherever weights come of them */
	int renorm;         /* weights are divided by their sum */
	const double *bias; /* [experts], added to the scores that choose; or NULL */

	uint32_t groups, topk_groups; /* RULES_GROUP: groups divide experts */
	double capacity;              /* factor: ceil(factor rows width / experts) picks each */
	uint32_t iterations;          /* RULES_SINKHORN: at most so many, */
	double tolerance;             /* or until no column changes by more than this part */

	uint32_t min_k; /* RULES_BH, RULES_HC */
	double alpha;   /* RULES_BH */
	enum rules_beta mode;
	double beta;  /* RULES_HC, of PART and DJ */
	double clamp; /* p is brought into [clamp, 1 - clamp]; 0: as it is */
};

/* One row's result, memory of the caller: width places each. */
struct rules_row {
	uint32_t *ids; /* best first; only the first count are set */
	double *w;
	uint8_t *dropped; /* RULES_CAPACITY: 1 of a pick without room, its w 0; or NULL */
	uint32_t count;   /* picks, those dropped too */
	uint32_t rank;    /* RULES_HC: rank of the greatest HC, 0: no rank was looked at; */
			  /* RULES_BH: the k* found, 0: none */
	double hc;        /* RULES_HC: that value, 0 with rank 0 */
};

/* Can that many experts, and bias of nbias numbers, be routed so?  0, or -1 and why. */
int rules_fit(const struct rules *r, uint32_t experts, uint32_t nbias, char *why, size_t size);

struct rules_work; /* scratch memory */

/* NULL: no memory. */
struct rules_work *rules_new(const struct rules *r);
void rules_free(struct rules_work *w);

/* Does this rule look at all rows of a batch's layer at once? */
int rules_joint(const struct rules *r);
/* Does it look at p-values? */
int rules_pvalues(const struct rules *r);

/* Route one row (rules that are not joint): finite logits [experts]; p [experts]
 * for BH and HC, else NULL. */
void rules_one(struct rules_work *w, const double *logit, const double *p, struct rules_row *to);

/* What BH or HC saw of the row that rules_one routed last, [experts] by ascending p. */
struct rules_rank {
	uint32_t id;
	double logit, p; /* p: clamped */
	double value;    /* HC of the rank, or BH's alpha rank / experts */
	int looked;      /* the rank could be chosen; of BH all can */
};
void rules_ranks(const struct rules_work *w, struct rules_rank *to);

/* Route n rows together (joint rules): logits [n][experts], results in to[n], in
 * the order of the rows.  0, or -1: no memory. */
int rules_all(struct rules_work *w, const double *logit, uint64_t n, struct rules_row *to);

#endif
