/*
 * k_naive: rows packed by expert without an index, as the reference benchmark does, to
 * compare with.  NAIVE_ATOMIC takes slots by a counter an expert, a block a route; NAIVE_SCAN
 * has a block an expert that looks at all routes in their order.
 */
#include "launch.h"

enum { THREADS = 256, EXPERTS_MAX = SELECT_EXPERTS_MAX };

template <int TYPE, class BITS>
static __device__ __forceinline__ void
copy_row(const BITS *from, BITS *to, uint64_t d, float w)
{
	for (uint64_t c = threadIdx.x; c < d; c += THREADS)
		to[c] = (BITS)k_round<TYPE>(k_widen<TYPE>(from[c]) * w);
}

static __global__ void
clear(struct index x)
{
	for (uint32_t e = threadIdx.x; e < x.experts; e += THREADS)
		x.counts[e] = 0;
}

static __global__ void
count(struct index x, const uint16_t *ids, uint64_t routes)
{
	for (uint64_t i = blockIdx.x * (uint64_t)THREADS + threadIdx.x; i < routes;
	     i += gridDim.x * (uint64_t)THREADS)
		atomicAdd(&x.counts[ids[i]], 1u);
}

/* Offsets, and the counters back to 0. */
static __global__ void
scan(struct index x)
{
	if (threadIdx.x == 0) {
		uint32_t at = 0;

		for (uint32_t e = 0; e < x.experts; e++) {
			x.offsets[e] = at;
			at += x.counts[e];
			x.counts[e] = 0;
		}
		x.offsets[x.experts] = at;
	}
}

template <int TYPE, class BITS>
static __global__ void
atomic(struct index x, const BITS *from, const uint16_t *ids, const float *w, uint64_t d, BITS *to)
{
	K_SHARED(uint32_t, slot, 1);
	uint64_t route = blockIdx.x;

	if (threadIdx.x == 0) {
		uint32_t e = ids[route];

		slot[0] = x.offsets[e] + atomicAdd(&x.counts[e], 1u);
		x.perm[slot[0]] = (uint32_t)route;
		x.place[route] = slot[0];
	}
	__syncthreads();
	copy_row<TYPE>(from + route / x.k * d, to + slot[0] * d, d, w[route]);
}

template <int TYPE, class BITS>
static __global__ void
search(struct index x, const BITS *from, const uint16_t *ids, const float *w, uint64_t routes,
       uint64_t d, BITS *to)
{
	uint32_t e = blockIdx.x, at = x.offsets[e], first = at;

	for (uint64_t i = 0; i < routes; i++) {
		if (ids[i] != e)
			continue;
		copy_row<TYPE>(from + i / x.k * d, to + at * d, d, w[i]);
		if (threadIdx.x == 0) {
			x.perm[at] = (uint32_t)i;
			x.place[i] = at;
		}
		at++;
	}
	if (threadIdx.x == 0)
		x.counts[e] = at - first;
}

template <int TYPE, class BITS>
static int
pack(int how, const struct index *x, const void *from, const uint16_t *ids, const float *w,
     uint64_t routes, uint64_t d, void *to, void *stream)
{
	if (how == 0)
		return K_LAUNCH((atomic<TYPE, BITS>), (unsigned)routes, THREADS, 0, stream, *x,
				(const BITS *)from, ids, w, d, (BITS *)to);
	return K_LAUNCH((search<TYPE, BITS>), x->experts, THREADS, 0, stream, *x,
			(const BITS *)from, ids, w, routes, d, (BITS *)to);
}

int
k_naive(int how, const struct index *x, enum tr_type type, const void *from, const uint16_t *ids,
	const float *w, uint64_t rows, uint64_t d, void *to, void *stream)
{
	uint64_t routes = rows * x->k, blocks = k_ceil(routes, THREADS);
	int r;

	if (x->experts > EXPERTS_MAX || routes > INT32_MAX)
		return gpu_fail(GPU_EUSE, 0, "%u experts, %llu routes", x->experts,
				(unsigned long long)routes);
	if (!routes)
		return 0;
	if ((r = K_LAUNCH(clear, 1, THREADS, 0, stream, *x)) < 0 ||
	    (r = K_LAUNCH(count, (unsigned)(blocks < 1024 ? blocks : 1024), THREADS, 0, stream, *x,
			  ids, routes)) < 0 ||
	    (r = K_LAUNCH(scan, 1, 32, 0, stream, *x)) < 0)
		return r;
	if (type == TR_F32)
		return pack<TR_F32, uint32_t>(how, x, from, ids, w, routes, d, to, stream);
	if (type == TR_F16)
		return pack<TR_F16, uint16_t>(how, x, from, ids, w, routes, d, to, stream);
	return pack<TR_BF16, uint16_t>(how, x, from, ids, w, routes, d, to, stream);
}
