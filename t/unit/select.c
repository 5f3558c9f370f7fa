/*
 * Selection by itself, TAP: the plain form against sums in double, each processor's form
 * against the plain one to the bit, keys and the exponential against libm.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/route/keys.h"
#include "../../lib/route/select.h"
#include "half.h"
#include "rng.h"
#include "size.h"

enum { SHAPES = 2500, ROWS = 37, EMAX = SELECT_EXPERTS_MAX, KMAX = SELECT_K_MAX };

static int tests, bad, wrong;
static float made[ROWS * EMAX], bias[EMAX];
static char logits[ROWS * EMAX * 4 + 64];

static void
end(const char *what)
{
	printf("%sok %d - %s\n", wrong ? "not " : "", ++tests, what);
	bad += wrong != 0;
	wrong = 0;
}

static void
complain(const char *what, const struct select *s, uint64_t row)
{
	if (wrong++ < 5)
		printf("# %s: E %u, k %u, type %d, score %d, renorm %d, bias %d, groups %u of %u, "
		       "row %llu\n",
		       what, s->experts, s->k, s->type, s->score, s->renorm, s->bias != NULL,
		       s->topk_groups, s->groups, (unsigned long long)row);
}

static double
normal(uint64_t stream, uint64_t i)
{
	double u = 1 - rng_f64(1, stream, 2 * i), v = rng_f64(1, stream, 2 * i + 1);

	return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

enum { PLAIN_ROWS = 3, KINDS = 12 }; /* the first few hold neither NaN nor infinities */

/* Row t of a kind that is hard in some way. */
static void
make(uint64_t seed, uint64_t t, int kind, uint32_t n, float *x)
{
	static const uint32_t odd[] = {0x7fc00000, 0xffc00001, 0x7f800000, 0xff800000, 0,
				       0x80000000, 1,          0x80000001, 0x7f7fffff, 0xff7fffff};

	for (uint32_t i = 0; i < n; i++) {
		uint64_t at = t * n + i;
		double z = normal(seed, at);
		uint32_t r[4];

		rng_u32x4(2, seed, at, r);
		switch (kind) {
		case 0:
			x[i] = (float)z;
			break;
		case 1: /* many equal ones */
			x[i] = (float)rint(2 * z) / 2;
			break;
		case 2: /* far apart, differences exact */
			x[i] = (float)(rint(512 * z) / 64);
			break;
		case 3: /* all the same */
			x[i] = t % 2 ? -1.5f : 0;
			break;
		case 4:
			x[i] = (float)i;
			break;
		case 5:
			x[i] = -(float)i / 64;
			break;
		case 6: /* zeros of both signs and the smallest numbers */
			x[i] = keys_float((r[0] & 0x80000000) | (r[1] & 3 ? 0 : r[2] & 0x7fffff));
			break;
		case 7: /* one NaN in a while */
			x[i] = r[0] % 16 ? (float)z : keys_float(odd[r[1] % 2]);
			break;
		case 8:
			x[i] = keys_float(0x7fc00000 | r[0] << 31);
			break;
		case 9: /* what masks leave */
			x[i] = r[0] % 8 ? -INFINITY : (float)z;
			break;
		case 10:
			x[i] = r[0] % 2 ? keys_float(odd[r[1] % LEN(odd)]) : (float)z;
			break;
		default: /* any bits */
			x[i] = keys_float(r[0]);
		}
	}
}

/* made, as logits of that type at an odd address where shift is 2 */
static void *
typed(const struct select *s, uint64_t rows, size_t shift)
{
	const uint64_t n = rows * s->experts;
	char *to = logits + shift;

	for (uint64_t i = 0; i < n; i++) {
		uint16_t h = s->type == TR_F16 ? half_from(made[i]) : bf16_from(made[i]);

		if (s->type == TR_F32)
			memcpy(to + 4 * i, &made[i], 4);
		else
			memcpy(to + 2 * i, &h, 2);
		if (s->type != TR_F32)
			made[i] = s->type == TR_F16 ? half_f32(h) : bf16_f32(h);
	}
	return to;
}

