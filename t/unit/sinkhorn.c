/*
 * Sinkhorn by itself, TAP: f32 against f64 and against trace-route's rule, the reference
 * benchmark's division by sums with its eps, the same bits for any processor and threads.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/route/rules.h"
#include "../../lib/route/sinkhorn.h"
#include "half.h"
#include "rng.h"
#include "size.h"

enum { ROWS = 3000, EMAX = 100, KMAX = 8 };

static int tests, bad, wrong;
static float logits[ROWS * EMAX], w[ROWS * KMAX], w2[ROWS * KMAX], v[EMAX], v2[EMAX];
static uint16_t ids[ROWS * KMAX], ids2[ROWS * KMAX];
static double K[ROWS * EMAX], V[EMAX], sum[EMAX];

static void
end(const char *what)
{
	printf("%sok %d - %s\n", wrong ? "not " : "", ++tests, what);
	bad += wrong != 0;
	wrong = 0;
}

static void
complain(const char *what, double got, double want)
{
	if (wrong++ < 5)
		printf("# %s: %.9g, want %.9g\n", what, got, want);
}

/* Normal logits, the first eighth of the experts hot */
static void
make(uint64_t seed, uint64_t rows, uint32_t experts, double spread)
{
	for (uint64_t i = 0; i < rows * experts; i++) {
		double u = 1 - rng_f64(seed, 0, 2 * i), x = rng_f64(seed, 0, 2 * i + 1);

		logits[i] = (float)(spread * (sqrt(-2 * log(u)) * cos(6.283185307179586 * x) +
					      (i % experts < experts / 8 ? 2 : 0)));
	}
}

static void
make_f64(uint64_t rows, uint32_t experts, double temperature)
{
	for (uint64_t t = 0; t < rows; t++) {
		const float *x = logits + t * experts;
		double max = x[0];

		for (uint32_t i = 1; i < experts; i++)
			max = fmax(max, x[i]);
		for (uint32_t i = 0; i < experts; i++)
			K[t * experts + i] = exp((x[i] - max) / temperature);
	}
}

/* Picks and weights of the plan in f64, but where two of its values are too near. */
static int
check_picks(uint64_t rows, uint32_t experts, uint32_t k, double gap)
{
	int clear = 0;

	for (uint64_t t = 0; t < rows; t++) {
		double p[EMAX], total = 0, best[KMAX + 1] = {0}, near = INFINITY;
		uint16_t want[KMAX + 1];

		for (uint32_t i = 0; i < experts; i++)
			p[i] = K[t * experts + i] * V[i];
		for (uint32_t j = 0; j <= k; j++) {
			uint32_t top = 0;

			for (uint32_t i = 1; i < experts; i++)
				if (p[i] > p[top])
					top = i;
			want[j] = (uint16_t)top;
			best[j] = p[top];
			p[top] = -1;
			if (j < k)
				total += best[j];
			if (j)
				near = fmin(near, (best[j - 1] - best[j]) / best[j - 1]);
		}
		if (near < gap)
			continue;
		clear++;
		for (uint32_t j = 0; j < k; j++) {
			if (ids[t * k + j] != want[j])
				complain("pick", ids[t * k + j], want[j]);
			if (!(fabs(w[t * k + j] - best[j] / total) <= 1e-4))
				complain("weight", w[t * k + j], best[j] / total);
		}
	}
	return clear;
}

static void
against_f64(void)
{
	static const uint32_t sizes[] = {2, 8, 15, 16, 17, 60, 64, 100};

	for (uint64_t i = 0; i < 24; i++) {
		const uint32_t E = sizes[i % LEN(sizes)], k = MIN(1 + (uint32_t)i % KMAX, E - 1);
		const uint64_t rows = 200 + 37 * i;
		const struct sinkhorn s = {.experts = E,
					   .k = k,
					   .type = TR_F32,
					   .iterations = 10,
					   .temperature = i % 3 ? 1 : 0.7f};

		make(i, rows, E, i % 2 ? 1 : 2);
		if (sinkhorn_rows(&s, logits, rows, ids, w, v, NULL, 1) < 0)
			complain("no memory", 0, 0);
		make_f64(rows, E, (double)s.temperature);
		if (sinkhorn_f64(K, rows, E, 10, 0, V, sum) != 10)
			complain("sweeps", 0, 10);
		for (uint32_t e = 0; e < E; e++)
			if (!(fabs(v[e] - V[e]) <= 1e-4 * V[e]))
				complain("v", v[e], V[e]);
		if (check_picks(rows, E, k, 1e-4) < (int)(rows / 2))
			complain("too few rows compared", 0, (double)rows);
	}
	end("f32 against f64: v, picks and weights, 24 shapes");
}

