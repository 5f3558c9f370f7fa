/* Tensors of decoder-only models: with or without the prefix, experts apart or fused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decoder.h"
#include "size.h"

struct loading {
	struct decoder *m;
	struct tensors *t;
	struct decoder_layer *l;
	char prefix[64];         /* "model.", or "" */
	char block[96];          /* "model.layers.3." */
	const char *mlp, *up[3]; /* what the network and its w1, w3, w2 are called */
	char *why;
};

/* A weight of n parts, all of [rows][cols], rows 0: a vector, held from here on. */
static int
held(const struct loading *g, struct weight *w, const struct tensor *part, uint64_t n,
     uint64_t rows, uint64_t cols)
{
	struct engine *e = g->m->e;

	*w = (struct weight){part, n, MAX(rows, 1), cols, NULL};
	if (e->hold(e, w) < 0) {
		w->rows = 0;
		return model_why(g->why, "%s: %s: %.900s", part->file, part->name, e->why);
	}
	if (g->l)
		g->l->all[g->l->nall++] = w;
	return 0;
}

static int
need(const struct loading *g, struct one *x, const char *name, uint64_t rows, uint64_t cols)
{
	char full[256];

	snprintf(full, sizeof full, "%s%s", g->block, name);
	if (tensors_need(g->t, full, rows, cols, &x->t, g->why) < 0)
		return -1;
	return held(g, &x->w, &x->t, 1, rows, cols);
}

/* y = x W^T, with a bias where that is wanted: NAME.weight, NAME.bias */
static int
product(const struct loading *g, struct one *x, struct one *b, int bias, const char *name,
	uint64_t rows, uint64_t cols)
{
	char full[128];

	snprintf(full, sizeof full, "%s.weight", name);
	if (need(g, x, full, rows, cols) < 0)
		return -1;
	snprintf(full, sizeof full, "%s.bias", name);
	return bias ? need(g, b, full, 0, rows) : 0;
}

static int
attention(const struct loading *g)
{
	const struct decoder_shape *h = &g->m->shape;
	const uint64_t nq = h->heads * h->dk, nk = h->kv_heads * h->dk, nv = h->kv_heads * h->dv;
	struct decoder_layer *l = g->l;
	int bias = h->bias_qkv;

	if (product(g, &l->o, &l->bo, h->bias_o, "self_attn.o_proj", h->d, h->heads * h->dv) < 0)
		return -1;
	if (!h->mla) {
		if (product(g, &l->q, &l->bq, bias, "self_attn.q_proj", nq, h->d) < 0 ||
		    product(g, &l->k, &l->bk, bias, "self_attn.k_proj", nk, h->d) < 0 ||
		    product(g, &l->v, &l->bv, bias, "self_attn.v_proj", nv, h->d) < 0)
			return -1;
		if (h->qk_norm == NORM_NONE)
			return 0;
		const int each = h->qk_norm == NORM_HEAD;

		return need(g, &l->qn, "self_attn.q_norm.weight", 0, each ? h->dk : nq) < 0 ||
				       need(g, &l->kn, "self_attn.k_norm.weight", 0,
					    each ? h->dk : nk) < 0
			       ? -1
			       : 0;
	}
	if (product(g, &l->kva, &l->bkva, bias, "self_attn.kv_a_proj_with_mqa",
		    h->kv_rank + h->rope, h->d) < 0 ||
	    need(g, &l->kvan, "self_attn.kv_a_layernorm.weight", 0, h->kv_rank) < 0 ||
	    need(g, &l->kvb, "self_attn.kv_b_proj.weight", h->heads * (h->nope + h->dv),
		 h->kv_rank) < 0)
		return -1;
	if (!h->q_rank)
		return need(g, &l->q, "self_attn.q_proj.weight", nq, h->d);
	if (product(g, &l->qa, &l->ba, bias, "self_attn.q_a_proj", h->q_rank, h->d) < 0 ||
	    need(g, &l->qan, "self_attn.q_a_layernorm.weight", 0, h->q_rank) < 0)
		return -1;
	return need(g, &l->q, "self_attn.q_b_proj.weight", nq, h->q_rank);
}

