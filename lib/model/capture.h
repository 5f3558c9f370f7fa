/* Tokens of a tok frame through a model, and what its routers did as route frames. */
#ifndef MODEL_CAPTURE_H
#define MODEL_CAPTURE_H

#include "model.h"

enum capture_flags {
	CAPTURE_LOGIT = 1,  /* column logit:f32:E */
	CAPTURE_HIDDEN = 2, /* column hidden:f16:D */
};

struct capture;

/* m stays the caller's.  NULL: no memory. */
struct capture *capture_new(struct model *m, int flags);
void capture_free(struct capture *c); /* NULL is fine */

/* What a trace line says of the model; capacity and dropped, too, of one that drops.
 * 0 or TR_E.... */
int capture_trace(const struct capture *c, struct tr_frame *trace);

/*
 * Run the sequences of a tok frame, each by itself: rows of the same seq, in order.  Rows of
 * phase 1 are what the decoder behind an encoder reads; of other models they continue the
 * sequence.  0, or TR_E... and why [MODEL_WHY].
 */
int capture_run(struct capture *c, const struct tr_frame *tok, char *why);
/* The route frame of the i-th layer of m->info.routed, lent until the next capture_run: 1,
 * 0 where no row went through that layer, or TR_E.... */
int capture_route(struct capture *c, uint64_t i, struct tr_frame *route);

#endif
