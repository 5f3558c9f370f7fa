/* Pieces of sizes that are rounded, so that batches of about the same length share them. */
#include <stdlib.h>

#include "../../kernels/gpu.h"
#include "../core/size.h"
#include "gpu_room.h"

struct gpu_piece {
	void *p;
	size_t size;
	int lent;
	struct gpu_piece *next;
};

/* To an eighth of the power of two below, at most 2 MiB. */
static size_t
rounded(size_t n)
{
	size_t step = 256;

	while (step < (2 << 20) && step * 16 <= n)
		step *= 2;
	return size_align(MAX(n, 1), step);
}

/* The driver gets back what is not lent. */
static void
shrink(struct gpu_room *r)
{
	struct gpu_piece **at = &r->pieces, *p;

	while ((p = *at))
		if (p->lent) {
			at = &p->next;
		} else {
			*at = p->next;
			gpu_free(p->p);
			free(p);
		}
}

void *
gpu_room_take(struct gpu_room *r, size_t n)
{
	const size_t size = rounded(n);
	struct gpu_piece *best = NULL, *p;

	for (p = r->pieces; p; p = p->next)
		if (!p->lent && p->size >= size && p->size / 2 <= size &&
		    (!best || p->size < best->size))
			best = p;
	if (!best) {
		if (!(best = malloc(sizeof *best)))
			return NULL;
		if (!(best->p = gpu_alloc(size))) {
			shrink(r);
			best->p = gpu_alloc(size);
		}
		if (!best->p) {
			free(best);
			return NULL;
		}
		best->size = size;
		best->next = r->pieces;
		r->pieces = best;
	}
	best->lent = 1;
	return best->p;
}

void
gpu_room_give(struct gpu_room *r, void *p)
{
	for (struct gpu_piece *x = r->pieces; x && p; x = x->next)
		if (x->p == p)
			x->lent = 0;
}

void
gpu_room_free(struct gpu_room *r)
{
	for (struct gpu_piece *p = r->pieces; p; p = p->next)
		p->lent = 0;
	shrink(r);
}
