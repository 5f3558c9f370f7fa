/*
 * Index, gather and combine by themselves, TAP: against loops over experts, rows and slots,
 * for shapes drawn at random, one thread and three.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/route/index.h"
#include "half.h"
#include "rng.h"
#include "size.h"

static int tests, bad, wrong;

static void
end(const char *what)
{
	printf("%sok %d - %s\n", wrong ? "not " : "", ++tests, what);
	bad += wrong != 0;
	wrong = 0;
}

static void
complain(const char *what, uint64_t i)
{
	if (wrong++ < 5)
		printf("# %s, shape %llu\n", what, (unsigned long long)i);
}

static uint32_t
draw(uint64_t stream, uint64_t i, uint32_t n)
{
	return (uint32_t)rng_below(1, stream, i, n);
}

struct shape {
	struct index x;
	uint64_t rows;
	uint16_t *ids;
};

static void *
room(size_t n)
{
	return memset(malloc(n + 1), 0xee, n + 1);
}

static struct shape
shape(uint64_t i)
{
	static const uint32_t aligns[] = {0, 1, 4, 7, 128};
	struct shape s = {
		.x = {.experts = draw(i, 0, 3) ? 1 + draw(i, 1, 70) : 1 + draw(i, 1, 1024),
		      .k = 1 + draw(i, 2, 9),
		      .align = aligns[draw(i, 3, LEN(aligns))]}};
	const int empty = draw(i, 4, 3) == 0;

	s.rows = draw(i, 5, 10) ? draw(i, 6, 200) : draw(i, 6, 20000);
	s.ids = room(s.rows * s.x.k * 2);
	for (uint64_t j = 0; j < s.rows * s.x.k; j++)
		s.ids[j] = (uint16_t)(empty && draw(1000 + i, 2 * j, 4) == 0
					      ? SELECT_NONE
					      : draw(1000 + i, 2 * j + 1,
						     i % 5 ? s.x.experts : (s.x.experts + 3) / 4));
	s.x.counts = room(4 * s.x.experts);
	s.x.offsets = room(4 * (s.x.experts + 1));
	s.x.perm = room(4 * index_room(&s.x, s.rows));
	s.x.place = room(4 * s.rows * s.x.k);
	return s;
}

static void
done(struct shape *s)
{
	free(s->ids);
	free(s->x.counts);
	free(s->x.offsets);
	free(s->x.perm);
	free(s->x.place);
}

/* By the words of index.h: each expert looks for its routes. */
static void
check(const struct shape *s, uint64_t i)
{
	const struct index *x = &s->x;
	const uint32_t align = MAX(x->align, 1);
	uint32_t at = 0;

	for (uint32_t e = 0; e < x->experts; e++) {
		uint32_t n = 0;

		if (x->offsets[e] != at)
			complain("offsets", i);
		for (uint64_t j = 0; j < s->rows * x->k; j++) {
			if (s->ids[j] != e)
				continue;
			if (x->perm[at] != j)
				complain("perm", i);
			if (x->place[j] != at)
				complain("place", i);
			at++;
			n++;
		}
		if (x->counts[e] != n)
			complain("counts", i);
		for (; at % align; at++)
			if (x->perm[at] != UINT32_MAX)
				complain("filling", i);
	}
	if (x->offsets[x->experts] != at)
		complain("the last offset", i);
	if (at > index_room(x, s->rows))
		complain("room", i);
	if (((unsigned char *)x->perm)[4 * index_room(x, s->rows)] != 0xee)
		complain("past perm", i);
	for (uint64_t j = 0; j < s->rows * x->k; j++)
		if (s->ids[j] == SELECT_NONE && x->place[j] != UINT32_MAX)
			complain("the place of none", i);
}

static void
orders(void)
{
	for (uint64_t i = 0; i < 200; i++) {
		struct shape s = shape(i);

		if (index_rows(&s.x, s.ids, s.rows, i % 2 ? 3 : 1) < 0)
			complain("refused", i);
		check(&s, i);
		done(&s);
	}
	end("counts, offsets, order and places, 200 shapes");
}

static double
number(enum tr_type type, const void *x, uint64_t i)
{
	return type == TR_F32   ? ((const float *)x)[i]
	       : type == TR_F16 ? half_f32(((const uint16_t *)x)[i])
				: bf16_f32(((const uint16_t *)x)[i]);
}

static void *
numbers(enum tr_type type, uint64_t stream, uint64_t n)
{
	void *to = room(4 * n);

	for (uint64_t i = 0; i < n; i++) {
		float x = (float)(4 * rng_f64(2, stream, i) - 2);

		if (type == TR_F32)
			((float *)to)[i] = x;
		else
			((uint16_t *)to)[i] = type == TR_F16 ? half_from(x) : bf16_from(x);
	}
	return to;
}

/* x as type would hold it */
static double
rounded(enum tr_type type, float x)
{
	return type == TR_F32   ? x
	       : type == TR_F16 ? half_f32(half_from(x))
				: bf16_f32(bf16_from(x));
}

static void
check_gather(const struct shape *s, enum tr_type type, uint64_t d, const void *from, const float *w,
	     const void *to, uint64_t i)
{
	const struct index *x = &s->x;
	const uint64_t n = x->offsets[x->experts];
	const size_t size = type == TR_F32 ? 4 : 2;

	for (uint64_t r = 0; r < n; r++)
		for (uint64_t j = 0; j < d; j++) {
			double want = 0;

			if (x->perm[r] != UINT32_MAX) {
				want = number(type, from, x->perm[r] / x->k * d + j);
				if (w)
					want = rounded(type, (float)want * w[x->perm[r]]);
			}
			if (number(type, to, r * d + j) != want)
				complain("gather", i);
		}
	if (((const unsigned char *)to)[n * d * size] != 0xee)
		complain("gathered too much", i);
}

