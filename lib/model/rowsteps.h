/* Steps of the processor's engine that work on one row after the other; f32. */
#ifndef MODEL_ROWSTEPS_H
#define MODEL_ROWSTEPS_H

#include "engine.h"

/* to [rows][d] = x / sqrt(mean(x^2) + eps) * w, rows of x ldx numbers apart; to may be x where
 * ldx is d. */
void rms_norm(const float *x, uint64_t ldx, const float *w, double eps, uint64_t rows, uint64_t d,
	      float *to);
/* x [heads][d] of a row at position pos, in place; the angle is an f32, as published models
 * have it. */
void row_rotate(const struct rope *r, uint64_t pos, float *x, uint64_t heads, uint64_t d);
/* ln sum exp(x) - x[id] of x [vocab]. */
float row_nll(const float *x, uint64_t vocab, uint32_t id);

#endif
