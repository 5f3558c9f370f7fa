/* Products over odd sizes against the plain loop in f64, TAP. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/core/rng.h"
#include "../../lib/route/product.h"
#include "../../lib/route/widen.h"

static int tests;

static void
end(int ok, const char *what)
{
	printf("%sok %d - %s\n", ok ? "" : "not ", ++tests, what);
}

/* n numbers below 1, of type, and as f32. */
static void *
draw(enum tr_type type, uint64_t stream, uint64_t n, float **as)
{
	float *x = malloc((n + 1) * sizeof *x);
	void *to = malloc((n + 1) * sizeof *x);

	for (uint64_t i = 0; i < n; i++)
		x[i] = (float)(2 * rng_f64(1, stream, i) - 1);
	narrow(type, x, n, to);
	widen(type, to, n, x);
	*as = x;
	return to;
}

/* The greatest error as a share of what it may be: of f32 sums, a few units of the last
 * place of the sum of magnitudes; then that of rounding. */
static double
worst(enum tr_type type, const float *y, const float *x, const float *w, uint64_t rows, uint64_t n,
      uint64_t d)
{
	double round = type == TR_F16 ? 0x1p-11 : type == TR_BF16 ? 0x1p-8 : 0x1p-24, most = 0;
	double *want = malloc((rows * n + 1) * sizeof *want);

	product_plain(x, w, want, rows, n, d);
	for (uint64_t i = 0; i < rows * n; i++) {
		double sum = 0, may;

		for (uint64_t k = 0; k < d; k++)
			sum += fabs((double)x[i / n * d + k] * w[i % n * d + k]);
		may = 4 * 0x1p-24 * sum + 1.01 * round * fabs(want[i]) + 0x1p-25;
		if (!(fabs(y[i] - want[i]) / may <= most)) /* so that NaN comes out */
			most = fabs(y[i] - want[i]) / may;
	}
	free(want);
	return most;
}

static void
sizes(enum tr_type type)
{
	static const uint64_t rows[] = {1, 2, 5, 17, 64, 515}, ns[] = {1, 3, 8, 60, 257, 1030},
			      ds[] = {1, 7, 64, 129, 600};
	double most = 0;
	char what[64];
	int same = 1;

	for (int i = 0; i < 6; i++)
		for (int j = 0; j < 6; j++)
			for (int k = 0; k < 5; k++) {
				uint64_t r = rows[i], n = ns[j], d = ds[k];
				float *fx, *fw, *y;
				void *x, *w, *to, *again;

				if (r * n * d > 20000000)
					continue;
				y = malloc(r * n * sizeof *y);
				to = malloc(r * n * sizeof *y);
				again = malloc(r * n * sizeof *y);
				memset(to, 0xff, r * n * sizeof *y); /* NaN that must not stay */
				x = draw(type, 1, r * d, &fx);
				w = draw(type, 2, n * d, &fw);
				product_jobs(1);
				if (product(type, x, w, to, r, n, d) < 0)
					most = NAN;
				product_jobs(3);
				product(type, x, w, again, r, n, d);
				same &= !memcmp(to, again, r * n * tr_size(type));
				widen(type, to, r * n, y);
				most = fmax(most, worst(type, y, fx, fw, r, n, d));
				if (most != most)
					most = INFINITY;
				free(x);
				free(w);
				free(fx);
				free(fw);
				free(to);
				free(again);
				free(y);
			}
	printf("# %s: %.3g of what rounding allows\n", tr_typename(type), most);
	snprintf(what, sizeof what, "%s against f64", tr_typename(type));
	end(most <= 1, what);
	snprintf(what, sizeof what, "%s: three threads have the bits of one", tr_typename(type));
	end(same, what);
}

/* Parts within larger matrices, and only there. */
static void
parts(void)
{
	enum { R = 13, N = 21, D = 37, LD = 50 };
	float x[R * LD], xt[D * LD], w[N * LD], y[R * LD], z[R * LD], tx[R * D], tw[N * D];
	double want[R * N], plain = 0, turned = 0, sum = 0;
	int outside = 1;

	for (int i = 0; i < R * LD; i++)
		x[i] = (float)rng_f64(1, 3, (uint64_t)i), y[i] = z[i] = 7;
	for (int i = 0; i < N * LD; i++)
		w[i] = (float)rng_f64(1, 4, (uint64_t)i);
	for (int i = 0; i < R; i++)
		for (int k = 0; k < D; k++)
			xt[k * LD + i] = tx[i * D + k] = x[i * LD + k];
	for (int i = 0; i < N; i++)
		memcpy(tw + i * D, w + i * LD, sizeof(float) * D);
	product_plain(tx, tw, want, R, N, D);
	product_part(0, x, LD, w, LD, y, LD, R, N, D);
	product_part(PRODUCT_COLUMNS, xt, LD, w, LD, z, LD, R, N, D);
	for (int i = 0; i < R; i++)
		for (int j = 0; j < LD; j++)
			if (j < N) {
				plain = fmax(plain, fabs(y[i * LD + j] - want[i * N + j]));
				turned = fmax(turned, fabs(z[i * LD + j] - want[i * N + j]));
			} else {
				outside &= y[i * LD + j] == 7 && z[i * LD + j] == 7;
			}
	product_part(PRODUCT_ADD, x, LD, w, LD, z, LD, R, N, D);
	for (int i = 0; i < R; i++)
		for (int j = 0; j < N; j++)
			sum = fmax(sum, fabs(z[i * LD + j] - 2 * want[i * N + j]));
	end(plain < 1e-5, "a part");
	end(turned < 1e-5, "x by columns");
	end(sum < 1e-5, "added");
	end(outside, "what lies between rows stays");
	product_part(0, x, LD, w, LD, y, LD, R, N, 0);
	for (int i = 0; i < R; i++)
		for (int j = 0; j < N; j++)
			outside &= y[i * LD + j] == 0;
	end(outside, "no terms are zeros");
}

int
main(void)
{
	printf("# %s\n", product_library());
	sizes(TR_F32);
	sizes(TR_F16);
	sizes(TR_BF16);
	parts();
	printf("1..%d\n", tests);
	return 0;
}
