/* The library's product on the CPU, for kernels that go by it; there is none by groups. */
#include "../../kernels/launch.h"

extern "C" {
#include "../../kernels/product.h"
}

template <int TYPE, int OUT = TYPE, class BITS, class TO>
static int
multiply(const BITS *x, const BITS *w, TO *y, uint64_t rows, uint64_t n, uint64_t d)
{
	for (uint64_t t = 0; t < rows; t++)
		for (uint64_t e = 0; e < n; e++) {
			float sum = 0;

			for (uint64_t i = 0; i < d; i++)
				sum = fmaf(k_widen<TYPE>(x[t * d + i]), k_widen<TYPE>(w[e * d + i]),
					   sum);
			y[t * n + e] = (TO)k_round<OUT>(sum);
		}
	return 0;
}

extern "C" {
/* Little, so that logits of some hundred rows come in parts. */
size_t
k_product_work(void)
{
	return 400 << 10;
}

int
k_product(enum tr_type type, const void *x, const void *w, void *y, uint64_t rows, uint64_t n,
	  uint64_t d, void *work, void *stream)
{
	emu_before(stream);
	if (type == TR_F32)
		return multiply<TR_F32>((const uint32_t *)x, (const uint32_t *)w, (uint32_t *)y,
					rows, n, d);
	if (type == TR_F16)
		return multiply<TR_F16>((const uint16_t *)x, (const uint16_t *)w, (uint16_t *)y,
					rows, n, d);
	return multiply<TR_BF16>((const uint16_t *)x, (const uint16_t *)w, (uint16_t *)y, rows, n,
				 d);
}

int
k_product_f32(enum tr_type type, const void *x, const void *w, float *y, uint64_t rows, uint64_t n,
	      uint64_t d, void *work, void *stream)
{
	emu_before(stream);
	if (type == TR_F32)
		return multiply<TR_F32>((const uint32_t *)x, (const uint32_t *)w, (uint32_t *)y,
					rows, n, d);
	if (type == TR_F16)
		return multiply<TR_F16, TR_F32>((const uint16_t *)x, (const uint16_t *)w,
						(uint32_t *)y, rows, n, d);
	return multiply<TR_BF16, TR_F32>((const uint16_t *)x, (const uint16_t *)w, (uint32_t *)y,
					 rows, n, d);
}

int
k_products(enum tr_type type, uint32_t experts, const uint32_t *offsets,
	   const uint32_t *host_offsets, const void *x, const void *w, void *y, uint64_t n,
	   uint64_t d, void *work, void *stream)
{
	return gpu_fail(GPU_ABSENT, 0, "emulation has no grouped product");
}
}
