/*
 * Counts, offsets and the stable order of routes by expert, by all blocks of a launch at
 * once: what index.cu and select_index.cu have in common.
 *
 * A block has a stretch of routes, each of its warps a piece of that.  A warp takes 32
 * routes at a time; those of one expert find each other by match, so that each knows how
 * many came before it in its piece.  Blocks tell how many they have of each expert, all
 * wait for all, and each adds up those before it: one wait, no atomics but integer sums in
 * shared memory, so the order is that of the routes.
 */
#ifndef ORDER_CUH
#define ORDER_CUH

#include "launch.h"

struct order {
	uint32_t experts, align;
	const uint16_t *ids;
	uint32_t *counts, *offsets, *perm, *place;
	uint32_t *had;  /* [blocks][experts] */
	uint32_t piece; /* routes of a warp, a multiple of 32 */
};

/* Bytes of shared memory of a block of that many warps. */
static inline size_t
order_shared(int warps, uint32_t experts)
{
	return ((size_t)warps + 2) * experts * 4 + 4;
}

static inline struct order
order_of(const struct index *x, const uint16_t *ids, void *work)
{
	struct order o = {x->experts, x->align,         ids, x->counts, x->offsets, x->perm,
			  x->place,   (uint32_t *)work, 0};

	o.align = o.align ? o.align : 1;
	return o;
}

/* 32 routes of a warp: each one's place among those of its expert in the piece. */
static __device__ __forceinline__ uint32_t
order_rank(uint32_t id, uint32_t experts, uint32_t lane, uint32_t *had)
{
	uint32_t peers = __match_any_sync(0xffffffff, id), first = (uint32_t)__ffs((int)peers) - 1;
	uint32_t before = 0;

	if (lane == first && id < experts) {
		before = had[id];
		had[id] = before + (uint32_t)__popc(peers);
	}
	__syncwarp();
	return __shfl_sync(0xffffffff, before, (int)first) +
	       (uint32_t)__popc(peers & ((1u << lane) - 1));
}

static __device__ __forceinline__ uint32_t
order_id(const struct order *o, uint64_t i, uint64_t end)
{
	const uint32_t none = SELECT_NONE, id = i < end ? o->ids[i] : none;

	return id < o->experts ? id : none;
}

static __device__ __forceinline__ void
order_put(const struct order *o, uint64_t i, uint64_t end, uint32_t id, uint32_t to)
{
	if (i >= end)
		return;
	o->place[i] = id < o->experts ? to : UINT32_MAX;
	if (id < o->experts)
		o->perm[to] = (uint32_t)i;
}

/* had [WARPS][experts] becomes what the warps before had; what all have goes to total. */
template <int WARPS>
static __device__ __forceinline__ void
order_warps(uint32_t experts, uint32_t *had, uint32_t *total)
{
	enum { AT_ONCE = 8 }; /* loads that do not wait for each other */

	for (uint32_t e = threadIdx.x; e < experts; e += WARPS * 32) {
		uint32_t sum = 0;

#pragma unroll 1
		for (int w = 0; w < WARPS; w += AT_ONCE) {
			uint32_t x[AT_ONCE];

#pragma unroll
			for (int i = 0; i < AT_ONCE; i++)
				x[i] = had[(uint32_t)(w + i) * experts + e];
#pragma unroll
			for (int i = 0; i < AT_ONCE; i++) {
				had[(uint32_t)(w + i) * experts + e] = sum;
				sum += x[i];
			}
		}
		total[e] = sum;
	}
}

/* Sums over blocks of what they had: of those before this one, and of all. */
template <int WARPS>
static __device__ __forceinline__ void
order_blocks(const struct order *o, uint32_t *before, uint32_t *all)
{
	const uint32_t n = o->experts, threads = WARPS * 32;
	const uint32_t slices = n < threads ? threads / n : 1;

	for (uint32_t e = threadIdx.x; e < n; e += threads)
		before[e] = all[e] = 0;
	__syncthreads();
	for (uint32_t i = threadIdx.x; i < n * slices; i += threads) {
		const uint32_t e = i % n;
		uint32_t x = 0, y = 0;

#pragma unroll 8
		for (uint32_t b = i / n; b < gridDim.x; b += slices) {
			uint32_t had = __ldcg(o->had + (size_t)b * n + e);

			x += b < blockIdx.x ? had : 0;
			y += had;
		}
		if (slices > 1) {
			atomicAdd(before + e, x);
			atomicAdd(all + e, y);
		} else {
			before[e] = x;
			all[e] = y;
		}
	}
	__syncthreads();
}

