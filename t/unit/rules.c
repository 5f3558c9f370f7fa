/*
 * The routing rules by themselves, TAP: the worked numbers of router-analysis.md
 * section 7 on p-values of the direct sum, and small cases done by hand.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/density/ptable.h"
#include "../../lib/route/rules.h"
#include "rng.h"
#include "size.h"

static int tests, bad, wrong;

static const double logit[4][8] = {
	{2, -1, .5, 0, -.5, 1, -2, .25},
	{-.75, 1.5, -.25, .75, -1.5, -1.25, .125, 3},
	{.5, .5, -.5, 1.25, -3, -.125, -1, .375},
	{-1.75, .625, 2.5, -.375, 0, -.875, 1.75, -2.25},
};
static double p[4][8];

static void
end(const char *what)
{
	printf("%sok %d - %s\n", wrong ? "not " : "", ++tests, what);
	bad += wrong != 0;
	wrong = 0;
}

static void
near(const char *what, double got, double want, double rel)
{
	if (!(fabs(got - want) <= rel * fabs(want)) && wrong++ < 5)
		printf("# %s: got %.17g, want %.17g\n", what, got, want);
}

static void
equal(const char *what, uint64_t got, uint64_t want)
{
	if (got != want && wrong++ < 5)
		printf("# %s: got %llu, want %llu\n", what, (unsigned long long)got,
		       (unsigned long long)want);
}

struct out {
	struct rules_row row;
	uint32_t ids[64];
	double w[64];
	uint8_t dropped[64];
};

static struct out *
outs(uint64_t n, struct rules_row *rows)
{
	struct out *o = calloc(n, sizeof *o);

	for (uint64_t i = 0; i < n; i++) {
		o[i].row = (struct rules_row){o[i].ids, o[i].w, o[i].dropped};
		if (rows)
			rows[i] = o[i].row;
	}
	return o;
}

static struct out
one(const struct rules *r, const double *x, const double *q)
{
	static struct out *o;
	struct rules_work *w = rules_new(r);

	free(o);
	o = outs(1, NULL);
	rules_one(w, x, q, &o->row);
	rules_free(w);
	return *o;
}

static double
sum(const struct out *o)
{
	double s = 0;

	for (uint32_t i = 0; i < o->row.count; i++)
		s += o->w[i];
	return s;
}

static const struct rules plain = {
	.experts = 8, .width = 8, .temperature = 1, .min_k = 1, .capacity = 1};

static void
section7(void)
{
	static const double token0[] = {.0973410172, .7455600864, .3568471073, .4924947403,
					.6279871031, .2418841847, .9038858082, .4232873519};
	static const double alpha[] = {.05, .3, .6, .9};
	static const uint32_t bh[4][4] = {{1, 1, 1, 7}, {1, 1, 1, 8}, {1, 1, 1, 7}, {1, 1, 2, 3}};
	static const uint32_t hc[4][3] = {{8, 4, 8}, {1, 1, 1}, {7, 4, 7}, {2, 2, 2}};
	static const double value[4][3] = {
		{.9223207272640125, .4391517161890325, .9223207272640125},
		{1.7153763085100309, 1.7153763085100309, 1.7153763085100309},
		{.8405804075550164, .6406610735998891, .8405804075550164},
		{1.0749276649831956, 1.0749276649831956, 1.0749276649831956}};
	static const enum rules_beta mode[] = {RULES_AUTO, RULES_PART, RULES_ALL};
	static const uint32_t order[] = {7, 1, 3, 6, 2, 0, 5, 4};
	static const double w1[] = {.6790660928, .151520126,  .0715730396, .0383102874,
				    .0263302498, .0159701038, .0096863576, .0075437429};
	const double h = 0.6840547840492347;
	struct rules r = plain;
	struct out o;

	for (int i = 0; i < 32; i++) {
		double s = 0;

		for (int j = 0; j < 32; j++)
			s += erfc((logit[i / 8][i % 8] - logit[j / 8][j % 8]) / (h * sqrt(2)));
		p[i / 8][i % 8] = s / 64;
	}
	for (int i = 0; i < 8; i++)
		near("p", p[0][i], token0[i], 2e-9);
	end("exact p of token 0");
	r.kind = RULES_BH;
	for (int t = 0; t < 4; t++)
		for (int a = 0; a < 4; a++) {
			r.alpha = alpha[a];
			o = one(&r, logit[t], p[t]);
			equal("k*", o.row.count, bh[t][a]);
			near("weights", sum(&o), 1, 1e-15);
		}
	end("BH: four tokens, four levels");
	o = one(&r, logit[1], p[1]);
	for (int i = 0; i < 8; i++) {
		equal("id", o.ids[i], order[i]);
		near("w", o.w[i], w1[i], 2e-8);
	}
	end("BH: order and weights of token 1");
	r.kind = RULES_HC;
	r.beta = .5;
	for (int t = 0; t < 4; t++)
		for (int b = 0; b < 3; b++) {
			r.mode = mode[b];
			o = one(&r, logit[t], p[t]);
			equal("k*", o.row.count, hc[t][b]);
			near("HC", o.row.hc, value[t][b], 1e-13);
		}
	end("HC: four tokens, auto, 0.5, 1");
	r.mode = RULES_PART;
	o = one(&r, logit[0], p[0]);
	near("HC", sum(&o), .4877319481 + .1794265565 + .1088277077 + .084755104, 1e-9);
	end("HC: weights stay softmax");
}

static void
edges(void)
{
	static const double even[] = {.9, .5, .5, .5, .5, .5, .5, .5}, low[8] = {0};
	static const double flat[8] = {.125, .25, .375, .5, .625, .75, .875, 1};
	double x[8] = {0};
	struct rules r = plain;
	struct out o;

	r.kind = RULES_BH;
	r.alpha = .05;
	r.min_k = 3;
	o = one(&r, logit[0], even);
	equal("rank", o.row.rank, 0);
	equal("min", o.row.count, 3);
	r.width = 5;
	o = one(&r, logit[0], low);
	equal("rank", o.row.rank, 8);
	equal("max", o.row.count, 5);
	equal("ties by logit", o.ids[0] * 100 + o.ids[1] * 10 + o.ids[2], 52);
	o = one(&r, x, low);
	equal("ties by index", o.ids[0] * 100 + o.ids[1] * 10 + o.ids[2], 12);
	end("BH: min and max, ties");
	{ /* step-up: rank 1 fails, rank 2 holds */
		static const double q[] = {.011, .012, .9, .9, .9, .9, .9, .9};

		r = plain;
		r.kind = RULES_BH;
		r.alpha = .05;
		equal("k*", one(&r, x, q).row.count, 2);
	}
	r.alpha = .4;
	r.clamp = 0x1p-7;
	equal("clamped", one(&r, x, low).row.count, 8);
	r.alpha = .007;
	equal("clamped away", one(&r, x, low).row.rank, 0);
	end("BH: step-up, clamp");
	{ /* the pick has a softmax of 4.5e-5, less than the clamp */
		static const double q[] = {.9, 0, .9, .9, .9, .9, .9, .9};
		double far[8] = {10};

		r.alpha = .1;
		o = one(&r, far, q);
		equal("pick", o.row.count * 10 + o.ids[0], 11);
		near("w", o.w[0], exp(-10) / (1 + 7 * exp(-10)) * 128, 1e-13);
	}
	end("BH: the divisor is at least the clamp");
	{ /* HC of ranks 3 and 7 is the same */
		static const double q[] = {.25, .25, .25, .5, .625, .75, .75, 1};

		r = plain;
		r.kind = RULES_HC;
		r.mode = RULES_ALL;
		o = one(&r, x, q);
		equal("rank", o.row.rank, 3);
		near("value", o.row.hc, sqrt(8) * .125 / sqrt(.1875 + 1e-10), 1e-14);
	}
	end("HC: the first of equal maxima");
	r = plain;
	r.kind = RULES_HC;
	r.mode = RULES_AUTO;
	r.min_k = 2;
	o = one(&r, x, flat); /* no p below i/E */
	equal("rank", o.row.rank, 0);
	equal("count", o.row.count, 2);
	near("value", o.row.hc, 0, 0);
	r.mode = RULES_ALL;
	equal("ranks below min_k are out", one(&r, logit[1], p[1]).row.rank >= 2, 1);
	r.min_k = 1;
	r.mode = RULES_PART;
	r.beta = .01;
	equal("at least one rank", one(&r, logit[1], p[1]).row.rank, 1);
	r.mode = RULES_DJ;
	r.beta = .5;
	{
		static const double q[] = {1e-5, .13, .2, .3, .5, .6, .7, .8};

		equal("dj leaves rank 1 out", one(&r, x, q).row.rank > 1, 1);
	}
	end("HC: empty set, min_k, beta, dj");
}

