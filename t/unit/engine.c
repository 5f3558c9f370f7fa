/* The steps of an engine of the processor against plain loops in f64, TAP. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/core/rng.h"
#include "../../lib/core/size.h"
#include "../../lib/model/dots.h"
#include "../../lib/model/engine.h"
#include "../../lib/route/widen.h"

static int tests;
static struct engine *E, *E3; /* of one thread, of three */

static void
end(int ok, const char *fmt, const char *of)
{
	printf("%sok %d - ", ok ? "" : "not ", ++tests);
	printf(fmt, of);
	putchar('\n');
}

/* n numbers in -1 .. 1 */
static float *
draw(uint64_t stream, uint64_t n)
{
	float *x = malloc((n + 1) * sizeof *x);

	for (uint64_t i = 0; i < n; i++)
		x[i] = (float)(2 * rng_f64(5, stream, i) - 1);
	return x;
}

/* A weight of that type; *wide: what it holds, in f32. */
static struct weight
weight(enum tr_type type, uint64_t stream, uint64_t parts, uint64_t rows, uint64_t cols,
       float **wide)
{
	const uint64_t n = rows * cols;
	struct tensor *t = calloc(parts, sizeof *t);
	struct weight w = {t, parts, rows, cols, NULL};
	char *data = malloc(parts * n * 4 + 4);

	*wide = draw(stream, parts * n);
	narrow(type, *wide, parts * n, data);
	widen(type, data, parts * n, *wide);
	for (uint64_t i = 0; i < parts; i++)
		t[i] = (struct tensor){.type = type,
				       .data = data + i * n * tr_size(type),
				       .rows = rows,
				       .cols = cols};
	if (E->hold(E, &w) < 0)
		exit(1);
	return w;
}

static void
lose(struct weight *w, float *wide)
{
	E->unhold(E, w);
	free((void *)w->part[0].data);
	free((void *)w->part);
	free(wide);
}

/* Less than by apart, in proportion to the greatest there can be. */
static int
near(const float *got, const double *want, uint64_t n, double by)
{
	double most = 1e-30;

	for (uint64_t i = 0; i < n; i++)
		most = fmax(most, fabs(want[i]));
	for (uint64_t i = 0; i < n; i++)
		if (!(fabs(got[i] - want[i]) <= by * most))
			return 0;
	return 1;
}

static double
rounded(float x, int bf16)
{
	uint16_t h;

	if (bf16) {
		narrow(TR_BF16, &x, 1, &h);
		widen(TR_BF16, &h, 1, &x);
	}
	return x;
}

/* to [rows][n] */
static void
product(const float *x, const float *w, uint64_t rows, uint64_t n, uint64_t d, int bf16, double *to)
{
	for (uint64_t r = 0; r < rows; r++)
		for (uint64_t c = 0; c < n; c++) {
			double sum = 0;

			for (uint64_t k = 0; k < d; k++)
				sum += rounded(x[r * d + k], bf16) * rounded(w[c * d + k], bf16);
			to[r * n + c] = sum;
		}
}

static void
linear(const char *isa, enum tr_type type, int bf16)
{
	static const struct {
		uint64_t rows, n, d;
	} sizes[] = {{1, 1, 1}, {7, 5, 33}, {3, 390, 64}, {127, 9, 16}, {5, 6, 1030}, {2, 3, 2048}};
	char what[128];
	int good = 1, apart = 1, alone = 1;

	E->opts.type = E3->opts.type = bf16 ? TR_BF16 : TR_F32;
	for (size_t s = 0; s < LEN(sizes); s++) {
		const uint64_t rows = sizes[s].rows, n = sizes[s].n, d = sizes[s].d;
		float *wide, *more, *x = draw(1, rows * d), *y = draw(2, rows * n);
		float *z = draw(3, rows * n);
		double *want = malloc(rows * n * sizeof *want);
		struct weight w = weight(type, 4, 1, n, d, &wide);
		struct weight b = weight(type, 5, 1, 1, n, &more);

		E->linear(E, &w, &b, x, y, rows);
		product(x, wide, rows, n, d, bf16, want);
		for (uint64_t i = 0; i < rows * n; i++)
			want[i] += more[i % n];
		good &= near(y, want, rows * n, 2e-6);
		E3->linear(E3, &w, &b, x, z, rows);
		apart &= !memcmp(y, z, rows * n * sizeof *y);
		for (uint64_t r = 0; r < rows; r++)
			E->linear(E, &w, &b, x + r * d, z + r * n, 1);
		alone &= !memcmp(y, z, rows * n * sizeof *y);
		lose(&w, wide);
		lose(&b, more);
		free(x);
		free(y);
		free(z);
		free(want);
	}
	snprintf(what, sizeof what, "%s, w %s%s: ", isa,
		 type == TR_F32   ? "f32"
		 : type == TR_F16 ? "f16"
				  : "bf16",
		 bf16 ? ", in bf16" : "");
	end(good, "linear, %swithin 2e-6", what);
	end(apart, "linear, %sthree threads, the same bits", what);
	end(alone, "linear, %sa row alone, the same bits", what);
	E->opts.type = E3->opts.type = TR_F32;
}

