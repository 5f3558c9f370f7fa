/*
 * The steps of engine.h on a GPU, enqueued on one stream: only get, select and nll wait.
 * What steps need for themselves is taken and given back at once, since the next step's
 * work comes after it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/model.h"
#include "../../kernels/route.h"
#include "../core/size.h"
#include "engine_gpu.h"
#include "gpu_room.h"
#include "gpu_weights.h"

enum { RING = 8 << 20 };

struct gpu {
	struct engine e; /* first, so that an engine is one of these */
	struct gpu_room room;
	struct bring *bring;
	void *stream, *work; /* k_product's */
	char *ring;          /* pinned, what is on its way to the device */
	size_t at;           /* free from there on */
	void *mark;
};

static int
fail(struct gpu *g, int r)
{
	if (r == 0)
		return 0;
	snprintf(g->e.why, sizeof g->e.why, "%s", g->bring ? bring_why(g->bring) : gpu_errstr());
	return r == GPU_ENOMEM ? TR_ENOMEM : r == GPU_EUSE ? TR_EUSE : TR_EIO;
}

/* n things of that many bytes, NULL and why. */
static void *
lend(struct gpu *g, uint64_t n, size_t size)
{
	size_t bytes;
	void *p = NULL;

	if (size_mul(n, size, &bytes) < 0 || !(p = gpu_room_take(&g->room, bytes)))
		snprintf(g->e.why, sizeof g->e.why, "no memory for %llu numbers on the GPU: %s",
			 (unsigned long long)n, gpu_errstr());
	return p;
}

static void
back(struct gpu *g, void *p)
{
	gpu_room_give(&g->room, p);
}

/* What is enqueued is done. */
static int
settled(struct gpu *g)
{
	int r = gpu_set(g->mark, g->stream);

	g->at = 0;
	return r ? r : gpu_wait(g->mark);
}

static int
push(struct gpu *g, void *to, const void *host, size_t n)
{
	int r = 0;

	if (n > RING) {
		r = gpu_send(to, host, n, g->stream);
		return r ? r : settled(g);
	}
	if (g->at + n > RING)
		r = settled(g);
	if (r || !n)
		return r;
	memcpy(g->ring + g->at, host, n);
	r = gpu_send(to, g->ring + g->at, n, g->stream);
	g->at = MIN(size_align(g->at + n, 64), (uint64_t)RING);
	return r;
}

static int
pull(struct gpu *g, void *host, const void *from, size_t n)
{
	int r = n ? gpu_fetch(host, from, n, g->stream) : 0;

	if (n && r == 0)
		g->at = 0; /* all that was sent has come */
	return r;
}

/* The same, with what host has there. */
static void *
sent(struct gpu *g, const void *host, uint64_t n, size_t size)
{
	void *p = lend(g, n, size);

	if (p && fail(g, push(g, p, host, n * size)) < 0) {
		back(g, p);
		p = NULL;
	}
	return p;
}

static int
use(struct gpu *g, const struct weight *w, const void **p)
{
	if (w->held)
		return fail(g, bring_use(g->bring, w, p));
	snprintf(g->e.why, sizeof g->e.why, "%s: %s: used, and not held", w->part->file,
		 w->part->name);
	return TR_EUSE;
}

static float *
on_room(struct engine *e, uint64_t n)
{
	return lend((struct gpu *)e, n, sizeof(float));
}

static void
on_drop(struct engine *e, float *p)
{
	back((struct gpu *)e, p);
}

static int
on_put(struct engine *e, float *to, const float *host, uint64_t n)
{
	struct gpu *g = (struct gpu *)e;

	return fail(g, push(g, to, host, n * sizeof *to));
}

static int
on_get(struct engine *e, float *host, const float *from, uint64_t n)
{
	struct gpu *g = (struct gpu *)e;

	return fail(g, pull(g, host, from, n * sizeof *host));
}

static int
on_hold(struct engine *e, struct weight *w)
{
	struct gpu *g = (struct gpu *)e;
	int r = fail(g, bring_hold(g->bring, w));

	if (r == TR_ENOMEM)
		snprintf(e->why, sizeof e->why, "%s: %s: %s%s", w->part->file, w->part->name,
			 bring_why(g->bring),
			 e->opts.stream ? ""
					: "; --stream-weights needs room for two layers alone");
	return r;
}