static void
topk(void)
{
	struct rules r = plain;
	double b[8] = {0, 0, 0, 0, 0, 0, 5, 0};
	struct out o;

	r.width = 3;
	o = one(&r, logit[0], NULL);
	equal("ids", o.ids[0] * 100 + o.ids[1] * 10 + o.ids[2], 52);
	near("sum", sum(&o), .7759862123, 1e-9);
	o = one(&r, logit[2], NULL);
	equal("a tie", o.ids[0] * 100 + o.ids[1] * 10 + o.ids[2], 301);
	end("top-k: section 7's sets and sums");
	r.score = RULES_AFTER;
	o = one(&r, logit[0], NULL);
	near("sum", sum(&o), 1, 1e-15);
	near("w", o.w[0], .4877319481 / .7759862123, 1e-9);
	r.score = RULES_BEFORE;
	r.renorm = 1;
	near("the same", one(&r, logit[0], NULL).w[0], o.w[0], 1e-14);
	r.temperature = 2;
	r.renorm = 0;
	near("ratio", one(&r, logit[0], NULL).w[0] / one(&r, logit[0], NULL).w[1], exp(.5), 1e-14);
	end("softmax before and after, renorm, temperature");
	r = plain;
	r.width = 2;
	r.score = RULES_SIGMOID;
	r.bias = b;
	o = one(&r, logit[0], NULL);
	equal("bias chooses", o.ids[0] * 10 + o.ids[1], 60);
	near("and does not weigh", o.w[0], 1 / (1 + exp(2)), 1e-14);
	r.score = RULES_NONE;
	near("logits", one(&r, logit[0], NULL).w[0], -2, 0);
	end("sigmoid, bias, none");
	r = plain;
	r.kind = RULES_GROUP;
	r.width = 3;
	r.groups = 4;
	r.topk_groups = 2;
	r.score = RULES_NONE;
	/* pairs of token 0 sum to 1, .5, .5, -1.75: the second of the equal is out */
	o = one(&r, logit[0], NULL);
	equal("ids", o.ids[0] * 100 + o.ids[1] * 10 + o.ids[2], 23);
	end("groups: the best two count, ties to the lower");
}

