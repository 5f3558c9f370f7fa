/* Picks per expert, per layer. */
#ifndef LOAD_H
#define LOAD_H

#include <stdint.h>

#include "moetrace.h"

/* n[e] += picks of expert e among the first k of each row; empty slots count
 * nowhere.  dropped [rows][ids->k], or NULL: picks to leave out. */
void load_count(const struct tr_ids *ids, uint32_t k, const uint8_t *dropped, uint32_t experts,
		uint64_t *n);

/* Did row i pick one of any (or any is empty) and all of all? */
int load_picked(const struct tr_ids *ids, uint64_t i, const struct tr_list *any,
		const struct tr_list *all);

#endif
