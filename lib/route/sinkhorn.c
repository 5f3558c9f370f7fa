/* Sinkhorn-Knopp by scaling vectors; one pass over the matrix a sweep. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "pool.h"
#include "rowtype.h"
#include "selectisa.h"
#include "sinkhorn.h"
#include "size.h"

enum { CHUNK = 256, LANES = 16, GROUP = 4 }; /* rows of partial sums; rows that share loads */

#define UNROLL _Pragma("GCC unroll 4")

static const float least = 1e-30f;

typedef float vec __attribute__((vector_size(64), may_alias));
typedef float oct __attribute__((vector_size(32)));
typedef float quad __attribute__((vector_size(16)));
typedef int32_t quadbits __attribute__((vector_size(16)));
typedef int32_t bits __attribute__((vector_size(64), may_alias));
typedef float loose __attribute__((vector_size(64), may_alias, aligned(4)));

enum how { SCALE, EPS, LOOK }; /* a sweep; with eps; of the plan as it is */

struct plan {
	const struct sinkhorn *s;
	const void *logits;
	uint64_t rows, chunks;
	size_t width;   /* of K's rows and all columns: experts, filled up to LANES with 0 */
	float *K;       /* [rows][width] */
	float *u;       /* [rows] */
	float *v;       /* [width] */
	float *part;    /* [chunks][width]: sums of columns */
	float *row_off; /* [chunks]: greatest |sum - 1| of a row */
	uint16_t *ids;
	float *w;
	const struct form *form;
	enum how how;
};

/*
 * Bodies of functions that have one form a processor.  Products and sums are rounded apart,
 * so that all forms have the same bits but for the exponential, which is keys_exp's.
 */
#define BODY static inline __attribute__((always_inline)) void

static inline uint64_t
rows_of(const struct plan *p, size_t chunk)
{
	return MIN(p->rows - chunk * CHUNK, CHUNK);
}

/* n logits to a row of K; of NaN and -inf alone to 1 */
BODY
weights(float *x, size_t n, float max, float over)
{
	for (size_t i = 0; i < n; i += LANES)
		for (int l = 0; l < LANES; l++) {
			const float y = keys_exp((x[i + l] - max) * over);

			x[i + l] = x[i + l] == max || max == -INFINITY ? 1 : y;
		}
}

/* the greater, of NaN the other */
static inline __attribute__((always_inline)) void
greater(vec *max, const vec *x)
{
	const bits more = *x > *max;

	*max = (vec)((more & (bits)*x) | (~more & (bits)*max));
}

#define TURNED(x, n)                                                                             \
	__builtin_shufflevector(x, x, n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7, n + 8, \
				n + 9, n + 10, n + 11, n + 12, n + 13, n + 14, n + 15)

BODY
make(const struct plan *p, size_t chunk, void (*weights)(float *x, size_t n, float max, float over))
{
	const uint32_t E = p->s->experts;
	const float over = 1 / p->s->temperature;

	for (uint64_t t = chunk * CHUNK; t < chunk * CHUNK + rows_of(p, chunk); t++) {
		float *x = p->K + t * p->width;
		vec max = (vec){0} - INFINITY, turned;
		float top;

		rowtype_widen(p->s->type, p->logits, t * E, E, x);
		for (size_t i = E; i < p->width; i++)
			x[i] = -INFINITY;
		for (size_t i = 0; i < p->width; i += LANES)
			greater(&max, (const vec *)(x + i));
		turned = TURNED(max, 8);
		greater(&max, &turned);
		turned = TURNED(max, 4);
		greater(&max, &turned);
		turned = TURNED(max, 2);
		greater(&max, &turned);
		top = max[0] > max[1] ? max[0] : max[1];
		weights(x, p->width, top, over);
		for (size_t i = E; i < p->width; i++)
			x[i] = 0;
	}
}

static inline __attribute__((always_inline)) quad
quarter(const vec *x)
{
	const oct y = __builtin_shufflevector(*x, *x, 0, 1, 2, 3, 4, 5, 6, 7) +
		      __builtin_shufflevector(*x, *x, 8, 9, 10, 11, 12, 13, 14, 15);

	return __builtin_shufflevector(y, y, 0, 1, 2, 3) +
	       __builtin_shufflevector(y, y, 4, 5, 6, 7);
}

/* Sums of four vectors, each by the tree of sinkhorn.h */
static inline __attribute__((always_inline)) quad
totals(const vec x[GROUP])
{
	const quad a = quarter(&x[0]), b = quarter(&x[1]), c = quarter(&x[2]), d = quarter(&x[3]);
	const quad e = __builtin_shufflevector(a, b, 0, 4, 1, 5);
	const quad f = __builtin_shufflevector(a, b, 2, 6, 3, 7);
	const quad g = __builtin_shufflevector(c, d, 0, 4, 1, 5);
	const quad h = __builtin_shufflevector(c, d, 2, 6, 3, 7);
	const quad lo = __builtin_shufflevector(e, g, 0, 1, 4, 5) +
			__builtin_shufflevector(f, h, 0, 1, 4, 5);

	return lo + (__builtin_shufflevector(e, g, 2, 3, 6, 7) +
		     __builtin_shufflevector(f, h, 2, 3, 6, 7));
}

