/*
 * Which expert a token takes in a layer, told from those it took in the layers
 * before: counts of experts behind a context, interpolated from long contexts
 * to short ones by the rule of Witten and Bell (1991, their method C):
 *
 *	P(e | h) = (n(h, e) + t(h) P(e | h')) / (n(h) + t(h))
 *
 * where t(h) experts followed h, and h' is h without its oldest layer; below
 * the empty context all are equally likely.  Nothing here exits or prints.
 */
#ifndef PREDICT_H
#define PREDICT_H

#include <stdint.h>

enum { PREDICT_CONTEXT = 4, PREDICT_TOP = 256, PREDICT_NONE = 0xffff };

struct predict; /* one layer */

/* What was told of how many tokens. */
struct predict_hits {
	uint64_t n;     /* tokens with a pick in the layer and in all before it */
	uint64_t seen;  /* of whose whole context there was a count */
	uint64_t *rank; /* [top] the pick was the i-th best told; the caller's */
};

/* Contexts of context <= PREDICT_CONTEXT layers; NULL: no memory, or keys of
 * more than 64 bits (4096 experts and more with 4 layers).  The caller frees. */
struct predict *predict_new(uint32_t experts, uint32_t context);
void predict_free(struct predict *p);

/* Count rows: from[context][rows], the oldest layer first, and to[rows] are
 * experts or PREDICT_NONE; a row that lacks one is left out.  0 or TR_ENOMEM. */
int predict_count(struct predict *p, const uint16_t *const *from, const uint16_t *to,
		  uint64_t rows);

/* Counts as matrices [experts][experts] by the last layer's expert and the one
 * that followed, one for each of what stood before in the older layers
 * (context - 1 experts, the oldest first); of context 0 a matrix of one row.
 * predict_put adds one: 0, TR_ENOMEM, TR_ELIMIT where a sum passes 2^63. */
int predict_put(struct predict *p, const uint16_t *before, const uint64_t *n);
/* The next one, those that are not all zero in the order that sum_sort has; *at
 * is 0 at first.  1, 0 at the end, or TR_ENOMEM. */
int predict_next(struct predict *p, uint64_t *at, uint16_t *before, uint64_t *n);

/* Ready to tell the top <= PREDICT_TOP best; nothing is counted from now on. */
int predict_build(struct predict *p, uint32_t top);
/* Add to hits how well these rows were told, arguments as of predict_count,
 * and to popular how well by the counts without any context. */
void predict_score(const struct predict *p, const uint16_t *const *from, const uint16_t *to,
		   uint64_t rows, struct predict_hits *hits, struct predict_hits *popular);
/* The same by the rows before, all of one sample, the latest expert first. */
void predict_recent(uint32_t context, uint32_t top, const uint16_t *const *from, const uint16_t *to,
		    uint64_t rows, struct predict_hits *hits);
/* *to += from, of top ranks. */
void predict_hits_add(struct predict_hits *to, const struct predict_hits *from, uint32_t top);

#endif
