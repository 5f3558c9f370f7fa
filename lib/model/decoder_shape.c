/* config.json of decoder-only models, in the spellings of all versions. */
#include <stdlib.h>
#include <string.h>

#include "decoder.h"
#include "size.h"

#define DIM_MAX ((uint64_t)1 << 20)

/* How families differ where config.json does not say it. */
static const struct family {
	const char *type;
	const char *hidden; /* key of an expert's width */
	double eps, theta;
	enum decoder_norm qk_norm;
	int renorm, bias; /* bias: of q, k, v whatever attention_bias says */
} families[] = {
	{"deepseek_v2", "moe_intermediate_size", 1e-6, 1e4, NORM_NONE, 0, 0},
	{"qwen3_moe", "moe_intermediate_size", 1e-6, 1e4, NORM_HEAD, 0, 0},
	{"qwen2_moe", "moe_intermediate_size", 1e-6, 1e4, NORM_NONE, 0, 1},
	{"olmoe", "intermediate_size", 1e-5, 1e4, NORM_FULL, 0, 0},
	{"mixtral", "intermediate_size", 1e-5, 1e6, NORM_NONE, 1, 0},
};

/* An integer that must be there. */
static int
size(const struct config *c, const char *keys, uint64_t lo, uint64_t hi, uint64_t *to, char *why)
{
	if (config_need(c, keys, why) < 0)
		return -1;
	return config_u64(c, keys, lo, hi, to, why);
}

static int
attention(struct decoder_shape *h, const struct config *c, const struct family *f, char *why)
{
	int bias = 0, o = 0;

	if (size(c, "num_attention_heads", 1, 4096, &h->heads, why) < 0)
		return -1;
	h->kv_heads = h->heads;
	if (config_bool(c, "attention_bias", &bias, why) < 0)
		return -1;
	o = bias;
	if (f->bias) {
		bias = 1;
		o = 0;
		if (config_bool(c, "qkv_bias", &bias, why) < 0)
			return -1;
	}
	h->bias_qkv = bias;
	h->bias_o = o;
	h->qk_norm = f->qk_norm;
	if ((h->mla = !strcmp(f->type, "deepseek_v2"))) {
		if (size(c, "kv_lora_rank", 1, DIM_MAX, &h->kv_rank, why) < 0 ||
		    config_u64(c, "q_lora_rank", 1, DIM_MAX, &h->q_rank, why) < 0 ||
		    size(c, "qk_nope_head_dim", 1, DIM_MAX, &h->nope, why) < 0 ||
		    size(c, "qk_rope_head_dim", 2, DIM_MAX, &h->rope, why) < 0 ||
		    size(c, "v_head_dim", 1, DIM_MAX, &h->dv, why) < 0)
			return -1;
		h->dk = h->nope + h->rope;
	} else {
		if (config_u64(c, "num_key_value_heads", 1, h->heads, &h->kv_heads, why) < 0)
			return -1;
		if (h->heads % h->kv_heads)
			return model_why(why, "%s: num_key_value_heads: does not divide %llu heads",
					 c->file, (unsigned long long)h->heads);
		h->dk = h->d / h->heads;
		if (!config_has(c, "head_dim") && h->d % h->heads)
			return model_why(why, "%s: no head_dim, and %llu heads do not divide %llu",
					 c->file, (unsigned long long)h->heads,
					 (unsigned long long)h->d);
		if (config_u64(c, "head_dim", 2, DIM_MAX, &h->dk, why) < 0)
			return -1;
		h->rope = h->dv = h->dk;
	}
	if (h->rope % 2)
		return model_why(why, "%s: %s: an odd number of %llu is not rotated", c->file,
				 h->mla ? "qk_rope_head_dim" : "head_dim",
				 (unsigned long long)h->rope);
	h->clip = 0;
	if (config_f64(c, "clip_qkv", &h->clip, why) < 0)
		return -1;
	return h->clip < 0 ? model_why(why, "%s: clip_qkv: below 0", c->file) : 0;
}

