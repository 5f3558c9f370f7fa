/* The steps of engine.h on the processor. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/pool.h"
#include "../core/size.h"
#include "../route/ffn.h"
#include "../route/index.h"
#include "../route/product.h"
#include "attend.h"
#include "engine_cpu.h"

/* What room gives: numbers behind a link, so that close finds them. */
struct piece {
	struct piece *next, **at;
	_Alignas(64) float x[];
};

struct cpu {
	struct engine e; /* first, so that an engine is one of these */
	struct piece *pieces;
	struct linear linear;
};

static int
out(struct engine *e, uint64_t rows, uint64_t n)
{
	snprintf(e->why, sizeof e->why, "no memory for %llu x %llu numbers",
		 (unsigned long long)rows, (unsigned long long)n);
	return TR_ENOMEM;
}

static float *
cpu_room(struct engine *e, uint64_t n)
{
	struct cpu *c = (struct cpu *)e;
	struct piece *p = NULL;
	size_t size;

	if (size_mul(n, sizeof *p->x, &size) < 0 || size_add(size, sizeof *p + 64, &size) < 0 ||
	    !(p = aligned_alloc(64, size & ~(size_t)63))) {
		out(e, 1, n);
		return NULL;
	}
	p->next = c->pieces;
	p->at = &c->pieces;
	if (p->next)
		p->next->at = &p->next;
	c->pieces = p;
	return p->x;
}

static void
cpu_drop(struct engine *e, float *x)
{
	struct piece *p;

	if (!x)
		return;
	p = (struct piece *)((char *)x - offsetof(struct piece, x));
	*p->at = p->next;
	if (p->next)
		p->next->at = p->at;
	free(p);
}

static int
cpu_put(struct engine *e, float *to, const float *host, uint64_t n)
{
	memcpy(to, host, n * sizeof *to);
	return 0;
}

static int
cpu_get(struct engine *e, float *host, const float *from, uint64_t n)
{
	memcpy(host, from, n * sizeof *host);
	return 0;
}

/* A vector is kept as f32; matrices are read where they are mapped. */
static int
cpu_hold(struct engine *e, struct weight *w)
{
	if (w->rows != 1 || w->parts != 1 || w->held)
		return 0;
	if (!(w->held = malloc(w->cols * sizeof(float))))
		return out(e, 1, w->cols);
	tensor_f32(w->part, 0, 1, w->held);
	return 0;
}

static void
cpu_unhold(struct engine *e, struct weight *w)
{
	free(w->held);
	w->held = NULL;
}

static int
cpu_next(struct engine *e, struct weight *const *w, uint64_t n)
{
	return 0;
}

static int
cpu_embed(struct engine *e, const struct weight *w, const uint32_t *ids, uint64_t rows, float *x)
{
	for (uint64_t i = 0; i < rows; i++)
		tensor_f32(w->part, ids[i], 1, x + i * w->cols);
	return 0;
}

static int
cpu_norm(struct engine *e, const struct weight *w, double eps, const float *x, uint64_t ldx,
	 uint64_t rows, float *to)
{
	rms_norm(x, ldx, w->held, eps, rows, w->cols, to);
	return 0;
}

static int
cpu_add(struct engine *e, float *x, const float *y, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		x[i] += y[i];
	return 0;
}

static int
multiply(struct cpu *c, const struct tensor *w, const float *x, float *y, uint64_t rows)
{
	if (linear(&c->linear, w, 0, w->rows, x, y, rows) < 0)
		return out(&c->e, rows, w->rows);
	return 0;
}

static int
cpu_linear(struct engine *e, const struct weight *w, const struct weight *bias, const float *x,
	   float *y, uint64_t rows)
{
	int r = multiply((struct cpu *)e, w->part, x, y, rows);

	for (uint64_t i = 0; i < rows && bias && r == 0; i++)
		cpu_add(e, y + i * w->rows, bias->held, w->rows);
	return r;
}

static int
cpu_clip(struct engine *e, float *x, uint64_t n, float by)
{
	for (uint64_t i = 0; i < n; i++)
		x[i] = MIN(MAX(x[i], -by), by);
	return 0;
}

/* One row of heads at a position, as published models do: the angle is an f32. */
static void
rotate(const struct rope *r, uint64_t pos, float *x, uint64_t heads, uint64_t d)
{
	const uint64_t right = r->interleaved ? 1 : r->pairs, step = r->interleaved ? 2 : 1;

	for (uint64_t j = 0; j < r->pairs; j++) {
		const float angle = (float)pos * r->freq[j];
		const float c = cosf(angle) * r->scale, s = sinf(angle) * r->scale;
		float *p = x + d - 2 * r->pairs + j * step;

		for (uint64_t h = 0; h < heads; h++, p += d) {
			const float a = p[0], b = p[right];

			p[0] = a * c - b * s;
			p[right] = b * c + a * s;
		}
	}
}

static int
cpu_rope(struct engine *e, const struct rope *r, const struct spans *s, float *x, uint64_t ldx,
	 uint64_t heads, uint64_t d)
{
	for (uint64_t i = 0; i < s->n; i++)
		for (uint64_t at = s->at[i]; at < s->at[i + 1]; at++)
			rotate(r, (s->past ? s->past[i] : 0) + at - s->at[i], x + at * ldx, heads,
			       d);
	return 0;
}

static int
cpu_copy(struct engine *e, float *to, uint64_t ldto, uint64_t hto, const float *from,
	 uint64_t ldfrom, uint64_t hfrom, uint64_t rows, uint64_t heads, uint64_t n)
{
	for (uint64_t r = 0; r < rows; r++)
		for (uint64_t h = 0; h < heads; h++)
			memcpy(to + r * ldto + h * hto, from + r * ldfrom + h * hfrom,
			       n * sizeof *to);
	return 0;
}

