#include <stdlib.h>

#include "../core/half.h"
#include "../core/num.h"
#include "../core/rng.h"
#include "../core/size.h"
#include "inputs.h"

enum { STREAM_X = 0x0f00, STREAM_ROUTER };

/* Two normal numbers, by the polar method of Marsaglia. */
static void
normals(uint64_t seed, uint64_t stream, uint64_t i, float to[2])
{
	for (uint64_t try = 0;; try++) {
		uint32_t r[4];
		double x, y, s;

		rng_u32x4(seed, stream | try << 48, i, r);
		for (int k = 0; k < 4; k += 2) {
			x = ((double)r[k] + 0.5) * 0x1p-31 - 1;
			y = ((double)r[k + 1] + 0.5) * 0x1p-31 - 1;
			s = x * x + y * y;
			if (s < 1 && s > 0) {
				double m = __builtin_sqrt(-2 * num_log(s) / s);

				to[0] = (float)(x * m);
				to[1] = (float)(y * m);
				return;
			}
		}
	}
}

static void
store(void *to, enum tr_type type, uint64_t i, float x)
{
	if (type == TR_F32)
		((float *)to)[i] = x;
	else
		((uint16_t *)to)[i] = type == TR_F16 ? half_from(x) : bf16_from(x);
}

void *
inputs_normal(uint64_t seed, uint64_t stream, uint64_t n, double deviation, enum tr_type type)
{
	size_t need;
	void *to;

	if (size_mul(n, tr_size(type), &need) < 0 ||
	    !(to = aligned_alloc(64, size_align(need + 1, 64))))
		return NULL;
	for (uint64_t i = 0; i < n; i += 2) {
		float x[2];

		normals(seed, stream, i / 2, x);
		store(to, type, i, (float)(deviation * x[0]));
		if (i + 1 < n)
			store(to, type, i + 1, (float)(deviation * x[1]));
	}
	return to;
}

static int
added(const struct inputs *in)
{
	return (in->hot && in->bias != 0) || in->zipf != 0;
}

void *
inputs_x(const struct inputs *in)
{
	void *x = inputs_normal(in->seed, STREAM_X, in->rows * in->d, 1, in->type);

	for (uint64_t t = 0; x && added(in) && t < in->rows; t++)
		store(x, in->type, t * in->d, 1);
	return x;
}

void *
inputs_router(const struct inputs *in)
{
	double deviation = in->unscaled ? 1 : 1 / __builtin_sqrt((double)in->d);
	void *w = inputs_normal(in->seed, STREAM_ROUTER, in->experts * in->d, deviation, in->type);

	for (uint32_t e = 0; w && added(in) && e < in->experts; e++)
		store(w, in->type, e * in->d,
		      (float)((e < in->hot ? in->bias : 0) - in->zipf * num_log(e + 1.0)));
	return w;
}