/* Both dialects: a key of rope_parameters counts before one of rope_scaling. */
#define ROPE(key) "rope_parameters." key "|rope_scaling." key

static int
rotation(struct decoder_shape *h, const struct config *c, char *why)
{
	static const char type[] = ROPE("rope_type") "|rope_scaling.type";
	struct yarn *y = &h->yarn;
	char word[64] = "default";

	if (config_f64(c, "rope_parameters.rope_theta|rope_theta", &h->theta, why) < 0 ||
	    config_u64(c, "max_position_embeddings", 1, UINT32_MAX, &h->positions, why) < 0 ||
	    config_text(c, type, word, sizeof word, why) < 0)
		return -1;
	if (h->theta <= 1)
		return model_why(why, "%s: rope_theta: not above 1", c->file);
	if (!strcmp(word, "default"))
		return 0;
	if (strcmp(word, "yarn"))
		return model_why(why, "%s: rope_scaling: type %s is none of default, yarn", c->file,
				 word);
	y->fast = 32;
	y->slow = 1;
	y->original = (double)h->positions;
	if (config_need(c, ROPE("factor"), why) < 0 ||
	    config_f64(c, ROPE("factor"), &y->factor, why) < 0 ||
	    config_f64(c, ROPE("beta_fast"), &y->fast, why) < 0 ||
	    config_f64(c, ROPE("beta_slow"), &y->slow, why) < 0 ||
	    config_f64(c, ROPE("mscale"), &y->mscale, why) < 0 ||
	    config_f64(c, ROPE("mscale_all_dim"), &y->mscale_all, why) < 0 ||
	    config_f64(c, ROPE("attention_factor"), &y->attention, why) < 0 ||
	    config_f64(c, ROPE("original_max_position_embeddings"), &y->original, why) < 0)
		return -1;
	if (y->factor <= 0 || y->fast <= 0 || y->slow <= 0 || y->original <= 0 || y->mscale < 0 ||
	    y->mscale_all < 0 || y->attention < 0)
		return model_why(why, "%s: rope_scaling: a number that is not above 0", c->file);
	h->positions = MAX(h->positions, (uint64_t)MIN(y->original * y->factor, UINT32_MAX));
	return 0;
}

/* Which layers route, and how. */
static int
routing(struct decoder_shape *h, const struct config *c, const struct family *f, char *why)
{
	static const char plain[] = "mlp_only_layers";
	const int v = config_find(c, plain);
	uint64_t layer;

	if (size(c, "num_local_experts|num_experts|n_routed_experts", 1, TR_EXPERTS_MAX,
		 &h->experts, why) < 0 ||
	    size(c, "num_experts_per_tok", 1, TR_EXPERTS_MAX, &h->topk, why) < 0 ||
	    size(c, f->hidden, 1, DIM_MAX, &h->hidden, why) < 0 ||
	    config_bool(c, "norm_topk_prob", &h->renorm, why) < 0)
		return -1;
	h->renorm |= f->renorm;
	h->dense = h->hidden;
	h->step = 1;
	h->scaling = 1;
	if (config_u64(c, "intermediate_size", 1, DIM_MAX, &h->dense, why) < 0)
		return -1;
	if (h->mla) {
		char method[64] = "greedy", score[64] = "softmax";

		if (size(c, "first_k_dense_replace", 0, DIM_MAX, &h->first, why) < 0 ||
		    config_u64(c, "moe_layer_freq", 1, DIM_MAX, &h->step, why) < 0 ||
		    config_u64(c, "n_shared_experts", 0, 1024, &h->nshared, why) < 0 ||
		    config_need(c, "routed_scaling_factor", why) < 0 ||
		    config_f64(c, "routed_scaling_factor", &h->scaling, why) < 0 ||
		    config_text(c, "scoring_func", score, sizeof score, why) < 0 ||
		    config_text(c, "topk_method", method, sizeof method, why) < 0)
			return -1;
		h->shared = h->nshared * h->hidden;
		/* as the model's own code has it: weights that add up to 1 are not scaled */
		if (h->renorm)
			h->scaling = 1;
		if (strcmp(score, "softmax"))
			return model_why(why, "%s: scoring_func: %s is not softmax", c->file,
					 score);
		if (!strcmp(method, "group_limited_greedy"))
			return size(c, "n_group", 1, TR_EXPERTS_MAX, &h->groups, why) < 0 ||
					       size(c, "topk_group", 1, TR_EXPERTS_MAX,
						    &h->topk_groups, why) < 0
				       ? -1
				       : 0;
		if (strcmp(method, "greedy"))
			return model_why(why,
					 "%s: topk_method: %s is none of greedy, "
					 "group_limited_greedy",
					 c->file, method);
		return 0;
	}
	if (!strcmp(f->type, "qwen2_moe")) {
		h->nshared = h->gated_shared = 1;
		if (size(c, "shared_expert_intermediate_size", 1, DIM_MAX, &h->shared, why) < 0)
			return -1;
	}
	if (strncmp(f->type, "qwen", 4))
		return 0;
	h->after = 1;
	if (config_u64(c, "decoder_sparse_step", 1, DIM_MAX, &h->step, why) < 0)
		return -1;
	if (v >= 0 && json_type(&c->json, v) != JSON_ARR)
		return model_why(why, "%s: %s: not a list", c->file, plain);
	for (int i = v < 0 ? -1 : json_first(&c->json, v); i >= 0; i = json_next(&c->json, v, i))
		if (json_u64(&c->json, i, &layer) < 0 || tr_list_add(&h->plain, layer) < 0)
			return model_why(why, "%s: %s: not a list of layers", c->file, plain);
	return 0;
}

