/*
 * Switch Transformers: T5's blocks, some of whose feed-forward networks are one expert of
 * many.  models.md section 2 has the mathematics and the names.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../route/index.h"
#include "../route/product.h"
#include "attend.h"
#include "size.h"
#include "switch.h"

enum { DIM_MAX = 1 << 24, BLOCKS_MAX = 1024 };

/* q, k, v, o and the norm before them */
struct attention {
	struct tensor q, k, v, o;
	float *norm;
};

struct block {
	struct attention self, cross;
	float *norm;               /* before the feed-forward network */
	struct tensor in, out;     /* dense */
	struct tensor router;      /* sparse, rows 0: dense */
	float *bias;               /* [experts], or NULL */
	struct tensor *ins, *outs; /* [experts]; NULL: nobody asks what follows */
	uint64_t layer;
	int told;
};

struct stack {
	struct block *block;
	uint64_t n;   /* that are run */
	float *table; /* [buckets][heads] */
	float *norm;  /* the last one, NULL: not run */
	int causal;
};

struct sw {
	struct stack encoder, decoder;
	struct tensor shared;
	uint64_t d, dk, heads, ff, experts, buckets, distance, capacity;
	double eps;
	int residual, jobs;
	struct select select;
	struct linear linear;
};

/* ---- what a checkpoint holds ---- */

struct loading {
	struct sw *s;
	struct tensors *t;
	char *why;
};

/* A vector as f32, NULL and why where it is missing. */
static float *
vector(const struct loading *l, const char *name, uint64_t rows, uint64_t cols)
{
	struct tensor x;
	float *p;

	if (tensors_need(l->t, name, rows, cols, &x, l->why) < 0)
		return NULL;
	if (!(p = malloc(x.rows * x.cols * sizeof *p)))
		model_why(l->why, "%s: %s: no memory", x.file, name);
	else
		tensor_f32(&x, 0, x.rows, p);
	return p;
}

static int
attention(const struct loading *l, struct attention *a, const char *layer, const char *kind)
{
	const uint64_t d = l->s->d, inner = l->s->heads * l->s->dk;
	const struct {
		const char *name;
		struct tensor *x;
		uint64_t rows, cols;
	} parts[] = {{"q", &a->q, inner, d},
		     {"k", &a->k, inner, d},
		     {"v", &a->v, inner, d},
		     {"o", &a->o, d, inner}};
	char name[320];

	for (size_t i = 0; i < LEN(parts); i++) {
		snprintf(name, sizeof name, "%s.%s.%s.weight", layer, kind, parts[i].name);
		if (tensors_need(l->t, name, parts[i].rows, parts[i].cols, parts[i].x, l->why) < 0)
			return -1;
	}
	snprintf(name, sizeof name, "%s.layer_norm.weight", layer);
	return (a->norm = vector(l, name, 0, d)) ? 0 : -1;
}

static int
router(const struct loading *l, struct block *b, const char *mlp, int bias, int whole)
{
	const struct sw *s = l->s;
	char name[320];

	snprintf(name, sizeof name, "%s.router.classifier.weight", mlp);
	if (tensors_need(l->t, name, s->experts, s->d, &b->router, l->why) < 0)
		return -1;
	snprintf(name, sizeof name, "%s.router.classifier.bias", mlp);
	if (bias && !(b->bias = vector(l, name, 0, s->experts)))
		return -1;
	if (!whole)
		return 0;
	b->ins = calloc(s->experts, sizeof *b->ins);
	b->outs = calloc(s->experts, sizeof *b->outs);
	if (!b->ins || !b->outs)
		return model_why(l->why, "%s: no memory", name);
	for (uint64_t e = 0; e < s->experts; e++) {
		snprintf(name, sizeof name, "%s.experts.expert_%llu.wi.weight", mlp,
			 (unsigned long long)e);
		if (tensors_need(l->t, name, s->ff, s->d, &b->ins[e], l->why) < 0)
			return -1;
		snprintf(name, sizeof name, "%s.experts.expert_%llu.wo.weight", mlp,
			 (unsigned long long)e);
		if (tensors_need(l->t, name, s->d, s->ff, &b->outs[e], l->why) < 0)
			return -1;
	}
	return 0;
}