static uint32_t
draw(uint64_t stream, uint64_t i, uint32_t n)
{
	return (uint32_t)rng_below(3, stream, i, n);
}

/* One of many shapes: all options, sizes near the powers of two and any. */
static struct select
shape(uint64_t i)
{
	static const uint32_t sizes[] = {1,  2,  3,  7,   8,   9,   15,  16,  17,  31,  32,   33,
					 48, 60, 64, 100, 128, 160, 255, 256, 257, 512, 1000, 1024};
	static const enum tr_type types[] = {TR_F32, TR_F16, TR_BF16};
	static const enum rules_score scores[] = {RULES_AFTER, RULES_BEFORE, RULES_SIGMOID,
						  RULES_NONE};
	struct select s = {0};
	uint32_t n = 1;

	s.experts = draw(i, 0, 4) ? sizes[draw(i, 1, LEN(sizes))] : 1 + draw(i, 1, EMAX);
	s.type = types[draw(i, 2, 3)];
	s.score = scores[draw(i, 3, 4)];
	s.renorm = (int)draw(i, 4, 2);
	s.bias = draw(i, 5, 3) ? NULL : bias;
	if (!draw(i, 6, 3)) {
		s.groups = 1 + draw(i, 7, s.experts);
		while (s.experts % s.groups)
			s.groups--;
		s.topk_groups = 1 + draw(i, 8, s.groups);
		n = s.experts / s.groups * s.topk_groups;
	} else {
		n = s.experts;
	}
	n = MIN(n, KMAX);
	s.k = draw(i, 9, 3) ? 1 + draw(i, 10, MIN(n, 10)) : draw(i, 9, 9) ? 1 + draw(i, 10, n) : n;
	return s;
}

/* Any of the processor's forms, one job and three, against the plain one. */
static void
same_bits(const char *name)
{
	static uint16_t a[ROWS * KMAX], b[ROWS * KMAX];
	static float u[ROWS * KMAX], v[ROWS * KMAX];
	char what[80];

	for (uint64_t i = 0; i < SHAPES; i++) {
		struct select s = shape(i);
		const int kind = (int)draw(i, 11, KINDS + 4); /* or all of them, by turns */
		const uint64_t rows = 1 + draw(i, 12, ROWS);
		uint64_t n, m;
		char *x;

		for (uint64_t t = 0; t < rows; t++)
			make(i, t, kind < KINDS ? kind : (int)(t % KINDS), s.experts,
			     made + t * s.experts);
		for (uint32_t e = 0; e < s.experts; e++)
			bias[e] = draw(i, 13, 8) ? (float)normal(4, e) / 8
				  : e % 5 == 0   ? 0
				  : e % 7 == 3   ? INFINITY
						 : -INFINITY;
		x = typed(&s, rows, draw(i, 14, 2) * 2);
		memset(b, 0xee, sizeof b);
		memset(v, 0xee, sizeof v);
		n = select_plain(&s, x, rows, a, u);
		m = select_rows(&s, x, rows, b, v, 1);
		if (n != m)
			complain("rows with NaN", &s, 0);
		for (uint64_t t = 0; t < rows; t++)
			if (memcmp(a + t * s.k, b + t * s.k, 2 * s.k))
				complain("picks", &s, t);
			else if (memcmp(u + t * s.k, v + t * s.k, 4 * s.k))
				complain("weights", &s, t);
		if (rows < ROWS && b[rows * s.k] != 0xeeee)
			complain("a pick too many", &s, rows);
		if (rows < ROWS && memcmp(v + rows * s.k, "\xee\xee\xee\xee", 4))
			complain("a weight too many", &s, rows);
	}
	snprintf(what, sizeof what, "%s: the bits of plain, %d shapes", name, SHAPES);
	end(what);
}

