/* The numbers of a result frame that a picture shows. */
#ifndef SERIES_H
#define SERIES_H

#include "moetrace.h"

struct series {
	uint64_t layer; /* TR_NONE: of none */
	char what[160]; /* the rest of its identity: "k 6", "pmi" */
	char unit[48];  /* "% of tokens" */
	char x[32];     /* what a column (a matrix) or row (one value each) is: "expert" */
	char y[32];     /* what a row of a matrix is */
	int matrix;     /* each row has several values */
	int diagonal;   /* it says how often a row occurs, not what it has with others */
	size_t rows, columns;
	double *v;          /* [rows][columns], owned */
	double from, width; /* of bins: where the first begins; width 0: no bins */
};

/* Is f of a kind that pictures are drawn of? */
int series_has(const struct tr_frame *f);
/* Read column col (NULL: the one that its kind is about) of f into *s.  raw:
 * counts as they are, not as shares of n_tokens.  1; 0 f has nothing of the
 * kind; TR_E....  series_free in any case. */
int series_read(struct series *s, struct tr_frame *f, const char *col, int raw);
void series_free(struct series *s);

#endif