/* Block i of the encoder, or of the decoder, which has attention to the encoder, too. */
static int
block(const struct loading *l, struct stack *k, uint64_t i, int sparse, int bias, int whole)
{
	const struct sw *s = l->s;
	struct block *b = &k->block[i];
	char name[256], layer[64];
	int n = snprintf(layer, sizeof layer, "%s.block.%llu.layer.",
			 k->causal ? "decoder" : "encoder", (unsigned long long)i);

	strcpy(layer + n, "0");
	if (attention(l, &b->self, layer, "SelfAttention") < 0)
		return -1;
	snprintf(name, sizeof name, "%s.SelfAttention.relative_attention_bias.weight", layer);
	if (i == 0 && !(k->table = vector(l, name, s->buckets, s->heads)))
		return -1;
	strcpy(layer + n, "1");
	if (k->causal && attention(l, &b->cross, layer, "EncDecAttention") < 0)
		return -1;
	strcpy(layer + n, k->causal ? "2" : "1");
	snprintf(name, sizeof name, "%s.layer_norm.weight", layer);
	if (!(b->norm = vector(l, name, 0, s->d)))
		return -1;
	snprintf(name, sizeof name, "%s.mlp", layer);
	if (sparse)
		return router(l, b, name, bias, whole);
	snprintf(name, sizeof name, "%s.mlp.wi.weight", layer);
	if (tensors_need(l->t, name, s->ff, s->d, &b->in, l->why) < 0)
		return -1;
	snprintf(name, sizeof name, "%s.mlp.wo.weight", layer);
	return tensors_need(l->t, name, s->d, s->ff, &b->out, l->why);
}

struct shape {
	uint64_t blocks, sparse, step;
};

static int
is_sparse(const struct shape *h, uint64_t i)
{
	return h->step && (h->step == 1 || i % h->step == 1);
}

/* Blocks of a stack up to the last whose router is asked for; all of them where whole. */
static int
stack(const struct loading *l, struct stack *k, const struct shape *h, uint64_t first, int bias,
      int whole, const struct tr_list *want, struct model_info *info)
{
	uint64_t last = 0;

	if (!(k->block = calloc(h->blocks, sizeof *k->block)))
		return model_why(l->why, "no memory for %llu blocks",
				 (unsigned long long)h->blocks);
	for (uint64_t i = 0; i < h->blocks; i++) {
		k->block[i].layer = first + i;
		if (!is_sparse(h, i) || (want && !tr_list_has(want, first + i)))
			continue;
		k->block[i].told = 1;
		last = i + 1;
		if (tr_list_add(&info->routed, first + i) < 0 ||
		    (k->causal && tr_list_add(&info->second, first + i) < 0))
			return model_why(l->why, "no memory");
	}
	k->n = whole ? h->blocks : last;
	for (uint64_t i = 0; i < k->n; i++)
		if (block(l, k, i, is_sparse(h, i), bias, whole || i + 1 < last) < 0)
			return -1;
	if (whole && !(k->norm = vector(l, "encoder.final_layer_norm.weight", 0, l->s->d)))
		return -1;
	return 0;
}

static void
stack_free(struct stack *k)
{
	for (uint64_t i = 0; k->block && i < k->n; i++) {
		struct block *b = &k->block[i];

		free(b->self.norm);
		free(b->cross.norm);
		free(b->norm);
		free(b->bias);
		free(b->ins);
		free(b->outs);
	}
	free(k->block);
	free(k->table);
	free(k->norm);
}

static void
sw_close(void *state)
{
	struct sw *s = state;

	if (!s)
		return;
	stack_free(&s->encoder);
	stack_free(&s->decoder);
	linear_free(&s->linear);
	free(s);
}

