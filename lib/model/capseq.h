/*
 * The sequences of a tok frame, brought together for a model: what it reads as source, and
 * what the decoder behind an encoder reads as target; and the tokens that it adds.
 */
#ifndef MODEL_CAPSEQ_H
#define MODEL_CAPSEQ_H

#include "../core/moetrace.h"

enum { CAPSEQ_SOURCE, CAPSEQ_TARGET };

/* Rows of the frame that one side reads.  All arrays are the struct's. */
struct capseq_side {
	uint64_t rows;    /* those added, too */
	uint64_t cap;     /* elements of number */
	uint32_t *ids;    /* tokens of the frame, sequence after sequence */
	uint64_t *at;     /* [n + 1]: where they begin */
	uint32_t *to;     /* which row of the side each of ids is, in the order of the frame */
	uint32_t *number; /* [rows], in that order: its number in the batch */
};

struct capseq_new {
	uint64_t seq; /* which of the n */
	uint64_t pos;
	uint32_t id, number;
};

struct capseq {
	uint64_t n;                 /* sequences, {0} at first */
	uint64_t *seq;              /* [n]: column seq */
	struct capseq_side side[2]; /* source, target */
	struct capseq_new *added;   /* rows of phase 1 that the frame had not */
	uint64_t nadded, cap;
	uint64_t next; /* number of the next row that is added */
};

struct capseq_rule {
	int two;        /* rows of phase 1 are target; else they go on after those of phase 0 */
	int target;     /* and each sequence must have some */
	uint32_t start; /* or gets this one; UINT32_MAX: it does not */
};

/* What tok, decoded, holds, in *s; what that held before is forgotten.  0, or TR_E... and
 * why [MODEL_WHY]: a column that is missing, positions with a gap, a side without rows. */
int capseq_read(struct capseq *s, const struct tr_frame *tok, const struct capseq_rule *rule,
		char *why);
/* A row of a side behind all others: token id at pos of sequence i.  Its place among the rows
 * of the side in *to.  0 or TR_ENOMEM, TR_ELIMIT. */
int capseq_add(struct capseq *s, int side, uint64_t i, uint32_t id, uint64_t pos, uint32_t *to);
/* tok with the added rows behind its own, in *f; its columns lie in *mem, for free, which is
 * NULL or an earlier one.  0 or TR_E.... */
int capseq_tok(const struct capseq *s, const struct tr_frame *tok, struct tr_frame *f, void **mem);
void capseq_free(struct capseq *s);

#endif
