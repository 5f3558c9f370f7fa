/* Result frames of equal identity added: framing.md section 6. */
#ifndef SUM_H
#define SUM_H

#include "../core/moetrace.h"

struct sum;

struct sum *sum_new(void); /* NULL: no memory */
void sum_free(struct sum *s);

/* Is it a frame that can be added: no row data, and at least one counter? */
int sum_addable(const struct tr_frame *f);

/* Add f (decoded here) to the frame of its identity: 0, or TR_E... and
 * sum_errstr says why. */
int sum_add(struct sum *s, struct tr_frame *f);
/* Keep f as it is beside the sums: a table, which is none. */
int sum_keep(struct sum *s, struct tr_frame *f);
const char *sum_errstr(const struct sum *s);

/* Add the layers of its frames to *to: 0, or TR_ENOMEM. */
int sum_layers(const struct sum *s, struct tr_list *to);

/* Bring the frames into the one order: kind, layer, other identity. */
void sum_sort(struct sum *s);
size_t sum_count(const struct sum *s);
/* The i-th, lent until the next sum_add. */
const struct tr_frame *sum_at(const struct sum *s, size_t i);

#endif
