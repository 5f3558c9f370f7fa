/*
 * Top-k of rows that several lanes share, in registers: what select.cu and select_index.cu
 * have in common.
 *
 * Each lane brings 16 bytes at a time and makes numbers of them that sort as its logits do,
 * the lower expert before an equal one.  It sorts them by a network, merges them with the
 * KEEP best that it has, and then, by shuffles, with those of the other lanes of the row: of
 * two descending lists the best are max(a[i], b[KEEP - 1 - i]), which one bitonic merge
 * sorts.  Row by row a lane keeps one list, and all lanes weigh theirs at once.
 */
#ifndef PICK_CUH
#define PICK_CUH

#include "../lib/route/keys.h"
#include "launch.h"

struct pick {
	const void *logits;
	uint64_t rows;
	uint16_t *ids;
	float *w;
	uint32_t k;
	enum rules_score score;
	int renorm;
	int wide; /* ids and w lie so that k of a row, or two of them, are stored at once */
};

template <int TYPE, int EXPERTS, int KEEP> struct pick_shape {
	static constexpr int SIZE = TYPE == TR_F32 ? 4 : 2;
	static constexpr int PER = 16 / SIZE;                 /* logits of a load */
	static constexpr int LEAST = PER > KEEP ? PER : KEEP; /* of a lane */
	static constexpr int MOST = EXPERTS * SIZE <= 512 ? 8 : EXPERTS * SIZE / 64;
	static constexpr int LANES = EXPERTS / LEAST < MOST ? EXPERTS / LEAST : MOST;
	static constexpr int ROWS = 32 / LANES; /* that a warp picks from at once */
	static constexpr int LOADS = EXPERTS / (LANES * PER);
};

template <int TYPE> struct pick_type {
	typedef uint32_t key;
};
template <> struct pick_type<TR_F32> {
	typedef uint64_t key;
};

template <class KEY>
static __device__ __forceinline__ void
pick_order(KEY &a, KEY &b)
{
	KEY high = a > b ? a : b, low = a > b ? b : a;

	a = high;
	b = low;
}

/* Batcher's network of merges of odds and evens, descending. */
template <int N, class KEY>
static __device__ __forceinline__ void
pick_sort(KEY *a)
{
	constexpr int STEPS = N == 8 ? 3 : N == 4 ? 2 : N == 2 ? 1 : 0;

#pragma unroll
	for (int i = 0; i < STEPS; i++) {
#pragma unroll
		for (int j = i; j >= 0; j--) {
			const int p = 1 << i, apart = 1 << j, first = apart % p;

#pragma unroll
			for (int x = 0; x < N; x++)
				if (x >= first && (x - first) % (2 * apart) < apart &&
				    x + apart < N && x / (2 * p) == (x + apart) / (2 * p))
					pick_order(a[x], a[x + apart]);
		}
	}
}

/* The best of both into a. */
template <int N, class KEY>
static __device__ __forceinline__ void
pick_merge(KEY *a, const KEY *b)
{
#pragma unroll
	for (int i = 0; i < N; i++)
		a[i] = a[i] > b[N - 1 - i] ? a[i] : b[N - 1 - i];
#pragma unroll
	for (int j = N == 8 ? 2 : N == 4 ? 1 : 0; j >= 0; j--)
#pragma unroll
		for (int i = 0; i < N; i++)
			if (N > 1 && !(i >> j & 1))
				pick_order(a[i], a[i + (1 << j)]);
}

/*
 * Two 16-bit logits as two keys that differ from keys_16's but sort as they: the logit
 * times -1 plus 0 leaves one zero, max.NaN one NaN, 0x7fff; and what is then not negative
 * is turned round, so that NaN is 0.
 */
template <int TYPE>
static __device__ __forceinline__ uint32_t
pick_keys16(uint32_t x)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
	uint32_t y, negative;

	if (TYPE == TR_F16)
		asm("{.reg .b32 t;\n\tfma.rn.f16x2 t, %1, %2, %3;\n\tmax.NaN.f16x2 %0, t, t;}"
		    : "=r"(y)
		    : "r"(x), "r"(0xbc00bc00), "r"(0));
	else
		asm("{.reg .b32 t;\n\tfma.rn.bf16x2 t, %1, %2, %3;\n\tmax.NaN.bf16x2 %0, t, t;}"
		    : "=r"(y)
		    : "r"(x), "r"(0xbf80bf80), "r"(0));
	asm("prmt.b32 %0, %1, 0, 0xbb99;" : "=r"(negative) : "r"(y)); /* each half's sign */
	return y ^ (~negative & 0x7fff7fff);
