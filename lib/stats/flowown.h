/* What the files of flow share: rows that are held, and what was counted of them. */
#ifndef FLOWOWN_H
#define FLOWOWN_H

#include "flow.h"

enum { EMPTY = UINT16_MAX }; /* no pick */

/* Rows of one layer of one batch. */
struct held {
	uint64_t batch, layer, first, rows, order; /* order: of arrival */
	uint64_t *row;                             /* NULL: first, first + 1, ... */
	uint16_t *id;                              /* [rows][k] */
};

struct flow {
	uint32_t k, experts;
	uint64_t seed, want, section, last; /* last: batch; TR_NONE: none yet */
	struct tr_list map;
	uint64_t layers;
	struct held *held;
	size_t nheld, cap;
	struct flow_pair *pair;
	size_t npair;
	struct flow_journey *journey; /* a heap, the largest draw on top, until flow_end */
	size_t njourney;
	char err[128];
};

/* Number of row i of h. */
static inline uint64_t
held_row(const struct held *h, uint64_t i)
{
	return h->row ? h->row[i] : h->first + i;
}

/* TR_ENOMEM, and f->err. */
int flow_no_memory(struct flow *f);
/* Count the rows that a and b have, layers of a batch, the one after the other, rows
 * ascending.  0 or TR_ENOMEM. */
int flow_count(struct flow *f, const struct held *a, const struct held *b);
/* Draw from the tokens of a batch, h [n] its layers, rows ascending.  0 or TR_ENOMEM. */
int flow_draw(struct flow *f, const struct held *h, size_t n);
void flow_drop_journeys(struct flow *f);

#endif