static void
against_rule(void)
{
	enum { N = 500, E = 32, K_ = 4 };
	const struct rules r = {.kind = RULES_SINKHORN,
				.experts = E,
				.width = K_,
				.score = RULES_BEFORE,
				.temperature = 1,
				.iterations = 20,
				.tolerance = 0};
	const struct sinkhorn s = {
		.experts = E, .k = K_, .type = TR_F32, .iterations = 20, .temperature = 1};
	struct rules_work *work = rules_new(&r);
	static double x[N * E], rw[N * K_];
	static uint32_t rids[N * K_];
	struct rules_row to[N] = {{0}};
	int same = 0;

	make(99, N, E, 1);
	for (int i = 0; i < N * E; i++)
		x[i] = logits[i];
	for (int t = 0; t < N; t++)
		to[t] = (struct rules_row){.ids = rids + t * K_, .w = rw + t * K_};
	if (rules_all(work, x, N, to) < 0 ||
	    sinkhorn_rows(&s, logits, N, ids, w, NULL, NULL, 1) < 0)
		complain("no memory", 0, 0);
	for (int t = 0; t < N; t++) {
		int equal = 1;

		for (int j = 0; j < K_; j++)
			equal &= rids[t * K_ + j] == ids[t * K_ + j];
		same += equal;
	}
	if (same < N - 2) /* but where f32 cannot tell two apart */
		complain("rows that go where trace-route's do", same, N);
	rules_free(work);
	end("picks of trace-route --rule sinkhorn");
}

/* The reference benchmark's: the matrix itself divided by its sums. */
static void
with_eps(void)
{
	enum { N = 303, E = 24, K_ = 3 };
	const struct sinkhorn s = {.experts = E,
				   .k = K_,
				   .type = TR_F32,
				   .iterations = 5,
				   .temperature = 1,
				   .eps = 1e-3f};

	make(5, N, E, 3);
	make_f64(N, E, 1);
	for (int it = 0; it < 5; it++) {
		for (int t = 0; t < N; t++) {
			double r = 0;

			for (int i = 0; i < E; i++)
				r += K[t * E + i];
			for (int i = 0; i < E; i++)
				K[t * E + i] /= r + (double)s.eps;
		}
		for (int i = 0; i < E; i++) {
			double c = 0;

			for (int t = 0; t < N; t++)
				c += K[t * E + i];
			for (int t = 0; t < N; t++)
				K[t * E + i] *= (double)N / E / (c + (double)s.eps);
		}
	}
	for (int i = 0; i < E; i++)
		V[i] = 1;
	sinkhorn_rows(&s, logits, N, ids, w, v, NULL, 1);
	if (check_picks(N, E, K_, 1e-4) < N / 2)
		complain("too few rows compared", 0, N);
	/* eps is seen: without it v is another */
	sinkhorn_rows(
		&(struct sinkhorn){
			.experts = E, .k = K_, .type = TR_F32, .iterations = 5, .temperature = 1},
		logits, N, ids2, w2, v2, NULL, 1);
	if (!memcmp(v, v2, E * sizeof *v))
		complain("eps changes nothing", 0, 0);
	end("eps, against the division of the whole matrix");
}

static void
told(void)
{
	enum { N = 703, E = 40 };
	struct sinkhorn s = {
		.experts = E, .k = 2, .type = TR_F32, .iterations = 3, .temperature = 1};
	struct sinkhorn_told few, many, stopped;
	double row = 0, col = 0, c[E] = {0};

	make(8, N, E, 1);
	make_f64(N, E, 1);
	sinkhorn_f64(K, N, E, 3, 0, V, sum);
	sinkhorn_rows(&s, logits, N, ids, w, v, &few, 1);
	/* u of the last sweep is of the v before it */
	static double before[E];
	sinkhorn_f64(K, N, E, 2, 0, before, sum);
	for (int t = 0; t < N; t++) {
		double a = 0, b = 0;

		for (int i = 0; i < E; i++) {
			a += K[t * E + i] * before[i];
			b += K[t * E + i] * V[i];
		}
		row = fmax(row, fabs(b / a - 1));
		for (int i = 0; i < E; i++)
			c[i] += K[t * E + i] * V[i] / a;
	}
	for (int i = 0; i < E; i++)
		col = fmax(col, fabs(c[i] * E / N - 1));
	if (few.iterations != 3 || !(fabs(few.row_error - row) <= 1e-5))
		complain("error of rows", few.row_error, row);
	if (!(fabs(few.column_error - col) <= 1e-5))
		complain("error of columns", few.column_error, col);
	s.iterations = 100;
	sinkhorn_rows(&s, logits, N, ids, w, v, &many, 1);
	if (many.iterations != 100 || !(many.row_error < 1e-5) || !(many.row_error < few.row_error))
		complain("after 100 sweeps", many.row_error, 1e-5);
	s.tolerance = 1e-3f;
	sinkhorn_rows(&s, logits, N, ids, w, v, &stopped, 1);
	const uint32_t sweeps = sinkhorn_f64(K, N, E, 100, 1e-3, V, sum);

	if (!(sweeps > 1 && sweeps < 50) || stopped.iterations != sweeps ||
	    !(stopped.row_error < 1e-2))
		complain("sweeps to a tolerance of 1e-3", stopped.iterations, sweeps);
	s.iterations = stopped.iterations - 1;
	s.tolerance = 0;
	sinkhorn_rows(&s, logits, N, ids, w, v2, &few, 1);
	s.iterations++;
	sinkhorn_rows(&s, logits, N, ids2, w2, v2, NULL, 1);
	if (memcmp(v, v2, sizeof *v * E) || few.iterations + 1 != stopped.iterations)
		complain("that many sweeps without it", 0, 0);
	end("sweeps done, errors, tolerance");
}