/* The network of hidden units that is called name into w [3], part [3]. */
static int
network(const struct loading *g, struct ffns *f, struct weight *w, struct tensor *part,
	const char *name, uint64_t hidden)
{
	const uint64_t d = g->m->shape.d;
	char full[256];

	*f = (struct ffns){1, d, hidden, 0, &w[0], &w[1], &w[2]};
	for (int i = 0; i < 3; i++) {
		const uint64_t rows = i < 2 ? hidden : d, cols = i < 2 ? d : hidden;

		snprintf(full, sizeof full, "%s%s.%s.weight", g->block, name, g->up[i]);
		if (tensors_need(g->t, full, rows, cols, &part[i], g->why) < 0 ||
		    held(g, &w[i], &part[i], 1, rows, cols) < 0)
			return -1;
	}
	return 0;
}

/* Rows of the matrix of one expert within a tensor of all. */
static struct tensor
slice(const struct tensor *x, uint64_t first, uint64_t rows)
{
	struct tensor s = *x;

	s.data = (const char *)x->data + first * x->cols * tr_size(x->type);
	s.rows = rows;
	return s;
}

/* Fused: 1; 0: experts lie apart. */
static int
fused(const struct loading *g, struct tensor *part, uint64_t experts, uint64_t hidden)
{
	const uint64_t d = g->m->shape.d;
	const uint64_t up[3] = {experts, 2 * hidden, d}, down[3] = {experts, d, hidden};
	struct tensor a, b;
	char full[256];
	int r;

	snprintf(full, sizeof full, "%smlp.experts.gate_up_proj", g->block);
	if ((r = tensors_find(g->t, full, 3, up, &a, g->why)) <= 0)
		return r;
	snprintf(full, sizeof full, "%smlp.experts.down_proj", g->block);
	if ((r = tensors_find(g->t, full, 3, down, &b, g->why)) < 0)
		return r;
	if (r == 0)
		return model_why(g->why, "%s: no tensor %s of shape %llux%llux%llu", a.file, full,
				 (unsigned long long)experts, (unsigned long long)d,
				 (unsigned long long)hidden);
	for (uint64_t i = 0; i < experts; i++) {
		part[i] = slice(&a, 2 * i * hidden, hidden);
		part[experts + i] = slice(&a, (2 * i + 1) * hidden, hidden);
		part[2 * experts + i] = slice(&b, i * d, d);
	}
	return 1;
}

static int
experts(const struct loading *g, struct weight *w, struct tensor *part)
{
	const struct decoder_shape *h = &g->m->shape;
	const uint64_t n = h->experts;
	char full[256];
	int r = fused(g, part, n, h->hidden);

	for (uint64_t i = 0; r == 0 && i < 3 * n; i++) {
		snprintf(full, sizeof full, "%s%s.experts.%llu.%s.weight", g->block, g->mlp,
			 (unsigned long long)(i % n), g->up[i / n]);
		if (tensors_need(g->t, full, i < 2 * n ? h->hidden : h->d,
				 i < 2 * n ? h->d : h->hidden, &part[i], g->why) < 0)
			return -1;
	}
	if (r < 0)
		return -1;
	for (int i = 0; i < 3; i++)
		if (held(g, &w[i], part + (uint64_t)i * n, n, i < 2 ? h->hidden : h->d,
			 i < 2 ? h->d : h->hidden) < 0)
			return -1;
	g->l->experts = (struct ffns){n, h->d, h->hidden, 0, &w[0], &w[1], &w[2]};
	return 0;
}