/* Step of sparse blocks: what is stored, else what the number of them makes. */
static int
sparse(const struct config *c, struct shape *h, const char *step, const char *number, char *why)
{
	h->sparse = 3;
	if (config_u64(c, number, 0, BLOCKS_MAX, &h->sparse, why) < 0)
		return -1;
	h->step = h->sparse ? h->blocks / h->sparse : 0;
	return config_u64(c, step, 0, BLOCKS_MAX, &h->step, why);
}

static int
sizes(struct sw *s, const struct config *c, struct shape *encoder, struct shape *decoder,
      uint64_t *vocab, int *bias, char *why)
{
	int gated = 0;

	s->dk = 64;
	s->ff = 2048;
	s->d = 768;
	s->heads = encoder->blocks = 12;
	s->experts = 8;
	s->buckets = 32;
	s->distance = 128;
	s->eps = 1e-6;
	*vocab = 32128;
	s->capacity = 64;
	if (config_u64(c, "d_model", 1, DIM_MAX, &s->d, why) < 0 ||
	    config_u64(c, "d_kv", 1, DIM_MAX, &s->dk, why) < 0 ||
	    config_u64(c, "d_ff", 1, DIM_MAX, &s->ff, why) < 0 ||
	    config_u64(c, "num_heads", 1, 4096, &s->heads, why) < 0 ||
	    config_u64(c, "vocab_size", 1, UINT32_MAX, vocab, why) < 0 ||
	    config_u64(c, "num_layers", 1, BLOCKS_MAX, &encoder->blocks, why) < 0 ||
	    config_u64(c, "num_experts", 1, TR_EXPERTS_MAX, &s->experts, why) < 0 ||
	    config_u64(c, "relative_attention_num_buckets", 4, 1 << 16, &s->buckets, why) < 0 ||
	    config_u64(c, "relative_attention_max_distance", 2, 1 << 30, &s->distance, why) < 0 ||
	    config_u64(c, "expert_capacity", 1, UINT32_MAX, &s->capacity, why) < 0 ||
	    config_f64(c, "layer_norm_epsilon", &s->eps, why) < 0 ||
	    config_bool(c, "router_bias", bias, why) < 0 ||
	    config_bool(c, "is_gated_act", &gated, why) < 0)
		return -1;
	decoder->blocks = encoder->blocks;
	if (config_u64(c, "num_decoder_layers", 1, BLOCKS_MAX, &decoder->blocks, why) < 0 ||
	    sparse(c, encoder, "encoder_sparse_step", "num_sparse_encoder_layers", why) < 0 ||
	    sparse(c, decoder, "decoder_sparse_step", "num_sparse_decoder_layers", why) < 0)
		return -1;
	if (s->distance <= s->buckets / 2)
		return model_why(why,
				 "%s: relative_attention_max_distance: not above half of the "
				 "buckets",
				 c->file);
	if (gated || (config_has(c, "dense_act_fn") && !config_is(c, "dense_act_fn", "relu")))
		return model_why(why, "%s: an activation that is not relu", c->file);
	return 0;
}

static int
sw_open(void **state, const struct config *c, struct tensors *t, const struct model_opts *o,
	struct model_info *info, char *why)
{
	struct sw *s = calloc(1, sizeof *s);
	struct loading l = {s, t, why};
	struct shape encoder, decoder;
	char unfit[256];
	int bias = 0;

