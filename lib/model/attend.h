/* Attention of sequences that lie end to end; f32. */
#ifndef MODEL_ATTEND_H
#define MODEL_ATTEND_H

#include "dots.h"
#include "engine.h"

/* As the step attend of an engine; threads of t share sequences and heads, the bits do not
 * depend on them.  0 or TR_ENOMEM. */
int attend(const struct heads *h, const struct spans *s, const float *q, const struct spans *sk,
	   const float *k, const float *v, const struct cache *c, float *out, struct team *t);

#endif
