/*
 * Weights of a checkpoint on a GPU, in the type that products want: all of them, or, where
 * they are streamed, vectors and those of the layer that runs and of the one after it.
 *
 * Numbers go from the mapped file through two pinned buffers, filled by turns, on a stream
 * of their own; what has another type is converted on the device.  Streamed ones are filled
 * by a thread.  Functions return 0 or a gpu_err; they are for one thread.
 */
#ifndef MODEL_GPU_WEIGHTS_H
#define MODEL_GPU_WEIGHTS_H

#include "engine.h"
#include "gpu_room.h"

struct bring;

/* stream: the one that uses the weights; room: memory of those that come and go.  Both are
 * lent until bring_close.  NULL: gpu_errstr. */
struct bring *bring_open(const struct engine_opts *o, struct gpu_room *room, void *stream);
void bring_close(struct bring *b); /* NULL is fine */

int bring_hold(struct bring *b, struct weight *w); /* sets w->held */
void bring_unhold(struct bring *b, struct weight *w);
/* As engine.h says of next. */
int bring_next(struct bring *b, struct weight *const *w, uint64_t n);
/* What went wrong last, by whichever thread. */
const char *bring_why(struct bring *b);
/* *p: all parts of w, end to end, for what is enqueued on the stream up to the next
 * bring_next. */
int bring_use(struct bring *b, const struct weight *w, const void **p);
enum tr_type bring_type(const struct weight *w); /* of its numbers there */

#endif
