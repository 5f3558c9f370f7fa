/* Sequences of a frame through a model, and greedily on. */
#ifndef MODEL_CAPRUN_H
#define MODEL_CAPRUN_H

#include "capseq.h"
#include "model.h"

struct caprun {
	struct model *m;
	struct capseq *seqs; /* of m; generated rows are added */
	uint64_t generate;   /* tokens behind each sequence, at most; 0: none */
	double *loss;        /* [seqs->n], set where it is not NULL; NAN of one token */
	model_seen *seen;    /* is told of the rows of each run, source or target, */
	void *arg;
	const uint32_t *to[2]; /* which are these rows of the side: set for it */
};

/* Sequences first up to end, together.  0, or TR_E... and why [MODEL_WHY]. */
int caprun(struct caprun *c, uint64_t first, uint64_t end, char *why);

#endif
