#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sample.h"

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void
sample_sort(double *x, int n)
{
	qsort(x, (size_t)n, sizeof *x, ascending);
}

double
sample_quantile(const double *x, int n, double q)
{
	double at = q * (n - 1);
	int i = (int)at;

	return i + 1 < n ? x[i] + (at - i) * (x[i + 1] - x[i]) : x[n - 1];
}

int
sample_of(const double *x, int n, struct sample *s)
{
	double *y = malloc((size_t)n * sizeof *y);

	if (!y)
		return -1;
	memcpy(y, x, (size_t)n * sizeof *y);
	sample_sort(y, n);
	*s = (struct sample){n,
			     sample_quantile(y, n, 0.5),
			     sample_quantile(y, n, 0.1),
			     sample_quantile(y, n, 0.9),
			     y[0],
			     y[n - 1]};
	free(y);
	return 0;
}

void
sample_spread(const double *x, int n, double *max_mean, double *cv)
{
	double sum = 0, square = 0, most = 0, mean;

	for (int i = 0; i < n; i++) {
		sum += x[i];
		most = fmax(most, x[i]);
	}
	mean = sum / n;
	for (int i = 0; i < n; i++)
		square += (x[i] - mean) * (x[i] - mean);
	*max_mean = mean > 0 ? most / mean : NAN;
	*cv = mean > 0 ? sqrt(square / n) / mean : NAN;
}
