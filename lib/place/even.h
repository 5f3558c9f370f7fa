/* Loads made even over devices, an expert's load shared evenly by its copies. */
#ifndef EVEN_H
#define EVEN_H

#include "place.h"

/* Put the copies of p on devices of at most per_device: the heaviest first to the
 * lightest device without one of its expert, then by swaps of the fullest
 * device with the emptiest that takes.  tries: random swaps, and copies that one expert hands to
 * another, to get out of where no swap helps; 0 none, and the numbers of copies stay.  Copies of an expert share a device only where it cannot be avoided.
 * 0, TR_ENOMEM, or TR_EVALUE: they do not fit. */
int even_place(struct place *p, const uint64_t *count, uint32_t per_device, uint64_t tries,
	       uint64_t seed);
/* Load of each device [devices]. */
void even_load(const struct place *p, const uint64_t *count, double *load);

#endif