static double
silu(double x)
{
	return x / (1 + exp(-x));
}

static void
network(const struct ffns *f, float *const w[3], uint64_t e, const float *x, double by, double *to)
{
	const uint64_t n = f->hidden * f->d * e;
	double *mid = malloc(f->hidden * sizeof *mid);

	for (uint64_t h = 0; h < f->hidden; h++) {
		double a, b = 0;

		product(x, w[0] + n + h * f->d, 1, 1, f->d, 0, &a);
		if (!f->relu)
			product(x, w[1] + n + h * f->d, 1, 1, f->d, 0, &b);
		mid[h] = f->relu ? fmax(a, 0) : silu(a) * b;
	}
	for (uint64_t i = 0; i < f->d; i++)
		for (uint64_t h = 0; h < f->hidden; h++)
			to[i] += by * mid[h] * w[2][n + i * f->hidden + h];
	free(mid);
}

static void
experts(int relu, uint64_t rows, uint64_t k, uint64_t d, uint64_t hidden)
{
	enum { EXPERTS = 5 };
	float *wide[3], *x = draw(6, rows * d), *w = draw(7, rows * k);
	float *y = draw(8, rows * d), *z = draw(9, rows * d);
	struct weight w1 = weight(TR_F32, 10, EXPERTS, hidden, d, &wide[0]);
	struct weight w3 = weight(TR_F32, 11, EXPERTS, hidden, d, &wide[1]);
	struct weight w2 = weight(TR_BF16, 12, EXPERTS, d, hidden, &wide[2]);
	const struct ffns f = {EXPERTS, d, hidden, relu, &w1, relu ? NULL : &w3, &w2};
	uint16_t *ids = malloc(rows * k * sizeof *ids);
	double *want = calloc(rows * d, sizeof *want);
	char what[64];

	/* expert 3 has none, and some picks go nowhere */
	for (uint64_t i = 0; i < rows * k; i++) {
		ids[i] = (uint16_t)(rng_f64(5, 13, i) * 3);
		ids[i] = ids[i] == 2 && i % 2 ? 4 : i % 11 == 10 ? SELECT_NONE : ids[i];
	}
	for (uint64_t r = 0; r < rows; r++)
		for (uint64_t i = r * k; i < (r + 1) * k; i++)
			if (ids[i] != SELECT_NONE)
				network(&f, wide, ids[i], x + r * d, w[i], want + r * d);
	snprintf(what, sizeof what, "%s, %d rows, %d picks: ", relu ? "relu" : "SwiGLU", (int)rows,
		 (int)k);
	E->experts(E, &f, x, ids, w, rows, k, y);
	end(near(y, want, rows * d, 3e-6), "experts, %swithin 3e-6", what);
	E3->experts(E3, &f, x, ids, w, rows, k, z);
	int same = !memcmp(y, z, rows * d * sizeof *y);

	for (uint64_t r = 0; r < rows; r++)
		E->experts(E, &f, x + r * d, ids + r * k, w + r * k, 1, k, z + r * d);
	end(same && !memcmp(y, z, rows * d * sizeof *y),
	    "experts, %sby threads, and row by row, the same bits", what);
	memset(want, 0, rows * d * sizeof *want);
	for (uint64_t r = 0; r < rows; r++)
		network(&f, wide, 0, x + r * d, 1, want + r * d);
	E3->ffn(E3, &f, x, rows, y);
	end(near(y, want, rows * d, 3e-6), "ffn, %swithin 3e-6", what);
	lose(&w1, wide[0]);
	lose(&w3, wide[1]);
	lose(&w2, wide[2]);
	free(x);
	free(w);
	free(y);
	free(z);
	free(ids);
	free(want);
}

