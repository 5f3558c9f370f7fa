/* DeepSeek's expert-parallel load balancer (placement.md 9.1), one layer. */
#ifndef EPLB_H
#define EPLB_H

#include "place.h"

/* The expert of every slot in device order: slots / devices on each.  groups of
 * consecutive experts are kept on a node where groups is a multiple of nodes, else
 * both count as 1.  0, TR_ENOMEM, TR_EVALUE: numbers that do not divide. */
int eplb_plan(const uint64_t *count, uint32_t experts, uint32_t slots, uint32_t groups,
	      uint32_t nodes, uint32_t devices, uint16_t *expert);
/* The same as a placement: p keeps mesh, experts and number of copies, all else is new, slots too. */
int eplb_place(struct place *p, const uint64_t *count, uint32_t groups, uint32_t nodes);

#endif
