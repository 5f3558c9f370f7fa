/* Forward passes of decoder-only models. */
#include <stdlib.h>

#include "decoder.h"
#include "head.h"
#include "size.h"

struct run {
	struct decoder *m;
	const struct model_batch *b;
	struct spans spans;
	struct decoder_room r;
	float *logit, *hidden, *w, *one; /* host; one [rows]: of the shared networks */
	uint16_t *ids, *none;
	int whole; /* what follows the last router is asked for, too */
	model_seen *seen;
	void *arg;
	char *why;
};

static int
some(struct run *r, float **to, uint64_t rows, uint64_t n)
{
	struct engine *e = r->m->e;

	*to = n ? e->room(e, rows * n) : NULL;
	return n && !*to ? TR_ENOMEM : 0;
}

static int
room(struct run *r)
{
	const struct decoder_shape *h = &r->m->shape;
	const uint64_t n = r->r.rows, nq = h->heads * h->dk, nk = h->kv_heads * h->dk;
	const uint64_t nv = h->kv_heads * h->dv, low = h->kv_rank + h->rope;

	r->logit = malloc(n * h->experts * sizeof *r->logit);
	r->hidden = malloc(n * h->d * sizeof *r->hidden);
	r->ids = malloc(n * h->topk * sizeof *r->ids);
	r->w = malloc(n * h->topk * sizeof *r->w);
	r->none = malloc(n * sizeof *r->none);
	r->one = malloc(n * sizeof *r->one);
	if (!r->logit || !r->hidden || !r->ids || !r->w || !r->none || !r->one)
		return TR_ENOMEM;
	return some(r, &r->r.x, n, h->d) < 0 || some(r, &r->r.h, n, h->d) < 0 ||
			       some(r, &r->r.y, n, h->d) < 0 || some(r, &r->r.q, n, nq) < 0 ||
			       some(r, &r->r.k, n, nk) < 0 || some(r, &r->r.v, n, nv) < 0 ||
			       some(r, &r->r.mix, n, h->heads * h->dv) < 0 ||
			       some(r, &r->r.logit, n, h->experts) < 0 ||
			       some(r, &r->r.gate, n, (uint64_t)h->gated_shared) < 0 ||
			       some(r, &r->r.low, n, h->mla ? MAX(low, h->q_rank) : 0) < 0 ||
			       some(r, &r->r.normed, n, MAX(h->kv_rank, h->q_rank)) < 0 ||
			       some(r, &r->r.kv, n, h->mla ? h->heads * (h->nope + h->dv) : 0) < 0
		       ? TR_ENOMEM
		       : 0;
}

static void
room_free(struct run *r)
{
	struct engine *e = r->m->e;
	float *const em[] = {r->r.x,   r->r.h,   r->r.y,      r->r.q,  r->r.k,     r->r.v,
			     r->r.mix, r->r.low, r->r.normed, r->r.kv, r->r.logit, r->r.gate};
	void *const host[] = {r->logit, r->hidden, r->ids, r->w, r->none, r->one};

	for (size_t i = 0; i < LEN(em); i++)
		e->drop(e, em[i]);
	for (size_t i = 0; i < LEN(host); i++)
		free(host[i]);
}

static void
forget(struct decoder *m)
{
	struct engine *e = m->e;

	for (uint64_t i = 0; i < m->n; i++) {
		struct cache *c = &m->layer[i].cache;

		e->drop(e, c->k);
		e->drop(e, c->v);
		c->k = c->v = NULL;
	}
	m->cached = m->kept = 0;
}

/* Caches for what is kept of the sequences; those of another shape go. */
static int
caches(struct run *r)
{
	struct decoder *m = r->m;
	const struct decoder_shape *h = &m->shape;
	const uint64_t n = r->b->n, keep = m->opts->keep;

	if (keep ? m->cached == n && m->kept >= keep : !m->cached)
		return 0;
	for (uint64_t i = 0; r->b->past && i < n; i++)
		if (r->b->past[i]) {
			model_why(r->why, "sequence %llu goes on after rows that are not kept",
				  (unsigned long long)i);
			return TR_EUSE;
		}
	forget(m);
	for (uint64_t i = 0; keep && i < m->n; i++) {
		struct cache *c = &m->layer[i].cache;

		c->cap = keep;
		if (some(r, &c->k, n * keep, h->kv_heads * h->dk) < 0 ||
		    some(r, &c->v, n * keep, h->kv_heads * h->dv) < 0) {
			forget(m);
			return TR_ENOMEM;
		}
	}
	m->cached = keep ? n : 0;
	m->kept = keep;
	return 0;
}

/* A window that would hide tokens is not done. */
static int
windowed(const struct run *r)
{
	const uint64_t window = r->m->shape.window;

	for (uint64_t i = 0; window && i < r->b->n; i++) {
		const uint64_t rows = r->b->source.at[i + 1] - r->b->source.at[i] +
				      (r->b->past ? r->b->past[i] : 0);

		if (rows > window) {
			model_why(r->why, "%s: sliding_window: %llu is less than %llu tokens",
				  r->m->file, (unsigned long long)window, (unsigned long long)rows);
			return TR_EVALUE;
		}
	}
	return 0;
}

