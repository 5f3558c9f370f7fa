/* Counts of lib/stats/predict.h as frames of kind ngram, which add up. */
#ifndef NGRAM_H
#define NGRAM_H

#include "moetrace.h"
#include "predict.h"

/* The frame of one matrix: keys layer, from (the context's layers, where there
 * are any), before (experts in all of them but the last); n lent.  0 or TR_E.... */
int ngram_frame(struct tr_frame *f, uint64_t layer, const uint64_t *from, uint32_t context,
		const uint16_t *before, uint32_t experts, const uint64_t *n);

/* Count in what such a frame says: 0, TR_ENOMEM, or TR_EVALUE, and why tells,
 * where it is not of this context or no such matrix. */
int ngram_put(struct predict *p, const struct tr_frame *f, const uint64_t *from, uint32_t context,
	      uint32_t experts, char *why, size_t size);

#endif
