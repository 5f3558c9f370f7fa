/*
 * Exponentials of some numbers at once, the same bits on every processor: of four, which all
 * have, or of POWER_LANES, defined before, in functions that are VECTORS.
 */
#ifndef POWER_H
#define POWER_H

#include <stdint.h>

#ifndef POWER_LANES
#define POWER_LANES 4
#endif
typedef float power_vec __attribute__((vector_size(4 * POWER_LANES)));
typedef uint32_t power_uvec __attribute__((vector_size(4 * POWER_LANES)));

#define POWER_EITHER(mask, a, b) \
	((power_vec)(((power_uvec)(a) & (mask)) | ((power_uvec)(b) & ~(mask))))

/*
 * *at, x <= 0, to e^x, 0 below -87; less than 2e-7 off in proportion.  keys_exp (keys.h) without
 * fused multiply-adds, which a processor may not have: n is small and the first constant
 * short, so that their product is exact anyhow.
 */
static inline __attribute__((always_inline)) void
power_of(power_vec *at)
{
	const float round = 0x1.8p23f; /* adding it drops what lies behind the point */
	const power_vec zero = {0};
	const power_uvec small = (power_uvec)(*at < zero - 87.0f);
	power_vec x = POWER_EITHER(small, zero, *at), n, r, p;
	power_uvec bits;

	n = x * 1.44269504f + round;
	bits = (power_uvec)n << 23; /* n stands in the last bits */
	n -= round;
	r = x - n * 0.693145752f - n * 1.42860677e-6f;
	p = r * 1.39319239e-3f + 8.36319917e-3f;
	p = p * r + 4.16664233e-2f;
	p = p * r + 1.66664153e-1f;
	p = p * r + 5.00000000e-1f;
	p = p * r + 1.0f;
	p = p * r + 1.0f;
	*at = POWER_EITHER(small, zero, (power_uvec)p + bits);
}

#endif
