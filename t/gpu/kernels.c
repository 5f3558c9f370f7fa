/*
 * Every kernel against its twin in lib/route, over odd sizes: TAP.  Linked with kernels for
 * a GPU (make gpu-check; exit 3 where there is none) or with the emulated ones (t/kernels.t).
 * ROWS, the most rows of a case, is 4097 unless given.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/gpu.h"
#include "../../kernels/route.h"
#include "../../lib/core/half.h"
#include "../../lib/core/rng.h"
#include "../../lib/core/size.h"

static uint64_t most = 4097;
static int tests, failed;

static void
ok(int yes, const char *what, ...)
{
	va_list ap;

	failed += !yes;
	printf("%sok %d - ", yes ? "" : "not ", ++tests);
	va_start(ap, what);
	vprintf(what, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

static void *
room(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		exit(2);
	return p;
}

static void *
device(size_t n)
{
	void *p = gpu_alloc(n);

	if (!p) {
		fprintf(stderr, "gpu-check: %s\n", gpu_errstr());
		exit(2);
	}
	return p;
}

static void *
put(const void *from, size_t n)
{
	void *p = device(n);

	if (from && gpu_put(p, from, n))
		exit(2);
	return p;
}

/* Are n bytes there those here? */
static int
same(const void *there, const void *here, size_t n)
{
	void *p = room(n);
	int r = gpu_get(p, there, n) == 0 && memcmp(p, here, n) == 0;

	free(p);
	return r;
}

static size_t
size_of(enum tr_type type)
{
	return type == TR_F32 ? 4 : 2;
}

static const char *
name_of(enum tr_type type)
{
	return type == TR_F32 ? "f32" : type == TR_F16 ? "f16" : "bf16";
}

static void
store(enum tr_type type, void *to, uint64_t i, float x)
{
	if (type == TR_F32)
		((float *)to)[i] = x;
	else
		((uint16_t *)to)[i] = type == TR_F16 ? half_from(x) : bf16_from(x);
}

enum kind { PLAIN, TIES, ODD, KINDS };

/* n numbers around 0; with many equal ones; with NaN, infinities and both zeros, the first
 * row of width all NaN. */
static void *
numbers(enum tr_type type, enum kind kind, uint64_t seed, uint64_t n, uint64_t width)
{
	static const uint32_t odd[] = {0x7fc00000, 0xffc00001, 0x7f800000, 0xff800000,
				       0,          0x80000000, 1,          0x80000001,
				       0x7f7fffff, 0xff7fffff, 0x7fffffff, 0x33800000};
	void *p = room(n * size_of(type));

	for (uint64_t i = 0; i < n; i++) {
		uint32_t r[4];
		float x;

		rng_u32x4(seed, (uint64_t)kind, i, r);
		x = (float)(int32_t)r[0] * 0x1p-29f;
		if (kind == TIES)
			x = (float)(int)(r[0] % 5) - 2;
		if (kind == ODD && (r[1] % 4 == 0 || i < width)) {
			uint32_t bits = i < width ? odd[r[2] % 2] : odd[r[2] % LEN(odd)];

			memcpy(&x, &bits, 4);
		}
		store(type, p, i, x);
		/* patterns of NaN and the least numbers that no f32 becomes */
		if (kind == ODD && type != TR_F32 && r[1] % 16 == 1 && i >= width)
			((uint16_t *)p)[i] = (uint16_t)r[3];
	}
	return p;
}

/* k_select against select_plain; the logits and ids lie aligned or a step off. */
static int
select_case(const struct select *s, uint64_t rows, enum kind kind, size_t off)
{
	const size_t b = size_of(s->type), n = rows * s->experts;
	char *x = numbers(s->type, kind, s->experts + 1000 * s->k, n, s->experts);
	uint16_t *ids = room(rows * s->k * 2);
	float *w = room(rows * s->k * 4), *bias = NULL;
	char *dx = put(NULL, (n + off) * b);
	uint16_t *dids = put(NULL, (rows * s->k + off) * 2);
	float *dw = put(NULL, (rows * s->k + off) * 4);
	struct select d = *s;
	int r;

	if (s->bias)
		d.bias = bias = put(s->bias, s->experts * 4);
	r = gpu_put(dx + off * b, x, n * b) == 0 &&
	    k_select(&d, dx + off * b, rows, dids + off, dw + off, NULL) == 0;
	select_plain(s, x, rows, ids, w);
	r = r && same(dids + off, ids, rows * s->k * 2) && same(dw + off, w, rows * s->k * 4);
	if (!r)
		printf("# select experts=%u k=%u rows=%llu %s score=%d renorm=%d bias=%d groups=%u "
		       "kind=%d off=%zu: %s\n",
		       s->experts, s->k, (unsigned long long)rows, name_of(s->type), s->score,
		       s->renorm, s->bias != NULL, s->groups, kind, off, gpu_errstr());
	free(x);
	free(ids);
	free(w);
	gpu_free(dx);
	gpu_free(dids);
	gpu_free(dw);
	gpu_free(bias);
	return r;
}

