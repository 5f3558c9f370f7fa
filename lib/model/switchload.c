/* The weights of a Switch Transformers checkpoint that a run needs, and no others. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "size.h"
#include "switchown.h"

struct loading {
	struct sw *s;
	struct tensors *t;
	char *why;
};

static int
hold(const struct loading *l, struct weight *w, const struct tensor *part, uint64_t parts)
{
	*w = (struct weight){part, parts, part->rows, part->cols, NULL};
	if (l->s->e->hold(l->s->e, w) < 0)
		return model_why(l->why, "%s: %s: %.*s", part->file, part->name, MODEL_WHY / 2,
				 l->s->e->why);
	return 0;
}

/* rows 0: a vector */
static int
matrix(const struct loading *l, struct matrix *m, const char *name, uint64_t rows, uint64_t cols)
{
	if (tensors_need(l->t, name, rows, cols, &m->tensor, l->why) < 0)
		return -1;
	return hold(l, &m->weight, &m->tensor, 1);
}

static int
attention(const struct loading *l, struct attention *a, const char *layer, const char *kind)
{
	const uint64_t d = l->s->d, inner = l->s->heads * l->s->dk;
	const struct {
		const char *name;
		struct matrix *x;
		uint64_t rows, cols;
	} parts[] = {{"q", &a->q, inner, d},
		     {"k", &a->k, inner, d},
		     {"v", &a->v, inner, d},
		     {"o", &a->o, d, inner}};
	char name[320];

	for (size_t i = 0; i < LEN(parts); i++) {
		snprintf(name, sizeof name, "%s.%s.%s.weight", layer, kind, parts[i].name);
		if (matrix(l, parts[i].x, name, parts[i].rows, parts[i].cols) < 0)
			return -1;
	}
	snprintf(name, sizeof name, "%s.layer_norm.weight", layer);
	return matrix(l, &a->norm, name, 0, d);
}

static int
router(const struct loading *l, struct block *b, const char *mlp, int bias, int whole)
{
	const struct sw *s = l->s;
	char name[320];

	snprintf(name, sizeof name, "%s.router.classifier.weight", mlp);
	if (matrix(l, &b->router, name, s->experts, s->d) < 0)
		return -1;
	snprintf(name, sizeof name, "%s.router.classifier.bias", mlp);
	if (bias && matrix(l, &b->bias, name, 0, s->experts) < 0)
		return -1;
	if (!whole)
		return 0;
	if (!(b->part = calloc(2 * s->experts, sizeof *b->part)))
		return model_why(l->why, "%s: no memory", name);
	for (uint64_t e = 0; e < s->experts; e++) {
		snprintf(name, sizeof name, "%s.experts.expert_%llu.wi.weight", mlp,
			 (unsigned long long)e);
		if (tensors_need(l->t, name, s->ff, s->d, &b->part[e], l->why) < 0)
			return -1;
		snprintf(name, sizeof name, "%s.experts.expert_%llu.wo.weight", mlp,
			 (unsigned long long)e);
		if (tensors_need(l->t, name, s->d, s->ff, &b->part[s->experts + e], l->why) < 0)
			return -1;
	}
	return hold(l, &b->ins, b->part, s->experts) < 0 ||
			       hold(l, &b->outs, b->part + s->experts, s->experts) < 0
		       ? -1
		       : 0;
}

/* All weights of a block, those that it has not got among them. */
enum { WEIGHTS = 17 };
static void
weights(struct block *b, struct weight *to[WEIGHTS])
{
	struct weight *all[WEIGHTS] = {&b->self.norm.weight,
				       &b->self.q.weight,
				       &b->self.k.weight,
				       &b->self.v.weight,
				       &b->self.o.weight,
				       &b->cross.norm.weight,
				       &b->cross.q.weight,
				       &b->cross.k.weight,
				       &b->cross.v.weight,
				       &b->cross.o.weight,
				       &b->norm.weight,
				       &b->in.weight,
				       &b->out.weight,
				       &b->router.weight,
				       &b->bias.weight,
				       &b->ins,
				       &b->outs};

	memcpy(to, all, sizeof all);
}