/* An id, or the first of a list of them. */
static uint32_t
id(const struct config *c, const char *key)
{
	uint64_t n = MODEL_NOID;
	int v = config_find(c, key);

	if (json_type(&c->json, v) == JSON_ARR)
		v = json_first(&c->json, v);
	if (v < 0 || json_u64(&c->json, v, &n) < 0 || n > MODEL_NOID)
		return MODEL_NOID;
	return (uint32_t)n;
}

/* What changes results and is not done here. */
static int
undone(struct decoder_shape *h, const struct config *c, char *why)
{
	int slides = 1;

	if (config_has(c, "quantization_config"))
		return model_why(why, "%s: quantization_config: weights in f32, f16 or bf16 alone",
				 c->file);
	if (config_has(c, "hidden_act") && !config_is(c, "hidden_act", "silu"))
		return model_why(why, "%s: hidden_act: not silu", c->file);
	if (config_bool(c, "use_sliding_window", &slides, why) < 0)
		return -1;
	return slides ? config_u64(c, "sliding_window", 1, UINT32_MAX, &h->window, why) : 0;
}

int
decoder_shape(struct decoder_shape *h, const struct config *c, char *why)
{
	const struct family *f = families;

	memset(h, 0, sizeof *h);
	while (!config_is(c, "model_type", f->type))
		f++;
	h->eps = f->eps;
	h->theta = f->theta;
	if (size(c, "vocab_size", 1, UINT32_MAX, &h->vocab, why) < 0 ||
	    size(c, "hidden_size", 1, DIM_MAX, &h->d, why) < 0 ||
	    size(c, "num_hidden_layers", 1, 4096, &h->layers, why) < 0 ||
	    config_f64(c, "rms_norm_eps", &h->eps, why) < 0 ||
	    config_bool(c, "tie_word_embeddings", &h->tied, why) < 0 || undone(h, c, why) < 0 ||
	    attention(h, c, f, why) < 0 || rotation(h, c, why) < 0 || routing(h, c, f, why) < 0) {
		tr_list_free(&h->plain);
		return -1;
	}
	h->bos = id(c, "bos_token_id");
	h->eos = id(c, "eos_token_id");
	return 0;
}

int
decoder_routes(const struct decoder_shape *h, uint64_t layer)
{
	/* an empty list has all layers */
	return layer >= h->first && (layer + h->after) % h->step == 0 &&
	       tr_list_find(&h->plain, layer) == TR_NONE;
}
