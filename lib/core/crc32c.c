/* CRC-32C: three interleaved streams of the CPU's instruction, or a table. */
#include <string.h>

#include "crc32c.h"

#define POLY 0x82F63B78u

#define T1(c) ((c)&1 ? (c) >> 1 ^ POLY : (c) >> 1)
#define T2(c) T1(T1(c))
#define T4(c) T2(T2(c))
#define T8(c) T4(T4((uint32_t)(c)))
#define R4(n) T8(n), T8((n) + 1), T8((n) + 2), T8((n) + 3)
#define R16(n) R4(n), R4((n) + 4), R4((n) + 8), R4((n) + 12)
#define R64(n) R16(n), R16((n) + 16), R16((n) + 32), R16((n) + 48)

static const uint32_t table[256] = {R64(0), R64(64), R64(128), R64(192)};

uint32_t
crc32c_table(uint32_t crc, const void *p, size_t n)
{
	const unsigned char *s = p;

	crc = ~crc;
	while (n--)
		crc = crc >> 8 ^ table[(crc ^ *s++) & 255];
	return ~crc;
}

#if defined(__x86_64__)
#include <immintrin.h>
#define HARD __attribute__((target("sse4.2,pclmul")))
#define STEP(c, w) _mm_crc32_u64(c, w)

/*
 * crc times x^(8 n): the carry-less product with k = x^(8 n - 33) mod POLY is
 * 64 bits wide, and the instruction reduces it, which is worth x^33 more.
 */
HARD static inline uint64_t
shift(uint64_t crc, uint64_t k)
{
	__m128i p = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)crc),
					 _mm_cvtsi64_si128((long long)k), 0);

	return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(p));
}

static int
hard(void)
{
	return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}

enum { BLOCK = 1024 };
#define K1 0x170076fau /* x^(8 BLOCK - 33) mod POLY, reflected */
#define K2 0xa51b6135u /* x^(16 BLOCK - 33) */

#elif defined(__aarch64__) && defined(__linux__)
#include <arm_acle.h>
#include <sys/auxv.h>
#define HARD __attribute__((target("+crc")))
#define STEP(c, w) __crc32cd((uint32_t)(c), w)

/* crc times k mod POLY, bit by bit: rare enough beside blocks of 4 KiB. */
static uint64_t
shift(uint64_t crc, uint64_t k)
{
	uint32_t b = (uint32_t)k, r = 0;

	for (int i = 31; i >= 0; i--) {
		if (crc >> i & 1)
			r ^= b;
		b = T1(b);
	}
	return r;
}

static int
hard(void)
{
	return (getauxval(AT_HWCAP) & 1 << 7) != 0; /* HWCAP_CRC32 */
}

enum { BLOCK = 4096 };
#define K1 0x35d73a62u /* x^(8 BLOCK) mod POLY, reflected */
#define K2 0x28461564u /* x^(16 BLOCK) */
#endif

#ifdef HARD
static inline uint64_t
load(const unsigned char *p)
{
	uint64_t w;

	memcpy(&w, p, 8);
	return w;
}

/* One stream waits three cycles for each word; three streams wait for none. */
HARD static uint32_t
crc_hard(uint32_t crc, const unsigned char *s, size_t n)
{
	uint64_t a = ~crc, b, c;

	for (; n >= 3 * BLOCK; n -= 3 * BLOCK, s += 3 * BLOCK) {
		b = c = 0;
		for (size_t i = 0; i < BLOCK; i += 8) {
			a = STEP(a, load(s + i));
			b = STEP(b, load(s + BLOCK + i));
			c = STEP(c, load(s + 2 * BLOCK + i));
		}
		a = shift(a, K2) ^ shift(b, K1) ^ c;
	}
	for (; n >= 8; n -= 8, s += 8)
		a = STEP(a, load(s));
	a = (uint32_t)a;
	while (n--)
		a = a >> 8 ^ table[(a ^ *s++) & 255];
	return ~(uint32_t)a;
}
#endif

uint32_t
crc32c(uint32_t crc, const void *p, size_t n)
{
#ifdef HARD
	if (hard())
		return crc_hard(crc, p, n);
#endif
	return crc32c_table(crc, p, n);
}