	if (!s)
		return model_why(why, "%s: no memory", c->file);
	s->residual = o->residual;
	s->jobs = o->jobs;
	s->decoder.causal = 1;
	if (sizes(s, c, &encoder, &decoder, &info->vocab, &bias, why) < 0)
		goto bad;
	if (o->capacity)
		s->capacity = o->capacity;
	s->select = (struct select){
		.experts = (uint32_t)s->experts, .k = 1, .type = TR_F32, .score = RULES_BEFORE};
	if (select_fit(&s->select, unfit, sizeof unfit) < 0) {
		model_why(why, "%s: %s", c->file, unfit);
		goto bad;
	}
	if (tensors_need(t, "shared.weight|encoder.embed_tokens.weight|decoder.embed_tokens.weight",
			 info->vocab, s->d, &s->shared, why) < 0 ||
	    stack(&l, &s->encoder, &encoder, 0, bias, o->decoder, o->layers, info) < 0 ||
	    (o->decoder &&
	     stack(&l, &s->decoder, &decoder, encoder.blocks, bias, 0, o->layers, info) < 0))
		goto bad;
	info->experts = s->experts;
	info->topk = 1;
	info->d = s->d;
	info->capacity = s->capacity;
	info->score = RULES_BEFORE;
	info->flags = MODEL_DROPS | MODEL_DECODER;
	*state = s;
	return 0;
bad:
	sw_close(s);
	return -1;
}

/* ---- one sequence ---- */

/* Memory of a run; rows is the longer of both sequences. */
struct room {
	float *h, *q, *k, *v, *mix, *y;          /* [rows][d], or of inner */
	float *logit, *w, *packed, *wide, *bias; /* packed [rows][d], wide [rows][ff] */
	uint16_t *ids, *kept;                    /* kept: SELECT_NONE where dropped */
	uint8_t *dropped;
	uint64_t *taken; /* [experts] */
	struct index index;
};

struct run {
	struct sw *s;
	struct room m;
	model_seen *seen;
	void *arg;
	char *why;
};

static void
room_free(struct room *m)
{
	void *all[] = {m->h,
		       m->q,
		       m->k,
		       m->v,
		       m->mix,
		       m->y,
		       m->logit,
		       m->w,
		       m->packed,
		       m->wide,
		       m->bias,
		       m->ids,
		       m->kept,
		       m->dropped,
		       m->taken,
		       m->index.counts,
		       m->index.offsets,
		       m->index.perm,
		       m->index.place};

	for (size_t i = 0; i < LEN(all); i++)
		free(all[i]);
}

static void *
some(uint64_t n, uint64_t each, uint64_t size, int *failed)
{
	size_t bytes = 0;
	void *p = NULL;

	if (size_mul(n, each, &bytes) < 0 || size_mul(bytes, size, &bytes) < 0 ||
	    !(p = malloc(bytes + 1)))
		*failed = 1;
	return p;
}

static int
room(struct room *m, const struct sw *s, uint64_t rows)
{
	const uint64_t inner = s->heads * s->dk;
	int no = 0;

	m->h = some(rows, s->d, sizeof *m->h, &no);
	m->q = some(rows, inner, sizeof *m->q, &no);
	m->k = some(rows, inner, sizeof *m->k, &no);
	m->v = some(rows, inner, sizeof *m->v, &no);
	m->mix = some(rows, inner, sizeof *m->mix, &no);
	m->y = some(rows, s->d, sizeof *m->y, &no);
	m->logit = some(rows, s->experts, sizeof *m->logit, &no);
	m->w = some(rows, 1, sizeof *m->w, &no);
	m->packed = some(rows, s->d, sizeof *m->packed, &no);
	m->wide = some(rows, s->ff, sizeof *m->wide, &no);
	m->bias = some(2 * rows, s->heads, sizeof *m->bias, &no);
	m->ids = some(rows, 1, sizeof *m->ids, &no);
	m->kept = some(rows, 1, sizeof *m->kept, &no);
	m->dropped = some(rows, 1, sizeof *m->dropped, &no);
	m->taken = some(s->experts, 1, sizeof *m->taken, &no);
	m->index = (struct index){.experts = (uint32_t)s->experts, .k = 1};
	m->index.counts = some(s->experts, 1, sizeof *m->index.counts, &no);
	m->index.offsets = some(s->experts + 1, 1, sizeof *m->index.offsets, &no);
	m->index.perm = some(index_room(&m->index, rows), 1, sizeof *m->index.perm, &no);
	m->index.place = some(rows, 1, sizeof *m->index.place, &no);
	return no ? TR_ENOMEM : 0;
}