static const uint32_t experts_of[] = {1, 3, 8, 16, 32, 60, 64, 128, 256, 257, 512, 1024};
static const uint32_t k_of[] = {1, 2, 3, 4, 6, 7, 8, 9, 64};
static const enum tr_type types[] = {TR_F32, TR_F16, TR_BF16};

static void
check_select(void)
{
	const uint64_t rows[] = {0, 1, 31, most};
	float bias[SELECT_EXPERTS_MAX];

	for (uint32_t i = 0; i < LEN(bias); i++)
		bias[i] = (float)((int)(i * 7 % 11) - 5) * 0.125f;
	for (size_t e = 0; e < LEN(experts_of); e++)
		for (size_t t = 0; t < LEN(types); t++) {
			struct select s = {.experts = experts_of[e], .type = types[t]};
			int good = 1, turn = 0;

			for (size_t k = 0; k < LEN(k_of) && k_of[k] <= s.experts; k++)
				for (size_t n = 0; n < LEN(rows); n++)
					for (int kind = 0; kind < KINDS; kind++, turn++) {
						s.k = k_of[k];
						s.score = turn % 3 == 0   ? RULES_AFTER
							  : turn % 3 == 1 ? RULES_SIGMOID
									  : RULES_NONE;
						s.renorm = turn / 3 % 2;
						good &= select_case(&s, rows[n], kind,
								    turn % 4 == 3);
					}
			ok(good, "select, %u experts, %s", s.experts, name_of(s.type));
		}
	for (int score = RULES_BEFORE; score <= RULES_SIGMOID; score++) {
		static const uint32_t shapes[][4] = {{64, 8, 8, 4},       {256, 8, 8, 4},
						     {60, 4, 5, 2},       {96, 6, 96, 40},
						     {1024, 8, 1024, 64}, {7, 3, 1, 1}};
		int good = 1;

		for (size_t i = 0; i < LEN(shapes); i++)
			for (int how = 0; how < 8 * KINDS; how++) {
				struct select s = {.experts = shapes[i][0],
						   .k = shapes[i][1],
						   .type = types[how % 3],
						   .score = score,
						   .renorm = how & 1,
						   .bias = how & 2 ? bias : NULL,
						   .groups = how & 4 ? shapes[i][2] : 0,
						   .topk_groups = shapes[i][3]};

				good &= select_case(&s, i == 0 ? MIN(most, 97) : 5, how / 8, 0);
			}
		ok(good, "select, score %d, biased and by groups", score);
	}
}

/* An index with its arrays here, and the same with arrays on the device. */
struct both {
	struct index here, there;
	uint64_t rows, room;
};

static void
both_new(struct both *b, uint32_t experts, uint32_t k, uint32_t align, uint64_t rows)
{
	b->here = (struct index){.experts = experts, .k = k, .align = align};
	b->rows = rows;
	b->room = index_room(&b->here, rows);
	b->there = b->here;
	b->here.counts = room(experts * 4);
	b->here.offsets = room((experts + 1) * 4);
	b->here.perm = room(b->room * 4);
	b->here.place = room(rows * k * 4);
	b->there.counts = device(experts * 4);
	b->there.offsets = device((experts + 1) * 4);
	b->there.perm = device(b->room * 4);
	b->there.place = device(rows * k * 4);
}

static void
both_free(struct both *b)
{
	free(b->here.counts);
	free(b->here.offsets);
	free(b->here.perm);
	free(b->here.place);
	gpu_free(b->there.counts);
	gpu_free(b->there.offsets);
	gpu_free(b->there.perm);
	gpu_free(b->there.place);
}

static int
both_same(const struct both *b)
{
	const uint32_t n = b->here.experts;

	return same(b->there.counts, b->here.counts, n * 4) &&
	       same(b->there.offsets, b->here.offsets, (n + 1) * 4) &&
	       same(b->there.perm, b->here.perm, (size_t)b->here.offsets[n] * 4) &&
	       same(b->there.place, b->here.place, b->rows * b->here.k * 4);
}

