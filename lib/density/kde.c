/*
 * Gaussian: the axis is cut into boxes of a quarter of h; a box keeps the
 * moments of its values about its centre, and what it adds to F is a Taylor
 * series of the normal distribution function in them, by Hermite polynomials.
 * Boxes farther than REACH add all or nothing.  Where a tail is so thin that a
 * few values make it, they are added one by one.
 *
 * Compact kernels: prefix sums of powers of the values; where few values are
 * within reach, one by one, too.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../core/moetrace.h"
#include "kde.h"
#include "num.h"
#include "size.h"

enum { TERMS = 18, NEAR_TERMS = 12, FEW = 128, STEPS = 64 };
#define REACH 9.5
#define BOX 0.25
#define THIN 1e-7 /* a tail that is summed value by value */
#define SQRT_HALF 0.70710678118654752440
#define PHI0 0.39894228040143267794 /* of the normal density at 0 */

struct box {
	double centre;
	double m[TERMS]; /* sum of (-d)^k / k! */
};

struct kde {
	const struct kde_data *d;
	enum kde_kernel kernel;
	double h;
	struct box *box;
	size_t nbox;
	double *below;         /* [nbox + 1] values in the boxes before */
	long double (*sum)[4]; /* [nv + 1] of ((v - mean) / h)^k over the values before */
};

/* ---- values ---- */

static uint32_t
key_of(float x)
{
	uint32_t u;

	memcpy(&u, &x, sizeof u);
	return u >> 31 ? ~u : u | UINT32_C(1) << 31;
}

/* By radix, 11 bits at a time. */
static int
sort(float *x, size_t n)
{
	float *tmp = malloc((n + 1) * sizeof *tmp), *from = x, *to = tmp;

	if (!tmp)
		return TR_ENOMEM;
	for (int shift = 0; shift < 33; shift += 11) {
		size_t at[2048] = {0}, sum = 0;

		for (size_t i = 0; i < n; i++)
			at[key_of(from[i]) >> shift & 2047]++;
		for (size_t b = 0; b < LEN(at); b++) {
			size_t c = at[b];

			at[b] = sum;
			sum += c;
		}
		for (size_t i = 0; i < n; i++)
			to[at[key_of(from[i]) >> shift & 2047]++] = from[i];
		from = to;
		to = to == tmp ? x : tmp;
	}
	memcpy(x, tmp, n * sizeof *x); /* three passes end in tmp */
	free(tmp);
	return 0;
}

int
kde_data(struct kde_data *d, float *x, size_t n)
{
	long double sum = 0, square = 0;

	memset(d, 0, sizeof *d);
	if (sort(x, n) < 0)
		return TR_ENOMEM;
	for (size_t i = 0; i < n; i++)
		d->nv += !i || x[i] != x[i - 1];
	d->v = malloc((d->nv + 1) * sizeof *d->v);
	d->c = calloc(d->nv + 1, sizeof *d->c);
	if (!d->v || !d->c) {
		kde_data_free(d);
		return TR_ENOMEM;
	}
	d->n = n;
	d->nv = 0;
	for (size_t i = 0; i < n; i++) {
		if (!i || x[i] != x[i - 1])
			d->v[d->nv++] = (double)x[i];
		d->c[d->nv - 1]++;
	}
	for (size_t i = 0; i < d->nv; i++)
		sum += (long double)d->v[i] * d->c[i];
	d->mean = (double)(sum / n);
	for (size_t i = 0; i < d->nv; i++)
		square += (d->v[i] - sum / n) * (d->v[i] - sum / n) * d->c[i];
	d->s0 = (double)sqrtl(square / n);
	d->s1 = n > 1 ? (double)sqrtl(square / (n - 1)) : 0;
	d->min = d->v[0];
	d->max = d->v[d->nv - 1];
	return 0;
}

void
kde_data_free(struct kde_data *d)
{
	free(d->v);
	free(d->c);
	memset(d, 0, sizeof *d);
}

double
kde_scott(const struct kde_data *d)
{
	return d->s1 > 0 ? d->s1 * num_pow((double)d->n, -0.2) : 1;
}

double
kde_106(const struct kde_data *d)
{
	return d->s0 > 0 ? 1.06 * d->s0 * num_pow((double)d->n, -0.2) : 1;
}

void
kde_grid(double min, double max, double h, size_t n, double *x)
{
	double from = min - 0.2 * fabs(min), to = max + 0.2 * fabs(max), step;

	if (!(from < to)) {
		from -= h;
		to += h;
	}
	step = (to - from) / (double)MAX(n - 1, (size_t)1);
	for (size_t i = 0; i < n; i++)
		x[i] = from + (double)i * step;
	x[n - 1] = to;
}

/* ---- opening ---- */

