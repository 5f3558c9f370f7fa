/*
 * exp by + and * alone, so that its bits are the same everywhere, of one number or of
 * eight at once.
 */
#ifndef EXPD_H
#define EXPD_H

#include <stdint.h>
#include <string.h>

#define LN2_HI 6.93147180369123816490e-01 /* 33 bits, so that k LN2_HI is exact */
#define LN2_LO 1.90821492927058770002e-10

enum { EIGHT = 8 };

typedef double eight_f64 __attribute__((vector_size(64)));
typedef uint64_t eight_u64 __attribute__((vector_size(64)));

/* *y = exp(*y + *lo), |*y| <= 746 or NaN, of a small *lo; within 0.8 of a last digit.  Added to a double,
 * 1.5 2^52 leaves the nearest integer in its last bits.  After x = k ln 2 + r, |r| < 0.35,
 * (exp(r) - 1 - r) / r^2 is a series; times 2^k in two steps, for what is below the least
 * normal number. */
#define EXP_OF(NAME, F64, U64)                                                     \
	static inline void NAME(F64 *y, const F64 *lo)                             \
	{                                                                          \
		F64 x = *y, k = x * 1.44269504088896338700 + 0x1.8p52, r, q, a, b; \
		U64 bits, half;                                                    \
                                                                                   \
		memcpy(&bits, &k, sizeof bits);                                    \
		bits = bits - UINT64_C(0x4338000000000000) + 4096;                 \
		half = bits >> 1;                                                  \
		bits = (bits - half - 1025) << 52;                                 \
		half = (half - 1025) << 52;                                        \
		memcpy(&a, &half, sizeof a);                                       \
		memcpy(&b, &bits, sizeof b);                                       \
		k = k - 0x1.8p52;                                                  \
		r = (x - k * LN2_HI) + (*lo - k * LN2_LO);                         \
		q = r * (1.0 / 6227020800) + 1.0 / 479001600;                      \
		q = q * r + 1.0 / 39916800;                                        \
		q = q * r + 1.0 / 3628800;                                         \
		q = q * r + 1.0 / 362880;                                          \
		q = q * r + 1.0 / 40320;                                           \
		q = q * r + 1.0 / 5040;                                            \
		q = q * r + 1.0 / 720;                                             \
		q = q * r + 1.0 / 120;                                             \
		q = q * r + 1.0 / 24;                                              \
		q = q * r + 1.0 / 6;                                               \
		q = q * r + 0.5;                                                   \
		*y = (r * r * q + r + 1) * a * b;                                  \
	}

EXP_OF(exp_in, double, uint64_t)
EXP_OF(exp_eight, eight_f64, eight_u64)

/* exp(x + lo) of any x: what is beyond 746 and 710 is beyond a double, too. */
static inline double
exp_of(double x, double lo)
{
	x = x < -746 ? -746 : x > 710 ? 710 : x;
	exp_in(&x, &lo);
	return x;
}

#endif
