/* Bar charts: panels of bars under one height. */
#ifndef BARS_H
#define BARS_H

#include <stdint.h>

#include "sheet.h"

struct bars {
	const char *title, *x;
	size_t n;
	const double *v;
	const uint64_t *label; /* [n] what a bar is called, or NULL: its place */
	double from, width;    /* of numeric bins; width 0: bars are 0, 1, 2 ... */
	double line;           /* a dashed line at that height; 0: none */
};

struct bars_scale {
	const char *unit;
	int log;
	double max; /* 0: the largest value */
};

void bars_draw(struct gp *g, struct sheet *s, const struct bars *panel, size_t n,
	       const struct bars_scale *scale);

#endif
