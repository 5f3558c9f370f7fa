/*
 * What is odd about a trace though it is well formed: one pass, a bounded
 * state a layer.
 */
#ifndef FINDINGS_H
#define FINDINGS_H

#include <stdint.h>

#include "moetrace.h"

enum { FINDINGS_LISTS = 4096 };

struct findings_slot {
	uint64_t hash, n; /* n: a lower bound, short by n_rows / 4096 at most */
	uint64_t row;     /* where the list was first met */
};

/* One layer. */
struct findings {
	uint64_t layer;
	uint64_t n_rows, n_repeat, n_nan, n_negative, n_above; /* rows */
	uint64_t first_repeat, first_nan, first_negative, first_above;
	uint32_t ids_crc, w_crc;    /* over all rows in order: equal layers agree */
	uint64_t empty;             /* empty slots */
	struct findings_slot *slot; /* Misra-Gries over the rows' id lists */
	uint32_t nslot;
	float *w; /* scratch, [w_cap] */
	size_t w_cap;
};

int findings_init(struct findings *f, uint64_t layer); /* 0 or TR_ENOMEM */
void findings_free(struct findings *f);
/* Take the rows of a route frame in: 0, or TR_E... (tr_errstr of its reader). */
int findings_add(struct findings *f, const struct tr_frame *frame);
/* The list that fills most rows: how many at least; 0 if no list leads. */
uint64_t findings_top(const struct findings *f, uint64_t *row);

#endif
