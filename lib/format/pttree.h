/*
 * Names of the files in the samples and actives trees (trace-csv 2):
 *	SAMPLES/MODEL/RUN/PREFIX-SHARD.pt
 *	ACTIVES/MODEL/RUN/EPOCH/LAYER/PREFIX-SHARD.pt
 */
#ifndef PTTREE_H
#define PTTREE_H

#include <stddef.h>
#include <stdint.h>

#include "ptsect.h"

struct pttree {
	const char *actives, *samples, *model; /* samples: NULL where there are none */
	uint64_t run, epoch, prefix, first;    /* first: number of the shard that s->number 0 is */
};

/* The file of a shard: of that layer, or (TR_NONE) its samples.  Allocated,
 * the caller's; NULL: no memory. */
char *pttree_file(const struct pttree *t, uint64_t layer, uint64_t shard);
/* 0 if the shard is there, in samples and all n layers; 1 if *missing, which is
 * the caller's then, cannot be had (errno says why); -1 no memory. */
int pttree_missing(const struct pttree *t, const uint64_t *layer, size_t n, uint64_t shard,
		   char **missing);

/* The trace line of a section whose rows are taken: 0, or -1 and s->err.  pos:
 * position of its tokens, TR_NONE: any; whole: sequences are whole. */
int pttree_trace(const struct pttree *t, struct ptsect *s, struct tr_frame *trace, uint64_t pos,
		 int whole);

#endif
