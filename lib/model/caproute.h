/* What routers did with the rows of a batch, run by run, as route frames. */
#ifndef MODEL_CAPROUTE_H
#define MODEL_CAPROUTE_H

#include "capseq.h"
#include "model.h"

enum caproute_flags {
	CAPTURE_LOGIT = 1,  /* column logit:f32:E */
	CAPTURE_HIDDEN = 2, /* column hidden:f16:D */
};

struct caproute_layer;
struct caproute {
	const struct model *m;
	int flags;
	uint64_t n;                   /* layers of m->info.routed */
	struct caproute_layer *layer; /* [n] */
};

/* m is lent.  0 or TR_ENOMEM. */
int caproute_open(struct caproute *c, const struct model *m, int flags);
void caproute_free(struct caproute *c); /* {0} is fine */

/* Which side a layer reads. */
int caproute_side(const struct caproute *c, uint64_t layer);
/* Rows of r are rows to [r->rows] of the side, of all layers rows in all.  0 or TR_ENOMEM. */
int caproute_take(struct caproute *c, const struct model_route *r, const uint32_t *to,
		  uint64_t rows);
/* The frame of the i-th layer, in the batch of tok, lent until its rows are forgotten: 1, 0
 * where none went through it, or TR_E.... */
int caproute_frame(const struct caproute *c, uint64_t i, const struct capseq *s,
		   const struct tr_frame *tok, struct tr_frame *f);
/* Forget the rows of the i-th layer. */
void caproute_drop(struct caproute *c, uint64_t i);

#endif