/* Of one sequence: query of row i stands at past + i. */
static void
attention(const struct heads *h, const float *q, uint64_t nq, uint64_t past, const float *k,
	  const float *v, uint64_t nk, double *out)
{
	double *s = malloc((nk + 1) * sizeof *s);

	for (uint64_t i = 0; i < nq * h->heads; i++) {
		const uint64_t head = i % h->heads, g = head / (h->heads / h->kv_heads);
		const uint64_t pos = past + i / h->heads, n = h->causal ? MIN(nk, pos + 1) : nk;
		double sum = 0;

		for (uint64_t j = 0; j < n; j++) {
			s[j] = 0;
			for (uint64_t d = 0; d < h->dk; d++)
				s[j] += (double)q[i * h->dk + d] *
					k[(j * h->kv_heads + g) * h->dk + d];
			s[j] *= h->scale;
			if (h->bias)
				s[j] += h->bias[head * (2 * h->nbias + 1) + j - pos + h->nbias];
			sum += s[j] = exp(s[j]);
		}
		for (uint64_t d = 0; d < h->dv; d++) {
			out[i * h->dv + d] = 0;
			for (uint64_t j = 0; j < n; j++)
				out[i * h->dv + d] +=
					s[j] / sum * v[(j * h->kv_heads + g) * h->dv + d];
		}
	}
	free(s);
}

static void
attends(int causal, int biased, uint64_t kv)
{
	enum { SEQS = 3, CAP = 150, NBIAS = 160 };
	static const uint64_t at[] = {0, 133, 133, 150}, other[] = {0, 3, 44, 45};
	static const uint64_t past[] = {1, 4, 9}, first[] = {0, 1, 5, 14};
	float *bias = draw(20, 4 * (2 * NBIAS + 1));
	const struct heads h = {4, kv, 19, 21, .3f, causal, biased ? bias : NULL, NBIAS};
	const uint64_t rows = at[SEQS], wide = h.heads * h.dv;
	float *q = draw(21, rows * h.heads * h.dk), *k = draw(22, rows * kv * h.dk);
	float *v = draw(23, rows * kv * h.dv), *y = draw(24, rows * wide),
	      *z = draw(25, rows * wide);
	double *want = calloc(rows * wide, sizeof *want);
	const struct spans s = {SEQS, at, NULL}, sk = {SEQS, causal ? at : other, NULL};
	char what[64];

	for (uint64_t i = 0; i < SEQS; i++)
		attention(&h, q + at[i] * h.heads * h.dk, at[i + 1] - at[i], 0,
			  k + sk.at[i] * kv * h.dk, v + sk.at[i] * kv * h.dv,
			  sk.at[i + 1] - sk.at[i], want + at[i] * wide);
	E->attend(E, &h, &s, q, &sk, k, v, NULL, y);
	E3->attend(E3, &h, &s, q, &sk, k, v, NULL, z);
	snprintf(what, sizeof what, "%s%s, %d kv heads: ", causal ? "causal" : "across",
		 biased ? ", bias" : "", (int)kv);
	end(near(y, want, rows * wide, 2e-6), "attend, %swithin 2e-6", what);
	end(!memcmp(y, z, rows * wide * sizeof *y), "attend, %sthe same bits of threads", what);
	if (causal) {
		/* sequences of 134, 4 and 26 rows, the first of each before, by the cache */
		const struct cache c = {draw(26, SEQS * CAP * kv * h.dk),
					draw(27, SEQS * CAP * kv * h.dv), CAP};
		const struct spans a = {SEQS, first, NULL}, b = {SEQS, at, past};
		float *k0 = draw(28, 14 * kv * h.dk), *v0 = draw(29, 14 * kv * h.dv);
		float *ka = malloc(CAP * kv * h.dk * 4), *va = malloc(CAP * kv * h.dv * 4);

		E->keep(E, &h, &a, k0, v0, &c);
		E->keep(E, &h, &b, k, v, &c);
		E3->attend(E3, &h, &b, q, NULL, NULL, NULL, &c, y);
		for (uint64_t i = 0; i < SEQS; i++) {
			const uint64_t n = at[i + 1] - at[i], nk = kv * h.dk, nv = kv * h.dv;

			memcpy(ka, k0 + first[i] * nk, past[i] * nk * 4);
			memcpy(ka + past[i] * nk, k + at[i] * nk, n * nk * 4);
			memcpy(va, v0 + first[i] * nv, past[i] * nv * 4);
			memcpy(va + past[i] * nv, v + at[i] * nv, n * nv * 4);
			attention(&h, q + at[i] * h.heads * h.dk, n, past[i], ka, va, past[i] + n,
				  want + at[i] * wide);
		}
		end(near(y, want, rows * wide, 2e-6), "attend, %sof what is kept, within 2e-6",
		    what);
		free(c.k);
		free(c.v);
		free(k0);
		free(v0);
		free(ka);
		free(va);
	}
	free(bias);
	free(q);
	free(k);
	free(v);
	free(y);
	free(z);
	free(want);
}

