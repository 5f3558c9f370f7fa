/*
 * k_select, one launch.
 *
 * select_few, for 8 to 512 experts in powers of two and up to 8 picks, no bias nor groups:
 * pick.cuh's way.  Moves experts * size + 6 k bytes a row, all of it once; a row of 64 f16
 * costs about 20 instructions of a warp, one of 256 with 8 picks about 100, most of them
 * comparisons, so that the first is bound by memory and the second by the integer pipe.
 * Roof: memory.
 *
 * select_any, for all the rest: a warp a row, keys in shared memory, k rounds of the
 * greatest over the warp: experts / 32 + 10 k steps a row.
 */
#include "pick.cuh"

enum { FEW_THREADS = 128, ANY_WARPS = 4 };

template <int TYPE, int EXPERTS, int KEEP, int GROUP>
__global__ void
__launch_bounds__(FEW_THREADS, GROUP == 1 || EXPERTS <= 64 ? 6 : 4)
	select_few(const __grid_constant__ struct pick p, int turns)
{
	const uint64_t warp = (uint64_t)blockIdx.x * (FEW_THREADS / 32) + threadIdx.x / 32;
	const uint64_t first = warp * pick_shape<TYPE, EXPERTS, KEEP>::ROWS * (uint64_t)turns;

	if (first < p.rows)
		pick_rows<TYPE, EXPERTS, KEEP, GROUP>(&p, first, p.rows, turns);
}

template <int TYPE, int EXPERTS, int KEEP>
static int
few(const struct pick *p, void *stream)
{
	typedef pick_shape<TYPE, EXPERTS, KEEP> S;
	constexpr int GROUP = S::LANES == 8 && TYPE != TR_F32 ? 4 : 1;
	const uint64_t warps = k_ceil(p->rows, S::ROWS), all = (uint64_t)gpu_processors();
	int turns = 1;

	/* several rows a warp cost less each, but leave each processor fewer warps */
	if (GROUP == 4 && warps >= all * 24)
		turns = warps >= all * 128 ? 8 : 4;
	else
		while (turns < S::LANES && warps >= all * 32 * (uint64_t)turns)
			turns *= 2;
	const unsigned blocks = (unsigned)k_ceil(k_ceil(warps, (uint64_t)turns), FEW_THREADS / 32);

	if (GROUP == 4 && turns > 2)
		return K_LAUNCH(select_few<TYPE, EXPERTS, KEEP, GROUP>, blocks, FEW_THREADS, 0,
				stream, *p, turns);
	return K_LAUNCH(select_few<TYPE, EXPERTS, KEEP, 1>, blocks, FEW_THREADS, 0, stream, *p,
			turns);
}

template <int TYPE, int KEEP>
static int
few_of(uint32_t experts, const struct pick *p, void *stream)
{
	switch (experts) {
	case 8:
		return few<TYPE, 8, KEEP>(p, stream);
	case 16:
		return few<TYPE, 16, KEEP>(p, stream);
	case 32:
		return few<TYPE, 32, KEEP>(p, stream);
	case 64:
		return few<TYPE, 64, KEEP>(p, stream);
	case 128:
		return few<TYPE, 128, KEEP>(p, stream);
	case 256:
		return few<TYPE, 256, KEEP>(p, stream);
	default:
		return few<TYPE, 512, KEEP>(p, stream);
	}
}

template <int TYPE>
static int
few_keep(int keep, uint32_t experts, const struct pick *p, void *stream)
{
	return keep == 2 ? few_of<TYPE, 2>(experts, p, stream)
			 : few_of<TYPE, 8>(experts, p, stream);
}

static __device__ __forceinline__ uint64_t
greatest(uint64_t x)
{
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
	uint32_t high = __reduce_max_sync(0xffffffff, (uint32_t)(x >> 32));
	uint32_t low =
		__reduce_max_sync(0xffffffff, (uint32_t)(x >> 32) == high ? (uint32_t)x : 0u);

	return (uint64_t)high << 32 | low;
#else
	for (int apart = 16; apart; apart /= 2) {
		uint64_t y = __shfl_xor_sync(0xffffffff, x, apart);

		x = x > y ? x : y;
	}
	return x;
#endif
}

