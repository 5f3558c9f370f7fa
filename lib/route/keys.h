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

KEYS_FN float
keys_float(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof x);
	return x;
}

/*
 * e^x for x <= 0, the same bits wherever fused multiply-add is one rounding: x =
 * n ln 2 + r, a polynomial of degree 6 in r.  Relative error below 1.2e-7 down to
 * -87; below that 0.  NaN is 0, so that a NaN logit weighs nothing.
 */
KEYS_FN float
keys_exp(float x)
{
	float n, r, p;

	if (!(x >= -87.0f))
		return 0;
	n = rintf(x * 1.44269504f);
	r = fmaf(n, -0.693145752f, x);
	r = fmaf(n, -1.42860677e-6f, r);
	p = fmaf(r, 1.39319239e-3f, 8.36319917e-3f);
	p = fmaf(r, p, 4.16664233e-2f);
	p = fmaf(r, p, 1.66664153e-1f);
	p = fmaf(r, p, 5.00000000e-1f);
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

/* 1 / (1 + e^-x), from e^-|x| so that both ends are exact. */
KEYS_FN float
keys_sigmoid(float x)
{
	float e = keys_exp(x < 0 ? x : -x), s = 1 / (1 + e);

	return x != x ? 0 : x < 0 ? e * s : s;
}

#endif