static void
on_unhold(struct engine *e, struct weight *w)
{
	bring_unhold(((struct gpu *)e)->bring, w);
}

static int
on_next(struct engine *e, struct weight *const *w, uint64_t n)
{
	struct gpu *g = (struct gpu *)e;

	return fail(g, bring_next(g->bring, w, n));
}

static int
on_embed(struct engine *e, const struct weight *w, const uint32_t *ids, uint64_t rows, float *x)
{
	struct gpu *g = (struct gpu *)e;
	const void *from;
	uint32_t *on;
	int r = use(g, w, &from);

	if (r < 0)
		return r;
	if (!(on = sent(g, ids, rows, sizeof *on)))
		return TR_ENOMEM;
	r = fail(g, k_embed(bring_type(w), from, on, rows, w->cols, x, g->stream));
	back(g, on);
	return r;
}

static int
on_norm(struct engine *e, const struct weight *w, double eps, const float *x, uint64_t ldx,
	uint64_t rows, float *to)
{
	struct gpu *g = (struct gpu *)e;
	const void *by;
	int r = use(g, w, &by);

	return r < 0 ? r : fail(g, k_norm(by, (float)eps, x, ldx, rows, w->cols, to, g->stream));
}

/* x as products want it; what is lent for that goes into *mine. */
static const void *
narrowed(struct gpu *g, const float *x, uint64_t n, void **mine)
{
	*mine = NULL;
	if (g->e.opts.type == TR_F32)
		return x;
	if (!(*mine = lend(g, n, tr_size(g->e.opts.type))))
		return NULL;
	if (fail(g, k_convert(TR_F32, x, g->e.opts.type, *mine, n, g->stream)) < 0) {
		back(g, *mine);
		*mine = NULL;
	}
	return *mine;
}

/* y = x w^T, x of opts.type. */
static int
multiply(struct gpu *g, const struct weight *w, const void *x, float *y, uint64_t rows)
{
	const void *by;
	int r = use(g, w, &by);

	return r < 0 ? r
		     : fail(g, k_product_f32(g->e.opts.type, x, by, y, rows, w->rows, w->cols,
					     g->work, g->stream));
}

static int
on_linear(struct engine *e, const struct weight *w, const struct weight *bias, const float *x,
	  float *y, uint64_t rows)
{
	struct gpu *g = (struct gpu *)e;
	const void *plus = NULL, *in;
	void *mine;
	int r = bias ? use(g, bias, &plus) : 0;

	if (r < 0)
		return r;
	if (!(in = narrowed(g, x, rows * w->cols, &mine)))
		return TR_ENOMEM;
	r = multiply(g, w, in, y, rows);
	back(g, mine);
	if (r == 0 && bias)
		r = fail(g, k_add(y, plus, rows, w->rows, g->stream));
	return r;
}

static int
on_add(struct engine *e, float *x, const float *y, uint64_t n)
{
	struct gpu *g = (struct gpu *)e;

	return fail(g, k_add(x, y, 1, n, g->stream));
}

static int
on_clip(struct engine *e, float *x, uint64_t n, float by)
{
	struct gpu *g = (struct gpu *)e;

	return fail(g, k_clip(x, n, by, g->stream));
}

static uint64_t
past(const struct spans *s, uint64_t i)
{
	return s->past ? s->past[i] : 0;
}

/* Of each row its position, or, with cap, its row of a cache; NULL and why. */
static uint32_t *
places(struct gpu *g, const struct spans *s, uint64_t cap)
{
	const uint64_t rows = s->at[s->n];
	uint32_t *host = malloc((rows + 1) * sizeof *host), *p;

	if (!host || s->n * cap > UINT32_MAX || rows > UINT32_MAX) {
		snprintf(g->e.why, sizeof g->e.why, "no memory for %llu rows",
			 (unsigned long long)(rows + s->n * cap));
		free(host);
		return NULL;
	}
	for (uint64_t i = 0; i < s->n; i++)
		for (uint64_t at = s->at[i]; at < s->at[i + 1]; at++)
			host[at] = (uint32_t)(i * cap + past(s, i) + at - s->at[i]);
	p = sent(g, host, rows, sizeof *p);
	free(host);
	return p;
}

