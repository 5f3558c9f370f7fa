/*
 * As much CUDA as kernels/ needs, on one thread of a CPU: the threads of a block are
 * coroutines that meet at shuffles and barriers, blocks run one after the other, or all by
 * turns where the launch says so.  For tests: what would hang or read a lane that has left
 * ends the program with a line, and every other launch runs its threads and blocks
 * backwards, so that results that hang on their order differ.
 */
#ifndef EMU_H
#define EMU_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

struct dim3 {
	unsigned x, y, z;
	constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z)
	{
	}
};
struct alignas(4) ushort2 {
	unsigned short x, y;
};
struct alignas(8) ushort4 {
	unsigned short x, y, z, w;
};
struct alignas(8) uint2 {
	unsigned x, y;
};
struct alignas(16) uint4 {
	unsigned x, y, z, w;
};
struct alignas(8) float2 {
	float x, y;
};
struct alignas(16) float4 {
	float x, y, z, w;
};
#define EMU_MAKE2(type, part)                          \
	static inline type make_##type(part x, part y) \
	{                                              \
		return type{x, y};                     \
	}
#define EMU_MAKE4(type, part)                                          \
	static inline type make_##type(part x, part y, part z, part w) \
	{                                                              \
		return type{x, y, z, w};                               \
	}
EMU_MAKE2(uint2, unsigned)
EMU_MAKE2(float2, float)
EMU_MAKE4(uint4, unsigned)
EMU_MAKE4(float4, float)

enum emu_kind { EMU_RUNS, EMU_DONE, EMU_BLOCK, EMU_GRID, EMU_WARP };

struct emu_warp;
struct emu_block;
struct emu_thread {
	void *sp, *stack;
	enum emu_kind state;
	dim3 at;
	unsigned lane;
	struct emu_warp *warp;
	struct emu_block *block;
	size_t shared;    /* bytes of the block's that it has named */
	uint32_t mask;    /* of lanes that it waits for, */
	const char *what; /* in that call, */
	uint64_t out;     /* giving this; */
	uint64_t in[32];  /* what they gave */
};
struct emu_warp {
	struct emu_thread *lane[32];
};
struct emu_block {
	dim3 at;
	unsigned alive, waiting;
	unsigned char *shared;
	size_t dynamic;
};
extern struct emu_thread *emu_now;
extern dim3 emu_grid, emu_dim;

#define threadIdx (emu_now->at)
#define blockIdx (emu_now->block->at)
#define gridDim (emu_grid)
#define blockDim (emu_dim)
#define warpSize 32

void emu_meet(uint32_t mask, const char *what, uint64_t out);
void emu_wait(enum emu_kind for_what);
void *emu_shared(size_t bytes);
void *emu_dynamic(void);
/* What is enqueued on the stream is done first. */
void emu_before(void *stream);
/* Returns 0; blocks together need sizes that k_resident allows. */
int emu_launch(dim3 grid, dim3 block, size_t bytes, int together, void (*thread)(void *),
	       void *arg);

#define K_SHARED(type, name, n) type *name = (type *)emu_shared(sizeof(type) * (n))
#define K_DYNAMIC(type, name) type *name = (type *)emu_dynamic()

template <class T> struct emu_same {
	typedef T type;
};

template <class... P>
static int
emu_call(int together, void (*kernel)(P...), dim3 grid, dim3 block, size_t bytes,
	 typename emu_same<P>::type... p)
{
	auto f = [&] { kernel(p...); };

	return emu_launch(
		grid, block, bytes, together, [](void *arg) { (*(decltype(f) *)arg)(); }, &f);
}

template <class... P>
static inline int
k_launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t bytes, void *stream,
	 typename emu_same<P>::type... p)
{
	emu_before(stream);
	return emu_call(0, kernel, grid, block, bytes, p...);
}

template <class... P>
static inline int
k_together(void (*kernel)(P...), dim3 grid, dim3 block, size_t bytes, void *stream,
	   typename emu_same<P>::type... p)
{
	emu_before(stream);
	return emu_call(1, kernel, grid, block, bytes, p...);
}

enum { EMU_PROCESSORS = 3, EMU_RESIDENT = 4 }; /* blocks of a device that hardly has any */

template <class... P>
static inline int
k_resident(void (*kernel)(P...), int block, size_t bytes)
{
	return EMU_RESIDENT;
}

/* What a block may have; tests make it less. */
extern size_t emu_large;

template <class... P>
static inline int
k_large(void (*kernel)(P...), size_t bytes)
{
	return bytes <= emu_large ? 0 : -1;
}

static inline void
k_grid_sync(void)
{
	emu_wait(EMU_GRID);
}

static inline void
__syncthreads(void)
{
	emu_wait(EMU_BLOCK);
}

static inline void
__syncwarp(uint32_t mask = 0xffffffff)
{
	emu_meet(mask, "syncwarp", 0);
}

static inline void
__threadfence(void)
{
}

static inline void
__threadfence_block(void)
{
}

template <class T>
static inline T
emu_from(unsigned lane)
{
	T x;

	if (!(emu_now->mask >> lane & 1)) /* undefined on a GPU: something that shows */
		memset(&x, 0xa5, sizeof x);
	else
		memcpy(&x, &emu_now->in[lane], sizeof x);
	return x;
}

