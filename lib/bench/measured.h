/*
 * Measurements as bench frames, one a frame, which moetrace(5) lists: what was measured as
 * keys, then
 *
 *	median_us p10_us p90_us min_us n     of the samples, which are column us:f64
 *	moved_bytes gbs pct_copy             bytes moved a call, 1e9 a second, and percent of a
 *	                                     copy's rate measured in the same run
 *	flops tflops pct_product             the same of operations and a product
 *	check                                ok, or what is wrong
 *
 * with "-" where there is nothing to tell, so that all frames of a run make one table.
 */
#ifndef MEASURED_H
#define MEASURED_H

#include "../core/moetrace.h"
#include "sample.h"

struct measured {
	const double *us; /* [n], lent until the frame is put */
	int n;
	double bytes, flops;  /* a call; 0: not told */
	double copy, product; /* ceilings, a second; 0: not measured */
	const char *check;    /* NULL: "-" */
};

/* How frames say a number: four digits, or to the unit from 1e4; "-" of NAN.  buf. */
const char *measured_text(double x, char buf[32]);
/* Append to f, a frame with its own keys set.  0 or TR_E.... */
int measured_put(struct tr_frame *f, const struct measured *m);

#endif
