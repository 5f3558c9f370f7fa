/* Bar charts and histograms: panels of bars under one height. */
#ifndef BARS_H
#define BARS_H

#include <stdint.h>

#include "sheet.h"

enum { BARS_SETS = 4 }; /* in one panel */

struct bars {
	const char *title, *x;
	size_t n;
	const double *v;
	const uint64_t *label; /* [n] what a bar is called, or NULL: its place */
	double from, width;    /* of numeric bins; width 0: bars are 0, 1, 2 ... */
	double line;           /* a dashed line at that height; 0: none */
	const char *note[2];   /* lines in the corner, or NULL */
	size_t hue;            /* their colour: below BARS_SETS */
	const char *set;       /* what its data are called in the legend; NULL: nothing */
	const double *cx, *cy; /* [ncurve] a curve over them, NaN: none */
	size_t ncurve;
	const double *law;         /* [n] an outline over them, or NULL */
	const struct bars *behind; /* more in the same panel, of the same bins */
};

struct bars_scale {
	const char *unit;
	const char *law; /* what outlines are called */
	int log;
	int free;   /* each panel its own height */
	double max; /* 0: the largest value */
};

void bars_draw(struct gp *g, struct sheet *s, const struct bars *panel, size_t n,
	       const struct bars_scale *scale);

#endif