static void
check_combine(const struct shape *s, enum tr_type type, uint64_t d, const void *from,
	      const float *w, const void *to, uint64_t i)
{
	const struct index *x = &s->x;

	for (uint64_t t = 0; t < s->rows; t++)
		for (uint64_t j = 0; j < d; j++) {
			float sum = 0;

			for (uint64_t r = t * x->k; r < (t + 1) * x->k; r++)
				if (s->ids[r] != SELECT_NONE)
					sum = fmaf(w ? w[r] : 1,
						   (float)number(type, from, x->place[r] * d + j),
						   sum);
			if (number(type, to, t * d + j) != rounded(type, sum))
				complain("combine", i);
		}
}

static void
moves(void)
{
	static const enum tr_type types[] = {TR_F32, TR_F16, TR_BF16};

	for (uint64_t i = 0; i < 90; i++) {
		struct shape s = shape(300 + i);
		const enum tr_type type = types[i % 3];
		const int jobs = i / 3 % 2 ? 3 : 1;
		/* once past what caches hold, once past a block */
		const uint64_t d = i == 0 ? 5000 : i < 9 ? 1030 : draw(i, 20, 40);
		float *w = i / 6 % 2 ? NULL : numbers(TR_F32, 3, s.rows * s.x.k);
		void *x, *packed, *back;
		uint64_t n;

		if (i == 0) {
			done(&s);
			s = shape(1);
			w = NULL;
			free(s.ids);
			free(s.x.place);
			free(s.x.perm);
			s.rows = 2000;
			s.x.k = 1;
			s.ids = room(2 * s.rows);
			s.x.perm = room(4 * index_room(&s.x, s.rows));
			s.x.place = room(4 * s.rows);
			for (uint64_t j = 0; j < s.rows; j++)
				s.ids[j] = (uint16_t)draw(7, j, s.x.experts);
		}
		index_rows(&s.x, s.ids, s.rows, 1);
		n = s.x.offsets[s.x.experts];
		x = numbers(type, 4, s.rows * d);
		packed = room(n * d * (type == TR_F32 ? 4 : 2));
		back = room(s.rows * d * 4);
		gather_rows(&s.x, type, x, d, w, packed, jobs);
		check_gather(&s, type, d, x, w, packed, i);
		combine_rows(&s.x, type, packed, d, w, s.rows, back, jobs);
		check_combine(&s, type, d, packed, w, back, i);
		free(w);
		free(x);
		free(packed);
		free(back);
		done(&s);
	}
	end("gather and combine in three types, 90 shapes");
}

static void
special(void)
{
	static const float x[] = {0x1.00ffp0f, -0x1.00fep0f, 3e38f, NAN, INFINITY, 1e-40f, 1, 2, 3};
	uint16_t h[9], id = 0, got[9];
	uint32_t count, offset[2], perm, place;
	struct index ix = {1, 1, 0, &count, offset, &perm, &place};
	const float w = 1;

	for (int i = 0; i < 9; i++)
		h[i] = (uint16_t)(0x7f80 + (i - 4) * 37);
	index_rows(&ix, &id, 1, 1);
	gather_rows(&ix, TR_BF16, h, 9, &w, got, 1);
	for (int i = 0; i < 9; i++)
		if (bf16_from(bf16_f32(h[i])) != got[i])
			complain("bf16 near infinity", (uint64_t)i);
	combine_rows(&ix, TR_F32, x, 9, NULL, 1, (float[9]){0}, 1);
	for (int i = 0; i < 9; i++)
		h[i] = bf16_from(x[i]);
	gather_rows(&ix, TR_BF16, h, 9, &w, got, 1);
	if (memcmp(h, got, sizeof h))
		complain("bf16 there and back", 0);
	end("bf16 with NaN and infinities");
}

static void
limits(void)
{
	uint16_t ids[4] = {0, 1, 3, SELECT_NONE};
	uint32_t counts[3], offsets[4], perm[64], place[4];
	struct index x = {3, 2, 1, counts, offsets, perm, place};

	wrong += index_rows(&x, ids, 2, 1) != TR_EVALUE;
	ids[2] = 2;
	wrong += index_rows(&x, ids, 2, 1) != 0;
	wrong += index_rows(&x, ids, 0, 2) != 0 || offsets[3] != 0;
	end("an id that is none; no rows");
	wrong += index_room(&x, 5) != 10;
	x.align = 8;
	wrong += index_room(&x, 5) != 10 + 3 * 7;
	wrong += index_room(&x, 1) != 2 + 2 * 7;
	wrong += index_room(&x, 0) != 0;
	wrong += index_room(&x, (uint64_t)1 << 31) != UINT64_MAX;
	wrong += index_room(&x, UINT64_MAX / 2 + 2) != UINT64_MAX;
	wrong += index_room(&x, ((uint64_t)1 << 31) - 20) != 0xffffffff - 39 + 21;
	wrong += index_room(&x, ((uint64_t)1 << 31) - 10) != UINT64_MAX;
	end("room");
}

int
main(void)
{
	orders();
	moves();
	special();
	limits();
	printf("1..%d\n", tests);
	return bad != 0;
}