static void
rotations(int interleaved)
{
	enum { ROWS = 5, HEADS = 3, D = 10, PAIRS = 4, LD = 40 };
	static const uint64_t at[] = {0, 2, 5}, past[] = {0, 700};
	static const float freq[PAIRS] = {1, .3f, .01f, .0007f};
	const struct rope r = {PAIRS, freq, 1.5f, interleaved};
	const struct spans s = {2, at, past};
	float *x = draw(30, ROWS * LD);
	double want[ROWS * LD];
	double most = 0;

	for (int i = 0; i < ROWS * LD; i++)
		want[i] = x[i];
	for (int row = 0; row < ROWS; row++)
		for (int h = 0; h < HEADS; h++)
			for (int j = 0; j < PAIRS; j++) {
				const double angle =
					(row < 2 ? row : 700 + row - 2) * (double)freq[j];
				const int a = row * LD + h * D + 2 + (interleaved ? 2 * j : j);
				const int b = a + (interleaved ? 1 : PAIRS);

				want[a] = 1.5 * (x[a] * cos(angle) - x[b] * sin(angle));
				want[b] = 1.5 * (x[b] * cos(angle) + x[a] * sin(angle));
			}
	E->rope(E, &r, &s, x, LD, HEADS, D);
	for (int i = 0; i < ROWS * LD; i++)
		most = fmax(most, fabs(want[i] - x[i]));
	end(most < 1e-4, "rope, %s", interleaved ? "neighbours" : "halves");
	free(x);
}

