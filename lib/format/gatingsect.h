/* Records of a trace as GatingDataPoints, and back: a record is what one layer did with the
 * one sequence of a batch. */
#ifndef GATINGSECT_H
#define GATINGSECT_H

#include "gating.h"
#include "moetrace.h"

/* ---- from a list to frames ---- */

/* {0} at first; columns of the frames made lie in it until the next call. */
struct gating_frames {
	uint64_t batch; /* of the record at hand, counted from 0 */
	uint64_t layer; /* the last; consecutive records of one sample ascend in it */
	uint64_t rows;  /* and have as many, of the same tokens */
	char *sample;   /* "dataset\nsample" of it */
	void *ids, *w, *logit, *hidden, *tok, *pos;
};

/* The trace line of all records.  0, TR_E..., or -1 and why. */
int gating_trace(struct gating_list *l, struct tr_frame *f, char why[GATING_ERR]);
/* Does g begin a new batch?  Then seq and, where it has tokens, tok go before its route.
 * 1, 0 or TR_ENOMEM. */
int gating_begins(struct gating_frames *x, const struct gating *g);
int gating_seq(struct gating_frames *x, const struct gating *g, struct tr_frame *f);
int gating_tok(struct gating_frames *x, const struct gating *g, struct tr_frame *f);
/* ids, w:f32, where no probability is 0 logit:f32 (their logarithms), hidden:f16 where it is.
 * All three: 0 or TR_E.... */
int gating_route(struct gating_frames *x, const struct gating *g, struct tr_frame *f);
void gating_frames_free(struct gating_frames *x);

/* ---- from frames to records ---- */

struct gating_join; /* holds a record, and tokens of the batches to come */

struct gating_join *gating_join_new(void); /* NULL: no memory */
void gating_join_free(struct gating_join *j);
/* 1 and *g, lent until the next call, where f (NULL: the end) ends a record; 0.  Before
 * gating_take of that frame. */
int gating_ends(struct gating_join *j, const struct tr_frame *f, struct gating *g);
/* Take in a trace, seq, tok or route frame; others are passed over.  experts: of the section.
 * 0, TR_E... of the library, or TR_EVALUE and why, which is "" then. */
int gating_take(struct gating_join *j, const struct tr_frame *f, uint64_t experts,
		char why[GATING_ERR]);

#endif
