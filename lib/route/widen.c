/* f16 by what the processor has, bf16 by shifts that compilers make vectors of. */
#include <string.h>

#include "../core/half.h"
#include "widen.h"

enum { STEP = 16 }; /* a fixed number of turns is what becomes vectors at -O2 */

static void
from_bf16(const uint16_t *from, uint64_t n, float *to)
{
	uint64_t i = 0;

	for (; i + STEP <= n; i += STEP) {
		uint32_t u[STEP];

		for (int j = 0; j < STEP; j++)
			u[j] = (uint32_t)from[i + (uint64_t)j] << 16;
		memcpy(to + i, u, sizeof u);
	}
	for (; i < n; i++)
		to[i] = bf16_f32(from[i]);
}

void
widen(enum tr_type type, const void *from, uint64_t n, float *to)
{
	if (type == TR_F16)
		half_f32n(to, from, n);
	else if (type == TR_BF16)
		from_bf16(from, n, to);
	else
		memcpy(to, from, n * sizeof *to);
}

void
narrow(enum tr_type type, const float *from, uint64_t n, void *to)
{
	uint16_t *h = to;

	if (type == TR_F16)
		half_fromn(h, from, n);
	else if (type == TR_BF16)
		for (uint64_t i = 0; i < n; i++)
			h[i] = bf16_from(from[i]);
	else
		memcpy(to, from, n * sizeof *from);
}

void
widen_rows(enum tr_type type, const void *from, uint64_t ld, uint64_t rows, uint64_t n, float *to)
{
	uint64_t size = tr_size(type);

	for (uint64_t r = 0; r < rows; r++)
		widen(type, (const char *)from + r * ld * size, n, to + r * n);
}
