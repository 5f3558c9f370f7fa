/* Apart from ffn.c, so that who needs no more of it does not load OpenBLAS. */
#include <string.h>

#include "../core/size.h"
#include "ffn.h"
#include "power.h"

static inline power_vec
swiglu(power_vec x, power_vec up)
{
	power_vec zero = {0}, e;
	power_uvec below = (power_uvec)(x < zero);

	e = POWER_EITHER(below, x, -x); /* -|x| */
	power_of(&e);
	return x * POWER_EITHER(below, e, zero + 1) / (e + 1) * up;
}

void
ffn_silu(float *gate, const float *up, uint64_t n)
{
	for (uint64_t i = 0; i < n; i += POWER_LANES) {
		size_t size = MIN(n - i, POWER_LANES) * sizeof *gate;
		power_vec x = {0}, u = {0};

		memcpy(&x, gate + i, size);
		memcpy(&u, up + i, size);
		x = swiglu(x, u);
		memcpy(gate + i, &x, size);
	}
}