static int
layer(struct loading *g, uint64_t number, int last)
{
	const struct decoder_shape *h = &g->m->shape;
	struct decoder_layer *l = g->l;
	char name[64];

	snprintf(g->block, sizeof g->block, "%slayers.%llu.", g->prefix,
		 (unsigned long long)number);
	if (!(l->part = calloc(3 * (h->experts + 2), sizeof *l->part)))
		return model_why(g->why, "%s: no memory", g->m->file);
	if (need(g, &l->norm, "input_layernorm.weight", 0, h->d) < 0 || attention(g) < 0 ||
	    need(g, &l->after, "post_attention_layernorm.weight", 0, h->d) < 0)
		return -1;
	if (!l->routed)
		return network(g, &l->dense, l->ffn, l->part, "mlp", h->dense);
	snprintf(name, sizeof name, "%s.gate.weight", g->mlp);
	if (need(g, &l->gate, name, h->experts, h->d) < 0)
		return -1;
	if (last)
		return 0;
	if (experts(g, l->ffn, l->part) < 0)
		return -1;
	if (!h->nshared)
		return 0;
	if (h->gated_shared && need(g, &l->shared_gate, "mlp.shared_expert_gate.weight", 1, h->d))
		return -1;
	return network(g, &l->shared, l->ffn + 3, l->part + 3 * h->experts,
		       h->gated_shared ? "mlp.shared_expert" : "mlp.shared_experts", h->shared);
}

/* Mixtral's published names, where the file has those. */
static int
names(struct loading *g)
{
	static const char *const usual[] = {"gate_proj", "up_proj", "down_proj"}, *const older[] = {
											  "w1",
											  "w3",
											  "w2"};
	const struct decoder_shape *h = &g->m->shape;
	const uint64_t dim[] = {h->experts, h->d};
	char full[128];
	struct tensor x;
	int r;

	snprintf(full, sizeof full, "%slayers.0.block_sparse_moe.gate.weight", g->prefix);
	if ((r = tensors_find(g->t, full, 2, dim, &x, g->why)) < 0)
		return -1;
	g->mlp = r ? "block_sparse_moe" : "mlp";
	memcpy(g->up, r ? older : usual, sizeof g->up);
	return 0;
}

int
decoder_load(struct decoder *m, struct tensors *t, char *why)
{
	static const char embed[] = "model.embed_tokens.weight|embed_tokens.weight";
	const struct decoder_shape *h = &m->shape;
	struct loading g = {.m = m, .t = t, .why = why};

	if (tensors_need(t, embed, h->vocab, h->d, &m->embed.t, why) < 0 ||
	    held(&g, &m->embed.w, &m->embed.t, 1, h->vocab, h->d) < 0)
		return -1;
	snprintf(g.prefix, sizeof g.prefix, "%s", m->embed.t.name[0] == 'm' ? "model." : "");
	if (names(&g) < 0)
		return -1;
	for (uint64_t i = 0; i < m->n; i++) {
		g.l = &m->layer[i];
		if (layer(&g, i, !m->whole && i + 1 == m->n) < 0)
			return -1;
	}
	if (!m->whole)
		return 0;
	g.l = NULL;
	snprintf(g.block, sizeof g.block, "%s", g.prefix);
	if (need(&g, &m->norm, "norm.weight", 0, h->d) < 0)
		return -1;
	g.block[0] = 0;
	return h->tied ? 0 : need(&g, &m->head, "lm_head.weight", h->vocab, h->d);
}

void
decoder_unload(struct decoder *m)
{
	struct engine *e = m->e;
	struct one *const ends[] = {&m->embed, &m->norm, &m->head};

	for (uint64_t i = 0; m->layer && i < m->n; i++) {
		struct decoder_layer *l = &m->layer[i];

		for (uint64_t k = 0; k < l->nall; k++)
			e->unhold(e, l->all[k]);
		e->drop(e, l->cache.k);
		e->drop(e, l->cache.v);
		free(l->part);
	}
	for (size_t i = 0; i < LEN(ends); i++)
		if (ends[i]->w.rows)
			e->unhold(e, &ends[i]->w);
}