static int
on_rope(struct engine *e, const struct rope *r, const struct spans *s, float *x, uint64_t ldx,
	uint64_t heads, uint64_t d)
{
	struct gpu *g = (struct gpu *)e;
	struct k_turn turn = {heads, d, r->pairs, NULL, NULL, r->scale, r->interleaved};
	uint32_t *position = places(g, s, 0);
	float *freq = position ? sent(g, r->freq, r->pairs, sizeof *freq) : NULL;
	int no = TR_ENOMEM;

	turn.freq = freq;
	turn.position = position;
	if (freq)
		no = fail(g, k_rope(&turn, x, ldx, s->at[s->n], g->stream));
	back(g, position);
	back(g, freq);
	return no;
}

static int
on_copy(struct engine *e, float *to, uint64_t ldto, uint64_t hto, const float *from,
	uint64_t ldfrom, uint64_t hfrom, uint64_t rows, uint64_t heads, uint64_t n)
{
	struct gpu *g = (struct gpu *)e;

	return fail(g, k_strided(to, ldto, hto, from, ldfrom, hfrom, rows, heads, n, g->stream));
}

static int
on_keep(struct engine *e, const struct heads *h, const struct spans *s, const float *k,
	const float *v, const struct cache *c)
{
	struct gpu *g = (struct gpu *)e;
	const uint64_t rows = s->at[s->n];
	uint32_t *at = places(g, s, c->cap);
	int r;

	if (!at)
		return TR_ENOMEM;
	r = fail(g, k_place(c->k, at, k, rows, h->kv_heads * h->dk, g->stream));
	if (r == 0)
		r = fail(g, k_place(c->v, at, v, rows, h->kv_heads * h->dv, g->stream));
	back(g, at);
	return r;
}

/* Rows that see the same keys, the last of each sequence first since they see most. */
static struct k_attend_tile *
tiles(const struct spans *s, const struct spans *sk, const struct cache *c, uint64_t *n)
{
	const uint64_t most = s->n + s->at[s->n] / K_ATTEND_ROWS;
	struct k_attend_tile *t = malloc((most + 1) * sizeof *t);

	*n = 0;
	for (uint64_t i = 0; t && i < s->n; i++) {
		const uint64_t rows = s->at[i + 1] - s->at[i], end = past(s, i) + rows;
		const uint64_t key = c ? i * c->cap : sk->at[i];
		const uint64_t keys = c ? end : sk->at[i + 1] - sk->at[i];
		const uint64_t first = c ? past(s, i) : past(s, i) - past(sk, i);

		for (uint64_t at = size_align(rows, K_ATTEND_ROWS); at; at -= K_ATTEND_ROWS) {
			const uint64_t from = at - K_ATTEND_ROWS;

			t[(*n)++] = (struct k_attend_tile){
				(uint32_t)(s->at[i] + from),
				(uint32_t)MIN(rows - from, (uint64_t)K_ATTEND_ROWS), (uint32_t)key,
				(uint32_t)keys, (uint32_t)(first + from)};
		}
	}
	return t;
}

static int
on_attend(struct engine *e, const struct heads *h, const struct spans *s, const float *q,
	  const struct spans *sk, const float *k, const float *v, const struct cache *c, float *out)
{
	struct gpu *g = (struct gpu *)e;
	const struct k_attend a = {e->opts.type,
				   (uint32_t)h->heads,
				   (uint32_t)h->kv_heads,
				   (uint32_t)h->dk,
				   (uint32_t)h->dv,
				   h->scale,
				   h->causal,
				   h->bias,
				   (uint32_t)h->nbias};
	struct k_attend_tile *host, *on;
	uint64_t n;
	int r;

	if (s->at[s->n] > INT32_MAX || (sk ? sk->at[sk->n] : 0) > INT32_MAX ||
	    (c ? s->n * c->cap : 0) > INT32_MAX) {
		snprintf(e->why, sizeof e->why, "attention: more rows than 31 bits number");
		return TR_EUSE;
	}
	host = tiles(s, sk, c, &n);
	on = host ? sent(g, host, n, sizeof *on) : NULL;
	free(host);
	if (!on)
		return TR_ENOMEM;
	r = fail(g, k_attend(&a, on, n, q, c ? c->k : k, c ? c->v : v, out, g->stream));
	back(g, on);
	return r;
}