/* n rows at once: their sums, u but to LOOK, and their part of the columns' sums */
BODY
sweep_rows(const struct plan *p, enum how how, const float *K, float *u, float *part, float *off,
	   int n)
{
	vec sum[GROUP] = {{0}};
	quad s, scale = {0};
	quadbits low;

	for (size_t i = 0; i < p->width; i += LANES) {
		UNROLL
		for (int r = 0; r < n; r++)
			sum[r] += *(const vec *)(K + (size_t)r * p->width + i) *
				  *(const vec *)(p->v + i);
	}
	s = totals(sum);
	low = s < least;
	s = (quad)((low & (quadbits)((quad){0} + least)) | (~low & (quadbits)s));
	memcpy(&scale, u, (size_t)n * sizeof *u);
	if (how == LOOK)
		for (int r = 0; r < n; r++)
			*off = MAX(*off, fabsf(scale[r] * s[r] - 1));
	else
		scale = how == EPS ? scale / (scale * s + p->s->eps) : 1 / s;
	memcpy(u, &scale, (size_t)n * sizeof *u);
	for (size_t i = 0; i < p->width; i += LANES) {
		vec x = *(const vec *)(part + i);

		UNROLL
		for (int r = 0; r < n; r++)
			x += *(const vec *)(K + (size_t)r * p->width + i) * scale[r];
		*(vec *)(part + i) = x;
	}
}

BODY
sweep_how(const struct plan *p, enum how how, size_t chunk)
{
	const uint64_t n = rows_of(p, chunk);
	const float *K = p->K + chunk * CHUNK * p->width;
	float *part = p->part + chunk * p->width, *u = p->u + chunk * CHUNK, off = 0;
	uint64_t t = 0;

	memset(part, 0, p->width * sizeof *part);
	for (; t + GROUP <= n; t += GROUP)
		sweep_rows(p, how, K + t * p->width, u + t, part, &off, GROUP);
	for (; t < n; t++)
		sweep_rows(p, how, K + t * p->width, u + t, part, &off, 1);
	p->row_off[chunk] = off;
}

BODY
sweep(const struct plan *p, size_t chunk)
{
	if (p->how == LOOK)
		sweep_how(p, LOOK, chunk);
	else if (p->how == EPS)
		sweep_how(p, EPS, chunk);
	else
		sweep_how(p, SCALE, chunk);
}

/* The last use of K's rows: K v in their place, side by side */
BODY
scale(const struct plan *p, size_t chunk)
{
	const uint32_t E = p->s->experts;
	float *K = p->K + chunk * CHUNK * p->width;

	for (uint64_t t = 0; t < rows_of(p, chunk); t++)
		for (size_t i = 0; i < p->width; i += LANES)
			*(loose *)(K + t * E + i) =
				*(const vec *)(K + t * p->width + i) * *(const vec *)(p->v + i);
}

#define FORM(name, target, weights)                                         \
	target static void make_##name(void *arg, size_t chunk)             \
	{                                                                   \
		make(arg, chunk, weights);                                  \
	}                                                                   \
	target static void sweep_##name(void *arg, size_t chunk)            \
	{                                                                   \
		sweep(arg, chunk);                                          \
	}                                                                   \
	target static void scale_##name(const struct plan *p, size_t chunk) \
	{                                                                   \
		scale(p, chunk);                                            \
	}
FORM(any, , weights)
#if defined __x86_64__
FORM(avx2, __attribute__((target("avx2,fma"))), weights)
FORM(avx512, __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))),
     select_weights_avx512)
#endif

static const struct form { /* the one that select has chosen, or the last */
	const char *isa;
	void (*make)(void *arg, size_t chunk);
	void (*sweep)(void *arg, size_t chunk);
	void (*scale)(const struct plan *p, size_t chunk);
} forms[] = {
#if defined __x86_64__
	{"avx512", make_avx512, sweep_avx512, scale_avx512},
	{"avx2", make_avx2, sweep_avx2, scale_avx2},
#endif
	{NULL, make_any, sweep_any, scale_any},
};

static void
pick(void *arg, size_t chunk)
{
	const struct plan *p = arg;
	const struct select s = {.experts = p->s->experts,
				 .k = p->s->k,
				 .type = TR_F32,
				 .score = RULES_NONE,
				 .renorm = 1};
	const uint64_t n = rows_of(p, chunk), at = chunk * CHUNK * s.k;
	p->form->scale(p, chunk);
	select_rows(&s, p->K + chunk * CHUNK * p->width, n, p->ids + at, p->w + at, 1);
}