static void
joint(void)
{
	/* all want expert 0, then 1 */
	static const double x[] = {3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0};
	struct rules r = plain;
	struct rules_row rows[4];
	struct out *o = outs(4, rows);
	struct rules_work *w;

	r.experts = 4;
	r.width = 2;
	r.kind = RULES_CAPACITY; /* room for two each */
	w = rules_new(&r);
	rules_all(w, x, 4, rows);
	for (int i = 0; i < 4; i++) {
		equal("id", o[i].ids[0] * 10 + o[i].ids[1], 1);
		equal("dropped", o[i].dropped[0] + o[i].dropped[1], i < 2 ? 0 : 2);
		equal("w", o[i].w[0] > 0, i < 2);
	}
	rules_free(w);
	end("capacity drops");
	r.kind = RULES_REROUTE;
	w = rules_new(&r);
	rules_all(w, x, 4, rows);
	for (int i = 0; i < 4; i++) {
		static const uint32_t want[] = {2, 2, 13, 13};

		equal("id", o[i].ids[0] * 10 + o[i].ids[1], want[i]);
		equal("count", rows[i].count, 2);
	}
	rules_free(w);
	end("reroute goes on to the next best");
	free(o);
}

/* Over seeds: no expert beyond its room; balance of sinkhorn beats top-k. */
static void
properties(void)
{
	enum { T = 256, E = 16, K = 2 };
	static double x[T * E];
	static struct rules_row rows[T];

	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct out *o = outs(T, rows);
		struct rules r = plain;
		uint32_t most[RULES_HC] = {0};

		for (int i = 0; i < T * E; i++)
			x[i] = 3 * rng_f64(seed, 7, (uint64_t)i) + .2 * (i % E);
		r.experts = E;
		r.width = K;
		r.iterations = 200;
		r.tolerance = 1e-9;
		for (int kind = 0; kind <= RULES_SINKHORN; kind++) {
			uint32_t n[E] = {0}, total = 0;
			struct rules_work *w;

			if (kind == RULES_GROUP)
				continue;
			r.kind = (enum rules_kind)kind;
			r.capacity = 1.25;
			w = rules_new(&r);
			rules_all(w, x, T, rows);
			rules_free(w);
			for (int i = 0; i < T; i++)
				for (uint32_t k = 0; k < rows[i].count; k++)
					if (!o[i].dropped[k]) {
						n[o[i].ids[k]]++;
						total++;
					}
			for (int e = 0; e < E; e++)
				most[kind] = MAX(most[kind], n[e]);
			if (kind != RULES_CAPACITY)
				equal("all are placed", total, T * K);
		}
		equal("room", most[RULES_CAPACITY] <= 40, 1);
		equal("room", most[RULES_REROUTE] <= 40, 1);
		equal("sinkhorn is evener", most[RULES_SINKHORN] < most[RULES_TOPK], 1);
		free(o);
	}
	end("capacity, reroute, sinkhorn: 20 seeds");
}