template <class T>
static inline void
emu_give(uint32_t mask, const char *what, T x)
{
	uint64_t u = 0;

	static_assert(sizeof x <= sizeof u, "a shuffle moves at most 8 bytes");
	memcpy(&u, &x, sizeof x);
	emu_meet(mask, what, u);
}

template <class T>
static inline T
__shfl_sync(uint32_t mask, T x, int from, int width = 32)
{
	unsigned base = emu_now->lane & ~(unsigned)(width - 1);

	emu_give(mask, "shfl", x);
	return emu_from<T>(base + ((unsigned)from & (unsigned)(width - 1)));
}

template <class T>
static inline T
__shfl_xor_sync(uint32_t mask, T x, int with, int width = 32)
{
	unsigned from = emu_now->lane ^ (unsigned)with;

	emu_give(mask, "shfl_xor", x);
	return (from & ~(unsigned)(width - 1)) > emu_now->lane ? x : emu_from<T>(from & 31);
}

template <class T>
static inline T
__shfl_up_sync(uint32_t mask, T x, unsigned by, int width = 32)
{
	unsigned at = emu_now->lane & (unsigned)(width - 1);

	emu_give(mask, "shfl_up", x);
	return at < by ? x : emu_from<T>(emu_now->lane - by);
}

template <class T>
static inline T
__shfl_down_sync(uint32_t mask, T x, unsigned by, int width = 32)
{
	unsigned at = emu_now->lane & (unsigned)(width - 1);

	emu_give(mask, "shfl_down", x);
	return at + by >= (unsigned)width ? x : emu_from<T>(emu_now->lane + by);
}

static inline uint32_t
__ballot_sync(uint32_t mask, int yes)
{
	uint32_t r = 0;

	emu_give(mask, "ballot", (uint32_t)(yes != 0));
	for (unsigned i = 0; i < 32; i++)
		if (mask >> i & 1)
			r |= emu_from<uint32_t>(i) << i;
	return r;
}

static inline int
__any_sync(uint32_t mask, int yes)
{
	return __ballot_sync(mask, yes) != 0;
}

static inline int
__all_sync(uint32_t mask, int yes)
{
	return __ballot_sync(mask, yes) == mask;
}

template <class T>
static inline uint32_t
__match_any_sync(uint32_t mask, T x)
{
	uint32_t r = 0;

	emu_give(mask, "match_any", x);
	for (unsigned i = 0; i < 32; i++)
		if (mask >> i & 1)
			r |= (uint32_t)(emu_from<T>(i) == x) << i;
	return r;
}

#define EMU_REDUCE(name, expression)                                                  \
	template <class T> static inline T __reduce_##name##_sync(uint32_t mask, T x) \
	{                                                                             \
		T a = x;                                                              \
		emu_give(mask, "reduce_" #name, x);                                   \
		for (unsigned i = 0; i < 32; i++)                                     \
			if ((mask >> i & 1) && i != emu_now->lane) {                  \
				T b = emu_from<T>(i);                                 \
				a = expression;                                       \
			}                                                             \
		return a;                                                             \
	}
EMU_REDUCE(max, a > b ? a : b)
EMU_REDUCE(min, a < b ? a : b)
EMU_REDUCE(add, a + b)
EMU_REDUCE(or, a | b)
EMU_REDUCE(and, a &b)

#define EMU_ATOMIC(name, type, expression)               \
	static inline type atomic##name(type *p, type x) \
	{                                                \
		type was = *p;                           \
		*p = expression;                         \
		return was;                              \
	}
EMU_ATOMIC(Add, int, was + x)
EMU_ATOMIC(Add, unsigned, was + x)
EMU_ATOMIC(Add, unsigned long long, was + x)
EMU_ATOMIC(Add, float, was + x)
EMU_ATOMIC(Or, unsigned, was | x)
EMU_ATOMIC(Max, int, was > x ? was : x)
EMU_ATOMIC(Max, unsigned, was > x ? was : x)
EMU_ATOMIC(Min, unsigned, was < x ? was : x)
EMU_ATOMIC(Exch, unsigned, x)

#define EMU_EACH(type)                         \
	static inline type min(type a, type b) \
	{                                      \
		return a < b ? a : b;          \
	}                                      \
	static inline type max(type a, type b) \
	{                                      \
		return a > b ? a : b;          \
	}
EMU_EACH(int)
EMU_EACH(unsigned)
EMU_EACH(unsigned long)
EMU_EACH(unsigned long long)
EMU_EACH(float)

template <class T>
static inline T
__ldg(const T *p)
{
	return *p;
}
template <class T>
static inline T
__ldcs(const T *p)
{
	return *p;
}
template <class T>
static inline T
__ldcg(const T *p)
{
	return *p;
}
template <class T>
static inline void
__stcs(T *p, T x)
{
	*p = x;
}
template <class T>
static inline void
__stcg(T *p, T x)
{
	*p = x;
}

static inline int
__popc(uint32_t x)
{
	return __builtin_popcount(x);
}
static inline int
__ffs(int x)
{
	return __builtin_ffs(x);
}
static inline int
__clz(int x)
{
	return x ? __builtin_clz((unsigned)x) : 32;
}
static inline float
__uint_as_float(uint32_t x)
{
	float f;

	memcpy(&f, &x, 4);
	return f;
}
static inline uint32_t
__float_as_uint(float f)
{
	uint32_t x;

	memcpy(&x, &f, 4);
	return x;
}

#endif
