#include <string.h>

#include "../core/half.h"
#include "naive.h"

static void
row(enum tr_type type, const void *from, uint64_t d, float w, void *to)
{
	if (type == TR_F32)
		for (uint64_t c = 0; c < d; c++)
			((float *)to)[c] = ((const float *)from)[c] * w;
	else if (type == TR_F16)
		for (uint64_t c = 0; c < d; c++)
			((uint16_t *)to)[c] = half_from(half_f32(((const uint16_t *)from)[c]) * w);
	else
		for (uint64_t c = 0; c < d; c++)
			((uint16_t *)to)[c] = bf16_from(bf16_f32(((const uint16_t *)from)[c]) * w);
}

static void
put(struct index *x, enum tr_type type, const void *from, const float *w, uint64_t route,
    uint32_t slot, uint64_t d, void *to)
{
	const size_t size = d * tr_size(type);

	x->perm[slot] = (uint32_t)route;
	x->place[route] = slot;
	row(type, (const char *)from + route / x->k * size, d, w[route], (char *)to + slot * size);
}

void
naive_pack(enum naive how, struct index *x, enum tr_type type, const void *from,
	   const uint16_t *ids, const float *w, uint64_t rows, uint64_t d, void *to)
{
	const uint64_t R = rows * x->k;
	uint32_t at = 0;

	memset(x->counts, 0, x->experts * sizeof *x->counts);
	for (uint64_t i = 0; how == NAIVE_ATOMIC && i < R; i++)
		x->counts[ids[i]]++;
	for (uint32_t e = 0; e < x->experts; e++) {
		x->offsets[e] = at;
		for (uint64_t i = 0; how == NAIVE_SCAN && i < R; i++)
			if (ids[i] == e)
				put(x, type, from, w, i, at + x->counts[e]++, d, to);
		at += x->counts[e];
	}
	x->offsets[x->experts] = at;
	if (how == NAIVE_SCAN)
		return;
	memset(x->counts, 0, x->experts * sizeof *x->counts);
	for (uint64_t i = 0; i < R; i++)
		put(x, type, from, w, i, x->offsets[ids[i]] + x->counts[ids[i]]++, d, to);
}