static void
table(void)
{
	static const double grid[] = {0, 1, 2, 3}, sf[] = {1, 1e-100, 1e-300, 0};
	static const double cdf[] = {0, .5, .75, 1}, odd[] = {0, 1, 5, 6};
	static const double down[] = {0, 2, 1, 3};
	struct tr_frame f;
	struct ptable t;
	const char *why;
	double q[3];

	tr_new(&f, "kde");
	tr_rows(&f, 4);
	tr_addcol(&f, "x", TR_F64, 1, grid);
	equal("no cdf", (uint64_t)-ptable_open(&t, &f, 1, &why), -TR_ECOLS);
	tr_addcol(&f, "cdf", TR_F64, 1, cdf);
	equal("no sf", (uint64_t)-ptable_open(&t, &f, 0, &why), -TR_ECOLS);
	tr_addcol(&f, "sf", TR_F64, 1, sf);
	equal("open", (uint64_t)-ptable_open(&t, &f, 0, &why), 0);
	near("ends", ptable_p(&t, -9), 1, 0);
	near("half way in the logarithm", ptable_p(&t, .5), 1e-50, 1e-12);
	near("a tail", ptable_p(&t, 1.5), 1e-200, 1e-12);
	near("to zero", ptable_p(&t, 2.5), .5e-300, 1e-12);
	near("beyond", ptable_p(&t, 3.5), 0, 0);
	equal("nan", isnan(ptable_p(&t, NAN)) != 0, 1);
	ptable_free(&t);
	equal("open", (uint64_t)-ptable_open(&t, &f, 1, &why), 0);
	ptable_row(&t, (double[]){.5, 1.5, 4}, 3, q);
	near("interp", q[0], .75, 0);
	near("interp", q[1], .375, 0);
	near("interp", q[2], 0, 0);
	ptable_free(&t);
	tr_addcol(&f, "x", TR_F64, 1, odd);
	equal("open", (uint64_t)-ptable_open(&t, &f, 1, &why), 0);
	near("an uneven grid", ptable_p(&t, 3), .375, 1e-15);
	near("an uneven grid", ptable_p(&t, 5.5), .125, 1e-15);
	ptable_free(&t);
	tr_addcol(&f, "x", TR_F64, 1, down);
	equal("x falls", (uint64_t)-ptable_open(&t, &f, 1, &why), -TR_EVALUE);
	end("p-value tables");
}

