/* The head of all families: what follows the rows of a batch. */
#ifndef MODEL_HEAD_H
#define MODEL_HEAD_H

#include "model.h"

/* b->next and b->nll, those that are not NULL, of the normed rows x [rows of of][d], em; of is
 * what the head's model read, b's source or target.  w: [vocab][d], held.  0 or TR_E..., the
 * engine says why. */
int model_head(struct engine *e, const struct weight *w, const struct model_batch *b,
	       const struct model_ids *of, const float *x);

#endif
