/*
 * k_index, one launch of as many blocks as run at once: order.cuh's way.
 *
 * Reads 2 bytes a route, writes 8, of which 4 scattered; blocks read each other's counts,
 * blocks^2 * experts * 4 bytes of the second-level cache.  All of it is small: the roof is
 * a launch, one wait of all blocks and four or so times the memory's latency.
 */
#include "order.cuh"

/* Counters of warps fit 32 KiB. */
enum { HELD = 4 };

template <int WARPS, int KEEP>
__global__ void
__launch_bounds__(WARPS * 32, 1)
	index_routes(const __grid_constant__ struct order o, uint64_t routes)
{
	const uint64_t from = (uint64_t)blockIdx.x * WARPS * o.piece;
	const uint64_t end = from + (uint64_t)WARPS * o.piece;

	order_routes<WARPS, KEEP>(&o, from, end < routes ? end : routes);
}

template <int WARPS>
static int
launch(struct order o, uint64_t routes, void *stream)
{
	const size_t shared = order_shared(WARPS, o.experts);
	const uint64_t threads = WARPS * 32;
	uint64_t most = (uint64_t)gpu_processors(), each, blocks;
	int held = k_resident(index_routes<WARPS, HELD>, WARPS * 32, shared);
	int twice = k_resident(index_routes<WARPS, 0>, WARPS * 32, shared), at_once;

	at_once = held < twice ? held : twice;
	if (at_once < 1)
		return gpu_fail(GPU_EFAIL, 0, "index: no block of it runs here");
	most = most < (uint64_t)at_once ? most : (uint64_t)at_once;
	each = k_ceil(routes, threads * most);
	each = each ? each : 1;
	blocks = k_ceil(routes, threads * each);
	blocks = blocks ? blocks : 1;
	o.piece = (uint32_t)each * 32;
	if (each <= HELD)
		return K_TOGETHER(index_routes<WARPS, HELD>, (unsigned)blocks, WARPS * 32, shared,
				  stream, o, routes);
	return K_TOGETHER(index_routes<WARPS, 0>, (unsigned)blocks, WARPS * 32, shared, stream, o,
			  routes);
}

extern "C" {
size_t
k_index_work(const struct index *x, uint64_t rows)
{
	return (size_t)gpu_processors() * x->experts * 4;
}

int
k_index(const struct index *x, const uint16_t *ids, uint64_t rows, void *work, void *stream)
{
	const struct order o = order_of(x, ids, work);

	if (x->experts < 1 || x->experts > SELECT_EXPERTS_MAX || x->k < 1)
		return gpu_fail(GPU_EUSE, 0, "index: %u experts, %u picks", x->experts, x->k);
	if (index_room(x, rows) == UINT64_MAX)
		return gpu_fail(GPU_EUSE, 0, "index: more routes than 32 bits number");
	if (x->experts <= 256)
		return launch<32>(o, rows * x->k, stream);
	if (x->experts <= 512)
		return launch<16>(o, rows * x->k, stream);
	return launch<8>(o, rows * x->k, stream);
}
}
