#include <stdlib.h>
#include <string.h>

#include "bootstrap.h"
#include "rng.h"
#include "sample.h"

/* The median of n draws from x ascending: as many of each as times says. */
static double
drawn(const double *x, const int *times, int n)
{
	int lo = (n - 1) / 2, hi = n / 2, i = 0, seen = times[0];
	double low;

	while (seen <= lo)
		seen += times[++i];
	low = x[i];
	while (seen <= hi)
		seen += times[++i];
	return (low + x[i]) / 2;
}

static double
draw(const double *x, int *times, int n, uint64_t seed, uint64_t stream, uint64_t round)
{
	memset(times, 0, (size_t)n * sizeof *times);
	for (int i = 0; i < n; i++)
		times[rng_below(seed, stream, round * (uint64_t)n + (uint64_t)i, (uint64_t)n)]++;
	return drawn(x, times, n);
}

int
bootstrap_ratio(const double *a, int n, const double *b, int m, uint64_t seed, uint64_t stream,
		struct bootstrap *r)
{
	double *x = malloc((size_t)n * sizeof *x), *y = malloc((size_t)m * sizeof *y);
	double *ratio = malloc(BOOTSTRAP_TIMES * sizeof *ratio);
	int *times = malloc((size_t)(n > m ? n : m) * sizeof *times);
	int ok = x && y && ratio && times;

	if (ok) {
		memcpy(x, a, (size_t)n * sizeof *x);
		memcpy(y, b, (size_t)m * sizeof *y);
		sample_sort(x, n);
		sample_sort(y, m);
		for (uint64_t i = 0; i < BOOTSTRAP_TIMES; i++) {
			double below = draw(x, times, n, seed, 2 * stream, i);

			ratio[i] = draw(y, times, m, seed, 2 * stream + 1, i) / below;
		}
		sample_sort(ratio, BOOTSTRAP_TIMES);
		r->ratio = sample_quantile(y, m, 0.5) / sample_quantile(x, n, 0.5);
		r->lo = sample_quantile(ratio, BOOTSTRAP_TIMES, 0.025);
		r->hi = sample_quantile(ratio, BOOTSTRAP_TIMES, 0.975);
	}
	free(x);
	free(y);
	free(ratio);
	free(times);
	return ok ? 0 : -1;
}