/* Block i of the encoder, or of the decoder, which has attention to the encoder, too. */
static int
block(const struct loading *l, struct stack *k, uint64_t i, int sparse, int bias, int whole)
{
	const struct sw *s = l->s;
	struct block *b = &k->block[i];
	struct weight *all[WEIGHTS];
	char name[256], layer[64];
	int n = snprintf(layer, sizeof layer, "%s.block.%llu.layer.",
			 k->causal ? "decoder" : "encoder", (unsigned long long)i);

	strcpy(layer + n, "0");
	if (attention(l, &b->self, layer, "SelfAttention") < 0)
		return -1;
	strcpy(layer + n, "1");
	if (k->causal && attention(l, &b->cross, layer, "EncDecAttention") < 0)
		return -1;
	strcpy(layer + n, k->causal ? "2" : "1");
	snprintf(name, sizeof name, "%s.layer_norm.weight", layer);
	if (matrix(l, &b->norm, name, 0, s->d) < 0)
		return -1;
	snprintf(name, sizeof name, sparse ? "%s.mlp" : "%s.mlp.wi.weight", layer);
	if (sparse ? router(l, b, name, bias, whole) < 0 : matrix(l, &b->in, name, s->ff, s->d) < 0)
		return -1;
	snprintf(name, sizeof name, "%s.mlp.wo.weight", layer);
	if (!sparse && matrix(l, &b->out, name, s->d, s->ff) < 0)
		return -1;
	if (!(b->need = calloc(WEIGHTS, sizeof(struct weight *))))
		return model_why(l->why, "no memory");
	weights(b, all);
	for (size_t w = 0; w < WEIGHTS; w++)
		if (all[w]->part)
			b->need[b->needs++] = all[w];
	return 0;
}

static int
is_sparse(const struct shape *h, uint64_t i)
{
	return h->step && (h->step == 1 || i % h->step == 1);
}

static int
table(const struct loading *l, struct stack *k)
{
	struct tensor x;
	char name[96];

	snprintf(name, sizeof name,
		 "%s.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
		 k->causal ? "decoder" : "encoder");
	if (tensors_need(l->t, name, l->s->buckets, l->s->heads, &x, l->why) < 0)
		return -1;
	if (!(k->table = malloc(x.rows * x.cols * sizeof *k->table)))
		return model_why(l->why, "%s: %s: no memory", x.file, name);
	tensor_f32(&x, 0, x.rows, k->table);
	return 0;
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
	if (k->n && table(l, k) < 0)
		return -1;
	for (uint64_t i = 0; i < k->n; i++)
		if (block(l, k, i, is_sparse(h, i), bias, whole || i + 1 < last) < 0)
			return -1;
	k->normed = whole;
	return whole ? matrix(l, &k->norm,
			      k->causal ? "decoder.final_layer_norm.weight"
					: "encoder.final_layer_norm.weight",
			      0, l->s->d)
		     : 0;
}

/* The embedding, whose rows then are of length 1 / sqrt(d) as the norm before it sees to, or
 * a matrix of its own. */
static int
head(const struct loading *l)
{
	struct sw *s = l->s;
	struct matrix *norm = &s->decoder.norm;

	if (!s->tied)
		return matrix(l, &s->head, "lm_head.weight", s->vocab, s->d);
	if (!(s->scaled = malloc(s->d * sizeof *s->scaled)))
		return model_why(l->why, "no memory");
	tensor_f32(&norm->tensor, 0, 1, s->scaled);
	for (uint64_t i = 0; i < s->d; i++)
		s->scaled[i] *= (float)(1 / sqrt((double)s->d));
	norm->tensor.type = TR_F32;
	norm->tensor.data = s->scaled;
	norm->tensor.mapped = 0;
	s->e->unhold(s->e, &norm->weight);
	return hold(l, &norm->weight, &norm->tensor, 1);
}

int
switch_load(struct sw *s, struct tensors *t, const struct shape *encoder,
	    const struct shape *decoder, int bias, const struct model_opts *o,
	    struct model_info *info, char *why)
{
	const struct loading l = {s, t, why};

	s->decoder.causal = 1;
	if (matrix(&l, &s->shared,
		   "shared.weight|encoder.embed_tokens.weight|decoder.embed_tokens.weight",
		   s->vocab, s->d) < 0 ||
	    stack(&l, &s->encoder, encoder, 0, bias, o->decoder, o->layers, info) < 0 ||
	    (o->decoder && stack(&l, &s->decoder, decoder, encoder->blocks, bias, s->wanted,
				 o->layers, info) < 0))
		return -1;
	return s->wanted ? head(&l) : 0;
}

static void
matrix_free(struct engine *e, struct matrix *m)
{
	e->unhold(e, &m->weight);
}

static void
stack_free(struct engine *e, struct stack *k)
{
	for (uint64_t i = 0; k->block && i < k->n; i++) {
		struct block *b = &k->block[i];
		struct weight *all[WEIGHTS];

		weights(b, all);
		for (size_t w = 0; w < WEIGHTS; w++)
			e->unhold(e, all[w]);
		free(b->part);
		free(b->need);
	}
	matrix_free(e, &k->norm);
	e->drop(e, k->bias);
	free(k->block);
	free(k->table);
}

void
switch_free(struct sw *s)
{
	switch_forget(s);
	stack_free(s->e, &s->encoder);
	stack_free(s->e, &s->decoder);
	matrix_free(s->e, &s->shared);
	matrix_free(s->e, &s->head);
	free(s->scaled);
}
