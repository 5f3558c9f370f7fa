/* Heat maps: panels of coloured cells under one scale. */
#ifndef HEAT_H
#define HEAT_H

#include <stdint.h>

#include "sheet.h"

struct heat {
	const char *title, *x, *y;
	size_t rows, columns;
	const double *v;        /* [rows][columns]; NaN: no cell */
	const uint64_t *label;  /* [rows], or NULL: rows are 0, 1, 2 ... */
	const uint64_t *column; /* [columns], the same of columns */
	int dead;               /* cells of 0 are crossed out */
};

struct heat_scale {
	const char *unit; /* beside the colours */
	int log;
	double max; /* 0: the largest value */
};

/* Numbers below 0 make the scale diverge from white at 0. */
void heat_draw(struct gp *g, struct sheet *s, const struct heat *panel, size_t n,
	       const struct heat_scale *scale);

#endif
