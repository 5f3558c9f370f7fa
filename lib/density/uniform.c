#include <math.h>
#include <stdlib.h>

#include "num.h"
#include "size.h"
#include "uniform.h"

#define SMALL 0x1p-60   /* part of a sum below which a term changes nothing */
#define LEAST 0x1p-1074 /* the least double above 0 */

static int
rising(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of e uniform values k at least are below x: a binomial sum.  Its terms go by their
 * ratios to the greatest, which is 1, from there to both sides as far as they count. */
double
uniform_beta(double x, uint32_t k, uint32_t e, double *above)
{
	double sum[2] = {0, 0}, odds = x / (1 - x), back = (1 - x) / x, term = 1;
	uint32_t mode, j;

	if (x <= 0 || x >= 1) {
		*above = x <= 0;
		return x >= 1;
	}
	mode = (uint32_t)MIN((e + 1.0) * x, e);
	sum[mode >= k] = 1;
	for (j = mode; j + 1 < k && term > 0; j++)
		sum[0] += term *= (e - j) * odds / (j + 1.0);
	for (; j < e && term > sum[1] * SMALL; j++)
		sum[1] += term *= (e - j) * odds / (j + 1.0);
	term = 1;
	for (j = mode; j > k && term > 0; j--)
		sum[1] += term *= j * back / (e - j + 1.0);
	for (; j > 0 && term > sum[0] * SMALL; j--)
		sum[0] += term *= j * back / (e - j + 1.0);
	*above = sum[0] / (sum[0] + sum[1]);
	return sum[1] / (sum[0] + sum[1]);
}

/* The law that v is held against: of k of e, or uniform. */
static double
law(double v, uint32_t k, uint32_t e, double *above)
{
	*above = 1 - v;
	return k ? uniform_beta(v, k, e, above) : v;
}

double
uniform_ks_p(double d, double n)
{
	double x = d * (sqrt(n) + 0.12 + 0.11 / sqrt(n)), sum = 0;

	if (x < 0.2) /* the series does not converge there, and it is 1 to 12 digits */
		return 1;
	for (int j = 1; j <= 100; j++) {
		double term = 2 * num_exp(-2.0 * j * j * x * x);

		sum += j % 2 ? term : -term;
		if (term < 1e-18)
			break;
	}
	return MIN(MAX(sum, 0), 1);
}

void
uniform_stats(double *v, size_t n, uint32_t k, uint32_t e, struct uniform *u)
{
	static const double mark[3] = {0.01, 0.05, 0.1};
	double sum = 0, a2 = 0;

	qsort(v, n, sizeof *v, rising);
	*u = (struct uniform){.n = n, .min = v[0]};
	for (size_t i = 0; i < n; i++) {
		double in = MIN(MAX(v[i], LEAST), 1 - 0x1p-53);
		double above, f = law(v[i], k, e, &above), low = f;

		sum += v[i];
		u->ks = MAX(u->ks, (double)(i + 1) / (double)n - f);
		u->ks = MAX(u->ks, f - (double)i / (double)n);
		if (in != v[i])
			low = law(in, k, e, &above);
		u->clipped += in != v[i] || low < LEAST || above < LEAST;
		/* sum (2 i - 1) (ln f_i + ln (1 - f_(n + 1 - i))), as two sums */
		a2 += (2.0 * (double)i + 1) * num_log(MAX(low, LEAST));
		a2 += (2.0 * (double)(n - i) - 1) * num_log(MAX(above, LEAST));
		for (int m = 0; m < 3; m++)
			u->below[m] += v[i] < mark[m];
	}
	u->mean = sum / (double)n;
	u->a2 = -(double)n - a2 / (double)n;
	u->ks_p = uniform_ks_p(u->ks, (double)n);
	for (int m = 0; m < 3; m++)
		u->below[m] /= (double)n;
}
