/* Numbers of a row's type to f32 and back, many at once, in vectors as wide as there are. */
#ifndef ROWTYPE_H
#define ROWTYPE_H

#include <string.h>

#include "../core/half.h"
#include "../core/moetrace.h"

typedef uint32_t rowtype_u32 __attribute__((vector_size(32), aligned(4), may_alias));
typedef uint16_t rowtype_u16 __attribute__((vector_size(16), aligned(2), may_alias));

static inline size_t
rowtype_size(enum tr_type type)
{
	return type == TR_F32 ? 4 : 2;
}

/* to [n] = x [from ..], exactly; type is TR_F32, TR_F16 or TR_BF16 */
static inline void
rowtype_widen(enum tr_type type, const void *x, uint64_t from, uint64_t n, float *to)
{
	const uint16_t *h = (const uint16_t *)x + from;
	uint64_t i = 0;

	if (type == TR_F32) {
		memcpy(to, (const float *)x + from, n * sizeof *to);
	} else if (type == TR_F16) {
		half_f32n(to, h, n);
	} else {
		for (; i + 8 <= n; i += 8)
			*(rowtype_u32 *)(to + i) =
				__builtin_convertvector(*(const rowtype_u16 *)(h + i), rowtype_u32)
				<< 16;
		for (; i < n; i++)
			to[i] = bf16_f32(h[i]);
	}
}

/* to [at ..] = x [n], to nearest even */
static inline void
rowtype_narrow(enum tr_type type, const float *x, uint64_t n, void *to, uint64_t at)
{
	uint16_t *h = (uint16_t *)to + at;
	uint64_t i = 0;

	if (type == TR_F32) {
		memcpy((float *)to + at, x, n * sizeof *x);
	} else if (type == TR_F16) {
		half_fromn(h, x, n);
	} else {
		for (; i + 8 <= n; i += 8) {
			const rowtype_u32 u = *(const rowtype_u32 *)(x + i);
			const rowtype_u32 nan = (rowtype_u32)((u & 0x7fffffff) > 0x7f800000);
			const rowtype_u32 near = (u + 0x7fff + (u >> 16 & 1)) >> 16;

			*(rowtype_u16 *)(h + i) = __builtin_convertvector(
				(nan & (u >> 16 | 0x40)) | (~nan & near), rowtype_u16);
		}
		for (; i < n; i++)
			h[i] = bf16_from(x[i]);
	}
}

#endif