#else
	const uint32_t inf = TYPE == TR_F16 ? 0x7c00 : 0x7f80;
	uint32_t low = keys_16(x & 0xffff, inf), high = keys_16(x >> 16, inf);

	low -= low == 0x8000; /* zero, the one that differs */
	high -= high == 0x8000;
	return high << 16 | low;
#endif
}

/* A load as keys: experts from expert on. */
template <int TYPE, class KEY>
static __device__ __forceinline__ void
pick_unpack(uint4 x, uint32_t expert, KEY *a)
{
	const uint32_t in[4] = {x.x, x.y, x.z, x.w};

#pragma unroll
	for (int i = 0; i < 4; i++)
		if constexpr (TYPE == TR_F32) {
			a[i] = keys_pack32(keys_f32(in[i]), expert + (uint32_t)i);
		} else {
			uint32_t two = pick_keys16<TYPE>(in[i]), last = 0xffff - expert;

			a[2 * i] = (two << 16) + (last - 2 * (uint32_t)i);
			a[2 * i + 1] = (two & 0xffff0000) + (last - 2 * (uint32_t)i - 1);
		}
}

template <int TYPE, class KEY>
static __device__ __forceinline__ uint32_t
pick_expert(KEY a)
{
	return TYPE == TR_F32 ? 0xffffffff - (uint32_t)a : 0xffff - ((uint32_t)a & 0xffff);
}

template <int TYPE, class KEY>
static __device__ __forceinline__ float
pick_logit(KEY a)
{
	if constexpr (TYPE == TR_F32) {
		return keys_float(keys_f32_bits((uint32_t)(a >> 32)));
	} else {
		uint32_t key = a >> 16, x = key >> 15 ? key & 0x7fff : (key ^ 0x7fff) | 0x8000;

		return k_widen<TYPE>((uint16_t)x) + 0.0f; /* -0 is 0 */
	}
}

template <int TYPE, int KEEP, class KEY>
static __device__ __forceinline__ void
pick_weigh(const struct pick *p, const KEY *a, float *w)
{
	float sum = 0, all = 0, max = pick_logit<TYPE>(a[0]);

#pragma unroll
	for (int i = 0; i < KEEP; i++) {
		float x = pick_logit<TYPE>(a[i]);

		w[i] = p->score == RULES_AFTER     ? keys_weight(x, max)
		       : p->score == RULES_SIGMOID ? keys_sigmoid(x)
						   : x;
		if (i < (int)p->k)
			sum += w[i];
	}
	if (p->score != RULES_AFTER)
		all = p->renorm ? sum : 0;
	else
		all = sum;
#pragma unroll
	for (int i = 0; i < KEEP; i++)
		w[i] = keys_stored(all != 0 ? w[i] / all : w[i]);
}

template <int KEEP>
static __device__ __forceinline__ void
pick_store(const struct pick *p, uint64_t row, const uint32_t *id, const float *w)
{
	uint16_t *ids = p->ids + row * p->k;
	float *to = p->w + row * p->k;
	uint32_t two[KEEP / 2];

#pragma unroll
	for (int i = 0; i < KEEP / 2; i++)
		two[i] = id[2 * i] | id[2 * i + 1] << 16;
	if (!p->wide) {
#pragma unroll
		for (int i = 0; i < KEEP; i++)
			if (i < (int)p->k) {
				ids[i] = (uint16_t)id[i];
				to[i] = w[i];
			}
	} else if (p->k == KEEP && KEEP == 8) {
		*(uint4 *)ids = make_uint4(two[0], two[1 % (KEEP / 2)], two[2 % (KEEP / 2)],
					   two[3 % (KEEP / 2)]);
#pragma unroll
		for (int i = 0; i < KEEP; i += 4)
			((float4 *)to)[i / 4] =
				make_float4(w[i], w[i + 1], w[(i + 2) % KEEP], w[(i + 3) % KEEP]);
	} else {
#pragma unroll
		for (int i = 0; i < KEEP / 2; i++)
			if (2 * i < (int)p->k) {
				((uint32_t *)ids)[i] = two[i];
				((float2 *)to)[i] = make_float2(w[2 * i], w[2 * i + 1]);
			}
	}
}