/* The network that all tokens pass, into y.  One with a gate is an expert that is always
 * picked, with the sigmoid of the gate as its weight. */
static int
shared(struct run *r, const struct decoder_layer *l, uint64_t layer)
{
	static const struct select gate = {
		.experts = 1, .k = 1, .type = TR_F32, .score = RULES_SIGMOID};
	struct decoder_room *m = &r->r;
	struct engine *e = r->m->e;
	int c;

	if (!l->shared_gate.w.rows)
		return e->ffn(e, &l->shared, m->h, m->rows, m->y);
	if ((c = e->linear(e, &l->shared_gate.w, NULL, m->h, m->gate, m->rows)) < 0 ||
	    (c = e->get(e, r->one, m->gate, m->rows)) < 0 ||
	    (c = model_finite(r->one, m->rows, 1, layer, r->why)) < 0 ||
	    (c = e->select(e, &gate, m->gate, m->rows, r->none, r->one)) < 0)
		return c;
	return e->experts(e, &l->shared, m->h, r->none, r->one, m->rows, 1, m->y);
}

static int
tell(struct run *r, uint64_t layer)
{
	const struct decoder_shape *h = &r->m->shape;
	const uint64_t rows = r->r.rows;
	struct engine *e = r->m->e;
	const int hidden = !r->m->opts->no_hidden;
	const struct model_route told = {.layer = layer,
					 .rows = rows,
					 .logit = r->logit,
					 .ids = r->ids,
					 .w = r->w,
					 .hidden = hidden ? r->hidden : NULL};
	int c;

	if (hidden && (c = e->get(e, r->hidden, r->r.h, rows * h->d)) < 0)
		return c;
	return r->seen(r->arg, &told);
}

/* x += network of x.  1: nobody asks what follows. */
static int
feed(struct run *r, uint64_t layer)
{
	const struct decoder_shape *h = &r->m->shape;
	const struct decoder_layer *l = &r->m->layer[layer];
	struct decoder_room *m = &r->r;
	struct engine *e = r->m->e;
	int c = e->norm(e, &l->after.w, h->eps, m->x, h->d, m->rows, m->h);

	if (c < 0)
		return c;
	if (!l->routed) {
		if ((c = e->ffn(e, &l->dense, m->h, m->rows, m->y)) < 0)
			return c;
		return e->add(e, m->x, m->y, m->rows * h->d);
	}
	if ((c = e->linear(e, &l->gate.w, NULL, m->h, m->logit, m->rows)) < 0 ||
	    (c = e->get(e, r->logit, m->logit, m->rows * h->experts)) < 0 ||
	    (c = model_finite(r->logit, m->rows, h->experts, layer, r->why)) < 0 ||
	    (c = e->select(e, &r->m->select, m->logit, m->rows, r->ids, r->w)) < 0)
		return c;
	for (uint64_t i = 0; i < m->rows * h->topk; i++)
		r->w[i] *= (float)h->scaling;
	if (l->told && (c = tell(r, layer)) < 0)
		return c;
	if (layer + 1 == r->m->told && !r->whole)
		return 1;
	if ((c = e->experts(e, &l->experts, m->h, r->ids, r->w, m->rows, h->topk, m->y)) < 0 ||
	    (c = e->add(e, m->x, m->y, m->rows * h->d)) < 0 || !h->nshared)
		return c;
	if ((c = shared(r, l, layer)) < 0)
		return c;
	return e->add(e, m->x, m->y, m->rows * h->d);
}

static int
head(struct run *r)
{
	struct decoder *m = r->m;
	const struct decoder_shape *h = &m->shape;
	const int c = m->e->norm(m->e, &m->norm.w, h->eps, r->r.x, h->d, r->r.rows, r->r.h);

	return c < 0 ? c
		     : model_head(m->e, h->tied ? &m->embed.w : &m->head.w, r->b, &r->b->source,
				  r->r.h);
}

static int
forward(struct run *r)
{
	struct decoder *m = r->m;
	struct engine *e = m->e;
	int c = room(r);

	if (c < 0 || (c = caches(r)) < 0 ||
	    (c = e->embed(e, &m->embed.w, r->b->source.ids, r->r.rows, r->r.x)) < 0)
		return c;
	for (uint64_t i = 0; i < m->n; i++) {
		struct decoder_layer *l = &m->layer[i];

		if ((c = e->next(e, l->all, l->nall)) < 0 ||
		    (c = decoder_attend(m, l, &r->spans, &r->r)) < 0 || (c = feed(r, i)) < 0)
			return c;
		if (c > 0)
			return 0;
	}
	return r->b->next || r->b->nll ? head(r) : 0;
}

int
decoder_run(void *state, const struct model_batch *b, model_seen *seen, void *arg, char *why)
{
	struct run r = {.m = state, .b = b, .seen = seen, .arg = arg, .why = why};
	int c;

	if (b->target.at)
		return TR_EUSE;
	r.spans = (struct spans){b->n, b->source.at, b->past};
	r.r.rows = b->source.at[b->n];
	r.whole = r.m->whole && (b->next || b->nll || r.m->opts->keep);
	if ((c = windowed(&r)) == 0)
		c = forward(&r);
	room_free(&r);
	return c;
}