/* The end of section 7, on the table of layer 0 as kde frames in a file. */
static void
real_table(const char *file)
{
	static const double at[][2] = {{-20, 1},
				       {-3, 0.9919047093336391},
				       {-0.66, 0.5096399462572061},
				       {0, 0.1447244126564331},
				       {1, 0.04050699705683092},
				       {2, 0.0034889682804496447},
				       {3, 1.2616015312549855e-05},
				       {3.390625, 1.5496125480574108e-06},
				       {4, 0},
				       {5, 0}};
	static const double least[] = {.004162578143680817, .004980089820246336,
				       .0059466169313090456};
	static const uint32_t order[] = {5, 17, 19, 38, 57, 12};
	static const double alpha[] = {.05, .3, .6, .9};
	static const uint32_t bh[] = {1, 32, 39, 45};
	char *name = (char *)file;
	struct tr *in = tr_openv(&name, 1, NULL);
	struct rules r = plain;
	struct tr_frame f = {0};
	double x[64], q[64];
	struct ptable t;
	const char *why;
	struct out o;

	while (tr_next(in, &f) > 0 && strcmp(f.kind, "kde"))
		;
	if (ptable_open(&t, &f, 1, &why) < 0) {
		printf("not ok 1 - %s\n1..1\n", why);
		exit(1);
	}
	tr_free(in);
	for (size_t i = 0; i < LEN(at); i++)
		near("p", ptable_p(&t, at[i][0]), at[i][1], 1e-10);
	end("p of the real table");
	for (int j = 0; j < 64; j++)
		x[j] = -2 + (37 * j % 64) / 16.;
	ptable_row(&t, x, 64, q);
	r.experts = r.width = 64;
	r.kind = RULES_BH;
	for (int i = 0; i < 4; i++) {
		r.alpha = alpha[i];
		o = one(&r, x, q);
		equal("BH", o.row.count, bh[i]);
	}
	for (int i = 0; i < 3; i++)
		near("least p", q[o.ids[i]], least[i], 1e-12);
	r.kind = RULES_HC;
	r.mode = RULES_AUTO;
	o = one(&r, x, q);
	equal("auto", o.row.count, 24);
	near("auto", o.row.hc, 8.981314217801684, 1e-12);
	r.mode = RULES_PART;
	r.beta = .3;
	o = one(&r, x, q);
	equal("0.3", o.row.count, 19);
	near("0.3", o.row.hc, 8.659796069867085, 1e-12);
	r.beta = .5;
	equal("0.5", one(&r, x, q).row.count, 24);
	end("BH and HC on it");
	x[5] += 2.5;
	x[17] += 1.5;
	x[40] += 1;
	ptable_row(&t, x, 64, q);
	r.kind = RULES_BH;
	r.alpha = .05;
	equal("BH .05", one(&r, x, q).row.count, 2);
	r.alpha = .3;
	o = one(&r, x, q);
	equal("BH .3", o.row.count, 32);
	for (int i = 0; i < 6; i++)
		equal("order", o.ids[i], order[i]);
	near("p", q[5], 0, 0);
	near("p", q[17], 9.350052045342672e-05, 1e-12);
	r.kind = RULES_HC;
	r.mode = RULES_AUTO;
	o = one(&r, x, q);
	equal("no clamp", o.row.count, 1);
	near("no clamp", o.row.hc, 8838.834708484274, 1e-12);
	r.clamp = 0x1p-23;
	o = one(&r, x, q);
	equal("f32", o.row.count, 1);
	near("f32", o.row.hc, 361.8841779853841, 1e-12);
	r.clamp = 0x1p-7;
	o = one(&r, x, q);
	equal("bf16", o.row.count, 8);
	near("bf16", o.row.hc, 9.416015160577203, 1e-12);
	end("a token with three that stand out, clamps");
	ptable_free(&t);
}

/* With a file of kde frames: the numbers of that table only. */
int
main(int argc, char **argv)
{
	if (argc > 1) {
		real_table(argv[1]);
		printf("1..%d\n", tests);
		return bad != 0;
	}
	section7();
	edges();
	topk();
	joint();
	properties();
	table();
	printf("1..%d\n", tests);
	return bad != 0;
}