/* A lane's best of those from lane on, 32 apart, whose bit in taken is 0; 0: none. */
static __device__ __forceinline__ uint64_t
best_of(const uint32_t *key, uint32_t n, uint32_t lane, uint32_t taken)
{
	uint64_t best = 0;

	for (uint32_t i = lane, bit = 0; i < n; i += 32, bit++) {
		uint64_t x = keys_pack32(key[i], i);

		if (!(taken >> bit & 1) && x > best)
			best = x;
	}
	return best;
}

/* The k best by key, of equal ones the lower, into to. */
static __device__ void
rounds(const uint32_t *key, uint32_t n, uint32_t k, uint32_t lane, uint32_t taken, uint16_t *to)
{
	uint64_t mine = best_of(key, n, lane, taken);

	for (uint32_t j = 0; j < k; j++) {
		uint32_t i = 0xffffffff - (uint32_t)greatest(mine);

		if (!lane)
			to[j] = (uint16_t)i;
		if (i % 32 == lane) {
			taken |= 1u << i / 32;
			mine = best_of(key, n, lane, taken);
		}
	}
	__syncwarp();
}

static __device__ __forceinline__ float
widened(enum tr_type type, const void *x, uint64_t i)
{
	float f = type == TR_F32   ? ((const float *)x)[i]
		  : type == TR_F16 ? k_widen<TR_F16>(((const uint16_t *)x)[i])
				   : k_widen<TR_BF16>(((const uint16_t *)x)[i]);

	return f == 0 ? 0 : f;
}

/* What a group of n keys is worth. */
static __device__ uint32_t
worth(const struct select *s, const uint32_t *key, uint32_t n)
{
	uint32_t a = key[0], b = 0;

	for (uint32_t i = 1; i < n; i++) {
		b = max(b, min(a, key[i]));
		a = max(a, key[i]);
	}
	if (s->score != RULES_SIGMOID || n == 1)
		return a;
	return keys_of(keys_float(keys_f32_bits(a)) + keys_float(keys_f32_bits(b)));
}

/* Bits of the lane's experts whose group is not among the best. */
static __device__ uint32_t
limit_groups(const struct select *s, const uint32_t *key, uint32_t *group, uint16_t *pick,
	     uint32_t lane)
{
	const uint32_t n = s->experts / s->groups;
	uint32_t out = 0;

	for (uint32_t g = lane; g < s->groups; g += 32)
		group[g] = worth(s, key + g * n, n);
	__syncwarp();
	rounds(group, s->groups, s->topk_groups, lane, 0, pick);
	for (uint32_t g = lane; g < s->groups; g += 32)
		group[g] = 0;
	__syncwarp();
	for (uint32_t j = lane; j < s->topk_groups; j += 32)
		group[pick[j]] = 1;
	__syncwarp();
	for (uint32_t e = lane, bit = 0; e < s->experts; e += 32, bit++)
		out |= (uint32_t)!group[e / n] << bit;
	return out;
}

/* Words of shared memory that a warp has: keys, groups, picks (of groups too), weights. */
static __host__ __device__ uint32_t
any_words(const struct select *s)
{
	uint32_t picks = s->groups && s->topk_groups > s->k ? s->topk_groups : s->k;

	return s->experts + s->groups + (picks + 1) / 2 + s->k;
}

