/* How sure a ratio of medians is: percentile bootstrap (Efron 1979). */
#ifndef BOOTSTRAP_H
#define BOOTSTRAP_H

#include <stdint.h>

enum { BOOTSTRAP_TIMES = 2000 };

struct bootstrap {
	double ratio;  /* median of b over median of a */
	double lo, hi; /* percentiles 2.5 and 97.5 of that ratio over BOOTSTRAP_TIMES draws of n
			* from a and m from b, with replacement */
};

/* Of a [n] and b [m], all > 0, n and m at least 1.  The draws are those of (seed, stream):
 * streams that differ are independent.  0, or -1: no memory. */
int bootstrap_ratio(const double *a, int n, const double *b, int m, uint64_t seed, uint64_t stream,
		    struct bootstrap *r);

#endif
