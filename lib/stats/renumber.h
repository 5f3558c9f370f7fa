/* Experts of route frames under other numbers. */
#ifndef RENUMBER_H
#define RENUMBER_H

#include "rows.h"

struct renumber {
	uint16_t to[1 << 16], from[1 << 16]; /* new number of an old one, and back */
	uint64_t experts;
};

/* old[i] becomes new[i], i < n, the others stay.  0, 1 one is not below
 * experts, 2 *twice would be the number of two. */
int renumber_open(struct renumber *r, uint64_t experts, const uint64_t *old, const uint64_t *new,
		  size_t n, uint64_t *twice);
/* ids, logit and p of *f renumbered; its columns lie in buf then.  0 or TR_E...;
 * TR_ECOLS: logit or p are not experts wide. */
int renumber_route(const struct renumber *r, struct tr_frame *f, struct rows_buf *buf);

#endif
