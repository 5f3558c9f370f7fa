/* A picture of curves: all in one panel, or a panel each group. */
#ifndef CURVES_H
#define CURVES_H

#include "curve.h"
#include "sheet.h"

enum { CURVES_LEGEND = 40 }; /* more names than that become a ramp of colours */

struct curves {
	const struct curve *curve;
	size_t n;
	const char *x, *y; /* names of the axes */
	int sheet;         /* a panel each group */
	int logx, logy, step, percent;
	const double *mark; /* vertical lines, ascending, with what stands over them */
	char (*said)[64];
	size_t nmark;
};

/* 0, or -1: a logarithmic axis has nothing above 0. */
int curves_draw(struct gp *g, struct sheet *s, const struct curves *c);

#endif
