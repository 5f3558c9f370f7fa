/*
 * Kernel density estimates of one variable, as their exact distribution
 * functions: F(x) = 1/n sum C((x - v) / h) and its complement S, both with
 * small relative error in their own tails.  Kernels as in scikit-learn: h is the
 * scale of each, not its standard deviation (router-analysis(7), 2).
 */
#ifndef KDE_H
#define KDE_H

#include <stddef.h>
#include <stdint.h>

enum kde_kernel { KDE_GAUSSIAN, KDE_TOPHAT, KDE_EPANECHNIKOV, KDE_LINEAR };

struct kde_data { /* values, sorted, equal ones once */
	size_t nv;
	double *v;   /* [nv] rising */
	uint64_t *c; /* [nv] how often */
	uint64_t n;
	double min, max, mean, s0, s1; /* standard deviations by n and by n - 1 */
};

/* x [n] is sorted in place; none is NaN, n > 0.  0 or TR_ENOMEM. */
int kde_data(struct kde_data *d, float *x, size_t n);
void kde_data_free(struct kde_data *d);
/* Scott's rule s1 n^-1/5, or 1.06 s0 n^-1/5; 1 where there is no spread. */
double kde_scott(const struct kde_data *d);
double kde_106(const struct kde_data *d);

struct kde;
/* d is lent, and read until kde_free.  NULL: no memory. */
struct kde *kde_new(const struct kde_data *d, enum kde_kernel kernel, double h);
void kde_free(struct kde *k);
/* At x [n]: F, S and the density f [n]; each may be NULL.  Any thread. */
void kde_at(const struct kde *k, const double *x, size_t n, double *F, double *S, double *f);

/* A gaussian's tails beyond the ends of a grid: S at last + d, F at first - d, of d [KDE_TAIL] steps
 * of h / 64 from 0 on, as far as a double has them.  Of a compact kernel they are 0 from h on. */
enum { KDE_TAIL = 38 * 64 + 1 };
void kde_tail(const struct kde *k, double first, double last, double *d, double *S, double *F);

/* The grid of the original: n points from min - 0.2 |min| to max + 0.2 |max|; h to both sides where
 * that is one point. */
void kde_grid(double min, double max, double h, size_t n, double *x);

#endif
