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
	gpu_close();
	printf("1..%d\n", tests);
	return failed != 0;
}
