/* p-values of one layer's logits by counting: how many training logits are no less. */
#ifndef EMPIRICAL_H
#define EMPIRICAL_H

#include <stddef.h>

/* v [n] is sorted for empirical_p. */
void empirical_sort(double *v, size_t n);
/* (1 + how many of v are >= x) / (n + 1); NaN of NaN. */
double empirical_p(const double *v, size_t n, double x);

#endif