static void
threads(void)
{
	enum { N = 3001, E = 17, K = 3 };
	struct select s = {.experts = E, .k = K, .type = TR_F32, .score = RULES_AFTER};
	static float x[N * E], u[N * K], v[N * K];
	static uint16_t a[N * K], b[N * K];

	for (uint64_t t = 0; t < N; t++)
		make(5, t, (int)(t % KINDS), E, x + t * E);
	if (select_plain(&s, x, N, a, u) != select_rows(&s, x, N, b, v, 3))
		complain("rows with NaN", &s, 0);
	if (memcmp(a, b, sizeof a) || memcmp(u, v, sizeof u))
		complain("three threads", &s, 0);
	if (select_rows(&s, x, 0, NULL, NULL, 2))
		complain("no rows", &s, 0);
	end("three threads, and no rows");
}

static double ref_score[EMAX];

static int
by_score(const void *p, const void *q)
{
	const uint16_t i = *(const uint16_t *)p, j = *(const uint16_t *)q;
	const double x = ref_score[i], y = ref_score[j];

	return x > y ? -1 : x < y ? 1 : (i > j) - (i < j);
}

/* In double, from the words of select.h; 0 where two scores are so close that f32 may
 * order them otherwise. */
static int
reference(const struct select *s, const float *x, uint16_t *ids, double *w)
{
	const uint32_t n = s->experts, per = s->groups ? n / s->groups : n;
	uint16_t order[EMAX], tops[EMAX], m = 0;
	const int exact =
		!s->bias && (!s->groups || s->score == RULES_AFTER || s->score == RULES_NONE);
	double max = -INFINITY, sum = 0, worths[EMAX], score[EMAX], all = 0;
	int clear = 1;

	for (uint32_t i = 0; i < n; i++)
		max = fmax(max, x[i]);
	for (uint32_t i = 0; i < n; i++)
		sum += exp(x[i] - max);
	for (uint32_t i = 0; i < n; i++) {
		double y = exact                       ? x[i]
			   : s->score == RULES_BEFORE  ? exp(x[i] - max) / sum
			   : s->score == RULES_SIGMOID ? 1 / (1 + exp(-(double)x[i]))
						       : x[i];

		score[i] = ref_score[i] = y + (s->bias ? s->bias[i] : 0);
		order[i] = (uint16_t)i;
	}
	if (s->groups) {
		for (uint32_t g = 0; g < s->groups; g++) {
			for (uint32_t i = 0; i < per; i++)
				order[i] = (uint16_t)(g * per + i);
			qsort(order, per, sizeof *order, by_score);
			worths[g] = score[order[0]];
			if (s->score == RULES_SIGMOID && per > 1)
				worths[g] += score[order[1]];
		}
		for (uint32_t g = 0; g < s->groups; g++) {
			ref_score[g] = worths[g];
			tops[g] = (uint16_t)g;
		}
		qsort(tops, s->groups, sizeof *tops, by_score);
		if (!exact && s->topk_groups < s->groups)
			clear &= worths[tops[s->topk_groups - 1]] - worths[tops[s->topk_groups]] >
				 1e-5;
		memcpy(ref_score, score, n * sizeof *score);
		for (uint32_t g = 0; g < s->topk_groups; g++)
			for (uint32_t i = 0; i < per; i++)
				order[m++] = (uint16_t)(tops[g] * per + i);
	}
	qsort(order, s->groups ? m : n, sizeof *order, by_score);
	for (uint32_t j = 0; !exact && j < s->k && j + 1 < (s->groups ? m : n); j++)
		clear &= score[order[j]] - score[order[j + 1]] > 1e-5 * (1 + fabs(score[order[j]]));
	memcpy(ids, order, s->k * sizeof *ids);
	if (s->score == RULES_AFTER) {
		max = -INFINITY;
		sum = 0;
		for (uint32_t j = 0; j < s->k; j++)
			max = fmax(max, x[ids[j]]);
		for (uint32_t j = 0; j < s->k; j++)
			sum += exp(x[ids[j]] - max);
	}
	for (uint32_t j = 0; j < s->k; j++) {
		double y = x[ids[j]];

		all += w[j] = s->score == RULES_SIGMOID ? 1 / (1 + exp(-y))
			      : s->score == RULES_NONE  ? y
							: exp(y - max) / sum;
	}
	for (uint32_t j = 0; s->renorm && s->score != RULES_AFTER && j < s->k; j++)
		w[j] /= all;
	return clear;
}

