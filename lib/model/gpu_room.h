/*
 * Memory of a GPU for the steps of a forward pass.  Asking the driver waits for the device,
 * so what is given back is kept and lent again; the user orders its work on one stream.
 * From one thread.
 */
#ifndef MODEL_GPU_ROOM_H
#define MODEL_GPU_ROOM_H

#include <stddef.h>
#include <stdint.h>

struct gpu_piece;
struct gpu_room {
	struct gpu_piece *pieces;
}; /* {0} at first */

/* At least n bytes, 256-aligned; NULL: gpu_errstr. */
void *gpu_room_take(struct gpu_room *r, size_t n);
void gpu_room_give(struct gpu_room *r, void *p); /* NULL is fine */
void gpu_room_free(struct gpu_room *r);          /* all of it, lent or not */

#endif