static void
same_bits(void)
{
	static const char *const isas[] = {"plain", "avx2", "avx512", "neon"};
	static const enum tr_type types[] = {TR_F32, TR_F16, TR_BF16};
	static uint16_t halves[ROWS * EMAX];
	const char *first = select_isa_name();
	struct sinkhorn s = {.experts = 61, .k = 6, .iterations = 7, .temperature = 1.5f};
	struct sinkhorn_told a, b;

	for (int i = 0; i < 3; i++) {
		const uint64_t n = ROWS * s.experts;
		const void *x = i ? (const void *)halves : logits;

		make(11, ROWS, s.experts, 1);
		for (uint64_t j = 0; i && j < n; j++) {
			halves[j] = i == 1 ? half_from(logits[j]) : bf16_from(logits[j]);
			logits[j] = i == 1 ? half_f32(halves[j]) : bf16_f32(halves[j]);
		}
		s.type = TR_F32;
		select_isa("plain");
		sinkhorn_rows(&s, logits, ROWS, ids, w, v, &a, 1);
		s.type = types[i];
		for (size_t j = 0; j < 2 * LEN(isas); j++) {
			if (select_isa(isas[j / 2]) < 0)
				continue;
			sinkhorn_rows(&s, x, ROWS, ids2, w2, v2, &b, j % 2 ? 3 : 1);
			if (memcmp(ids, ids2, ROWS * s.k * 2) || memcmp(w, w2, ROWS * s.k * 4) ||
			    memcmp(v, v2, s.experts * 4) || memcmp(&a, &b, sizeof a))
				complain(isas[j / 2], (double)j, i);
		}
	}
	select_isa(first);
	end("three types, each processor's form, one thread and three: the same bits");
}

static void
edges(void)
{
	struct sinkhorn s = {
		.experts = 5, .k = 2, .type = TR_F32, .iterations = 4, .temperature = 1};
	struct sinkhorn_told t;
	float x[15] = {1,   NAN, 2, -INFINITY, 0, NAN, NAN,     NAN,
		       NAN, NAN, 3, INFINITY,  1, 0,   INFINITY};

	if (sinkhorn_rows(&s, x, 0, NULL, NULL, v, &t, 2) || t.iterations != 4 || t.row_error != 0)
		complain("no rows", t.iterations, 4);
	sinkhorn_rows(&s, x, 3, ids, w, v, NULL, 1);
	x[1] = -INFINITY;
	for (int i = 5; i < 10; i++)
		x[i] = -INFINITY;
	sinkhorn_rows(&s, x, 3, ids2, w2, v2, NULL, 1);
	if (memcmp(ids, ids2, 12) || memcmp(w, w2, 24) || memcmp(v, v2, 20))
		complain("NaN is not -inf", 0, 0);
	for (int i = 0; i < 6; i++)
		if (!(w[i] >= 0 && w[i] <= 1) || ids[i] > 4)
			complain("weight", w[i], 1);
	if (!(ids[4] == 1 || ids[4] == 4) || ids[4] + ids[5] != 5)
		complain("the infinite ones are picked", ids[4], 1);
	s.iterations = 0;
	make(3, 50, 5, 1);
	sinkhorn_rows(&s, logits, 50, ids, w, v, &t, 1);
	for (int i = 0; i < 5; i++)
		if (v[i] != 1)
			complain("v without sweeps", v[i], 1);
	if (t.iterations)
		complain("sweeps", t.iterations, 0);
	end("no rows, no sweeps, NaN and infinities");
}

int
main(void)
{
	against_f64();
	against_rule();
	with_eps();
	told();
	same_bits();
	edges();
	printf("1..%d\n", tests);
	return bad != 0;
}