static __device__ __forceinline__ uint32_t
order_room(const struct order *o, uint32_t n)
{
	return (n + o->align - 1) / o->align * o->align;
}

/* One warp: before [experts] has where each expert starts added, and all becomes where its
 * routes end; block 0 tells all. */
static __device__ __forceinline__ void
order_scan(const struct order *o, uint32_t *before, uint32_t *all)
{
	const uint32_t lane = threadIdx.x, n = o->experts, each = (n + 31) / 32;
	const uint32_t from = min(lane * each, n), to = min(from + each, n);
	uint32_t sum = 0, start;

	for (uint32_t e = from; e < to; e++)
		sum += order_room(o, all[e]);
	start = sum;
	for (unsigned by = 1; by < 32; by *= 2) {
		uint32_t x = __shfl_up_sync(0xffffffff, start, by);

		start += lane >= by ? x : 0;
	}
	if (!blockIdx.x && lane == 31)
		o->offsets[n] = start;
	start -= sum;
	for (uint32_t e = from; e < to; e++) {
		const uint32_t count = all[e];

		before[e] += start;
		all[e] = start + count;
		if (!blockIdx.x) {
			o->offsets[e] = start;
			o->counts[e] = count;
		}
		start += order_room(o, count);
	}
}

/* Filling is of no route; end [experts]. */
static __device__ __forceinline__ void
order_fill(const struct order *o, const uint32_t *end)
{
	for (uint32_t e = blockIdx.x; e < o->experts; e += gridDim.x)
		for (uint32_t i = end[e] + threadIdx.x; i < order_room(o, end[e]); i += blockDim.x)
			o->perm[i] = UINT32_MAX;
}

/*
 * The routes from .. end of this block; blocks have theirs in order.  HELD: routes of a
 * thread that stay in registers, piece being at most 32 of that; 0: counted twice.
 */
template <int WARPS, int HELD>
static __device__ __forceinline__ void
order_routes(const struct order *o, uint64_t from, uint64_t end)
{
	K_DYNAMIC(uint32_t, shared);
	const uint32_t n = o->experts, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
	uint32_t *const before = shared, *const all = before + n, *const had = all + n;
	uint32_t *const mine = had + warp * n;
	const uint64_t first = from + (uint64_t)warp * o->piece + lane;
	uint32_t held[HELD ? HELD : 1]; /* id, and 16 bits of its rank */

	for (uint32_t i = threadIdx.x; i < WARPS * n; i += WARPS * 32)
		had[i] = 0;
	__syncthreads();
	if (HELD) {
#pragma unroll
		for (int j = 0; j < HELD; j++)
			held[j] = order_id(o, first + (uint32_t)j * 32,
					   (uint32_t)j * 32 < o->piece ? end : 0);
#pragma unroll
		for (int j = 0; j < HELD; j++)
			held[j] = held[j] << 16 | order_rank(held[j], n, lane, mine);
	} else {
		for (uint32_t j = 0; j < o->piece; j += 32)
			order_rank(order_id(o, first + j, end), n, lane, mine);
	}
	__syncthreads();
	order_warps<WARPS>(n, had, all);
	__syncthreads();
	for (uint32_t e = threadIdx.x; e < n; e += WARPS * 32)
		__stcg(o->had + (size_t)blockIdx.x * n + e, all[e]);
	k_grid_sync();
	order_blocks<WARPS>(o, before, all);
	if (warp == 0)
		order_scan(o, before, all);
	__syncthreads();
	if (HELD) {
#pragma unroll
		for (int j = 0; j < HELD; j++) {
			const uint32_t e = held[j] >> 16;

			if ((uint32_t)j * 32 < o->piece)
				order_put(o, first + (uint32_t)j * 32, end, e,
					  e < n ? before[e] + mine[e] + (held[j] & 0xffff) : 0);
		}
	} else {
		for (uint32_t j = 0; j < o->piece; j += 32) {
			uint32_t e = order_id(o, first + j, end);
			uint32_t at = order_rank(e, n, lane, mine);

			order_put(o, first + j, end, e, e < n ? before[e] + at : 0);
		}
	}
	if (o->align > 1)
		order_fill(o, all);
}

#endif