/*
 * A warp picks from the rows first, first + 1 ..., ROWS * turns of them, as far as there
 * are any; 1 <= turns <= LANES.
 */
template <int TYPE, int EXPERTS, int KEEP>
static __device__ __forceinline__ void
pick_rows(const struct pick *p, uint64_t first, uint64_t end, int turns)
{
	typedef pick_shape<TYPE, EXPERTS, KEEP> S;
	typedef typename pick_type<TYPE>::key KEY;
	constexpr int AHEAD = S::LOADS <= 2 ? S::LOADS : 1; /* registers for two rows' loads */
	const unsigned lane = threadIdx.x % 32, part = lane % S::LANES, group = lane / S::LANES;
	const uint64_t mine = first + part * S::ROWS + group;
	const uint4 *const from = (const uint4 *)p->logits;
	constexpr uint64_t PITCH = EXPERTS * S::SIZE / 16;
	KEY kept[KEEP];
	uint4 next[AHEAD];
	uint64_t row = first + group;

	if (S::LOADS <= 2)
#pragma unroll
		for (int j = 0; j < AHEAD; j++)
			next[j] = __ldg(from + (row < end ? row : end - 1) * PITCH + j * S::LANES +
					part);
	for (int turn = 0; turn < turns; turn++, row += S::ROWS) {
		uint4 raw[S::LOADS];
		KEY best[KEEP];
		uint64_t after = row + (turn + 1 < turns ? S::ROWS : 0);

		if (S::LOADS <= 2) {
#pragma unroll
			for (int j = 0; j < AHEAD; j++) {
				raw[j] = next[j];
				next[j] = __ldg(from + (after < end ? after : end - 1) * PITCH +
						j * S::LANES + part);
			}
		} else {
#pragma unroll
			for (int j = 0; j < S::LOADS; j++)
				raw[j] = __ldg(from + (row < end ? row : end - 1) * PITCH +
					       j * S::LANES + part);
		}
		/* LEAST logits at a time: one load, or two where one brings fewer than KEEP */
#pragma unroll
		for (int j = 0; j < S::LOADS; j += S::LEAST / S::PER) {
			KEY a[S::LEAST];

#pragma unroll
			for (int i = 0; i < S::LEAST / S::PER; i++)
				pick_unpack<TYPE>(
					raw[j + i],
					(uint32_t)(((j + i) * S::LANES + (int)part) * S::PER),
					a + i * S::PER);
#pragma unroll
			for (int i = 0; i < S::LEAST; i += KEEP) {
				pick_sort<KEEP>(a + i);
				if (i + j)
					pick_merge<KEEP>(best, a + i);
				else
#pragma unroll
					for (int x = 0; x < KEEP; x++)
						best[x] = a[x];
			}
		}
#pragma unroll
		for (int apart = 1; apart < S::LANES; apart *= 2) {
			KEY other[KEEP];

#pragma unroll
			for (int x = 0; x < KEEP; x++)
				other[x] = __shfl_xor_sync(0xffffffff, best[x], apart);
			pick_merge<KEEP>(best, other);
		}
#pragma unroll
		for (int x = 0; x < KEEP; x++)
			if (!turn || (int)part == turn)
				kept[x] = best[x];
	}
	if ((int)part < turns && mine < end) {
		uint32_t id[KEEP];
		float w[KEEP];

#pragma unroll
		for (int x = 0; x < KEEP; x++)
			id[x] = pick_expert<TYPE>(kept[x]);
		pick_weigh<TYPE, KEEP>(p, kept, w);
		pick_store<KEEP>(p, mine, id, w);
	}
}

/* Does this way do that selection, and how many keep a list? */
static inline int
pick_keep(const struct select *s, const void *logits)
{
	const uint32_t e = s->experts;

	if (s->bias || s->groups || s->score == RULES_BEFORE || s->k > 8 || e < 8 || e > 512 ||
	    (e & (e - 1)) || !k_aligned(16, logits))
		return 0;
	return s->k <= 2 ? 2 : 8;
}

static inline struct pick
pick_of(const struct select *s, const void *logits, uint64_t rows, uint16_t *ids, float *w)
{
	struct pick p = {logits, rows, ids, w, s->k, s->score, s->renorm, 0};

	p.wide = s->k % 2 == 0 && k_aligned(s->k == 8 ? 16 : 8, w) &&
		 k_aligned(s->k == 8 ? 16 : 4, ids);
	return p;
}

#endif