static double
ulps(float got, double want)
{
	if (!(fabs(want) >= 0x1p-125)) /* where e^x is 0 or rounds more coarsely */
		return fabs(got - want) <= 0x1p-125 ? 0 : INFINITY;
	return fabs(got - want) / ldexp(1, ilogb(want) - 23);
}

static void
against_double(void)
{
	uint16_t a[KMAX], b[KMAX];
	float u[KMAX];
	double v[KMAX], worst = 0;
	int compared = 0, all = 0;

	for (uint64_t i = 0; i < 2000; i++) {
		struct select s = shape(i);
		char *x;

		make(i, 0, (int)(i % PLAIN_ROWS), s.experts, made);
		for (uint32_t e = 0; e < s.experts; e++) /* so that differences are exact */
			made[e] = rintf(1024 * made[e]) / 1024;
		for (uint32_t e = 0; e < s.experts; e++)
			bias[e] = (float)normal(6, e);
		x = typed(&s, 1, 0);
		all++;
		if (!reference(&s, made, b, v))
			continue;
		compared++;
		if (select_plain(&s, x, 1, a, u))
			complain("NaN where there is none", &s, i);
		if (memcmp(a, b, s.k * sizeof *a))
			complain("picks", &s, i);
		/* a sum of k rounds k times; one of both signs may cancel */
		for (uint32_t j = 0; j < s.k && !(s.score == RULES_NONE && s.renorm); j++)
			worst = fmax(worst, ulps(u[j], v[j]) / (3.5 + s.k / 6.0));
	}
	if (compared < all / 2)
		complain("too few compared", &(struct select){0}, (uint64_t)compared);
	if (worst > 1)
		complain("weights far off", &(struct select){0}, 0);
	printf("# %d of %d compared; weights %.2f of 3.5 + k / 6 ulp at most\n", compared, all,
	       worst);
	end("plain: the picks and weights of sums in double");
}

static void
exponential(void)
{
	double worst = 0, sigmoid = 0;
	uint32_t last = UINT32_MAX;

	for (uint32_t bits = 0xb3000000; keys_float(bits) >= -87; bits += 61)
		worst = fmax(worst,
			     ulps(keys_exp(keys_float(bits)), exp((double)keys_float(bits))));
	for (uint32_t bits = 0; keys_float(bits) <= 86; bits += 997)
		for (uint32_t sign = 0; sign < 2; sign++) {
			float x = keys_float(bits | sign << 31);

			sigmoid = fmax(sigmoid, ulps(keys_sigmoid(x), 1 / (1 + exp(-(double)x))));
		}
	printf("# exp %.4f ulp, sigmoid %.4f ulp at most\n", worst, sigmoid);
	wrong += !(worst < 0.8823) || !(sigmoid < 2.3);
	end("keys_exp and keys_sigmoid against libm");
	wrong += keys_exp(-0.0f) != 1 || keys_exp(-88) != 0 || keys_exp(-INFINITY) != 0 ||
		 keys_exp(NAN) != 0 || keys_sigmoid(INFINITY) != 1 ||
		 keys_sigmoid(-INFINITY) != 0 || keys_sigmoid(NAN) != 0 ||
		 keys_sigmoid(-0.0f) != 0.5f || keys_weight(INFINITY, INFINITY) != 1 ||
		 keys_weight(NAN, NAN) != 1 || keys_weight(NAN, 1) != 0 ||
		 keys_weight(-INFINITY, INFINITY) != 0;
	end("their ends");
	for (uint32_t h = 0; h < 65536; h++) {
		for (int f16 = 0; f16 < 2; f16++) {
			const uint32_t inf = f16 ? 0x7c00 : 0x7f80, key = keys_16(h, inf);
			float x = f16 ? half_f32((uint16_t)h) : bf16_f32((uint16_t)h);
			uint16_t back = (uint16_t)keys_16_bits(key);
			float y = f16 ? half_f32(back) : bf16_f32(back);

			wrong += x == x ? !(x == y) : y == y || key != 0;
			if (x == x && x)
				wrong += keys_of(x) == 0 ||
					 keys_float(keys_f32_bits(keys_of(x))) != x;
		}
		if (h && h <= 0x7c00) { /* f16 upwards */
			uint32_t key = keys_16(h, 0x7c00);

			wrong += key <= (last == UINT32_MAX ? keys_16(0, 0x7c00) : last);
			last = key;
			wrong += keys_16(h | 0x8000, 0x7c00) >= keys_16((h | 0x8000) - 1, 0x7c00);
		}
	}
	wrong += keys_of(-0.0f) != keys_of(0) || keys_of(NAN) != 0 || keys_of(-INFINITY) == 0;
	end("keys: there and back, in the order of numbers");
}

