/* SwiGLU of packed rows against plain loops in f64, TAP. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../lib/core/rng.h"
#include "../../lib/route/ffn.h"
#include "../../lib/route/product.h"
#include "../../lib/route/widen.h"

static int tests;

static void
end(int ok, const char *what, const char *of)
{
	printf("%sok %d - %s%s\n", ok ? "" : "not ", ++tests, what, of);
}

static double
normal(uint64_t stream, uint64_t i)
{
	double u = rng_f64(5, stream, 2 * i), v = rng_f64(5, stream, 2 * i + 1);

	return sqrt(-2 * log(1 - u)) * cos(6.283185307179586 * v);
}

/* n normal numbers of that deviation. */
static void *
draw(enum tr_type type, uint64_t stream, uint64_t n, double deviation)
{
	float *x = malloc((n + 1) * sizeof *x);
	void *to = malloc((n + 1) * sizeof *x);

	for (uint64_t i = 0; i < n; i++)
		x[i] = (float)(deviation * normal(stream, i));
	narrow(type, x, n, to);
	free(x);
	return to;
}

struct layer {
	struct ffn f;
	const uint32_t *offsets;
	uint64_t rows;
	void *x, *w[3];
};

static struct layer
layer(enum tr_type type, uint32_t experts, uint64_t d, uint64_t hidden, const uint32_t *offsets)
{
	struct layer l = {{experts, d, hidden, type}, offsets, offsets[experts]};

	l.x = draw(type, 1, l.rows * d, 1);
	for (uint64_t i = 0; i < 3; i++)
		l.w[i] = draw(type, 2 + i, experts * d * hidden,
			      1 / sqrt((double)(i < 2 ? d : hidden)));
	l.f.w1 = l.w[0];
	l.f.w3 = l.w[1];
	l.f.w2 = l.w[2];
	return l;
}

static void
drop(struct layer *l)
{
	free(l->x);
	for (int i = 0; i < 3; i++)
		free(l->w[i]);
}

/* The greatest error of a row, as a share of the row's greatest number. */
static double
worst(const struct layer *l, const void *to)
{
	uint64_t n = l->rows * l->f.d, d = l->f.d;
	float *x = malloc((n + 1) * sizeof *x), *got = malloc((n + 1) * sizeof *got);
	double *want = malloc((n + 1) * sizeof *want), most = 0;

	widen(l->f.type, l->x, n, x);
	widen(l->f.type, to, n, got);
	for (uint32_t e = 0; e < l->f.experts; e++) {
		uint64_t at = l->offsets[e];

		if (ffn_plain(&l->f, e, l->offsets[e + 1] - at, x + at * d, want + at * d) < 0)
			most = INFINITY;
	}
	for (uint64_t r = 0; r < l->rows; r++) {
		double off = 0, scale = 0;

		for (uint64_t i = r * d; i < (r + 1) * d; i++) {
			off = fmax(off, isnan(got[i]) ? INFINITY : fabs(got[i] - want[i]));
			scale = fmax(scale, fabs(want[i]));
		}
		most = fmax(most, off / scale);
	}
	free(x);
	free(got);
	free(want);
	return most;
}

static void
shapes(enum tr_type type, double may)
{
	static const uint32_t uneven[] = {0, 3, 3, 20, 20, 290, 291, 291}, none[] = {0, 0, 0},
			      one[] = {0, 1}, first[] = {0, 0, 9};
	static const struct {
		uint32_t experts;
		uint64_t d, hidden;
		const uint32_t *offsets;
	} s[] = {{7, 33, 50, uneven},
		 {7, 64, 300, uneven},
		 {2, 16, 16, none},
		 {1, 1, 1, one},
		 {2, 19, 517, first}};
	double most[2] = {0};
	char of[64];
	int same = 1;

	for (size_t i = 0; i < sizeof s / sizeof *s; i++) {
		struct layer l = layer(type, s[i].experts, s[i].d, s[i].hidden, s[i].offsets);
		size_t n = l.rows * l.f.d * tr_size(type);
		char *to = malloc(n + 1), *again = malloc(n + 1);

		for (int how = 0; how < 2; how++) {
			memset(to, 0xff, n + 1);
			memset(again, 0, n + 1);
			product_jobs(1);
			same &= !ffn_rows(&l.f, (enum ffn_how)how, l.offsets, l.x, to, 1);
			product_jobs(3);
			same &= !ffn_rows(&l.f, (enum ffn_how)how, l.offsets, l.x, again, 3);
			same &= !memcmp(to, again, n) && (unsigned char)to[n] == 0xff;
			most[how] = fmax(most[how], worst(&l, to));
		}
		free(to);
		free(again);
		drop(&l);
	}
	printf("# %s: grouped %.3g, loop %.3g\n", tr_typename(type), most[0], most[1]);
	snprintf(of, sizeof of, "%s within %.2g", tr_typename(type), may);
	end(most[0] < may, "grouped, ", of);
	end(most[1] < may, "loop, ", of);
	end(same, "three threads have the bits of one, ", tr_typename(type));
}

static void
silu(void)
{
	enum { N = 200001 };
	static float x[N], up[N];
	double off = 0;
	float odd[] = {NAN, 200, -200, 0, -0.0f}, ones[] = {1, 1, 1, 1, 1};

	for (int i = 0; i < N; i++) {
		x[i] = (float)(i - N / 2) / 1000;
		up[i] = 3;
	}
	ffn_silu(x, up, N);
	for (int i = 0; i < N; i++) {
		double v = (float)(i - N / 2) / 1000, want = 3 * v / (1 + exp(-v));

		if (v >= -87)
			off = fmax(off, fabs(x[i] - want) - 4e-7 * fabs(want));
		else
			off = fmax(off, fabs(x[i]));
	}
	end(off <= 0, "silu against f64", "");
	ffn_silu(odd, ones, 5);
	end(isnan(odd[0]) && odd[1] == 200 && odd[2] == 0 && odd[3] == 0 && odd[4] == 0,
	    "silu of NaN and of numbers far out", "");
}

/* Weights of an expert without rows may not even be there to be read. */
static void
unread(void)
{
	enum { D = 32, HIDDEN = 32, PAGE = 4096 };
	static const uint32_t offsets[] = {0, 5, 5};
	struct layer l = layer(TR_F32, 2, D, HIDDEN, offsets);
	float to[5 * D];
	const void **w[] = {&l.f.w1, &l.f.w3, &l.f.w2};

	for (int i = 0; i < 3; i++) {
		char *m = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		_Static_assert(D * HIDDEN * sizeof(float) == PAGE, "an expert is a page");
		memcpy(m, l.w[i], PAGE);
		mprotect(m + PAGE, 3 * PAGE, PROT_NONE);
		*w[i] = m;
	}
	for (int how = 0; how < 2; how++)
		end(ffn_rows(&l.f, (enum ffn_how)how, offsets, l.x, to, 1) == 0,
		    "weights of experts without rows are not touched, ", how ? "loop" : "grouped");
	drop(&l);
}

int
main(void)
{
	printf("# %s\n", product_library());
	silu();
	shapes(TR_F32, 4e-6);
	shapes(TR_F16, 4e-3);
	shapes(TR_BF16, 3e-2);
	unread();
	printf("1..%d\n", tests);
	return 0;
}
