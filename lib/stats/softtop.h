/* What a plain router makes of logits: softmax, the best, their weights. */
#ifndef SOFTTOP_H
#define SOFTTOP_H

#include <stdint.h>

/* p[i] = softmax(x)[i], x finite, the maximum subtracted. */
void softtop_p(const float *x, uint32_t n, double *p);
/* The k best of x, of equals the lower first; k <= n. */
void softtop_best(const float *x, uint32_t n, uint32_t k, uint16_t *id);
/* Their weights p[id], with renorm divided by their sum. */
void softtop_w(const double *p, const uint16_t *id, uint32_t k, int renorm, float *w);

#endif