static int
cpu_keep(struct engine *e, const struct heads *h, const struct spans *s, const float *k,
	 const float *v, const struct cache *c)
{
	const uint64_t nk = h->kv_heads * h->dk, nv = h->kv_heads * h->dv;

	for (uint64_t i = 0; i < s->n; i++) {
		const uint64_t at = s->at[i], n = s->at[i + 1] - at;
		const uint64_t to = i * c->cap + (s->past ? s->past[i] : 0);

		memcpy(c->k + to * nk, k + at * nk, n * nk * sizeof *k);
		memcpy(c->v + to * nv, v + at * nv, n * nv * sizeof *v);
	}
	return 0;
}

static int
cpu_attend(struct engine *e, const struct heads *h, const struct spans *s, const float *q,
	   const struct spans *sk, const float *k, const float *v, const struct cache *c, float *y)
{
	if (attend(h, s, q, sk, k, v, c, y, e->opts.jobs) < 0)
		return out(e, s->at[s->n], h->heads * h->dv);
	return 0;
}

static int
cpu_select(struct engine *e, const struct select *s, const float *logit, uint64_t rows,
	   uint16_t *ids, float *w)
{
	select_rows(s, logit, rows, ids, w, e->opts.jobs);
	return 0;
}

/* y [rows][d] of network i; a and b [rows][hidden] are room for it.  y may be x. */
static int
feed(struct cpu *c, const struct ffns *f, uint64_t i, const float *x, uint64_t rows, float *a,
     float *b, float *y)
{
	const uint64_t n = rows * f->hidden;

	if (multiply(c, &f->w1->part[i], x, a, rows) < 0 ||
	    (!f->relu && multiply(c, &f->w3->part[i], x, b, rows) < 0))
		return TR_ENOMEM;
	for (uint64_t j = 0; j < n && f->relu; j++)
		a[j] = a[j] > 0 ? a[j] : 0;
	if (!f->relu)
		ffn_silu(a, b, n);
	return multiply(c, &f->w2->part[i], a, y, rows);
}

static int
cpu_ffn(struct engine *e, const struct ffns *f, const float *x, uint64_t rows, float *y)
{
	float *a = cpu_room(e, 2 * rows * f->hidden);
	int r = a ? feed((struct cpu *)e, f, 0, x, rows, a, a + rows * f->hidden, y) : TR_ENOMEM;

	cpu_drop(e, a);
	return r;
}

static int
cpu_experts(struct engine *e, const struct ffns *f, const float *x, const uint16_t *ids,
	    const float *w, uint64_t rows, uint64_t k, float *y)
{
	struct index index = {.experts = (uint32_t)f->experts, .k = (uint32_t)k};
	const uint64_t n = rows * k;
	uint32_t *all = malloc((2 * f->experts + 1 + 2 * n) * sizeof *all);
	float *packed = cpu_room(e, n * f->d), *a = NULL;
	uint64_t most = 0;
	int r = TR_ENOMEM;

	if (!all || !packed)
		goto end;
	index.counts = all;
	index.offsets = all + f->experts;
	index.perm = index.offsets + f->experts + 1;
	index.place = index.perm + n;
	if ((r = index_rows(&index, ids, rows, e->opts.jobs)) < 0)
		goto end;
	for (uint64_t i = 0; i < f->experts; i++)
		most = MAX(most, index.counts[i]);
	if (!(a = cpu_room(e, 2 * most * f->hidden))) {
		r = TR_ENOMEM;
		goto end;
	}
	gather_rows(&index, TR_F32, x, f->d, NULL, packed, e->opts.jobs);
	for (uint64_t i = 0; i < f->experts && r == 0; i++) {
		float *at = packed + index.offsets[i] * f->d;

		if (index.counts[i])
			r = feed((struct cpu *)e, f, i, at, index.counts[i], a,
				 a + index.counts[i] * f->hidden, at);
	}
	if (r == 0)
		combine_rows(&index, TR_F32, packed, f->d, w, rows, y, e->opts.jobs);
end:
	cpu_drop(e, packed);
	cpu_drop(e, a);
	free(all);
	return r;
}

static int
cpu_nll(struct engine *e, const float *logit, uint64_t vocab, const uint32_t *ids, uint64_t rows,
	float *nll)
{
	for (uint64_t r = 0; r < rows; r++, logit += vocab) {
		float most = -INFINITY;
		double sum = 0;

		for (uint64_t i = 0; i < vocab; i++)
			most = logit[i] > most ? logit[i] : most;
		for (uint64_t i = 0; i < vocab; i++)
			sum += exp((double)logit[i] - most);
		nll[r] = (float)(log(sum) + most - logit[ids[r]]);
	}
	return 0;
}

static void
cpu_close(struct engine *e)
{
	struct cpu *c = (struct cpu *)e;

	while (c->pieces)
		cpu_drop(e, c->pieces->x);
	linear_free(&c->linear);
	free(c);
}

int
engine_cpu(struct engine **e, const struct engine_opts *o, char *why)
{
	struct cpu *c = calloc(1, sizeof *c);

	if (!c || product_jobs(MAX(o->jobs, 1)) < 0) {
		free(c);
		return model_why(why, "no memory for threads");
	}
	c->e = (struct engine){{0},        *o,          cpu_room, cpu_drop,  cpu_put,  cpu_get,
			       cpu_hold,   cpu_unhold,  cpu_next, cpu_embed, cpu_norm, cpu_linear,
			       cpu_add,    cpu_clip,    cpu_rope, cpu_copy,  cpu_keep, cpu_attend,
			       cpu_select, cpu_experts, cpu_ffn,  cpu_nll,   cpu_close};
	*e = &c->e;
	return 0;
}
