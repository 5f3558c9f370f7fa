/*
 * The curve over a histogram.  Its points lie even, so that what a value adds
 * at one depends on their distance alone: values are gathered about the nearest
 * point as moments, and a table of Hermite functions of the distance, in steps,
 * is all that is multiplied with them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "histo.h"
#include "kde.h"
#include "num.h"
#include "size.h"

enum { N = HISTO_POINTS, TERMS = 16 };
#define PHI0 0.39894228040143267794
#define WIDEST 1 /* of a step in h: the series has 11 digits up to there */

struct work {
	double m[TERMS][N]; /* sum of d^k / k! of the values about a point */
	double w[TERMS][2 * N - 1];
};

static void
moments(struct work *w, const struct kde_data *d, double h, double step)
{
	for (size_t i = 0; i < d->nv; i++) {
		size_t at = MIN((size_t)((d->v[i] - d->min) / step + 0.5), N - 1);
		double u = (d->v[i] - d->min - (double)at * step) / h, p = (double)d->c[i];

		for (int k = 0; k < TERMS; k++) {
			w->m[k][at] += p;
			p *= u / (k + 1);
		}
	}
}

/* He_k(z) phi(z) at z = -(N - 1) .. N - 1 steps */
static void
table(struct work *w, double step)
{
	for (int i = 0; i < 2 * N - 1; i++) {
		double z = (i - (N - 1)) * step, a = PHI0 * num_exp(-0.5 * z * z), b = z * a;

		for (int k = 0; k < TERMS; k++) {
			double next = z * b - (k + 1) * a;

			w->w[k][i] = a;
			a = b;
			b = next;
		}
	}
}

static void
multiply(const struct work *w, double *y)
{
	memset(y, 0, N * sizeof *y);
	for (int j = 0; j < N; j++)
		for (int k = 0; k < TERMS && w->m[0][j] > 0; k++)
			for (int i = 0; i < N; i++)
				y[i] += w->m[k][j] * w->w[k][i - j + N - 1];
}

static int
even(const struct kde_data *d, double h, double step, double *y)
{
	struct work *w = calloc(1, sizeof *w);

	if (!w)
		return TR_ENOMEM;
	moments(w, d, h, step);
	table(w, step / h);
	multiply(w, y);
	for (int i = 0; i < N; i++)
		y[i] = MAX(y[i], 0) / ((double)d->n * h);
	free(w);
	return 1;
}

static int
any(const struct kde_data *d, double h, const double *x, double *y)
{
	struct kde *k = kde_new(d, KDE_GAUSSIAN, h);

	if (!k)
		return TR_ENOMEM;
	kde_at(k, x, N, NULL, NULL, y);
	kde_free(k);
	return 1;
}

int
histo_curve(float *v, size_t n, double binwidth, double *x, double *y)
{
	struct kde_data d;
	double step, h;
	int r = 0;

	if (kde_data(&d, v, n) < 0)
		return TR_ENOMEM;
	if (d.min < d.max) {
		step = (d.max - d.min) / (N - 1);
		h = kde_scott(&d);
		for (int i = 0; i < N; i++)
			x[i] = i < N - 1 ? d.min + i * step : d.max;
		r = step <= WIDEST * h ? even(&d, h, step, y) : any(&d, h, x, y);
		for (int i = 0; i < N; i++)
			y[i] *= (double)n * binwidth;
	}
	kde_data_free(&d);
	return r;
}
