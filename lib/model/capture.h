/* Tokens of tok frames through a model, and what its routers did as route frames. */
#ifndef MODEL_CAPTURE_H
#define MODEL_CAPTURE_H

#include "caproute.h"

struct capture_opts {
	int flags;         /* caproute_flags */
	int loss;          /* of each sequence; the model is open with a head */
	uint64_t rows;     /* that run together at most, but a sequence is whole; 0: all */
	uint64_t generate; /* tokens that go on after each sequence, at most; with a head, too */
};

struct capture;

/* Takes a frame; lent.  0, or a negative TR_E... that capture_run returns. */
typedef int capture_put(void *arg, const struct tr_frame *f);

/* m stays the caller's; its opts.keep is set here.  NULL: no memory. */
struct capture *capture_new(struct model *m, const struct capture_opts *o);
void capture_free(struct capture *c); /* NULL is fine */

/* What a trace line says of the model; capacity and dropped, too, of one that drops.
 * 0 or TR_E.... */
int capture_trace(const struct capture *c, struct tr_frame *trace);

/*
 * Run the sequences of a tok frame, decoded: rows of the same seq, in order.  Rows of phase 1
 * are what the decoder behind an encoder reads; of other models they continue the sequence.
 * Put the tok frame, with the rows that were generated, then the route frames, layer by layer
 * as they are ready where nothing has to wait.  0, or TR_E... and why [MODEL_WHY].
 */
int capture_run(struct capture *c, const struct tr_frame *tok, capture_put *put, void *arg,
		char *why);

/* The i-th sequence of the frame that is put: its number, its tokens, those generated left
 * out, and the mean of -ln p over all of them but the first: NAN where there is but one, or
 * no loss was asked for.  1; 0 where there are no more. */
int capture_seq(const struct capture *c, uint64_t i, uint64_t *seq, uint64_t *tokens, double *loss);

#endif
