/*
 * The engine of a GPU against that of the processor, step by step over odd sizes, TAP.
 * Linked with the kernels, or with what a C++ compiler makes of them.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/gpu.h"
#include "../../lib/model/model.h"
#include "half.h"
#include "rng.h"
#include "size.h"

enum { GUARD = 16 }; /* numbers behind an array that nothing may write */
static const float MARK = 12345;

static int tests, bad;
static struct engine *cpu, *gpu; /* gpu of the type that is tested */
static enum tr_type type;

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
		printf("Bail out! no memory\n");
		exit(2);
	}
	return p;
}

static void
must(struct engine *e, int r)
{
	if (r) {
		printf("Bail out! %d: %s\n", r, e->why);
		exit(2);
	}
}

/* n normal numbers of that deviation. */
static float *
draw(uint64_t stream, uint64_t n, double deviation)
{
	float *x = need(malloc((n + 1) * sizeof *x));

	for (uint64_t i = 0; i < n; i++) {
		double u = 1 - rng_f64(3, stream, 2 * i), v = rng_f64(3, stream, 2 * i + 1);

		x[i] = (float)(deviation * sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
	}
	return x;
}

/* A copy on e with a guard behind; host NULL: all guard. */
static float *
up(struct engine *e, const float *host, uint64_t n)
{
	float *all = need(malloc((n + GUARD) * sizeof *all)), *p = e->room(e, n + GUARD);

	must(e, p ? 0 : TR_ENOMEM);
	for (uint64_t i = 0; i < n + GUARD; i++)
		all[i] = host && i < n ? host[i] : MARK;
	must(e, e->put(e, p, all, n + GUARD));
	free(all);
	return p;
}

/* What is there, which is dropped; a written guard is told as NaN. */
static float *
down(struct engine *e, float *p, uint64_t n)
{
	float *all = need(malloc((n + GUARD) * sizeof *all));

	must(e, e->get(e, all, p, n + GUARD));
	e->drop(e, p);
	for (uint64_t i = n; i < n + GUARD; i++)
		if (all[i] != MARK)
			all[0] = NAN;
	return all;
}

/* The greatest difference as a share of the greatest number. */
static double
off(const float *a, const float *b, uint64_t n)
{
	double most = 0, scale = 1e-30;

	for (uint64_t i = 0; i < n; i++) {
		double d = fabs((double)a[i] - b[i]);

		most = d > most || isnan(d) ? (isnan(d) ? INFINITY : d) : most;
		scale = fmax(scale, fabs(a[i]));
	}
	return most / scale;
}

/* Of a and b, which are freed; what is not a product's is exact to a few units of f32. */
static void
same(float *a, float *b, uint64_t n, int products, const char *what)
{
	const double may = products && type == TR_BF16 ? 0.02 : 1e-5, d = off(a, b, n);

	end(!(d <= may), "%s %s, %llu numbers (%g)", type == TR_BF16 ? "bf16" : "f32", what,
	    (unsigned long long)n, d);
	free(a);
	free(b);
}

/* A checkpoint's matrix of normal numbers as `stored`, or parts of turning types. */
static struct weight
weight(enum tr_type stored, uint64_t stream, uint64_t parts, uint64_t rows, uint64_t cols)
{
	static const enum tr_type turn[] = {TR_F32, TR_BF16, TR_F16};
	struct tensor *t = need(calloc(parts, sizeof *t));

	for (uint64_t p = 0; p < parts; p++) {
		const enum tr_type of = parts > 1 ? turn[p % 3] : stored;
		float *x = draw(stream + p, rows * cols, 1 / sqrt((double)cols));
		uint16_t *h = (uint16_t *)x; /* in place: narrower */

		for (uint64_t i = 0; i < rows * cols && of != TR_F32; i++)
			h[i] = of == TR_BF16 ? bf16_from(x[i]) : half_from(x[i]);
		t[p] = (struct tensor){.file = "made",
				       .name = "w",
				       .type = of,
				       .data = x,
				       .rows = rows,
				       .cols = cols};
	}
	return (struct weight){t, parts, rows, cols, NULL};
}

static void
spent(struct weight *w)
{
	for (uint64_t p = 0; p < w->parts; p++)
		free((void *)w->part[p].data);
	free((void *)w->part);
}

/* The weight on both. */
struct pair {
	struct weight on[2];
};

static struct pair
pair(enum tr_type stored, uint64_t stream, uint64_t parts, uint64_t rows, uint64_t cols)
{
	struct weight w = weight(stored, stream, parts, rows, cols);
	struct pair p = {{w, w}};

	must(cpu, cpu->hold(cpu, &p.on[0]));
	must(gpu, gpu->hold(gpu, &p.on[1]));
	return p;
}

static void
unpair(struct pair *p)
{
	cpu->unhold(cpu, &p->on[0]);
	gpu->unhold(gpu, &p->on[1]);
	spent(&p->on[0]);
}

#define BOTH(e, i)                  \
	for (int i = 0; i < 2; i++) \
		for (struct engine *e = i ? gpu : cpu; e; e = NULL)

static void
embeds(enum tr_type stored)
{
	enum { VOCAB = 37, D = 33, ROWS = 50 };
	struct pair w = pair(stored, 1, 1, VOCAB, D);
	uint32_t ids[ROWS];
	float *y[2];

	for (uint64_t i = 0; i < ROWS; i++)
		ids[i] = (uint32_t)(i * 7 % VOCAB);
	BOTH(e, i)
	{
		y[i] = up(e, NULL, ROWS * D);
		must(e, e->embed(e, &w.on[i], ids, ROWS, y[i]));
		y[i] = down(e, y[i], ROWS * D);
	}
	same(y[0], y[1], ROWS * D, stored != TR_BF16, "embed");
	unpair(&w);
}

static void
norms(uint64_t rows, uint64_t d, uint64_t ldx)
{
	struct pair w = pair(TR_BF16, 2, 1, 1, d);
	float *x = draw(3, rows * ldx, 2), *y[2], *in;

	BOTH(e, i)
	{
		in = up(e, x, rows * ldx);
		y[i] = ldx == d ? in : up(e, NULL, rows * d);
		must(e, e->norm(e, &w.on[i], 1e-6, in, ldx, rows, y[i]));
		y[i] = down(e, y[i], rows * d);
		if (ldx != d)
			e->drop(e, in);
	}
	same(y[0], y[1], rows * d, 0, "norm");
	free(x);
	unpair(&w);
}

static void
linears(uint64_t rows, uint64_t n, uint64_t d, int with_bias, enum tr_type stored)
{
	struct pair w = pair(stored, 4, 1, n, d), b = pair(TR_F32, 5, 1, 1, n);
	float *x = draw(6, rows * d, 1), *y[2];

	BOTH(e, i)
	{
		float *in = up(e, x, rows * d);

		y[i] = up(e, NULL, rows * n);
		must(e, e->linear(e, &w.on[i], with_bias ? &b.on[i] : NULL, in, y[i], rows));
		y[i] = down(e, y[i], rows * n);
		e->drop(e, in);
	}
	same(y[0], y[1], rows * n, 1, "linear");
	free(x);
	unpair(&w);
	unpair(&b);
}

static void
plains(uint64_t n)
{
	float *x = draw(7, n, 1), *y = draw(8, n, 1), *z[2];

	x[n / 2] = 3;
	BOTH(e, i)
	{
		float *by = up(e, y, n);

		z[i] = up(e, x, n);
		must(e, e->add(e, z[i], by, n));
		must(e, e->clip(e, z[i], n, 0.75f));
		z[i] = down(e, z[i], n);
		e->drop(e, by);
	}
	same(z[0], z[1], n, 0, "add and clip");
	free(x);
	free(y);
}

static void
ropes(int interleaved, uint64_t heads, uint64_t d, uint64_t pairs, uint64_t ldx, int later)
{
	static const uint64_t at[] = {0, 3, 3, 70}, past[] = {40, 0, 5};
	const struct spans s = {3, at, later ? past : NULL};
	float freq[128], *x = draw(9, at[3] * ldx, 1), *y[2];
	const struct rope r = {pairs, freq, 1.25f, interleaved};

	for (uint64_t j = 0; j < pairs; j++)
		freq[j] = powf(10000, -(float)j / (float)pairs);
	BOTH(e, i)
	{
		y[i] = up(e, x, at[3] * ldx);
		must(e, e->rope(e, &r, &s, y[i], ldx, heads, d));
		y[i] = down(e, y[i], at[3] * ldx);
	}
	same(y[0], y[1], at[3] * ldx, 0, "rope");
	free(x);
}

static void
copies(uint64_t hfrom)
{
	enum { ROWS = 9, HEADS = 5, N = 7, LDTO = 70, LDFROM = 61 };
	float *x = draw(10, ROWS * LDFROM, 1), *y[2];

	BOTH(e, i)
	{
		float *in = up(e, x, ROWS * LDFROM);

		y[i] = up(e, NULL, ROWS * LDTO);
		must(e, e->copy(e, y[i] + 3, LDTO, 13, in + 2, LDFROM, hfrom, ROWS, HEADS, N));
		y[i] = down(e, y[i], ROWS * LDTO);
		e->drop(e, in);
	}
	same(y[0], y[1], ROWS * LDTO, 0, "copy");
	free(x);
}

struct seen {
	uint64_t heads, kv_heads, dk, dv;
	int causal, biased, cached;
	uint64_t n, rows[4], keys[4], past[4]; /* keys: 0, as many as rows and past make */
};

static void
attends(const struct seen *c)
{
	enum { CAP = 210, NBIAS = 220 };
	uint64_t at[5] = {0}, kat[5] = {0}, nk = c->kv_heads * c->dk, nv = c->kv_heads * c->dv;
	struct spans s = {c->n, at, c->cached ? c->past : NULL}, sk = {c->n, kat, NULL};
	struct heads h = {c->heads,  c->kv_heads, c->dk, c->dv, 1 / sqrtf((float)c->dk),
			  c->causal, NULL,        NBIAS};
	float *q, *k, *v, *bias = draw(14, c->heads * (2 * NBIAS + 1), 1), *y[2];

	for (uint64_t i = 0; i < c->n; i++) {
		at[i + 1] = at[i] + c->rows[i];
		kat[i + 1] = kat[i] + (c->keys[i] ? c->keys[i] : c->rows[i]);
	}
	q = draw(11, at[c->n] * c->heads * c->dk, 2);
	k = draw(12, kat[c->n] * nk, 1);
	v = draw(13, kat[c->n] * nv, 1);
	BOTH(e, i)
	{
		float *on[] = {up(e, q, at[c->n] * c->heads * c->dk),
			       up(e, k, kat[c->n] * nk),
			       up(e, v, kat[c->n] * nv),
			       up(e, bias, c->heads * (2 * NBIAS + 1)),
			       up(e, NULL, c->n * CAP * nk),
			       up(e, NULL, c->n * CAP * nv)};
		const struct cache kept = {on[4], on[5], CAP};

		h.bias = c->biased ? on[3] : NULL;
		y[i] = up(e, NULL, at[c->n] * c->heads * c->dv);
		if (c->cached) { /* what is before it: the same rows again and again */
			for (uint64_t j = 0, p[4], one[5] = {0}; j < CAP; j++) {
				const struct spans early = {c->n, one, p};

				for (uint64_t m = 0; m < c->n; m++) {
					one[m + 1] = one[m] + (j < c->past[m]);
					p[m] = j;
				}
				if (one[c->n])
					must(e, e->keep(e, &h, &early, on[1] + j % 3 * nk,
							on[2] + j % 3 * nv, &kept));
			}
			must(e, e->keep(e, &h, &s, on[1], on[2], &kept));
		}
		must(e, e->attend(e, &h, &s, on[0], c->cached ? NULL : &sk, on[1], on[2],
				  c->cached ? &kept : NULL, y[i]));
		y[i] = down(e, y[i], at[c->n] * c->heads * c->dv);
		for (size_t j = 0; j < LEN(on); j++)
			e->drop(e, on[j]);
	}
	same(y[0], y[1], at[c->n] * c->heads * c->dv, 1, "attend");
	free(q);
	free(k);
	free(v);
	free(bias);
}

/* Networks, those of experts where k is not 0; of ids every fifth is none. */
static void
networks(int relu, uint64_t n, uint64_t d, uint64_t hidden, uint64_t rows, uint64_t k)
{
	struct pair w1 = pair(TR_F32, 20, n, hidden, d), w3 = pair(TR_BF16, 40, n, hidden, d);
	struct pair w2 = pair(TR_F16, 60, n, d, hidden);
	float *x = draw(15, rows * d, 1), *w = draw(16, rows * k, 1), *y[2];
	uint16_t *ids = need(malloc((rows * k + 1) * sizeof *ids));

	for (uint64_t i = 0; i < rows * k; i++)
		ids[i] = i % 5 == 4 ? SELECT_NONE : (uint16_t)((i * i + i % k) % n);
	BOTH(e, i)
	{
		struct ffns f = {n, d, hidden, relu, &w1.on[i], relu ? NULL : &w3.on[i], &w2.on[i]};
		float *in = up(e, x, rows * d);

		y[i] = up(e, NULL, rows * d);
		must(e, k ? e->experts(e, &f, in, ids, w, rows, k, y[i])
			  : e->ffn(e, &f, in, rows, y[i]));
		y[i] = down(e, y[i], rows * d);
		e->drop(e, in);
	}
	same(y[0], y[1], rows * d, 1,
	     k      ? relu ? "experts, relu" : "experts"
	     : relu ? "network, relu"
		    : "network");
	free(x);
	free(w);
	free(ids);
	unpair(&w1);
	unpair(&w3);
	unpair(&w2);
}

static void
selects(int with_bias)
{
	enum { ROWS = 77, EXPERTS = 60, K = 6 };
	float *x = draw(17, ROWS * EXPERTS, 1), *b = draw(18, EXPERTS, 1), w[2][ROWS * K];
	struct select s = {EXPERTS, K, TR_F32, RULES_BEFORE, 1, with_bias ? b : NULL};
	uint16_t ids[2][ROWS * K];

	BOTH(e, i)
	{
		float *in = up(e, x, ROWS * EXPERTS);

		must(e, e->select(e, &s, in, ROWS, ids[i], w[i]));
		e->drop(e, in);
	}
	end(memcmp(ids[0], ids[1], sizeof ids[0]) || memcmp(w[0], w[1], sizeof w[0]),
	    "select%s: the same bits", with_bias ? " with bias" : "");
	free(x);
	free(b);
}

static void
losses(uint64_t vocab)
{
	enum { ROWS = 13 };
	float *x = draw(19, ROWS * vocab, 3), *y[2];
	uint32_t ids[ROWS];

	for (uint64_t i = 0; i < ROWS; i++)
		ids[i] = (uint32_t)(i * 31 % vocab);
	BOTH(e, i)
	{
		float *in = up(e, x, ROWS * vocab);

		y[i] = need(malloc(ROWS * sizeof *y[i]));
		must(e, e->nll(e, in, vocab, ids, ROWS, y[i]));
		e->drop(e, in);
	}
	same(y[0], y[1], ROWS, 0, "nll");
	free(x);
}

static void
refuses(void)
{
	static const uint64_t at[] = {0, 1};
	const struct spans s = {1, at, NULL};
	const struct heads h = {1, 1, 257, 8, 1, 0, NULL, 0};
	struct weight w = weight(TR_F32, 1, 1, 2, 3);
	float x[512] = {0}, *in = up(gpu, x, 512);

	end(gpu->attend(gpu, &h, &s, in, &s, in, in, NULL, in) != TR_EUSE ||
		    !strstr(gpu->why, "257"),
	    "heads that are too wide are refused: %s", gpu->why);
	end(gpu->linear(gpu, &w, NULL, in, in, 1) != TR_EUSE || !strstr(gpu->why, "made: w"),
	    "what is not held is refused: %s", gpu->why);
	gpu->drop(gpu, in);
	spent(&w);
}

/* y = the layers of x, three times over; their bits. */
static void
layers(struct engine *e, struct weight *w, uint64_t n, uint64_t rows, int named, float *y)
{
	const uint64_t d = w->cols;
	float *x = draw(21, rows * d, 1), *a = up(e, x, rows * d), *b = up(e, NULL, rows * d);

	for (uint64_t i = 0; i < n; i++)
		must(e, e->hold(e, &w[i]));
	for (uint64_t i = 0; i < 3 * n; i++) {
		struct weight *one = &w[i % n];
		float *t;

		if (named)
			must(e, e->next(e, &one, 1));
		must(e, e->linear(e, one, NULL, a, b, rows));
		t = a, a = b, b = t;
	}
	must(e, e->get(e, y, a, rows * d));
	for (uint64_t i = 0; i < n; i++)
		e->unhold(e, &w[i]);
	e->drop(e, a);
	e->drop(e, b);
	free(x);
}

static void
streams(uint64_t n, uint64_t d, enum tr_type stored)
{
	enum { ROWS = 3 };
	const struct engine_opts o = {.type = type, .jobs = 2, .gpu = 0, .stream = 1};
	struct weight *w = need(calloc(n, sizeof *w));
	float *y[3];
	struct engine *e;
	char why[MODEL_WHY];

	for (uint64_t i = 0; i < n; i++)
		w[i] = weight(stored, 30 + i, 1, d, d);
	for (int i = 0; i < 3; i++)
		y[i] = need(malloc(ROWS * d * sizeof *y[i]));
	layers(gpu, w, n, ROWS, 1, y[0]);
	if (engine_open(&e, &o, why) < 0) {
		printf("Bail out! %s\n", why);
		exit(2);
	}
	layers(e, w, n, ROWS, 1, y[1]);
	layers(e, w, n, ROWS, 0, y[2]);
	end(memcmp(y[0], y[1], ROWS * d * sizeof **y) || memcmp(y[0], y[2], ROWS * d * sizeof **y),
	    "%llu streamed layers of %llu: the same bits, named or not", (unsigned long long)n,
	    (unsigned long long)d);
	for (int i = 0; i < 3; i++)
		free(y[i]);
	for (uint64_t i = 0; i < n; i++)
		spent(&w[i]);
	free(w);
	e->close(e);
}

/* What routers had of a checkpoint's tokens, end to end. */
struct logits {
	float *x;
	uint64_t n, experts;
};

static int
told(void *arg, const struct model_route *r)
{
	struct logits *l = arg;
	const uint64_t n = r->rows * l->experts;

	l->x = need(realloc(l->x, (l->n + n + 1) * sizeof *l->x));
	memcpy(l->x + l->n, r->logit, n * sizeof *l->x);
	l->n += n;
	return 0;
}

enum { ROWS = 23 };
/* Three sequences, and, of a decoder, a few tokens more of each. */
static struct logits
routed(const char *dir, struct engine_opts o)
{
	enum { N = 3 };
	static const uint64_t at[] = {0, 1, 18, ROWS}, more[] = {0, 2, 4, 6}, past[] = {1, 17, 5};
	const struct model_opts opts = {.engine = o, .keep = 64};
	struct model m;
	struct logits l = {0};
	uint32_t ids[64];
	struct model_batch b = {.n = N, .source = {ids, at}};
	char why[MODEL_WHY];

	if (model_open(&m, dir, &opts, why) < 0) {
		printf("Bail out! %s\n", why);
		exit(2);
	}
	l.experts = m.info.experts;
	for (uint64_t i = 0; i < LEN(ids); i++)
		ids[i] = (uint32_t)rng_below(5, 1, i, m.info.vocab);
	must(m.engine, model_run(&m, &b, told, &l, why));
	if (!(m.info.flags & MODEL_DECODER)) {
		b.source.at = more;
		b.past = past;
		must(m.engine, model_run(&m, &b, told, &l, why));
	}
	model_close(&m);
	return l;
}

static void
checkpoint(const char *dir)
{
	const char *name = strrchr(dir, '/') ? strrchr(dir, '/') + 1 : dir;
	struct engine_opts o = {.type = TR_F32, .jobs = 2, .gpu = -1};
	struct logits want = routed(dir, o), got, streamed;
	uint64_t n;
	double d;

	for (int i = 0; i < 2; i++) {
		o = (struct engine_opts){.type = i ? TR_BF16 : TR_F32, .jobs = 2, .gpu = 0};
		got = routed(dir, o);
		/* in bf16 a pick may be another, and what follows with it: there the first layer */
		n = i ? ROWS * want.experts : want.n;
		d = got.n == want.n ? off(want.x, got.x, n) : INFINITY;
		end(!(d <= (i ? 0.05 : 2e-5)), "%s, %s: %llu logits (%g)", name, i ? "bf16" : "f32",
		    (unsigned long long)n, d);
		o.stream = 1;
		streamed = i ? (struct logits){0} : routed(dir, o);
		if (!i)
			end(streamed.n != got.n || memcmp(got.x, streamed.x, got.n * sizeof *got.x),
			    "%s, streamed: the same bits", name);
		free(got.x);
		free(streamed.x);
	}
	free(want.x);
}

static void
steps(void)
{
	static const struct seen cases[] = {
		{4, 2, 24, 16, 1, 0, 0, 3, {1, 65, 7}, {0}, {0}},
		{2, 1, 192, 128, 1, 0, 0, 1, {130}, {0}, {0}},
		{2, 2, 64, 64, 0, 1, 0, 2, {70, 3}, {0}, {0}},
		{3, 3, 5, 7, 0, 0, 0, 2, {9, 4}, {66, 1}, {0}},
		{1, 1, 256, 256, 1, 1, 0, 1, {20}, {0}, {0}},
		{4, 1, 48, 33, 1, 1, 1, 3, {1, 1, 70}, {0}, {130, 0, 3}},
		{6, 2, 128, 128, 1, 0, 1, 2, {2, 2}, {0}, {64, 198}},
	};

	embeds(TR_F32);
	embeds(TR_F16);
	embeds(TR_BF16);
	norms(70, 128, 128);
	norms(1, 33, 40);
	norms(3, 1000, 1000);
	norms(9, 1, 5);
	linears(31, 24, 48, 1, TR_F16);
	linears(5, 7, 3, 0, TR_F32);
	linears(130, 64, 72, 0, TR_BF16);
	plains(1);
	plains(1001);
	ropes(0, 3, 16, 8, 48, 1);
	ropes(1, 1, 24, 4, 31, 0);
	ropes(1, 4, 96, 32, 400, 1);
	copies(11);
	copies(0);
	for (size_t i = 0; i < LEN(cases); i++)
		attends(&cases[i]);
	selects(0);
	selects(1);
	networks(0, 7, 40, 24, 50, 3);
	networks(1, 5, 64, 40, 33, 1);
	networks(0, 3, 9, 5, 20, 2);
	networks(0, 1, 48, 64, 37, 0);
	networks(1, 1, 33, 10, 5, 0);
	losses(1);
	losses(1013);
	refuses();
	streams(4, 40, TR_BF16);
	streams(1, 24, TR_F16);
}

/* [DIR...]: checkpoints that are run, too. */
int
main(int argc, char **argv)
{
	static const enum tr_type types[] = {TR_F32, TR_BF16};
	struct engine_opts o = {.jobs = 2, .gpu = -1};
	char why[MODEL_WHY];

	for (size_t i = 0; i < LEN(types); i++) {
		int r;

		o.gpu = -1;
		o.type = TR_F32; /* what is exact */
		if (engine_open(&cpu, &o, why) < 0) {
			printf("Bail out! %s\n", why);
			return 2;
		}
		o.gpu = 0;
		type = o.type = types[i];
		if ((r = engine_open(&gpu, &o, why)) == ENGINE_ABSENT) {
			fprintf(stderr, "model: %s\n", why);
			return 3;
		}
		if (r < 0) {
			printf("Bail out! %s\n", why);
			return 2;
		}
		steps();
		if (i) /* more than a buffer holds, by parts */
			streams(2, 3000, TR_F32);
		gpu->close(gpu);
		cpu->close(cpu);
	}
	for (int i = 1; i < argc; i++)
		checkpoint(argv[i]);
	printf("1..%d\n", tests);
	return bad != 0;
}
