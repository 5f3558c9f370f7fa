/*
 * k_select_index: a block picks for its rows by pick.cuh, then orders its routes by
 * order.cuh, which finds the ids in the first-level cache: one launch for both.  Bytes and
 * roof are those of select.cu and index.cu.  What pick.cuh does not do takes two launches.
 */
#include "order.cuh"
#include "pick.cuh"

enum { WARPS = 16 };

template <int TYPE, int EXPERTS, int KEEP>
__global__ void
__launch_bounds__(WARPS * 32, EXPERTS <= 128 ? 2 : 1)
	select_index(const __grid_constant__ struct pick p, const __grid_constant__ struct order o,
		     uint64_t each, int turns)
{
	const uint64_t from = blockIdx.x * each, to = from + each, end = to < p.rows ? to : p.rows;
	const uint64_t step = (uint64_t)pick_shape<TYPE, EXPERTS, KEEP>::ROWS * (uint64_t)turns;

	for (uint64_t row = from + threadIdx.x / 32 * step; row < end; row += WARPS * step)
		pick_rows<TYPE, EXPERTS, KEEP>(&p, row, end, turns);
	__syncthreads();
	order_routes<WARPS, 0>(&o, from * p.k, (end > from ? end : from) * p.k);
}

static uint64_t
most_blocks(uint32_t experts)
{
	/* what blocks tell each other grows with the square of their number */
	return (uint64_t)gpu_processors() * (experts <= 128 ? 2 : 1);
}

template <int TYPE, int EXPERTS, int KEEP>
static int
launch(const struct pick *p, struct order o, void *stream)
{
	typedef pick_shape<TYPE, EXPERTS, KEEP> S;
	const size_t shared = order_shared(WARPS, EXPERTS);
	int at_once = k_resident(select_index<TYPE, EXPERTS, KEEP>, WARPS * 32, shared);
	uint64_t most = most_blocks(EXPERTS), each, turns, blocks;

	if (at_once < 1)
		return gpu_fail(GPU_EFAIL, 0, "select_index: no block of it runs here");
	most = most < (uint64_t)at_once ? most : (uint64_t)at_once;
	each = k_ceil(p->rows ? p->rows : 1, most);
	turns = each / (WARPS * S::ROWS);
	turns = turns < 1 ? 1 : turns < S::LANES ? turns : S::LANES;
	each = k_ceil(each, WARPS * S::ROWS * turns) * WARPS * S::ROWS * turns;
	blocks = k_ceil(p->rows, each);
	blocks = blocks ? blocks : 1;
	o.piece = (uint32_t)k_ceil(each * p->k, WARPS * 32) * 32;
	return K_TOGETHER(select_index<TYPE, EXPERTS, KEEP>, (unsigned)blocks, WARPS * 32, shared,
			  stream, *p, o, each, (int)turns);
}

template <int TYPE, int KEEP>
static int
of_experts(uint32_t experts, const struct pick *p, const struct order *o, void *stream)
{
	switch (experts) {
	case 64:
		return launch<TYPE, 64, KEEP>(p, *o, stream);
	case 128:
		return launch<TYPE, 128, KEEP>(p, *o, stream);
	default:
		return launch<TYPE, 256, KEEP>(p, *o, stream);
	}
}

template <int TYPE>
static int
of_keep(int keep, uint32_t experts, const struct pick *p, const struct order *o, void *stream)
{
	return keep == 2 ? of_experts<TYPE, 2>(experts, p, o, stream)
			 : of_experts<TYPE, 8>(experts, p, o, stream);
}

/* The shapes that are worth their code. */
static int
fused(const struct select *s, int keep)
{
	const uint32_t e = s->experts;

	return keep && s->type != TR_F32 && (e == 64 || e == 128 || e == 256);
}

extern "C" {
size_t
k_select_index_work(const struct select *s, const struct index *x, uint64_t rows)
{
	size_t both = (size_t)most_blocks(s->experts) * s->experts * 4, one = k_index_work(x, rows);

	return both > one ? both : one;
}

int
k_select_index(const struct select *s, const struct index *x, const void *logits, uint64_t rows,
	       uint16_t *ids, float *w, void *work, void *stream)
{
	const int keep = pick_keep(s, logits);
	const struct pick p = pick_of(s, logits, rows, ids, w);
	const struct order o = order_of(x, ids, work);
	int r;

	if (x->experts != s->experts || x->k != s->k)
		return gpu_fail(GPU_EUSE, 0, "select_index: experts and picks of both differ");
	if (!fused(s, keep) || index_room(x, rows) == UINT64_MAX) {
		r = k_select(s, logits, rows, ids, w, stream);
		return r ? r : k_index(x, ids, rows, work, stream);
	}
	return s->type == TR_F16 ? of_keep<TR_F16>(keep, s->experts, &p, &o, stream)
				 : of_keep<TR_BF16>(keep, s->experts, &p, &o, stream);
}
}
