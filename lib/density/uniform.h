/*
 * How far values are from uniform on (0, 1), or their k-th smallest from what the
 * k-th of E uniform ones would be: Beta(k, E - k + 1).
 */
#ifndef UNIFORM_H
#define UNIFORM_H

#include <stddef.h>
#include <stdint.h>

struct uniform {
	uint64_t n;
	double mean, min;
	double ks, ks_p;  /* Kolmogorov-Smirnov distance, and its p-value by the limit law */
	double a2;        /* Anderson-Darling, of values brought to 2^-1074 .. 1 - 2^-53 */
	double below[3];  /* shares below 0.01, 0.05, 0.1 */
	uint64_t clipped; /* values that a2 has in another place */
};

/* v [n] is sorted in place, n > 0; k 0: against uniform, else against the k-th of e. */
void uniform_stats(double *v, size_t n, uint32_t k, uint32_t e, struct uniform *u);
/* Distribution function of Beta(k, e - k + 1), and 1 minus it, each without loss when small. */
double uniform_beta(double x, uint32_t k, uint32_t e, double *above);
/* P(D_n >= d) by the limit law at d (sqrt(n) + 0.12 + 0.11 / sqrt(n)). */
double uniform_ks_p(double d, double n);

#endif
