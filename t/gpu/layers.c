/*
 * Products with selection, grouped SwiGLU and Sinkhorn on the device against the plainest
 * loops, TAP.  Linked with the kernels, or with what a C++ compiler makes of them.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/route.h"
#include "half.h"
#include "rng.h"
#include "size.h"

/* Of the emulation: shared memory that a block may have, so that what chips with less of it
 * run is tested too. */
extern size_t emu_large __attribute__((weak));

static int tests, bad;

static void
end(int wrong, const char *what, ...)
{
	va_list ap;

	printf("%sok %d - ", wrong ? "not " : "", ++tests);
	va_start(ap, what);
	vprintf(what, ap);
	va_end(ap);
	putchar('\n');
	bad += wrong != 0;
}

static void *
need(void *p)
{
	if (!p) {
		printf("Bail out! no memory: %s\n", gpu_errstr());
		exit(2);
	}
	return p;
}

static void
must(int r)
{
	if (r) {
		printf("Bail out! %s\n", gpu_errstr());
		exit(2);
	}
}

/* n bytes of the device, a copy of from where that is not NULL, else 0xa5 all over. */
static void *
up(const void *from, size_t n)
{
	void *p = need(gpu_alloc(n + 64)), *fill = need(malloc(n + 64));

	memset(fill, 0xa5, n + 64);
	if (from)
		memcpy(fill, from, n);
	must(gpu_put(p, fill, n + 64));
	free(fill);
	return p;
}

/* The n bytes at p, which is freed; *spoilt grows if something was written behind them. */
static void *
down(void *p, size_t n, int *spoilt)
{
	unsigned char *to = need(malloc(n + 64));

	must(gpu_sync());
	must(gpu_get(to, p, n + 64));
	for (size_t i = n; i < n + 64; i++)
		*spoilt += to[i] != 0xa5;
	gpu_free(p);
	return to;
}

static float
widened(enum tr_type type, const void *x, uint64_t i)
{
	const uint16_t *h = x;

	return type == TR_F32   ? ((const float *)x)[i]
	       : type == TR_F16 ? half_f32(h[i])
				: bf16_f32(h[i]);
}

static void
narrowed(enum tr_type type, float f, void *to, uint64_t i)
{
	if (type == TR_F32)
		((float *)to)[i] = f;
	else
		((uint16_t *)to)[i] = type == TR_F16 ? half_from(f) : bf16_from(f);
}

