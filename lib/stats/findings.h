/*
 * What is odd in the routing of a trace that is framed well: rows that repeat
 * an expert, weights that are none, one id list that fills a layer (the
 * warm-up of an engine), layers that are copies of another.
 */
#ifndef FINDINGS_H
#define FINDINGS_H

#include "moetrace.h"

enum { FIND_IDS = 64 };

struct find_at { /* how often, and where first */
	uint64_t n, batch, row;
	double value;
};

struct find_layer {
	uint64_t layer, rows;
	struct find_at repeat;   /* rows that have an expert twice */
	struct find_at infinite; /* rows of w with a NaN or infinity */
	struct find_at negative; /* rows of w with a number below 0 */
	struct find_at above;    /* rows of w that sum above 1 */
	struct find_at nan;      /* rows of logit with a NaN */
	struct find_at p;        /* rows of p with a number outside 0 .. 1 */
	uint64_t same;           /* rows of one id list, 0: no list has too many */
	uint64_t lost;           /* same may lack as many */
	int k;                   /* numbers of it, 0: not known */
	uint16_t ids[FIND_IDS];  /* 0xffff: empty slot */
	int is_copy;             /* ids and w equal those of layer of */
	uint64_t of;
};

struct finder; /* 50 KiB a layer */

struct finder *finder_new(void); /* NULL: no memory */
void finder_free(struct finder *f);
/* Take in a decoded route frame; experts of its section.  sums: its weights are
 * shares, so that they must not sum above 1.  0 or TR_E.... */
int finder_add(struct finder *f, const struct tr_frame *route, const struct tr_ids *ids,
	       uint64_t experts, int sums);
/* All is taken in: the number of layers; finder_at lends them in ascending order. */
size_t finder_end(struct finder *f);
const struct find_layer *finder_at(const struct finder *f, size_t i);

#endif
