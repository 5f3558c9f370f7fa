/*
 * What the .cu files share: launching, shared memory, 16-bit floats, facts of the device.
 * nvcc compiles them for a GPU; a C++ compiler, with t/gpu/emu.h, for tests without one.
 *
 * A kernel is written in CUDA C++ with these differences:
 *   K_LAUNCH(kernel<1, 2>, grid, block, bytes, stream, arguments ...) for <<<>>>, and
 *   K_TOGETHER(the same) where all blocks run at once, for k_grid_sync(); both return 0 or
 *   GPU_EFAIL
 *   K_SHARED(type, name, n) for __shared__ type name[n], K_DYNAMIC(type, name) for the bytes
 *   of the launch: in order, in every thread of the block, at the top of the kernel
 *   inline PTX, mma, cp.async: only under #ifdef __CUDACC__, with a plain branch beside it
 */
#ifndef LAUNCH_H
#define LAUNCH_H

#ifdef __CUDACC__
#include <cooperative_groups.h>
#include <cuda_runtime.h>
#else
#include "../t/gpu/emu.h"
#endif

extern "C" {
#include "../lib/core/half.h"
#include "route.h"

/* Set gpu_errstr: what, as printf has it, and what CUDA says of error where that is not 0.
 * Returns code. */
int gpu_fail(int code, int error, const char *what, ...) __attribute__((format(printf, 3, 4)));
int gpu_processors(void); /* of the device that is open */
int gpu_capability(void); /* of it: 80 is 8.0 */
}

/* Are a and b and so on all multiples of n bytes? */
static inline bool
k_aligned(size_t n, const void *a, const void *b = nullptr, const void *c = nullptr)
{
	return (((uintptr_t)a | (uintptr_t)b | (uintptr_t)c) & (n - 1)) == 0;
}

static inline uint64_t
k_ceil(uint64_t a, uint64_t b)
{
	return a / b + (a % b != 0);
}

template <class T> struct k_same {
	typedef T type;
};

#ifdef __CUDACC__
/* Was the last launch one? */
static inline int
k_launched(cudaError_t e, const char *how)
{
	return e == cudaSuccess ? 0 : gpu_fail(GPU_EFAIL, e, "%s", how);
}

template <class... P>
static int
k_launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t bytes, void *stream,
	 typename k_same<P>::type... p)
{
	void *args[] = {(void *)&p...};

	return k_launched(cudaLaunchKernel((const void *)kernel, grid, block, args, bytes,
					   (cudaStream_t)stream),
			  "launch");
}

template <class... P>
static int
k_together(void (*kernel)(P...), dim3 grid, dim3 block, size_t bytes, void *stream,
	   typename k_same<P>::type... p)
{
	void *args[] = {(void *)&p...};

	return k_launched(cudaLaunchCooperativeKernel((const void *)kernel, grid, block, args,
						      bytes, (cudaStream_t)stream),
			  "launch of all blocks at once");
}

/* How many blocks of the kernel can run at once on the device; 0: none. */
template <class... P>
static int
k_resident(void (*kernel)(P...), int block, size_t bytes)
{
	int n = 0;

	if (cudaOccupancyMaxActiveBlocksPerMultiprocessor(&n, (const void *)kernel, block, bytes))
		return 0;
	return n * gpu_processors();
}

/* Let the kernel have more than 48 KiB of dynamic shared memory. */
template <class... P>
static int
k_large(void (*kernel)(P...), size_t bytes)
{
	return k_launched(cudaFuncSetAttribute((const void *)kernel,
					       cudaFuncAttributeMaxDynamicSharedMemorySize,
					       (int)bytes),
			  "shared memory");
}

__device__ __forceinline__ void
k_grid_sync(void)
{
	cooperative_groups::this_grid().sync();
}

#define K_SHARED(type, name, n) __shared__ type name[n]
#define K_DYNAMIC(type, name)                                      \
	extern __shared__ __align__(16) unsigned char k_dynamic[]; \
	type *name = (type *)k_dynamic
#endif

#define K_LAUNCH(...) k_launch(__VA_ARGS__)
#define K_TOGETHER(...) k_together(__VA_ARGS__)

/* The bits of a value of type TR_F32, TR_F16 or TR_BF16, in f32. */
template <int TYPE, class BITS>
static __device__ __forceinline__ float
k_widen(BITS x)
{
	if constexpr (TYPE == TR_F32)
		return __uint_as_float(x);
	if constexpr (TYPE == TR_BF16)
		return __uint_as_float((uint32_t)x << 16);
	if constexpr (TYPE == TR_F16) {
#ifdef __CUDACC__
		float f;

		asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"((unsigned short)x));
		return f;
#else
		return half_f32((uint16_t)x);
#endif
	}
}

/* And back, to the nearest, ties to even; NaN as lib/core/half has it. */
template <int TYPE>
static __device__ __forceinline__ uint32_t
k_round(float f)
{
	uint32_t u = __float_as_uint(f);

	if constexpr (TYPE == TR_BF16)
		return (u & 0x7fffffff) > 0x7f800000 ? u >> 16 | 0x40
						     : (u + 0x7fff + (u >> 16 & 1)) >> 16;
	if constexpr (TYPE == TR_F16) {
#ifdef __CUDACC__
		unsigned short h;

		asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f));
		return (u & 0x7fffffff) > 0x7f800000
			       ? (u >> 16 & 0x8000) | 0x7e00 | (u >> 13 & 0x1ff)
			       : h;
#else
		return half_from(f);
#endif
	}
	return u;
}

#endif