/* Bucket of a key that is r places after the query. */
static uint64_t
bucket(int64_t r, int causal, uint64_t buckets, uint64_t distance)
{
	const uint64_t half = causal ? buckets : buckets / 2, base = !causal && r > 0 ? half : 0;
	const uint64_t d = r < 0 ? (uint64_t)-r : causal ? 0 : (uint64_t)r, exact = half / 2;

	if (d < exact)
		return base + d;
	const double far = log((double)d / (double)exact) / log((double)distance / (double)exact);
	const uint64_t at = exact + (uint64_t)(far * (double)(half - exact));

	return base + MIN(at, half - 1);
}

/* [heads][2 n - 1] as attend wants it */
static void
biases(const struct sw *s, const struct stack *k, uint64_t n, float *to)
{
	for (uint64_t i = 0; i < 2 * n - 1; i++) {
		const uint64_t b =
			bucket((int64_t)i - (int64_t)(n - 1), k->causal, s->buckets, s->distance);

		for (uint64_t h = 0; h < s->heads; h++)
			to[h * (2 * n - 1) + i] = k->table[b * s->heads + h];
	}
}

static void
add(float *x, const float *y, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		x[i] += y[i];
}

/* x += attention of x to other, which is x itself, normed, where it is NULL. */
static int
attended(struct run *r, const struct attention *a, float *x, uint64_t n, const float *other,
	 uint64_t nk, int causal)
{
	struct sw *s = r->s;
	struct room *m = &r->m;
	const struct attend how = {
		s->heads, s->heads, s->dk, s->dk, 1, causal, other ? NULL : m->bias};
	const uint64_t inner = s->heads * s->dk;

	rms_norm(x, a->norm, s->eps, n, s->d, m->h);
	if (!other) {
		other = m->h;
		nk = n;
	}
	if (linear(&s->linear, &a->q, 0, inner, m->h, m->q, n) < 0 ||
	    linear(&s->linear, &a->k, 0, inner, other, m->k, nk) < 0 ||
	    linear(&s->linear, &a->v, 0, inner, other, m->v, nk) < 0 ||
	    attend(&how, m->q, m->k, m->v, n, nk, m->mix, s->jobs) < 0 ||
	    linear(&s->linear, &a->o, 0, s->d, m->mix, m->y, n) < 0)
		return TR_ENOMEM;
	add(x, m->y, n * s->d);
	return 0;
}

static int
feed(struct sw *s, const struct tensor *in, const struct tensor *out, const float *x, float *wide,
     float *y, uint64_t n)
{
	if (linear(&s->linear, in, 0, s->ff, x, wide, n) < 0)
		return TR_ENOMEM;
	for (uint64_t i = 0; i < n * s->ff; i++)
		wide[i] = wide[i] > 0 ? wide[i] : 0;
	return linear(&s->linear, out, 0, s->d, wide, y, n);
}

/* Tokens in order; an expert that has its capacity takes no more of this sequence. */
static void
drop(struct sw *s, struct room *m, uint64_t n)
{
	memset(m->taken, 0, s->experts * sizeof *m->taken);
	for (uint64_t i = 0; i < n; i++) {
		m->dropped[i] = m->taken[m->ids[i]]++ >= s->capacity;
		m->kept[i] = m->dropped[i] ? SELECT_NONE : m->ids[i];
	}
}

/* The experts' part of rows h into y. */
static int
experts(struct run *r, const struct block *b, uint64_t n)
{
	struct sw *s = r->s;
	struct room *m = &r->m;
	int e = index_rows(&m->index, m->kept, n, s->jobs);

	if (e < 0)
		return e;
	gather_rows(&m->index, TR_F32, m->h, s->d, NULL, m->packed, s->jobs);
	for (uint64_t i = 0; i < s->experts; i++) {
		const uint64_t at = m->index.offsets[i], rows = m->index.offsets[i + 1] - at;

		/* in place: the rows of one expert are read before any is written */
		if (rows && feed(s, &b->ins[i], &b->outs[i], m->packed + at * s->d, m->wide,
				 m->packed + at * s->d, rows) < 0)
			return TR_ENOMEM;
	}
	combine_rows(&m->index, TR_F32, m->packed, s->d, m->w, n, m->y, s->jobs);
	for (uint64_t i = 0; i < n && s->residual; i++)
		for (uint64_t d = 0; m->dropped[i] && d < s->d; d++)
			m->y[i * s->d + d] = m->w[i] * m->h[i * s->d + d];
	return 0;
}

