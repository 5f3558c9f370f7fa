/*
 * What the CPU functions and the kernels share to the bit: keys of logits, the
 * exponential, and index arithmetic.  C and CUDA include it.
 *
 * A key is an unsigned number that sorts as the logit does: -0 is 0, NaN is below
 * -inf.  So a pick is an integer maximum, and of equal logits the lower expert wins
 * where the expert, inverted, stands below the key.
 */
#ifndef KEYS_H
#define KEYS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define KEYS_FN static __host__ __device__ __forceinline__
#else
#define KEYS_FN static inline
#endif

KEYS_FN float
keys_float(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof x);
	return x;
}

/* Of the bits of a binary32. */
KEYS_FN uint32_t
keys_f32(uint32_t bits)
{
	uint32_t mag = bits & 0x7fffffff;

	if (mag > 0x7f800000)
		return 0;
	if (!mag)
		return 0x80000000;
	return bits >> 31 ? ~bits : bits | 0x80000000;
}

/* Of the bits of a 16-bit float whose infinity is inf: 0x7c00 (f16), 0x7f80 (bf16). */
KEYS_FN uint32_t
keys_16(uint32_t bits, uint32_t inf)
{
	uint32_t mag = bits & 0x7fff;

	if (mag > inf)
		return 0;
	if (!mag)
		return 0x8000;
	return bits >> 15 ? ~bits & 0xffff : bits | 0x8000;
}

/* And back to the bits; NaN comes back as one. */
KEYS_FN uint32_t
keys_f32_bits(uint32_t key)
{
	return !key ? 0x7fc00000 : key >> 31 ? key & 0x7fffffff : ~key;
}

KEYS_FN uint32_t
keys_16_bits(uint32_t key)
{
	return !key ? 0x7fff : key >> 15 ? key & 0x7fff : ~key & 0xffff;
}

/* A weight as it is stored: all NaN are one. */
KEYS_FN float
keys_stored(float w)
{
	return w == w ? w : keys_float(0x7fc00000);
}

/* Of a float. */
KEYS_FN uint32_t
keys_of(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof bits);
	return keys_f32(bits);
}

/* Key and expert in one number, greatest first. */
KEYS_FN uint32_t
keys_pack16(uint32_t key, uint32_t expert)
{
	return key << 16 | (0xffff - expert);
}

KEYS_FN uint64_t
keys_pack32(uint32_t key, uint32_t expert)
{
	return (uint64_t)key << 32 | (0xffffffff - expert);
}

/*
 * e^x for x <= 0, the same bits wherever fused multiply-add is one rounding: x =
 * n ln 2 + r, ln 2 in two parts, and 1 + r + r^2 q(r), q of degree 4 with the least
 * relative error (Remez).  All floats from -87 to -2^-25 come within 0.883 ulp; below
 * -87 it is 0.  NaN is 0, so that a NaN logit weighs nothing.
 */
KEYS_FN float
keys_exp(float x)
{
	float n, r, p;

	if (!(x >= -87.0f))
		return 0;
	n = rintf(x * 0x1.715476p+0f);
	r = fmaf(n, -0x1.62e430p-1f, x);
	r = fmaf(n, 0x1.05c610p-29f, r);
	p = fmaf(r, 0x1.6a2434p-10f, 0x1.1239e2p-7f);
	p = fmaf(r, p, 0x1.5558f2p-5f);
	p = fmaf(r, p, 0x1.555492p-3f);
	p = fmaf(r, p, 0x1.fffffcp-2f);
	p = fmaf(r, p, 1.0f);
	p = fmaf(r, p, 1.0f);
	return p * keys_float((uint32_t)(127 + (int)n) << 23);
}

/* Weight of a logit before division, max being the greatest of those that count: 1 for
 * it, so that infinities and rows of NaN share evenly. */
KEYS_FN float
keys_weight(float x, float max)
{
	return x == max || (x != x && max != max) ? 1 : keys_exp(x - max);
}

/* 1 / (1 + e^-x), from e^-|x| so that both ends are exact; of NaN 0. */
KEYS_FN float
keys_sigmoid(float x)
{
	float e = keys_exp(x < 0 ? x : -x);

	return x != x ? 0 : (x < 0 ? e : 1) / (1 + e);
}

#endif