static int
open_boxes(struct kde *k)
{
	const struct kde_data *d = k->d;
	double w = BOX * k->h;
	size_t at = 0;

	k->box = malloc((d->nv + 1) * sizeof *k->box);
	k->below = malloc((d->nv + 1) * sizeof *k->below);
	if (!k->box || !k->below)
		return -1;
	k->below[0] = 0;
	while (at < d->nv) {
		double cell = floor((d->v[at] - d->min) / w);
		struct box *b = &k->box[k->nbox];

		memset(b, 0, sizeof *b);
		b->centre = d->min + (cell + 0.5) * w;
		for (; at < d->nv && floor((d->v[at] - d->min) / w) == cell; at++) {
			double x = -(d->v[at] - b->centre) / k->h, term = (double)d->c[at];

			for (int i = 0; i < TERMS; i++) {
				b->m[i] += term;
				term *= x / (i + 1);
			}
		}
		k->nbox++;
		k->below[k->nbox] = k->below[k->nbox - 1] + b->m[0];
	}
	return 0;
}

static int
open_sums(struct kde *k)
{
	const struct kde_data *d = k->d;

	if (!(k->sum = malloc((d->nv + 1) * sizeof *k->sum)))
		return -1;
	memset(k->sum[0], 0, sizeof k->sum[0]);
	for (size_t i = 0; i < d->nv; i++) {
		long double y = ((long double)d->v[i] - d->mean) / k->h, term = d->c[i];

		for (int p = 0; p < 4; p++) {
			k->sum[i + 1][p] = k->sum[i][p] + term;
			term *= y;
		}
	}
	return 0;
}

struct kde *
kde_new(const struct kde_data *d, enum kde_kernel kernel, double h)
{
	struct kde *k = calloc(1, sizeof *k);

	if (!k)
		return NULL;
	k->d = d;
	k->kernel = kernel;
	k->h = h;
	if ((kernel == KDE_GAUSSIAN ? open_boxes(k) : open_sums(k)) < 0) {
		kde_free(k);
		return NULL;
	}
	return k;
}

void
kde_free(struct kde *k)
{
	if (!k)
		return;
	free(k->box);
	free(k->below);
	free(k->sum);
	free(k);
}

/* ---- one value at a time ---- */

/* C(u): what is left of u. */
static double
left_of(enum kde_kernel kernel, double u)
{
	if (kernel == KDE_GAUSSIAN)
		return 0.5 * num_erfc(-u * SQRT_HALF);
	if (u <= -1)
		return 0;
	if (u >= 1)
		return 1;
	switch (kernel) {
	case KDE_TOPHAT:
		return (1 + u) / 2;
	case KDE_EPANECHNIKOV: /* (2 + 3 u - u^3) / 4, without loss near -1 */
		return (1 + u) * (1 + u) * (2 - u) / 4;
	default:
		return u < 0 ? (1 + u) * (1 + u) / 2 : 1 - (1 - u) * (1 - u) / 2;
	}
}

static double
density(enum kde_kernel kernel, double u)
{
	switch (kernel) {
	case KDE_GAUSSIAN:
		return PHI0 * num_exp(-0.5 * u * u);
	case KDE_TOPHAT:
		return fabs(u) < 1 ? 0.5 : 0;
	case KDE_EPANECHNIKOV:
		return fabs(u) < 1 ? 0.75 * (1 - u * u) : 0;
	default:
		return fabs(u) < 1 ? 1 - fabs(u) : 0;
	}
}

/* The tail on one side (1: above x) and the density f there, from its end inward until what is
 * left cannot count. */
static double
thin(const struct kde *k, double x, int side, double *f)
{
	const struct kde_data *d = k->d;
	double sum = 0, dens = 0, left = (double)d->n;

	for (size_t i = 0; i < d->nv; i++) {
		size_t at = side ? d->nv - 1 - i : i;
		double u = (x - d->v[at]) / k->h, c = left_of(k->kernel, side ? -u : u);

		if (left * c <= 1e-18 * sum)
			break;
		sum += (double)d->c[at] * c;
		dens += (double)d->c[at] * density(k->kernel, u);
		left -= (double)d->c[at];
	}
	*f = dens / ((double)d->n * k->h);
	return sum / (double)d->n;
}

/* ---- many at once ---- */

