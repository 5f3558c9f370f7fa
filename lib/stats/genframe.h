/* The frames of synthetic routing: seq and tok by genmodel, route from picks. */
#ifndef GENFRAME_H
#define GENFRAME_H

#include "genlogit.h"
#include "genmodel.h"
#include "moetrace.h"

enum { GENFRAME_ROWS = 8192, GENFRAME_K = 1024 };
enum genframe_weights { GENFRAME_F16, GENFRAME_BF16, GENFRAME_F32, GENFRAME_NONE };

/* The columns of one frame, by far too big for the stack. */
struct genframe {
	struct tr_frame f;
	uint16_t ids[GENFRAME_ROWS * GENFRAME_K], origin[GENFRAME_ROWS];
	uint8_t ids8[GENFRAME_ROWS * GENFRAME_K], phase[GENFRAME_ROWS];
	uint16_t half[GENFRAME_ROWS * GENFRAME_K];
	float w[GENFRAME_ROWS * GENFRAME_K];
	uint32_t tok[GENFRAME_ROWS], seq[GENFRAME_ROWS], pos[GENFRAME_ROWS];
};

/* Sequences of a batch: a request each, numbered through the trace. */
uint64_t genframe_requests(const struct genmodel *m);

/* Each fills o->f with columns that are o's.  The route frame takes o->ids, and
 * o->origin if has_origin, as the caller filled them; experts <= 255 make u8.
 * logits, of that layer, makes n <= logits->rows rows of them; NULL: none. */
void genframe_seq(struct genframe *o, struct genmodel *m, uint64_t batch, uint64_t request);
void genframe_tok(struct genframe *o, struct genmodel *m, uint64_t batch, uint64_t row0,
		  uint64_t n);
void genframe_route(struct genframe *o, const struct gen *g, uint64_t batch, uint64_t layer,
		    uint64_t row0, uint64_t n, enum genframe_weights weights, int has_origin,
		    struct genlogit *logits);

#endif
