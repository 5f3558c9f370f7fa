/* Panels of bars, and those that hist frames make: one for each row of bins. */
#ifndef HISTS_H
#define HISTS_H

#include "bars.h"
#include "moetrace.h"
#include "naming.h"

struct panel {
	struct facts facts;
	char by[16], set[64]; /* of the key by; dataset, else part */
	char title[200], x[32];
	struct bars bars; /* of what is owned below */
	double *v, *cx, *cy, *law;
	uint64_t *label;
	char note[2][80];
};

/* Add the panels of hist frame f to *p [*n]: 0, or TR_E... and why. */
int hists_read(struct tr_frame *f, struct panel **p, size_t *n, char why[NAMING_ERR]);
/* The data set f is of, else the part. */
void hists_set(const struct tr_frame *f, char *set, size_t size);
/* Would one overlay the other: do they differ in the data set alone? */
int hists_alike(const struct panel *a, const struct panel *b);
void panel_free(struct panel *p);

#endif