/* First box whose centre is not below x. */
static size_t
box_at(const struct kde *k, double x)
{
	size_t lo = 0, hi = k->nbox;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (k->box[mid].centre < x)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void
gaussian(const struct kde *k, double x, double *F, double *S, double *f)
{
	size_t from = box_at(k, x - REACH * k->h), end = box_at(k, x + REACH * k->h);
	double n = (double)k->d->n, low = k->below[from], high = n - k->below[end], dens = 0;

	for (size_t b = from; b < end; b++) {
		const double *m = k->box[b].m;
		double z = (x - k->box[b].centre) / k->h, phi = PHI0 * num_exp(-0.5 * z * z);
		double q = 0.5 * num_erfc(fabs(z) * SQRT_HALF), near = z < 0 ? q : 1 - q;
		double far = z < 0 ? 1 - q : q, he0 = 1, he1 = z, d = 0, e = m[0];
		int terms = fabs(z) < 4 ? NEAR_TERMS : TERMS;

		/* the k-th derivative of the distribution is (-1)^(k-1) He_(k-1) phi */
		for (int i = 1; i < terms; i++) {
			double sign = i % 2 ? 1 : -1, next = z * he1 - i * he0;

			d += sign * m[i] * he0;
			e -= sign * m[i] * he1;
			he0 = he1;
			he1 = next;
		}
		low += m[0] * near + d * phi;
		high += m[0] * far - d * phi;
		dens += e * phi;
	}
	*F = low / n;
	*S = high / n;
	*f = dens / (n * k->h);
}

/* First value not below x. */
static size_t
value_at(const struct kde_data *d, double x)
{
	size_t lo = 0, hi = d->nv;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (d->v[mid] < x)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Sums over values lo .. hi - 1 of ((v - mean) / h - y)^p. */
static void
centred(const struct kde *k, size_t lo, size_t hi, long double y, long double to[4])
{
	long double s[4];

	for (int p = 0; p < 4; p++)
		s[p] = k->sum[hi][p] - k->sum[lo][p];
	to[0] = s[0];
	to[1] = s[1] - y * s[0];
	to[2] = s[2] - 2 * y * s[1] + y * y * s[0];
	to[3] = s[3] - 3 * y * s[2] + 3 * y * y * s[1] - y * y * y * s[0];
}

static void
compact(const struct kde *k, double x, double *F, double *S, double *f)
{
	const struct kde_data *d = k->d;
	size_t lo = value_at(d, x - k->h), hi = value_at(d, x + k->h), mid = value_at(d, x);
	long double n = d->n, below = k->sum[lo][0], above = n - k->sum[hi][0], in = 0, out = 0;
	long double dens = 0, y = ((long double)x - d->mean) / k->h, a[4], b[4];

	if (hi - lo <= FEW) {
		for (size_t i = lo; i < hi; i++) {
			double u = (x - d->v[i]) / k->h;

			in += d->c[i] * (long double)left_of(k->kernel, u);
			out += d->c[i] * (long double)left_of(k->kernel, -u);
			dens += d->c[i] * (long double)density(k->kernel, u);
		}
	} else { /* u = -(v' - y): odd powers change their sign */
		centred(k, lo, mid, y, a);
		centred(k, mid, hi, y, b);
		switch (k->kernel) {
		case KDE_TOPHAT:
			in = (a[0] + b[0] - a[1] - b[1]) / 2;
			dens = (a[0] + b[0]) / 2;
			break;
		case KDE_EPANECHNIKOV:
			in = (2 * (a[0] + b[0]) - 3 * (a[1] + b[1]) + a[3] + b[3]) / 4;
			dens = 0.75L * (a[0] + b[0] - a[2] - b[2]);
			break;
		default: /* values below x have u > 0 */
			in = a[0] / 2 - a[1] - a[2] / 2 + b[0] / 2 - b[1] + b[2] / 2;
			dens = a[0] + a[1] + b[0] - b[1];
		}
		out = a[0] + b[0] - in;
	}
	*F = (double)((below + in) / n);
	*S = (double)((above + out) / n);
	*f = (double)(dens / (n * k->h));
}

void
kde_at(const struct kde *k, const double *x, size_t n, double *F, double *S, double *f)
{
	for (size_t i = 0; i < n; i++) {
		double a, b, c;

		if (k->kernel == KDE_GAUSSIAN) {
			gaussian(k, x[i], &a, &b, &c);
			if (a < THIN)
				a = thin(k, x[i], 0, &c);
			if (b < THIN)
				b = thin(k, x[i], 1, &c);
		} else {
			compact(k, x[i], &a, &b, &c);
		}
		if (F)
			F[i] = MIN(MAX(a, 0), 1);
		if (S)
			S[i] = MIN(MAX(b, 0), 1);
		if (f)
			f[i] = MAX(c, 0);
	}
}

void
kde_tail(const struct kde *k, double first, double last, double *d, double *S, double *F)
{
	for (size_t i = 0; i < KDE_TAIL; i++) {
		d[i] = (double)i * (k->h / STEPS);
		kde_at(k, (double[]){last + d[i]}, 1, NULL, &S[i], NULL);
		kde_at(k, (double[]){first - d[i]}, 1, &F[i], NULL, NULL);
	}
}
