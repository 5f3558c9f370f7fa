/* Which arrays of a file are routing, and their rows (pt-format 6, end). */
#ifndef PTROUTE_H
#define PTROUTE_H

#include <stddef.h>
#include <stdint.h>

#include "array.h"

enum gate_kind { GATE_PAIR, GATE_IDS, GATE_DENSE, GATE_LOGITS };

struct gate { /* the routing of one layer */
	enum gate_kind kind;
	uint64_t layer, rows, width; /* width: k, or experts of DENSE and LOGITS */
	int has_layer;
	struct array w, ids; /* as the kind has them; [rows][width] */
};

struct gates {
	struct gate *g;
	size_t n;
	const struct array *samples; /* or NULL; lent by the list */
	char err[ARRAY_ERR];
};

/* The routing in l: 0, or -1 and g->err.  logits: float tensors are logits.
 * Free g in either case. */
int gates_find(struct gates *g, const struct array_list *l, int logits);
void gates_free(struct gates *g);

/* Row first and every step-th after it, n in all, as an array. */
struct array array_rows(const struct array *a, uint64_t first, uint64_t step, uint64_t n);

/*
 * The non-zero gates of one dense row, best first (ties: lower expert first),
 * at most k of them into id and w.  Their number in the row, or -1 - e where
 * expert e has a gate that is negative or not finite.
 */
int64_t gate_pick(const float *row, uint64_t experts, uint64_t k, int64_t *id, float *w);

#endif