__global__ void
__launch_bounds__(ANY_WARPS * 32, 8)
	select_any(const __grid_constant__ struct select s, const void *logits, uint64_t rows,
		   uint16_t *ids, float *w)
{
	K_DYNAMIC(uint32_t, shared);
	const uint32_t lane = threadIdx.x % 32, n = s.experts, k = s.k;
	const uint64_t row = (uint64_t)blockIdx.x * ANY_WARPS + threadIdx.x / 32;
	uint32_t *const key = shared + threadIdx.x / 32 * any_words(&s), *const group = key + n;
	float *const weight = (float *)(group + s.groups);
	uint16_t *const pick = (uint16_t *)(weight + k);
	uint32_t high = 0, taken = 0;
	float max = 0, sum = 0, all = 0;

	if (row >= rows)
		return;
	if (s.score == RULES_BEFORE) {
		for (uint32_t e = lane; e < n; e += 32) {
			uint32_t x = keys_of(widened(s.type, logits, row * n + e));

			high = high > x ? high : x;
		}
		max = keys_float(keys_f32_bits((uint32_t)(greatest((uint64_t)high << 32) >> 32)));
		for (uint32_t e = lane; e < n; e += 32)
			sum += keys_weight(widened(s.type, logits, row * n + e), max);
		for (int apart = 16; apart; apart /= 2)
			sum += __shfl_down_sync(0xffffffff, sum, (unsigned)apart);
		sum = __shfl_sync(0xffffffff, sum, 0);
	}
	for (uint32_t e = lane; e < n; e += 32) {
		float x = widened(s.type, logits, row * n + e), y = x;

		if (s.bias || s.groups) {
			if (s.score == RULES_BEFORE)
				y = keys_weight(y, max) / sum;
			else if (s.score == RULES_SIGMOID)
				y = keys_sigmoid(y);
			if (s.bias)
				y += s.bias[e];
		}
		key[e] = x == x ? keys_of(y) : 0;
	}
	__syncwarp();
	if (s.groups)
		taken = limit_groups(&s, key, group, pick, lane);
	rounds(key, n, k, lane, taken, pick);

	if (s.score == RULES_AFTER) {
		for (uint32_t j = lane; j < k; j += 32) {
			uint32_t x = keys_of(widened(s.type, logits, row * n + pick[j]));

			high = high > x ? high : x;
		}
		max = keys_float(keys_f32_bits((uint32_t)(greatest((uint64_t)high << 32) >> 32)));
		for (uint32_t j = lane; j < k; j += 32)
			weight[j] = keys_weight(widened(s.type, logits, row * n + pick[j]), max);
		__syncwarp();
		for (uint32_t j = 0; j < k; j++)
			sum += weight[j];
		__syncwarp();
	}
	for (uint32_t j = lane; j < k; j += 32) {
		float x = widened(s.type, logits, row * n + pick[j]);

		weight[j] = s.score == RULES_SIGMOID ? keys_sigmoid(x)
			    : s.score == RULES_NONE  ? x
						     : keys_weight(x, max) / sum;
	}
	__syncwarp();
	for (uint32_t j = 0; j < k; j++)
		all += weight[j];
	for (uint32_t j = lane; j < k; j += 32) {
		bool part = s.renorm && s.score != RULES_AFTER && all != 0;

		ids[row * k + j] = pick[j];
		w[row * k + j] = keys_stored(part ? weight[j] / all : weight[j]);
	}
}

extern "C" int
k_select(const struct select *s, const void *logits, uint64_t rows, uint16_t *ids, float *w,
	 void *stream)
{
	const int keep = pick_keep(s, logits);
	const struct pick p = pick_of(s, logits, rows, ids, w);
	char why[128];

	if (select_fit(s, why, sizeof why))
		return gpu_fail(GPU_EUSE, 0, "%s", why);
	if (!rows)
		return 0;
	if (!keep)
		return K_LAUNCH(select_any, (unsigned)k_ceil(rows, ANY_WARPS), ANY_WARPS * 32,
				ANY_WARPS * 4 * any_words(s), stream, *s, logits, rows, ids, w);
	return s->type == TR_F32   ? few_keep<TR_F32>(keep, s->experts, &p, stream)
	       : s->type == TR_F16 ? few_keep<TR_F16>(keep, s->experts, &p, stream)
				   : few_keep<TR_BF16>(keep, s->experts, &p, stream);
}
