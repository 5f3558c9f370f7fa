/* Exponentials of four numbers at once, which every processor has, the same bits on each. */
#ifndef POWER_H
#define POWER_H

#include <stdint.h>

enum { POWER_LANES = 4 };
typedef float power_vec __attribute__((vector_size(4 * POWER_LANES)));
typedef uint32_t power_uvec __attribute__((vector_size(4 * POWER_LANES)));

static inline power_vec
power_either(power_uvec mask, power_vec a, power_vec b)
{
	return (power_vec)(((power_uvec)a & mask) | ((power_uvec)b & ~mask));
}

/*
 * e^x of x <= 0, 0 below -87; less than 2e-7 off in proportion.  keys_exp (keys.h) without
 * fused multiply-adds, which a processor may not have: n is small and the first constant
 * short, so that their product is exact anyhow.
 */
static inline power_vec
power_of(power_vec x)
{
	const float round = 0x1.8p23f; /* adding it drops what lies behind the point */
	const power_vec zero = {0};
	const power_uvec small = (power_uvec)(x < zero - 87.0f);
	power_vec n, r, p;
	power_uvec bits;

	x = power_either(small, zero, x);
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
	return power_either(small, zero, (power_vec)((power_uvec)p + bits));
}

#endif
