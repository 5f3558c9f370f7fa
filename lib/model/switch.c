/*
 * Switch Transformers: T5's blocks, some of whose feed-forward networks are one expert of
 * many.  models.md section 2 has the mathematics and the names.
 */
#include <stdlib.h>

#include "size.h"
#include "switch.h"
#include "switchown.h"

enum { DIM_MAX = 1 << 24, BLOCKS_MAX = 1024 };

/* Step of sparse blocks: what is stored, else what the number of them makes. */
static int
sparse(const struct config *c, struct shape *h, const char *step, const char *number, char *why)
{
	uint64_t n = 3;

	if (config_u64(c, number, 0, BLOCKS_MAX, &n, why) < 0)
		return -1;
	h->step = n ? h->blocks / n : 0;
	return config_u64(c, step, 0, BLOCKS_MAX, &h->step, why);
}

static int
sizes(struct sw *s, const struct config *c, struct shape *encoder, struct shape *decoder, int *bias,
      char *why)
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
	s->vocab = 32128;
	s->capacity = 64;
	s->tied = 1;
	if (config_u64(c, "d_model", 1, DIM_MAX, &s->d, why) < 0 ||
	    config_u64(c, "d_kv", 1, DIM_MAX, &s->dk, why) < 0 ||
	    config_u64(c, "d_ff", 1, DIM_MAX, &s->ff, why) < 0 ||
	    config_u64(c, "num_heads", 1, 4096, &s->heads, why) < 0 ||
	    config_u64(c, "vocab_size", 1, UINT32_MAX, &s->vocab, why) < 0 ||
	    config_u64(c, "num_layers", 1, BLOCKS_MAX, &encoder->blocks, why) < 0 ||
	    config_u64(c, "num_experts", 1, TR_EXPERTS_MAX, &s->experts, why) < 0 ||
	    config_u64(c, "relative_attention_num_buckets", 4, 1 << 16, &s->buckets, why) < 0 ||
	    config_u64(c, "relative_attention_max_distance", 2, 1 << 30, &s->distance, why) < 0 ||
	    config_u64(c, "expert_capacity", 1, UINT32_MAX, &s->capacity, why) < 0 ||
	    config_f64(c, "layer_norm_epsilon", &s->eps, why) < 0 ||
	    config_bool(c, "router_bias", bias, why) < 0 ||
	    config_bool(c, "tie_word_embeddings", &s->tied, why) < 0 ||
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

/* Ids of the first token of a target and of the last. */
static int
ends(const struct config *c, struct model_info *info, char *why)
{
	uint64_t start = 0, eos = 1;

	if (config_u64(c, "decoder_start_token_id|pad_token_id", 0, UINT32_MAX, &start, why) < 0 ||
	    config_u64(c, "eos_token_id", 0, UINT32_MAX, &eos, why) < 0)
		return -1;
	info->start = (uint32_t)start;
	info->eos = (uint32_t)eos;
	return 0;
}

static void
sw_close(void *state)
{
	struct sw *s = state;

	if (s)
		switch_free(s);
	free(s);
}

static int
sw_open(void **state, const struct config *c, struct tensors *t, struct engine *e,
	const struct model_opts *o, struct model_info *info, char *why)
{
	struct sw *s = calloc(1, sizeof *s);
	struct shape encoder, decoder;
	char unfit[256];
	int bias = 0;

	if (!s)
		return model_why(why, "%s: no memory", c->file);
	s->e = e;
	s->residual = o->residual;
	s->no_hidden = o->no_hidden;
	s->wanted = o->head && o->decoder;
	s->opts = o;
	if (sizes(s, c, &encoder, &decoder, &bias, why) < 0 || ends(c, info, why) < 0)
		goto bad;
	if (o->capacity)
		s->capacity = o->capacity;
	s->select = (struct select){
		.experts = (uint32_t)s->experts, .k = 1, .type = TR_F32, .score = RULES_BEFORE};
	if (select_fit(&s->select, unfit, sizeof unfit) < 0) {
		model_why(why, "%s: %s", c->file, unfit);
		goto bad;
	}
	if (switch_load(s, t, &encoder, &decoder, bias, o, info, why) < 0)
		goto bad;
	info->vocab = s->vocab;
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

const struct model_ops switch_ops = {
	.types = "switch_transformers",
	.open = sw_open,
	.run = switch_run,
	.close = sw_close,
};
