/*
 * What a trace holds, counted: samples, records and tokens of each layer and
 * data set.  A sample is a seq frame, or a batch that has none; a record is
 * what one layer did with one sample.
 */
#ifndef INFO_H
#define INFO_H

#include "moetrace.h"

struct info_layer {
	uint64_t layer;
	uint64_t frames, tokens, picks, empty; /* tokens: rows of route frames */
	uint64_t records;
	uint64_t *best; /* [experts] tokens whose first pick it is */
	uint64_t used;  /* experts that are some token's first pick */
};

struct info_dataset {
	char *name;                           /* "" where none is named */
	uint64_t samples, records, synthetic; /* synthetic: of the records */
};

struct info {
	uint64_t experts;
	uint64_t sections, batches, samples, records, tokens, synthetic;
	uint64_t *best, used;     /* over all layers */
	struct info_layer *layer; /* ascending */
	size_t nlayer;
	struct info_dataset *dataset; /* as they first occur */
	size_t ndataset;
	struct info_work *work;
};

int info_init(struct info *i); /* 0 or TR_ENOMEM */
/* Take in a trace, seq or route frame of one section after the other; ids: of a
 * route frame, NULL where it has none.  experts: those of the fold so far.
 * 0 or TR_ENOMEM. */
int info_section(struct info *i, const char *dataset);
int info_seq(struct info *i, const struct tr_frame *f);
int info_route(struct info *i, const struct tr_frame *f, const struct tr_ids *ids,
	       uint64_t experts);
int info_end(struct info *i); /* all is taken in: fills what is counted at the end */
void info_free(struct info *i);

#endif
