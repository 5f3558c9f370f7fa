/* DeepSeek's expert-parallel load balancer (placement.md 9.1), one layer. */
#ifndef EPLB_H
#define EPLB_H

#include "place.h"

/* The expert of every slot in device order: expert [devices * ceil(slots / devices)], PLACE_NONE
 * in the last of a device that has one less.  groups of
 * consecutive experts are kept on a node where groups is a multiple of nodes, else
 * both count as 1.  bound: an expert has no more copies than its node devices, as long as another
 * can have one; else as EPLB has it.  0, TR_ENOMEM, TR_EVALUE: numbers that do not divide. */
int eplb_plan(const uint64_t *count, uint32_t experts, uint32_t slots, uint32_t groups,
	      uint32_t nodes, uint32_t devices, int bound, uint16_t *expert);
/* The same as a placement: p keeps mesh, experts and number of copies, all else is new, slots too. */
int eplb_place(struct place *p, const uint64_t *count, uint32_t groups, uint32_t nodes, int bound);

#endif
