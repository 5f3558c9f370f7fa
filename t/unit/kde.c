/* Tables of every kernel at 10,000 points against the sum itself in long double, TAP. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/density/kde.h"

enum { POINTS = 10000 };

static uint64_t state = 88172645463325252ULL;
static int tests;

static double
unit(void) /* xorshift */
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (double)(state >> 11) * 0x1p-53;
}

static double
normal(void)
{
	double s = 0;

	for (int i = 0; i < 12; i++)
		s += unit();
	return s - 6;
}

static void
end(int ok, const char *kernel, const char *data, const char *what)
{
	printf("%sok %d - %s of %s: %s\n", ok ? "" : "not ", ++tests, kernel, data, what);
}

/* The share of a kernel left of u. */
static long double
left(int kernel, long double u)
{
	if (kernel == KDE_GAUSSIAN)
		return erfcl(-u * 0.70710678118654752440084436210485L) / 2;
	if (u <= -1 || u >= 1)
		return u >= 1;
	if (kernel == KDE_TOPHAT)
		return (1 + u) / 2;
	if (kernel == KDE_EPANECHNIKOV)
		return (1 + u) * (1 + u) * (2 - u) / 4;
	return u < 0 ? (1 + u) * (1 + u) / 2 : 1 - (1 - u) * (1 - u) / 2;
}

static void
check(const char *data, const float *from, size_t n)
{
	static const char *const name[] = {"gaussian", "tophat", "epanechnikov", "linear"};
	static double x[POINTS], F[POINTS], S[POINTS], f[POINTS], F2[POINTS], S2[POINTS];
	float *v = malloc(n * sizeof *v), *w = malloc(n * sizeof *w);
	struct kde_data d, e;

	for (size_t i = 0; i < n; i++) {
		v[i] = from[i];
		w[i] = from[n - 1 - i];
	}
	kde_data(&d, v, n);
	kde_data(&e, w, n);
	kde_grid(d.min, d.max, 1, POINTS, x);
	for (int i = 0; i < POINTS / 10; i++) /* far out, where S falls to 1e-300 */
		x[POINTS - 1 - i] = d.max + 37 * kde_106(&d) * (1 - i / (POINTS / 10.0));
	for (int kernel = 0; kernel < 4; kernel++) {
		struct kde *k = kde_new(&d, (enum kde_kernel)kernel, kde_106(&d));
		struct kde *o = kde_new(&e, (enum kde_kernel)kernel, kde_106(&e));
		double abs = 0, rel = 0, one = 0, fall = 0, pdf = 0;

		kde_at(k, x, POINTS, F, S, f);
		kde_at(o, x, POINTS, F2, S2, NULL);
		for (int i = 0; i < POINTS; i++) {
			long double a = 0, b = 0, c = 0;

			for (size_t j = 0; j < d.nv; j++) {
				long double u = ((long double)x[i] - d.v[j]) / kde_106(&d);

				c += kernel == KDE_GAUSSIAN ? d.c[j] * expl(-u * u / 2) : 0;
				a += d.c[j] * left(kernel, u);
				b += d.c[j] * left(kernel, -u);
			}
			a /= n;
			b /= n;
			abs = fmax(abs, fmax(fabs((double)(F[i] - a)), fabs((double)(S[i] - b))));
			if (b > 1e-300L)
				rel = fmax(rel, fabs((double)((S[i] - b) / b)));
			c *= 0.39894228040143267793994605993438L / n / kde_106(&d);
			if (c > 1e-290L && (a < 1e-8L || b < 1e-8L)) /* in a gap it may be lost */
				pdf = fmax(pdf, fabs((double)((f[i] - c) / c)));
			one = fmax(one, fabs(F[i] + S[i] - 1));
			if (i && x[i] > x[i - 1])
				fall = fmax(fall, F[i - 1] - F[i]);
		}
		printf("# absolute %.3g, relative of S %.3g, F + S - 1 %.3g, fall %.3g\n", abs, rel,
		       one, fall);
		end(abs < 1e-11 && rel < 1e-9, name[kernel], data, "1e-11, S to 1e-9 of itself");
		end(pdf < 1e-9, name[kernel], data, "the density in the tails to 1e-9 of itself");
		end(one < 1e-12 && fall < 1e-12, name[kernel], data, "F + S = 1, F rises");
		end(!memcmp(F, F2, sizeof F) && !memcmp(S, S2, sizeof S), name[kernel], data,
		    "the order of the values is nothing");
		kde_free(k);
		kde_free(o);
	}
	kde_data_free(&d);
	kde_data_free(&e);
	free(v);
	free(w);
}

int
main(void)
{
	static float v[240];
	const size_t n = sizeof v / sizeof *v;

	for (size_t i = 0; i < n; i++)
		v[i] = (float)(i % 3 ? normal() : 3 * normal() - 4);
	check("a mixture", v, n);
	for (size_t i = 0; i < n; i++) /* as bf16 has it */
		v[i] = (float)floor(normal() * 32) / 32;
	check("few distinct values", v, n);
	for (size_t i = 0; i < n; i++)
		v[i] = (float)(1000 + normal() * 1e-3);
	v[0] = 1000.5f;
	check("far from 0, with an outlier", v, n);
	printf("1..%d\n", tests);
	return 0;
}