static double
normal(uint64_t stream, uint64_t i)
{
	double u = 1 - rng_f64(1, stream, 2 * i), v = rng_f64(1, stream, 2 * i + 1);

	return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* n numbers of that deviation; whole: rounded, so that sums are exact and tie. */
static void *
drawn(enum tr_type type, uint64_t stream, uint64_t n, double deviation, int whole)
{
	void *to = need(malloc(n * 4 + 4));

	for (uint64_t i = 0; i < n; i++) {
		double z = deviation * normal(stream, i);

		narrowed(type, (float)(whole ? rint(z) : z), to, i);
	}
	return to;
}

static const char *
type_name(enum tr_type type)
{
	return type == TR_F32 ? "f32" : type == TR_F16 ? "f16" : "bf16";
}

/* Half a unit in the last place of 1. */
static double
unit(enum tr_type type)
{
	return type == TR_F32 ? 0x1p-24 : type == TR_F16 ? 0x1p-11 : 0x1p-8;
}

/* Logits that are not x w^T within what f32 sums and one rounding may do. */
static uint64_t
far(enum tr_type type, const void *x, const void *w, const void *y, uint64_t rows, uint64_t n,
    uint64_t d)
{
	uint64_t wrong = 0;

	for (uint64_t t = 0; t < rows; t++)
		for (uint64_t e = 0; e < n; e++) {
			double sum = 0, size = 0, got = widened(type, y, t * n + e);

			for (uint64_t i = 0; i < d; i++) {
				double p = (double)widened(type, x, t * d + i) *
					   widened(type, w, e * d + i);

				sum += p;
				size += fabs(p);
			}
			if (isnan(sum) ? !isnan(got)
			    : isinf(sum)
				    ? got != sum
				    : !(fabs(got - sum) <= 1.01 * unit(type) * fabs(sum) +
								   d * 0x1p-24 * size + 0x1p-24))
				wrong++;
		}
	return wrong;
}

struct fused {
	uint64_t rows, d;
	uint32_t experts, k;
	enum rules_score score;
	int renorm, whole, odd; /* odd: rows with a NaN and with an infinity */
};

static void
fused(enum tr_type type, const struct fused *c)
{
	struct select s = {c->experts, c->k, type, c->score, c->renorm};
	uint64_t n = c->rows * c->experts, picks = c->rows * c->k;
	uint16_t *x = drawn(type, 1, c->rows * c->d, c->whole ? 2 : 1, c->whole);
	uint16_t *w =
		drawn(type, 2, c->experts * c->d, c->whole ? 1 : 1 / sqrt((double)c->d), c->whole);
	uint16_t *ids = need(malloc(2 * picks + 2)), *got[2], *logits;
	float *weights = need(malloc(4 * picks + 4)), *gotw[2];
	void *dx, *dw, *dl, *work = need(gpu_alloc(k_product_work()));
	int spoilt = 0, wrong = 0;
	uint64_t off;

	if (c->odd && c->rows > 4) {
		narrowed(type, NAN, x, c->d + 3);
		narrowed(type, INFINITY, x, 3 * c->d + 1);
	}
	dx = up(x, 2 * c->rows * c->d);
	dw = up(w, 2 * c->experts * c->d);
	dl = up(NULL, 2 * n);
	for (int i = 0; i < 2; i++) {
		void *di = up(NULL, 2 * picks), *dweights = up(NULL, 4 * picks);

		must(k_product_select(&s, dx, dw, c->rows, c->d, di, dweights, i ? NULL : dl, work,
				      NULL));
		got[i] = down(di, 2 * picks, &spoilt);
		gotw[i] = down(dweights, 4 * picks, &spoilt);
	}
	logits = down(dl, 2 * n, &spoilt);
	select_plain(&s, logits, c->rows, ids, weights);
	off = far(type, x, w, logits, c->rows, c->experts, c->d);
	for (int i = 0; i < 2; i++) {
		wrong += memcmp(got[i], ids, 2 * picks) != 0;
		wrong += memcmp(gotw[i], weights, 4 * picks) != 0;
		free(got[i]);
		free(gotw[i]);
	}
	end(off || wrong || spoilt,
	    "product and select: %s T %llu d %llu E %u k %u score %d renorm %d%s%s (%llu %d %d)",
	    type_name(type), (unsigned long long)c->rows, (unsigned long long)c->d, c->experts,
	    c->k, c->score, c->renorm, c->whole ? " ties" : "", c->odd ? " nan" : "",
	    (unsigned long long)off, wrong, spoilt);
	gpu_free(dx);
	gpu_free(dw);
	gpu_free(work);
	free(x);
	free(w);
	free(ids);
	free(weights);
	free(logits);
}

static void
fused_refuses(void)
{
	float bias[4] = {0};
	struct select s = {4, 1, TR_BF16}, of32 = {4, 1, TR_F32}, many = {257, 1, TR_BF16},
		      biased = {4, 1, TR_BF16, RULES_AFTER, 0, bias},
		      grouped = {4, 1, TR_BF16, RULES_AFTER, 0, NULL, 2, 1};
	char spare[64];

	end(!k_product_select_fits(&s, 9, 8) || k_product_select_fits(&of32, 9, 8) ||
		    k_product_select_fits(&many, 9, 8) || k_product_select_fits(&biased, 9, 8) ||
		    k_product_select_fits(&grouped, 9, 8) || k_product_select_fits(&s, 9, 12),
	    "product and select: what fits");
	end(k_product_select(&s, spare, spare, 1, 12, NULL, NULL, NULL, spare, NULL) != GPU_EUSE,
	    "product and select: rows of 12 are refused");
}

static double
silu(double x)
{
	return x / (1 + exp(-x));
}

/* The greatest error of a row, as a share of the row's greatest number. */
static double
ffn_off(const struct ffn *f, const void *w[3], const uint32_t *offsets, const void *x,
	const void *got)
{
	double *h = need(malloc((f->hidden + 1) * sizeof *h)), most = 0;

	for (uint32_t e = 0; e < f->experts; e++)
		for (uint64_t r = offsets[e]; r < offsets[e + 1]; r++) {
			double off = 0, scale = 0;

			for (uint64_t j = 0; j < f->hidden; j++) {
				double a[2] = {0};

				for (int m = 0; m < 2; m++)
					for (uint64_t i = 0; i < f->d; i++)
						a[m] += (double)widened(f->type, x, r * f->d + i) *
							widened(f->type, w[m],
								(e * f->hidden + j) * f->d + i);
				h[j] = silu(a[0]) * a[1];
			}
			for (uint64_t i = 0; i < f->d; i++) {
				double sum = 0, y = widened(f->type, got, r * f->d + i);

				for (uint64_t j = 0; j < f->hidden; j++)
					sum += h[j] * widened(f->type, w[2],
							      (e * f->d + i) * f->hidden + j);
				off = fmax(off, isnan(y) ? INFINITY : fabs(y - sum));
				scale = fmax(scale, fabs(sum));
			}
			most = fmax(most, off / scale);
		}
	free(h);
	return most;
}

static void
grouped(enum tr_type type, int how, uint32_t experts, const uint32_t *offsets, uint64_t d,
	uint64_t hidden)
{
	struct ffn f = {experts, d, hidden, type};
	const uint64_t size = type == TR_F32 ? 4 : 2, rows = offsets[experts];
	const double may = type == TR_F32 ? 1e-5 : 8 * unit(type);
	const void *w[3];
	void *dw[3], *x = drawn(type, 1, rows * d, 1, 0), *dx = up(x, rows * d * size), *got,
		     *dto = up(NULL, rows * d * size), *work;
	uint32_t *doffsets = up(offsets, (experts + 1) * sizeof *offsets);
	double most;
	int spoilt = 0, r;

	for (uint64_t i = 0; i < 3; i++) {
		uint64_t n = experts * d * hidden;

		w[i] = drawn(type, 2 + i, n, 1 / sqrt((double)(i < 2 ? d : hidden)), 0);
		dw[i] = up(w[i], n * size);
	}
	f.w1 = dw[0];
	f.w3 = dw[1];
	f.w2 = dw[2];
	work = need(gpu_alloc(k_ffn_work(&f, rows)));
	r = k_ffn(&f, how, doffsets, how ? offsets : NULL, rows, dx, dto, work, NULL);
	if (r == GPU_ABSENT) {
		printf("ok %d # SKIP swiglu how %d: %s\n", ++tests, how, gpu_errstr());
	} else {
		must(r);
		got = down(dto, rows * d * size, &spoilt);
		most = ffn_off(&f, w, offsets, x, got);
		end(!(most <= may) || spoilt,
		    "swiglu: %s how %d E %u rows %llu d %llu hidden %llu (%g %d)", type_name(type),
		    how, experts, (unsigned long long)rows, (unsigned long long)d,
		    (unsigned long long)hidden, most, spoilt);
		free(got);
	}
	for (int i = 0; i < 3; i++) {
		gpu_free(dw[i]);
		free((void *)w[i]);
	}
	gpu_free(doffsets);
	gpu_free(work);
	gpu_free(dx);
	free(x);
}

static void
products(enum tr_type type, uint64_t rows, uint64_t n, uint64_t d)
{
	const uint64_t size = type == TR_F32 ? 4 : 2;
	void *x = drawn(type, 1, rows * d, 1, 0), *w = drawn(type, 2, n * d, 1, 0);
	void *dx = up(x, rows * d * size), *dw = up(w, n * d * size);
	void *dy = up(NULL, rows * n * size), *work = need(gpu_alloc(k_product_work())), *y;
	int spoilt = 0, r = k_product(type, dx, dw, dy, rows, n, d, work, NULL);

	if (r == GPU_ABSENT) {
		printf("ok %d # SKIP product: %s\n", ++tests, gpu_errstr());
	} else {
		uint64_t off;

		must(r);
		y = down(dy, rows * n * size, &spoilt);
		off = far(type, x, w, y, rows, n, d);
		end(off || spoilt, "product: %s %llu x %llu x %llu (%llu %d)", type_name(type),
		    (unsigned long long)rows, (unsigned long long)n, (unsigned long long)d,
		    (unsigned long long)off, spoilt);
		free(y);
	}
	gpu_free(work);
	gpu_free(dx);
	gpu_free(dw);
	free(x);
	free(w);
}

/* K v by the twin: p [rows][experts]. */
static void
balanced(const struct sinkhorn *s, const void *logits, uint64_t rows, double *p,
	 struct sinkhorn_told *told)
{
	const uint64_t n = s->experts;
	uint16_t *ids = need(malloc(2 * rows * s->k + 2));
	float *w = need(malloc(4 * rows * s->k + 4)), *v = need(malloc(n * sizeof *v));

	must(sinkhorn_rows(s, logits, rows, ids, w, v, told, 1));
	for (uint64_t t = 0; t < rows; t++, p += n) {
		double most = -INFINITY;

		for (uint64_t e = 0; e < n; e++) {
			double x = widened(s->type, logits, t * n + e);

			p[e] = isnan(x) ? -INFINITY : x;
			most = fmax(most, p[e]);
		}
		for (uint64_t e = 0; e < n; e++)
			p[e] = v[e] * (p[e] == most ? 1 : exp((p[e] - most) / s->temperature));
	}
	free(ids);
	free(w);
	free(v);
}

/* Picks that are not the next best of their row, or weights that are not theirs. */
static uint64_t
misplaced(const double *p, uint64_t n, uint32_t k, const uint16_t *ids, const float *w)
{
	uint64_t wrong = 0;
	char taken[SELECT_EXPERTS_MAX] = {0};
	double sum = 0;

	for (uint32_t j = 0; j < k; j++) {
		double most = 0;

		for (uint64_t e = 0; e < n; e++)
			most = taken[e] ? most : fmax(most, p[e]);
		if (ids[j] >= n || taken[ids[j]] || p[ids[j]] < most * (1 - 1e-4))
			return 1;
		taken[ids[j]] = 1;
		sum += p[ids[j]];
	}
	for (uint32_t j = 0; j < k; j++)
		wrong += !(fabs(w[j] - p[ids[j]] / sum) <= 1e-4);
	return wrong;
}

struct scaled {
	uint64_t rows;
	struct sinkhorn s; /* but for its type */
	double deviation;
	int odd; /* 1: rows with NaN and infinities; 2: all logits equal */
};

static void
scaled(enum tr_type type, const struct scaled *c)
{
	struct sinkhorn s = c->s;
	const uint64_t n = c->rows * s.experts, picks = c->rows * s.k;
	void *x, *dx, *work;
	double *p = need(malloc((n + 1) * sizeof *p));
	struct sinkhorn_told want, *told[2];
	uint16_t *ids[2];
	float *w[2];
	uint64_t wrong = 0, order = 0;
	int spoilt = 0;

	s.type = type;
	x = drawn(type, 9, n, c->odd == 2 ? 0 : c->deviation, 0);
	if (c->odd == 1) {
		narrowed(type, NAN, x, s.experts + 1);
		narrowed(type, -INFINITY, x, 2 * s.experts);
		for (uint64_t e = 0; e < s.experts; e++)
			narrowed(type, NAN, x, 4 * s.experts + e);
	}
	dx = up(x, n * (type == TR_F32 ? 4 : 2));
	work = need(gpu_alloc(k_sinkhorn_work(&s, c->rows)));
	balanced(&s, x, c->rows, p, &want);
	for (int i = 0; i < 2; i++) {
		void *di = up(NULL, 2 * picks), *dweights = up(NULL, 4 * picks);
		void *dtold = up(NULL, sizeof want);

		must(k_sinkhorn(&s, dx, c->rows, di, dweights, dtold, work, NULL));
		ids[i] = down(di, 2 * picks, &spoilt);
		w[i] = down(dweights, 4 * picks, &spoilt);
		told[i] = down(dtold, sizeof want, &spoilt);
	}
	for (uint64_t t = 0; t < c->rows; t++) {
		wrong += misplaced(p + t * s.experts, s.experts, s.k, ids[0] + t * s.k,
				   w[0] + t * s.k);
		for (uint32_t j = 0; c->odd == 2 && j < s.k; j++)
			order += ids[0][t * s.k + j] != j;
	}
	end(wrong || order || spoilt || memcmp(ids[0], ids[1], 2 * picks) ||
		    memcmp(w[0], w[1], 4 * picks) || memcmp(told[0], told[1], sizeof want) ||
		    told[0]->iterations != want.iterations ||
		    !(fabsf(told[0]->row_error - want.row_error) <= 1e-3) ||
		    !(fabsf(told[0]->column_error - want.column_error) <= 1e-3),
	    "sinkhorn: %s T %llu E %u k %u, %u sweeps, temperature %g tolerance %g eps %g odd %d "
	    "(%llu %llu %d, %u %g %g, %u %g %g)",
	    type_name(type), (unsigned long long)c->rows, s.experts, s.k, s.iterations,
	    s.temperature, s.tolerance, s.eps, c->odd, (unsigned long long)wrong,
	    (unsigned long long)order, spoilt, told[0]->iterations, told[0]->row_error,
	    told[0]->column_error, want.iterations, want.row_error, want.column_error);
	for (int i = 0; i < 2; i++) {
		free(ids[i]);
		free(w[i]);
		free(told[i]);
	}
	gpu_free(dx);
	gpu_free(work);
	free(x);
	free(p);
}

int
main(void)
{
	static const enum tr_type types[] = {TR_F32, TR_F16, TR_BF16};
	static const struct fused cases[] = {
		{0, 8, 4, 2, RULES_AFTER, 0, 0, 0},
		{1, 8, 1, 1, RULES_AFTER, 0, 0, 0},
		{31, 64, 8, 2, RULES_BEFORE, 1, 1, 0},
		{129, 72, 60, 3, RULES_SIGMOID, 1, 0, 1},
		{300, 136, 64, 2, RULES_AFTER, 0, 1, 0},
		{100, 1032, 64, 6, RULES_AFTER, 0, 0, 1},
		{130, 200, 100, 8, RULES_BEFORE, 0, 0, 1},
		{5, 520, 128, 40, RULES_NONE, 0, 1, 1},
		{129, 96, 256, 8, RULES_AFTER, 0, 0, 0},
		{40, 584, 250, 64, RULES_SIGMOID, 0, 1, 0},
	};
	static const uint32_t uneven[] = {0, 3, 3, 20, 20, 290, 291, 291}, none[] = {0, 0, 0},
			      one[] = {0, 1}, first[] = {0, 0, 65};

	static const struct scaled sweeps[] = {
		{1, {1, 1, 0, 3, 1, 0, 0}, 1, 0},
		{300, {60, 3, 0, 10, 1, 0, 0}, 1, 0},
		{31, {256, 8, 0, 4, 0.5f, 0, 1e-6f}, 1, 1},
		{100, {257, 2, 0, 3, 2, 0, 0}, 3, 1},
		{33, {1024, 64, 0, 2, 1, 0, 0}, 1, 0},
		{700, {256, 6, 0, 2, 1, 0, 0}, 1, 0}, /* more than shared memory holds */
		{500, {8, 2, 0, 50, 1, 1e-3f, 0}, 1, 0},
		{64, {100, 5, 0, 5, 1, 0, 1e-6f}, 1, 2},
		{64, {16, 2, 0, 0, 1, 0, 0}, 1, 0},
	};

	if (gpu_count() <= 0 || gpu_open(0)) {
		fprintf(stderr, "layers: %s\n", gpu_errstr());
		return 3;
	}
	fused_refuses();
	for (size_t t = 1; t < LEN(types); t++)
		for (size_t i = 0; i < LEN(cases); i++)
			fused(types[t], &cases[i]);
	for (size_t t = 0; t < LEN(types); t++)
		for (size_t i = 0; i < LEN(sweeps); i++)
			scaled(types[t], &sweeps[i]);
	for (size_t t = 0; t < LEN(types); t++) {
		for (int how = 0; how < 3; how++) {
			grouped(types[t], how, 7, uneven, 64, 40);
			grouped(types[t], how, 7, uneven, 33, 50);
			grouped(types[t], how, 2, none, 16, 16);
			grouped(types[t], how, 1, one, 1, 1);
			grouped(types[t], how, 2, first, 200, 152);
		}
		products(types[t], 31, 8, 64);
		products(types[t], 1, 3, 5);
		products(types[t], 0, 3, 5);
	}
	if (&emu_large) {
		emu_large = 99 << 10;
		for (size_t i = LEN(cases) - 3; i < LEN(cases); i++)
			fused(TR_BF16, &cases[i]);
		grouped(TR_BF16, 0, 7, uneven, 64, 40);
		grouped(TR_F16, 0, 2, first, 200, 152);
		scaled(TR_BF16, &sweeps[5]);
	}
	printf("1..%d\n", tests);
	gpu_close();
	return bad != 0;
}