static int
on_select(struct engine *e, const struct select *s, const float *logit, uint64_t rows,
	  uint16_t *ids, float *w)
{
	struct gpu *g = (struct gpu *)e;
	const uint64_t n = rows * s->k;
	struct select on = *s;
	uint16_t *picks = lend(g, n, sizeof *picks);
	float *weights = lend(g, n, sizeof *weights), *bias = NULL;
	int r = picks && weights ? 0 : TR_ENOMEM;

	if (r == 0 && s->bias && !(on.bias = bias = sent(g, s->bias, s->experts, sizeof *bias)))
		r = TR_ENOMEM;
	if (r == 0)
		r = fail(g, k_select(&on, logit, rows, picks, weights, g->stream));
	if (r == 0)
		r = fail(g, pull(g, ids, picks, n * sizeof *ids));
	if (r == 0)
		r = fail(g, pull(g, w, weights, n * sizeof *w));
	back(g, picks);
	back(g, weights);
	back(g, bias);
	return r;
}

/* What experts needs on the device. */
struct packing {
	uint32_t *index; /* all of x's arrays */
	uint16_t *ids;
	float *w;
	void *work, *in, *rows, *done, *ffn;
};

static int
pack(struct gpu *g, struct packing *p, struct index *x, const struct ffn *f, const uint16_t *ids,
     const float *w, uint64_t rows)
{
	const uint64_t n = rows * x->k, size = tr_size(f->type);

	p->ids = sent(g, ids, n, sizeof *ids);
	p->w = p->ids ? sent(g, w, n, sizeof *w) : NULL;
	p->index = p->w ? lend(g, 2 * n + 2 * x->experts + 1, sizeof *p->index) : NULL;
	p->work = p->index ? lend(g, k_index_work(x, rows), 1) : NULL;
	p->rows = p->work ? lend(g, n * f->d, size) : NULL;
	p->done = p->rows ? lend(g, n * f->d, size) : NULL;
	p->ffn = p->done ? lend(g, k_ffn_work(f, n), 1) : NULL;
	if (!p->ffn)
		return TR_ENOMEM;
	x->counts = p->index;
	x->offsets = x->counts + x->experts;
	x->perm = x->offsets + x->experts + 1;
	x->place = x->perm + n;
	return 0;
}

static void
unpack(struct gpu *g, struct packing *p)
{
	void *const all[] = {p->index, p->ids, p->w, p->work, p->in, p->rows, p->done, p->ffn};

	for (size_t i = 0; i < LEN(all); i++)
		back(g, all[i]);
}

static int
on_experts(struct engine *e, const struct ffns *f, const float *x, const uint16_t *ids,
	   const float *w, uint64_t rows, uint64_t k, float *y)
{
	struct gpu *g = (struct gpu *)e;
	const enum tr_type type = e->opts.type;
	struct index index = {.experts = (uint32_t)f->experts, .k = (uint32_t)k};
	struct ffn of = {(uint32_t)f->experts, f->d, f->hidden, type};
	struct packing p = {0};
	const void *in;
	int r;

	if ((r = use(g, f->w1, &of.w1)) < 0 || (r = use(g, f->w2, &of.w2)) < 0 ||
	    (!f->relu && (r = use(g, f->w3, &of.w3)) < 0))
		return r;
	if (!rows || !k)
		return rows ? fail(g, k_merge(&index, TR_F32, NULL, f->d, NULL, rows, y, g->stream))
			    : 0;
	if ((r = pack(g, &p, &index, &of, ids, w, rows)) < 0)
		goto end;
	if (!(in = narrowed(g, x, rows * f->d, &p.in))) {
		r = TR_ENOMEM;
		goto end;
	}
	r = fail(g, k_index(&index, p.ids, rows, p.work, g->stream));
	if (r == 0)
		r = fail(g, k_gather(&index, type, in, rows, f->d, NULL, p.rows, g->stream));
	if (r == 0)
		r = fail(g, k_ffn(&of, 0, index.offsets, NULL, rows * k, p.rows, p.done, p.ffn,
				  g->stream));
	if (r == 0)
		r = fail(g, k_merge(&index, type, p.done, f->d, p.w, rows, y, g->stream));
end:
	unpack(g, &p);
	return r;
}

