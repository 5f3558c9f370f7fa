/* Attention of sequences that lie end to end, and the norm before it; f32. */
#ifndef MODEL_ATTEND_H
#define MODEL_ATTEND_H

#include "dots.h"
#include "engine.h"

/* As the step attend of an engine; threads of t share sequences and heads, the bits do not
 * depend on them.  0 or TR_ENOMEM. */
int attend(const struct heads *h, const struct spans *s, const float *q, const struct spans *sk,
	   const float *k, const float *v, const struct cache *c, float *out, struct team *t);

/* to [rows][d] = x / sqrt(mean(x^2) + eps) * w, rows of x ldx numbers apart; to may be x where
 * ldx is d. */
void rms_norm(const float *x, uint64_t ldx, const float *w, double eps, uint64_t rows, uint64_t d,
	      float *to);

#endif