/* Sums of columns, chunk after chunk, in the first */
static void
columns(struct plan *p)
{
	for (uint64_t c = 1; c < p->chunks; c++)
		for (size_t i = 0; i < p->width; i++)
			p->part[i] += p->part[c * p->width + i];
}

static uint32_t
balance(struct plan *p, int jobs)
{
	const struct sinkhorn *s = p->s;
	const float wanted = (float)p->rows / (float)s->experts;
	uint32_t it = 0;

	for (; it < s->iterations; it++) {
		float moved = 0;

		pool_each(jobs, p->chunks, p->form->sweep, p);
		columns(p);
		for (uint32_t i = 0; i < s->experts; i++) {
			const float sum = MAX(p->part[i], least);
			const float v = s->eps > 0 ? p->v[i] / (p->v[i] * sum + s->eps) * wanted
						   : wanted / sum;

			moved = MAX(moved, fabsf(v - p->v[i]) / v);
			p->v[i] = v;
		}
		if (s->tolerance > 0 && moved <= s->tolerance)
			return it + 1;
	}
	return it;
}

static void
tell(struct plan *p, int jobs, struct sinkhorn_told *told)
{
	const float wanted = (float)p->rows / (float)p->s->experts;

	told->row_error = told->column_error = 0;
	p->how = LOOK;
	pool_each(jobs, p->chunks, p->form->sweep, p);
	for (uint64_t c = 0; c < p->chunks; c++)
		told->row_error = MAX(told->row_error, p->row_off[c]);
	columns(p);
	for (uint32_t i = 0; i < p->s->experts && p->rows; i++)
		told->column_error =
			MAX(told->column_error, fabsf(p->v[i] * p->part[i] / wanted - 1));
}

/* [a][b], 64-aligned */
static float *
room(uint64_t a, uint64_t b)
{
	size_t n;
	float *x;

	if (size_mul(a, b, &n) || size_mul(n, sizeof *x, &n) || n > SIZE_MAX - 64 ||
	    !(x = aligned_alloc(64, n / 64 * 64 + 64)))
		return NULL;
	return x;
}

int
sinkhorn_rows(const struct sinkhorn *s, const void *logits, uint64_t rows, uint16_t *ids, float *w,
	      float *v, struct sinkhorn_told *told, int jobs)
{
	struct plan p = {.s = s,
			 .logits = logits,
			 .rows = rows,
			 .ids = ids,
			 .w = w,
			 .form = forms,
			 .how = s->eps > 0 ? EPS : SCALE};
	uint32_t sweeps;
	int r = TR_ENOMEM;

	while (p.form->isa && strcmp(p.form->isa, select_isa_name()))
		p.form++;
	p.width = (s->experts + LANES - 1) / LANES * LANES;
	p.chunks = rows / CHUNK + (rows % CHUNK != 0);
	jobs = (int)MIN((uint64_t)MAX(jobs, 1), p.chunks / 4 + 1); /* threads cost a sweep or so */
	p.K = room(rows, p.width);
	p.u = room(rows, 1);
	p.v = room(p.width, 1);
	p.part = room(p.chunks + 1, p.width);
	p.row_off = room(p.chunks, 1);
	if (!p.K || !p.u || !p.v || !p.part || !p.row_off)
		goto out;
	for (uint64_t t = 0; t < rows; t++)
		p.u[t] = 1;
	for (size_t i = 0; i < p.width; i++)
		p.v[i] = i < s->experts;
	memset(p.part, 0, p.width * sizeof *p.part);
	pool_each(jobs, p.chunks, p.form->make, &p);
	sweeps = balance(&p, jobs);
	if (told) {
		tell(&p, jobs, told);
		told->iterations = sweeps;
	}
	if (v)
		memcpy(v, p.v, s->experts * sizeof *v);
	pool_each(jobs, p.chunks, pick, &p);
	r = 0;
out:
	free(p.K);
	free(p.u);
	free(p.v);
	free(p.part);
	free(p.row_off);
	return r;
}

uint32_t
sinkhorn_f64(const double *K, uint64_t rows, uint32_t experts, uint32_t iterations,
	     double tolerance, double *v, double *sum)
{
	uint32_t it = 0;

	for (uint32_t i = 0; i < experts; i++)
		v[i] = 1;
	for (; it < iterations; it++) {
		double moved = 0;

		memset(sum, 0, experts * sizeof *sum);
		for (uint64_t t = 0; t < rows; t++) {
			double s = 0;

			for (uint32_t i = 0; i < experts; i++)
				s += v[i] * K[t * experts + i];
			s = 1 / (MAX(s, 1e-300) * (double)rows);
			for (uint32_t i = 0; i < experts; i++)
				sum[i] += s * K[t * experts + i];
		}
		for (uint32_t i = 0; i < experts; i++) {
			double c = 1 / (MAX(sum[i], 1e-300) * experts);

			moved = MAX(moved, fabs(c - v[i]) / c);
			v[i] = c;
		}
		if (moved <= tolerance)
			return it + 1;
	}
	return it;
}
