/* The steps of engine.h on the processor. */
#include <stdlib.h>
#include <string.h>

#include "../core/size.h"
#include "attend.h"
#include "dots.h"
#include "engine_cpu.h"
#include "networks.h"
#include "rowsteps.h"

static struct team *
team(struct engine *e)
{
	return &((struct cpu *)e)->team;
}

static int
cpu_embed(struct engine *e, const struct weight *w, const uint32_t *ids, uint64_t rows, float *x)
{
	((struct cpu *)e)->rows = rows;
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
cpu_linear(struct engine *e, const struct weight *w, const struct weight *bias, const float *x,
	   float *y, uint64_t rows)
{
	const struct dots a = {.x = x,
			       .ldx = w->cols,
			       .w = w->part->data,
			       .wtype = w->part->type,
			       .ldw = w->cols,
			       .n = w->rows,
			       .d = w->cols,
			       .bf16 = e->opts.type == TR_BF16,
			       .y = y,
			       .ldy = w->rows};

	if (dots_all(&a, rows, team(e)) < 0)
		return cpu_no_memory(e, rows, w->rows);
	for (uint64_t i = 0; i < rows && bias; i++)
		cpu_add(e, y + i * w->rows, bias->held, w->rows);
	return 0;
}

static int
cpu_clip(struct engine *e, float *x, uint64_t n, float by)
{
	for (uint64_t i = 0; i < n; i++)
		x[i] = x[i] < -by ? -by : x[i] > by ? by : x[i]; /* NaN stays */
	return 0;
}

struct rotation {
	const struct rope *r;
	const struct spans *s;
	float *x;
	uint64_t ldx, heads, d;
};

/* Some rows, of whichever sequences. */
enum { ROTATED = 32 };
static void
rotate(void *arg, size_t piece, int thread)
{
	const struct rotation *t = arg;
	const uint64_t end = MIN((piece + 1) * ROTATED, t->s->at[t->s->n]);
	uint64_t i = 0;

	for (uint64_t row = piece * ROTATED; row < end; row++) {
		while (t->s->at[i + 1] <= row)
			i++;
		row_rotate(t->r, (t->s->past ? t->s->past[i] : 0) + row - t->s->at[i],
			   t->x + row * t->ldx, t->heads, t->d);
	}
}

static int
cpu_rope(struct engine *e, const struct rope *r, const struct spans *s, float *x, uint64_t ldx,
	 uint64_t heads, uint64_t d)
{
	struct rotation t = {r, s, x, ldx, heads, d};

	crew_each(team(e)->crew, (s->at[s->n] + ROTATED - 1) / ROTATED, rotate, &t);
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
	if (attend(h, s, q, sk, k, v, c, y, team(e)) < 0)
		return cpu_no_memory(e, s->at[s->n], h->heads * h->dv);
	return 0;
}

static int
cpu_select(struct engine *e, const struct select *s, const float *logit, uint64_t rows,
	   uint16_t *ids, float *w)
{
	select_rows(s, logit, rows, ids, w, e->opts.jobs);
	return 0;
}

static int
cpu_experts(struct engine *e, const struct ffns *f, const float *x, const uint16_t *ids,
	    const float *w, uint64_t rows, uint64_t k, float *y)
{
	const int r = networks(f, e->opts.type == TR_BF16, x, ids, w, rows, k, y, team(e));

	return r == TR_ENOMEM ? cpu_no_memory(e, rows * k, f->hidden) : r;
}

static int
cpu_ffn(struct engine *e, const struct ffns *f, const float *x, uint64_t rows, float *y)
{
	return cpu_experts(e, f, x, NULL, NULL, rows, 1, y);
}

struct nll {
	const float *logit;
	uint64_t vocab;
	const uint32_t *ids;
	float *to;
};

static void
nll(void *arg, size_t row, int thread)
{
	const struct nll *n = arg;

	n->to[row] = row_nll(n->logit + row * n->vocab, n->vocab, n->ids[row]);
}

static int
cpu_nll(struct engine *e, const float *logit, uint64_t vocab, const uint32_t *ids, uint64_t rows,
	float *to)
{
	struct nll n = {logit, vocab, ids, to};

	crew_each(team(e)->crew, rows, nll, &n);
	return 0;
}

static void
cpu_close(struct engine *e)
{
	struct cpu *c = (struct cpu *)e;

	cpu_memory_end(c);
	team_close(&c->team);
	free(c);
}

int
engine_cpu(struct engine **e, const struct engine_opts *o, char *why)
{
	struct cpu *c = calloc(1, sizeof *c);

	if (!c || team_open(&c->team, o->jobs) < 0) {
		free(c);
		return model_why(why, "no memory");
	}
	c->e = (struct engine){.opts = *o,
			       .embed = cpu_embed,
			       .norm = cpu_norm,
			       .linear = cpu_linear,
			       .add = cpu_add,
			       .clip = cpu_clip,
			       .rope = cpu_rope,
			       .copy = cpu_copy,
			       .keep = cpu_keep,
			       .attend = cpu_attend,
			       .select = cpu_select,
			       .experts = cpu_experts,
			       .ffn = cpu_ffn,
			       .nll = cpu_nll,
			       .close = cpu_close};
	cpu_memory(&c->e);
	c->e.opts.jobs = MAX(o->jobs, 1);
	*e = &c->e;
	return 0;
}