/* A routed block's part of rows h into y; 1: nobody asks for it. */
static int
routed(struct run *r, const struct block *b, uint64_t n)
{
	struct sw *s = r->s;
	struct room *m = &r->m;
	int e = linear(&s->linear, &b->router, 0, s->experts, m->h, m->logit, n);

	if (e < 0)
		return e;
	for (uint64_t i = 0; i < n && b->bias; i++)
		add(m->logit + i * s->experts, b->bias, s->experts);
	if ((e = model_finite(m->logit, n, s->experts, b->layer, r->why)) < 0)
		return e;
	select_rows(&s->select, m->logit, n, m->ids, m->w, s->jobs);
	drop(s, m, n);
	const struct model_route told = {.layer = b->layer,
					 .rows = n,
					 .logit = m->logit,
					 .ids = m->ids,
					 .w = m->w,
					 .dropped = s->capacity == MODEL_FREE ? NULL : m->dropped,
					 .hidden = m->h};

	if (b->told && (e = r->seen(r->arg, &told)) < 0)
		return e;
	return b->ins ? experts(r, b, n) : 1;
}

/* x [n][d] through the stack; other [nk][d]: what the decoder's cross attention sees. */
static int
through(struct run *r, const struct stack *k, float *x, uint64_t n, const float *other, uint64_t nk)
{
	struct sw *s = r->s;
	int e = 0;

	if (k->n)
		biases(s, k, n, r->m.bias);
	for (uint64_t i = 0; i < k->n; i++) {
		const struct block *b = &k->block[i];

		if ((e = attended(r, &b->self, x, n, NULL, 0, k->causal)) < 0 ||
		    (other && (e = attended(r, &b->cross, x, n, other, nk, 0)) < 0))
			return e;
		rms_norm(x, b->norm, s->eps, n, s->d, r->m.h);
		if (b->router.rows)
			e = routed(r, b, n);
		else
			e = feed(s, &b->in, &b->out, r->m.h, r->m.wide, r->m.y, n);
		if (e != 0)
			return e < 0 ? e : 0;
		add(x, r->m.y, n * s->d);
	}
	if (k->norm)
		rms_norm(x, k->norm, s->eps, n, s->d, x);
	return 0;
}

static float *
embedded(const struct sw *s, const uint32_t *ids, uint64_t n)
{
	int no = 0;
	float *x = some(n, s->d, sizeof *x, &no);

	for (uint64_t i = 0; x && i < n; i++)
		tensor_f32(&s->shared, ids[i], 1, x + i * s->d);
	return x;
}

static int
sw_run(void *state, const struct model_seq *q, model_seen *seen, void *arg, char *why)
{
	struct sw *s = state;
	struct run r = {s, {0}, seen, arg, why};
	float *x = embedded(s, q->source, q->nsource), *y = embedded(s, q->target, q->ntarget);
	int e = x && y ? room(&r.m, s, MAX(q->nsource, q->ntarget)) : TR_ENOMEM;

	if (e == 0)
		e = through(&r, &s->encoder, x, q->nsource, NULL, 0);
	if (e == 0 && q->ntarget)
		e = through(&r, &s->decoder, y, q->ntarget, x, q->nsource);
	room_free(&r.m);
	free(x);
	free(y);
	return e;
}

const struct model_ops switch_ops = {
	.types = "switch_transformers",
	.open = sw_open,
	.run = sw_run,
	.close = sw_close,
};