/* Ids as picks are, or all of one expert, or some that are none. */
static uint16_t *
picks(uint32_t experts, uint32_t k, uint64_t rows, int how)
{
	uint16_t *ids = room(rows * k * 2);

	for (uint64_t i = 0; i < rows * k; i++) {
		uint32_t r[4];

		rng_u32x4(experts + 1000 * k, 7, i, r);
		ids[i] = (uint16_t)(how == 1 ? experts - 1 : r[0] % experts);
		if (how == 2 && r[1] % 5 == 0)
			ids[i] = SELECT_NONE;
	}
	return ids;
}

static int
index_case(uint32_t experts, uint32_t k, uint32_t align, uint64_t rows, int how)
{
	uint16_t *ids = picks(experts, k, rows, how), *there = put(ids, rows * k * 2);
	struct both b;
	void *work;
	int r;

	both_new(&b, experts, k, align, rows);
	work = device(k_index_work(&b.there, rows));
	r = index_rows(&b.here, ids, rows, 1) == 0 &&
	    k_index(&b.there, there, rows, work, NULL) == 0 && both_same(&b);
	if (!r)
		printf("# index experts=%u k=%u align=%u rows=%llu how=%d: %s\n", experts, k, align,
		       (unsigned long long)rows, how, gpu_errstr());
	both_free(&b);
	free(ids);
	gpu_free(there);
	gpu_free(work);
	return r;
}

static void
check_index(void)
{
	const uint64_t rows[] = {0, 1, 31, most, 40 * most};
	static const uint32_t ks[] = {1, 2, 8};

	for (size_t e = 0; e < LEN(experts_of); e++) {
		int good = 1;

		for (size_t n = 0; n < LEN(rows); n++)
			for (size_t k = 0; k < LEN(ks); k++)
				for (int how = 0; how < 3; how++)
					good &= index_case(experts_of[e], ks[k],
							   how == 0   ? 0
							   : how == 1 ? 16
								      : 3,
							   rows[n], how);
		ok(good, "index, %u experts", experts_of[e]);
	}
}

static int
select_index_case(const struct select *s, uint32_t align, uint64_t rows)
{
	const size_t bytes = rows * s->experts * size_of(s->type), n = rows * s->k;
	void *x = numbers(s->type, PLAIN, 5, rows * s->experts, 0), *dx = put(x, bytes), *work;
	uint16_t *ids = room(n * 2), *dids = device(n * 2);
	float *w = room(n * 4), *dw = device(n * 4);
	struct both b;
	int r;

	both_new(&b, s->experts, s->k, align, rows);
	work = device(k_select_index_work(s, &b.there, rows));
	select_plain(s, x, rows, ids, w);
	r = index_rows(&b.here, ids, rows, 1) == 0 &&
	    k_select_index(s, &b.there, dx, rows, dids, dw, work, NULL) == 0 &&
	    same(dids, ids, n * 2) && same(dw, w, n * 4) && both_same(&b);
	if (!r)
		printf("# select_index experts=%u k=%u %s align=%u rows=%llu: %s\n", s->experts,
		       s->k, name_of(s->type), align, (unsigned long long)rows, gpu_errstr());
	both_free(&b);
	free(x);
	free(ids);
	free(w);
	gpu_free(dx);
	gpu_free(dids);
	gpu_free(dw);
	gpu_free(work);
	return r;
}

static void
check_select_index(void)
{
	const uint64_t rows[] = {0, 1, 31, most, 40 * most};
	static const uint32_t shapes[][2] = {{8, 2},   {64, 2},  {64, 6},  {64, 8},
					     {128, 8}, {256, 4}, {256, 8}, {60, 4}};

	for (size_t t = 0; t < LEN(types); t++) {
		int good = 1;

		for (size_t i = 0; i < LEN(shapes); i++)
			for (size_t n = 0; n < LEN(rows); n++) {
				struct select s = {.experts = shapes[i][0],
						   .k = shapes[i][1],
						   .type = types[t],
						   .score = RULES_AFTER};

				if (rows[n] <= most || i < 2 || i == 4)
					good &= select_index_case(&s, n % 2 * 8, rows[n]);
			}
		ok(good, "select_index, %s", name_of(types[t]));
	}
}