static void
refusals(void)
{
	struct select s = {.experts = 8, .k = 2, .type = TR_F32, .score = RULES_AFTER}, t;
	char why[100];

	wrong += select_fit(&s, why, sizeof why) != 0;
#define REFUSED(change, text)                                                   \
	do {                                                                    \
		t = s;                                                          \
		change;                                                         \
		if (select_fit(&t, why, sizeof why) != -1 || strcmp(why, text)) \
			printf("# %s: %s\n", text, why), wrong++;               \
	} while (0)
	REFUSED(t.experts = 0, "0 experts are not 1 to 1024");
	REFUSED(t.experts = 1025, "1025 experts are not 1 to 1024");
	REFUSED(t.k = 0, "0 picks are not 1 to 64");
	REFUSED(t.k = 65, "65 picks are not 1 to 64");
	REFUSED(t.k = 9, "9 picks are more than the 8 experts");
	REFUSED(t.type = TR_F64, "logits are not f32, f16 or bf16");
	REFUSED(t.groups = 3, "3 groups do not divide 8 experts");
	REFUSED(t.groups = 4, "0 best groups are not 1 to 4");
	REFUSED((t.groups = 4, t.topk_groups = 5), "5 best groups are not 1 to 4");
	REFUSED((t.groups = 8, t.topk_groups = 1), "2 picks are more than 1 groups have experts");
	end("what does not fit, and why");
}

/* Gates: each pick's weight, 0 of all others, whatever was there. */
static void
gates(void)
{
	enum { T = 2500, E = 7, K = 3 }; /* more than a thread's share of rows */
	struct select s = {.experts = E, .k = K, .type = TR_F32};
	uint16_t *ids = malloc(T * K * sizeof *ids);
	float *w = malloc(T * K * sizeof *w), *got = malloc(T * E * sizeof *got);

	for (uint32_t i = 0; i < T * K; i++) {
		ids[i] = (uint16_t)(i % 11 == 0 ? SELECT_NONE : (i / K + i % K * 2) % E);
		w[i] = (float)(i + 1);
	}
	for (uint32_t i = 0; i < T * E; i++)
		got[i] = NAN;
	select_mask(&s, ids, w, T, got, 3);
	for (uint32_t t = 0; t < T; t++)
		for (uint32_t e = 0; e < E; e++) {
			float want = 0;

			for (uint32_t j = 0; j < K; j++)
				if (ids[t * K + j] == e)
					want = w[t * K + j];
			wrong += got[t * E + e] != want;
		}
	free(ids);
	free(w);
	free(got);
	end("gates of picks");
}

int
main(void)
{
	static const char *const isas[] = {"plain", "avx2", "avx512", "neon"};
	const char *first = select_isa_name();

	exponential();
	refusals();
	against_double();
	wrong += select_isa("z80") != -1 || strcmp(select_isa_name(), first) != 0;
	for (size_t i = 0; i < LEN(isas); i++) {
		if (select_isa(isas[i]) < 0) {
			printf("ok %d # SKIP no %s here\n", ++tests, isas[i]);
			continue;
		}
		wrong += strcmp(select_isa_name(), isas[i]) != 0;
		same_bits(isas[i]);
	}
	select_isa(first);
	threads();
	gates();
	printf("1..%d\n", tests);
	return bad != 0;
}
