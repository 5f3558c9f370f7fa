/* Route frames of one batch's layer, held until all have come. */
#ifndef HELD_H
#define HELD_H

#include "rows.h"
#include "rules.h"

struct held; /* frames held, and which batches were done in this section */

struct held *held_new(void); /* NULL: no memory */
void held_free(struct held *g);
void held_section(struct held *g); /* a new section: no batch is done */

/* Do f's layer and batch go with those held (or is nothing held)? */
int held_same(const struct held *g, const struct tr_frame *f);
/* Hold a copy of f, decoded: 1, 0 where its batch's layer was done before,
 * or TR_ENOMEM. */
int held_add(struct held *g, const struct tr_frame *f);
void held_clear(struct held *g);

size_t held_frames(const struct held *g);
struct tr_frame *held_frame(struct held *g, size_t i); /* g's own */
uint64_t held_rows(const struct held *g);              /* of all frames */
/* rules_all of all rows, logits x [rows][experts] and results to [rows] in the order of the
 * frames: rows go by their number in the batch, whatever frame has them.  0, TR_ENOMEM, or
 * another where f, set then, has row numbers that are none. */
int held_route(struct held *g, struct rules_work *w, const double *x, size_t experts,
	       struct rules_row *to, struct tr_frame **f);

#endif
