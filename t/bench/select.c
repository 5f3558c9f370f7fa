/*
 * One core, T rows of normal logits, N times over; prints the median, the least and the
 * greatest ns of processor time a row.
 *
 *	select topk E K f32|f16|bf16 T N [ISA]  select_rows; fails unless it is select_plain
 *	select sinkhorn E K SWEEPS T N          sinkhorn_rows of f32
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../lib/route/sinkhorn.h"
#include "half.h"
#include "num.h"
#include "rng.h"
#include "size.h"

static _Noreturn void
fail(const char *why)
{
	fprintf(stderr, "select: %s\n", why);
	exit(2);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static int
by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void *
room(size_t n)
{
	void *p = aligned_alloc(64, (n + 63) / 64 * 64);

	if (!p)
		fail("no memory");
	return memset(p, 0, n);
}

static void *
normal(enum tr_type type, uint64_t n)
{
	float *x = room(4 * n);

	for (uint64_t i = 0; i < n; i++) {
		double u = 1 - rng_f64(1, 0, 2 * i), v = rng_f64(1, 0, 2 * i + 1);

		x[i] = (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
	}
	for (uint64_t i = 0; type != TR_F32 && i < n; i++)
		((uint16_t *)x)[i] = type == TR_F16 ? half_from(x[i]) : bf16_from(x[i]);
	return x;
}

static uint64_t
number(const char *s, uint64_t hi)
{
	uint64_t n;

	if (!s || num_u64(s, 1, hi, &n) < 0)
		fail("usage: select topk E K f32|f16|bf16 T N [ISA], sinkhorn E K SWEEPS T N");
	return n;
}

static void
print(double *ns, uint64_t times)
{
	qsort(ns, times, sizeof *ns, by_value);
	printf("%.2f %.2f %.2f\n", ns[times / 2], ns[0], ns[times - 1]);
}

static void
topk(char **argv)
{
	const uint64_t rows = number(argv[5], 1 << 24), times = number(argv[6], 100000);
	struct select s = {
		.experts = (uint32_t)number(argv[2], SELECT_EXPERTS_MAX),
		.k = (uint32_t)number(argv[3], SELECT_K_MAX),
		.type = !strcmp(argv[4], "f16")    ? TR_F16
			: !strcmp(argv[4], "bf16") ? TR_BF16
						   : TR_F32,
		.score = RULES_AFTER,
	};
	const size_t n = rows * s.k;
	uint16_t *ids = room(2 * n), *want = room(2 * n);
	float *w = room(4 * n), *want_w = room(4 * n);
	void *x = normal(s.type, rows * s.experts);
	double *ns = room(times * sizeof *ns);
	char why[100];

	if (select_fit(&s, why, sizeof why) < 0)
		fail(why);
	if (argv[7] && select_isa(argv[7]) < 0)
		fail("no such instructions here");
	select_plain(&s, x, rows, want, want_w);
	select_rows(&s, x, rows, ids, w, 1);
	for (uint64_t i = 0; i < times; i++) {
		ns[i] = now();
		select_rows(&s, x, rows, ids, w, 1);
		ns[i] = (now() - ns[i]) / (double)rows;
	}
	if (memcmp(ids, want, 2 * n) || memcmp(w, want_w, 4 * n))
		fail("not what select_plain gives");
	print(ns, times);
}

static void
sinkhorn(char **argv)
{
	const uint64_t rows = number(argv[5], 1 << 24), times = number(argv[6], 100000);
	const struct sinkhorn s = {
		.experts = (uint32_t)number(argv[2], SELECT_EXPERTS_MAX),
		.k = (uint32_t)number(argv[3], SELECT_K_MAX),
		.type = TR_F32,
		.iterations = (uint32_t)number(argv[4], 1000),
		.temperature = 1,
	};
	uint16_t *ids = room(2 * rows * s.k);
	float *w = room(4 * rows * s.k);
	void *x = normal(s.type, rows * s.experts);
	double *ns = room(times * sizeof *ns);

	for (uint64_t i = 0; i < times; i++) {
		ns[i] = now();
		if (sinkhorn_rows(&s, x, rows, ids, w, NULL, NULL, 1) < 0)
			fail("no memory");
		ns[i] = (now() - ns[i]) / (double)rows;
	}
	print(ns, times);
}

int
main(int argc, char **argv)
{
	if (argc > 6 && !strcmp(argv[1], "topk"))
		topk(argv);
	else if (argc > 6 && !strcmp(argv[1], "sinkhorn"))
		sinkhorn(argv);
	else
		number(NULL, 0);
	return 0;
}
