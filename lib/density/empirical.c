#include <stdlib.h>

#include "empirical.h"

static int
rising(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void
empirical_sort(double *v, size_t n)
{
	if (n)
		qsort(v, n, sizeof *v, rising);
}

double
empirical_p(const double *v, size_t n, double x)
{
	size_t lo = 0, hi = n; /* the first that is not below x */

	if (x != x)
		return x;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (v[mid] < x)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (double)(1 + n - lo) / ((double)n + 1);
}