static int
on_ffn(struct engine *e, const struct ffns *f, const float *x, uint64_t rows, float *y)
{
	struct gpu *g = (struct gpu *)e;
	const uint64_t n = rows * f->hidden;
	float *gate = lend(g, n, sizeof *gate);
	float *up = gate && !f->relu ? lend(g, n, sizeof *up) : NULL;
	void *between = gate ? lend(g, n, tr_size(e->opts.type)) : NULL, *mine = NULL;
	const void *in = between && (up || f->relu) ? narrowed(g, x, rows * f->d, &mine) : NULL;
	int r = in ? multiply(g, f->w1, in, gate, rows) : TR_ENOMEM;

	if (r == 0 && !f->relu)
		r = multiply(g, f->w3, in, up, rows);
	if (r == 0)
		r = fail(g, k_activate(gate, up, e->opts.type, between, n, g->stream));
	if (r == 0)
		r = multiply(g, f->w2, between, y, rows);
	back(g, gate);
	back(g, up);
	back(g, between);
	back(g, mine);
	return r;
}

static int
on_nll(struct engine *e, const float *logit, uint64_t vocab, const uint32_t *ids, uint64_t rows,
       float *nll)
{
	struct gpu *g = (struct gpu *)e;
	uint32_t *on = sent(g, ids, rows, sizeof *on);
	float *to = on ? lend(g, rows, sizeof *to) : NULL;
	int r = to ? fail(g, k_nll(logit, vocab, on, rows, to, g->stream)) : TR_ENOMEM;

	if (r == 0)
		r = fail(g, pull(g, nll, to, rows * sizeof *nll));
	back(g, on);
	back(g, to);
	return r;
}

static void
on_close(struct engine *e)
{
	struct gpu *g = (struct gpu *)e;

	bring_close(g->bring);
	gpu_sync();
	gpu_room_free(&g->room);
	gpu_free(g->work);
	gpu_unpin(g->ring);
	gpu_unmark(g->mark);
	gpu_unstream(g->stream);
	free(g); /* the device stays open: products know it, and another engine may */
}

/* Whether products work here is found out now, not after a checkpoint has been brought. */
static int
begin(struct gpu *g)
{
	enum { N = 16 };
	const enum tr_type type = g->e.opts.type;
	float *x;
	int r;

	if (!(g->stream = gpu_stream()) || !(g->mark = gpu_mark()) ||
	    !(g->ring = gpu_pinned(RING)) || !(g->work = gpu_alloc(k_product_work())) ||
	    !(x = gpu_room_take(&g->room, 3 * N * N * sizeof *x)))
		return GPU_EFAIL;
	if ((r = gpu_zero(x, 3 * N * N * sizeof *x)) == 0)
		r = k_product_f32(type, x, x + N * N, x + 2 * N * N, N, N, N, g->work, g->stream);
	gpu_room_give(&g->room, x);
	if (r == 0 && !(g->bring = bring_open(&g->e.opts, &g->room, g->stream)))
		r = GPU_EFAIL;
	return r;
}

int
engine_gpu(struct engine **e, const struct engine_opts *o, char *why)
{
	struct gpu *g;
	int r = gpu_open(o->gpu);

	if (r < 0) {
		model_why(why, "%s", gpu_errstr());
		return ENGINE_ABSENT;
	}
	if (!(g = calloc(1, sizeof *g)))
		return model_why(why, "no memory");
	g->e = (struct engine){{0},       *o,         on_room, on_drop,  on_put,  on_get,
			       on_hold,   on_unhold,  on_next, on_embed, on_norm, on_linear,
			       on_add,    on_clip,    on_rope, on_copy,  on_keep, on_attend,
			       on_select, on_experts, on_ffn,  on_nll,   on_close};
	if ((r = begin(g)) == 0) {
		*e = &g->e;
		return 0;
	}
	model_why(why, "GPU %d: %s", o->gpu, gpu_errstr());
	on_close(&g->e);
	return r == GPU_ABSENT ? ENGINE_ABSENT : -1;
}