static void
small(void)
{
	enum { ROWS = 7, D = 13, LD = 20, VOCAB = 1031 };
	float *wide, *x = draw(40, ROWS * LD), *y = draw(41, ROWS * D), *e;
	double want[ROWS * D], losses[ROWS];
	struct weight w = weight(TR_F16, 42, 1, 1, D, &wide);
	uint32_t ids[ROWS] = {0, 1030, 5, 77, 5, 600, 1029};
	float *logit = draw(43, ROWS * VOCAB), nll[ROWS], cut[4] = {-3, 3, .5f, -.25f};

	for (int r = 0; r < ROWS; r++) {
		double sum = 0;

		for (int i = 0; i < D; i++)
			sum += (double)x[r * LD + i] * x[r * LD + i];
		for (int i = 0; i < D; i++)
			want[r * D + i] = x[r * LD + i] / sqrt(sum / D + 1e-3) * wide[i];
		sum = 0;
		for (int i = 0; i < VOCAB; i++)
			sum += exp((double)(logit[r * VOCAB + i] *= 30));
		losses[r] = log(sum) - logit[r * VOCAB + ids[r]];
	}
	E->norm(E, &w, 1e-3, x, LD, ROWS, y);
	end(near(y, want, ROWS * D, 1e-6), "norm, %s", "rows apart");
	lose(&w, wide);
	E3->nll(E3, logit, VOCAB, ids, ROWS, nll);
	end(near(nll, losses, ROWS, 1e-6), "nll, %s", "within 1e-6");
	w = weight(TR_BF16, 44, 1, 9, D, &wide);
	ids[1] = 8;
	E->embed(E, &w, ids, 2, y);
	end(!memcmp(y, wide, D * 4) && !memcmp(y + D, wide + 8 * D, D * 4), "embed, %s", "exact");
	lose(&w, wide);
	E->clip(E, cut, 4, .5f);
	E->add(E, cut, cut, 4);
	end(cut[0] == -1 && cut[1] == 1 && cut[2] == 1 && cut[3] == -.5f, "clip, %s", "add");
	for (int i = 0; i < ROWS * D; i++)
		y[i] = (float)i;
	/* two heads of three numbers, from rows of 13 to rows of 20 */
	E->copy(E, x, LD, 7, y + 1, D, 4, ROWS, 2, 3);
	end(x[2 * LD] == 27 && x[2 * LD + 2] == 29 && x[2 * LD + 7] == 31 && x[2 * LD + 9] == 33,
	    "copy, %s", "heads apart");
	E->copy(E, x, LD, 7, y, D, 0, ROWS, 2, 3);
	end(x[6 * LD] == 78 && x[6 * LD + 7] == 78, "copy, %s", "one for all heads");
	e = E->room(E, 100);
	E->put(E, e, y, 3);
	E->get(E, x, e, 3);
	end(!((uintptr_t)e % 64) && x[2] == 2, "room, put, %s", "get");
	end(!E->room(E, UINT64_MAX / 2) && strstr(E->why, "no memory"), "%s", "no room: why");
	E->drop(E, e);
	E->drop(E, NULL);
	free(x);
	free(y);
	free(logit);
}

static void
count(void *arg, size_t i, int thread)
{
	unsigned *times = arg;

	__atomic_fetch_add(&times[i], thread < 4, __ATOMIC_RELAXED);
}

static void
crews(void)
{
	enum { ROUNDS = 2000, MOST = 7 };
	struct crew *c = crew_new(4);
	unsigned times[MOST] = {0}, bad = 0;

	for (unsigned r = 0; r < ROUNDS; r++) {
		const unsigned n = r % (MOST + 1);

		memset(times, 0, sizeof times);
		crew_each(c, n, count, times);
		for (unsigned i = 0; i < MOST; i++)
			bad += times[i] != (i < n);
	}
	end(!bad, "crew: each piece once, %s", "many times over");
	crew_free(c);
	crew_free(NULL);
}

int
main(void)
{
	static const char *const isas[] = {"plain", "avx2", "avx512", "avx512bf16"};
	struct engine_opts o = {.type = TR_F32, .jobs = 1, .gpu = -1};
	char why[MODEL_WHY];

	if (engine_open(&E, &o, why) < 0)
		return 1;
	o.jobs = 3;
	if (engine_open(&E3, &o, why) < 0)
		return 1;
	for (size_t i = 0; i < LEN(isas); i++) {
		if (dots_isa(isas[i]) < 0)
			continue;
		for (int bf16 = 0; bf16 < 2; bf16++) {
			linear(isas[i], TR_F32, bf16);
			linear(isas[i], TR_F16, bf16);
			linear(isas[i], TR_BF16, bf16);
		}
		attends(1, 1, 2);
		experts(1, 40, 1, 33, 40);
	}
	attends(1, 0, 4);
	attends(0, 0, 1);
	attends(0, 1, 4);
	experts(0, 130, 3, 48, 70);
	experts(1, 300, 2, 20, 390);
	rotations(0);
	rotations(1);
	small();
	crews();
	E->room(E, 10); /* which close takes back */
	E->close(E);
	E3->close(E3);
	printf("1..%d\n", tests);
	return 0;
}
