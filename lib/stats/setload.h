/* Picks per expert, per layer and data set. */
#ifndef SETLOAD_H
#define SETLOAD_H

#include <stdint.h>

#include "../core/moetrace.h"
#include "datasets.h"

/* What rows rows of one layer and data set picked: n [experts]. */
struct setload_part {
	uint64_t layer, rows;
	int set; /* as datasets.h numbers it */
	uint64_t *n;
};

struct setload {
	struct setload_part *part; /* in no order */
	size_t parts;
}; /* {0} at first; 8 bytes an expert of each part */

/* Count the first k picks of the rows of route frame f, without those that dropped
 * [rows][ids->k] marks (NULL: none).  experts is the same in all calls.  0 or TR_E.... */
int setload_add(struct setload *s, struct datasets *sets, const struct tr_frame *f,
		const struct tr_ids *ids, uint32_t k, const uint8_t *dropped, uint32_t experts);
void setload_free(struct setload *s);

#endif