/* As same, but any NaN is as good as another: processors make different ones. */
static int
same_numbers(enum tr_type type, const void *there, const void *here, uint64_t n)
{
	const uint32_t inf = type == TR_F32 ? 0x7f800000 : type == TR_F16 ? 0x7c00 : 0x7f80;
	const uint32_t abs = type == TR_F32 ? 0x7fffffff : 0x7fff;
	char *p = room(n * size_of(type));
	int good = gpu_get(p, there, n * size_of(type)) == 0;

	for (uint64_t i = 0; good && i < n; i++) {
		uint32_t a = 0, b = 0;

		memcpy(&a, p + i * size_of(type), size_of(type));
		memcpy(&b, (const char *)here + i * size_of(type), size_of(type));
		good = a == b || ((a & abs) > inf && (b & abs) > inf);
	}
	free(p);
	return good;
}

static int
rows_case(enum tr_type type, uint32_t experts, uint32_t k, uint32_t align, uint64_t rows,
	  uint64_t d, int how, size_t off)
{
	uint16_t *ids = picks(experts, k, rows, how);
	const size_t b = size_of(type);
	void *x = numbers(type, how ? ODD : PLAIN, 3, rows * d, 0), *packed, *back;
	float *w = how ? numbers(TR_F32, PLAIN, 4, rows * k, 0) : NULL;
	float *dw = w ? put(w, rows * k * 4) : NULL;
	char *from, *to, *again;
	struct both i;
	uint64_t n;
	int r;

	both_new(&i, experts, k, align, rows);
	r = index_rows(&i.here, ids, rows, 1) == 0;
	n = i.here.offsets[experts];
	r = r && gpu_put(i.there.counts, i.here.counts, experts * 4) == 0 &&
	    gpu_put(i.there.offsets, i.here.offsets, (experts + 1) * 4) == 0 &&
	    gpu_put(i.there.perm, i.here.perm, n * 4) == 0 &&
	    gpu_put(i.there.place, i.here.place, rows * k * 4) == 0;
	packed = room(n * d * b);
	back = room(rows * d * b);
	memset(packed, 0x5a, n * d * b);
	from = device((rows * d + off) * b);
	to = put(packed, n * d * b); /* not zero before */
	again = device((rows * d + off) * b);
	r = r && gpu_put(from + off * b, x, rows * d * b) == 0;
	gather_rows(&i.here, type, x, d, w, packed, 1);
	combine_rows(&i.here, type, packed, d, w, rows, back, 1);
	r = r && k_gather(&i.there, type, from + off * b, rows, d, w ? dw : NULL, to, NULL) == 0 &&
	    same_numbers(type, to, packed, n * d) &&
	    k_combine(&i.there, type, to, d, dw, rows, again + off * b, NULL) == 0 &&
	    same_numbers(type, again + off * b, back, rows * d);
	if (!r)
		printf("# gather, combine %s experts=%u k=%u align=%u rows=%llu d=%llu how=%d "
		       "off=%zu: %s\n",
		       name_of(type), experts, k, align, (unsigned long long)rows,
		       (unsigned long long)d, how, off, gpu_errstr());
	both_free(&i);
	free(ids);
	free(x);
	free(w);
	free(packed);
	free(back);
	gpu_free(dw);
	gpu_free(from);
	gpu_free(to);
	gpu_free(again);
	return r;
}

static void
check_rows(void)
{
	const uint64_t rows[] = {0, 1, 31, most};
	static const uint64_t widths[] = {1, 7, 8, 64, 100, 264, 2056};

	for (size_t t = 0; t < LEN(types); t++) {
		int good = 1;

		for (size_t d = 0; d < LEN(widths); d++)
			for (size_t n = 0; n < LEN(rows); n++)
				for (int how = 0; how < 3; how++)
					good &= rows_case(types[t], how == 1 ? 3 : 64,
							  how == 0 ? 8 : 2, how ? 8 : 0, rows[n],
							  widths[d], how, d == 3);
		ok(good, "gather, combine, %s", name_of(types[t]));
	}
}

int
main(int argc, char **argv)
{
	if (gpu_count() < 0 || gpu_open(0) < 0) {
		fprintf(stderr, "gpu-check: %s\n", gpu_errstr());
		return 3;
	}
	if (argc > 1)
		most = strtoull(argv[1], NULL, 10);
	check_select();
	check_index();
	check_select_index();
	check_rows();
	gpu_close();
	printf("1..%d\n", tests);
	return failed != 0;
}
