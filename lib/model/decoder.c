/* Decoder-only models: opened and closed. */
#include <stdlib.h>
#include <string.h>

#include "decoder.h"
#include "size.h"

static void
dec_close(void *state)
{
	struct decoder *m = state;

	if (!m)
		return;
	decoder_unload(m);
	tr_list_free(&m->shape.plain);
	free(m->layer);
	free(m->freq);
	free(m->file);
	free(m);
}

/* Which layers are told of, and which are run at all. */
static int
layers(struct decoder *m, const struct model_opts *o, struct model_info *info, char *why)
{
	const struct decoder_shape *h = &m->shape;

	if (!(m->layer = calloc(h->layers, sizeof *m->layer)))
		return model_why(why, "%s: no memory", m->file);
	for (uint64_t i = 0; i < h->layers; i++) {
		struct decoder_layer *l = &m->layer[i];

		l->routed = decoder_routes(h, i);
		l->told = l->routed && (!o->layers || tr_list_has(o->layers, i));
		if (!l->told)
			continue;
		m->n = m->told = i + 1;
		if (tr_list_add(&info->routed, i) < 0)
			return model_why(why, "%s: no memory", m->file);
	}
	if ((m->whole = o->head))
		m->n = h->layers;
	return 0;
}

static int
selection(struct decoder *m, char *why)
{
	const struct decoder_shape *h = &m->shape;
	char unfit[256];

	m->select = (struct select){
		.experts = (uint32_t)h->experts,
		.k = (uint32_t)h->topk,
		.type = TR_F32,
		.score = RULES_BEFORE,
		.renorm = h->renorm,
		.groups = (uint32_t)h->groups,
		.topk_groups = (uint32_t)h->topk_groups,
	};
	if (select_fit(&m->select, unfit, sizeof unfit) < 0)
		return model_why(why, "%s: %s", m->file, unfit);
	return 0;
}

static int
rotation(struct decoder *m, char *why)
{
	const struct decoder_shape *h = &m->shape;

	if (!(m->freq = malloc(h->rope / 2 * sizeof *m->freq)))
		return model_why(why, "%s: no memory", m->file);
	yarn_freq(&h->yarn, h->theta, h->rope / 2, m->freq);
	m->rope = (struct rope){h->rope / 2, m->freq, (float)yarn_scale(&h->yarn), (int)h->mla};
	return 0;
}

static int
dec_open(void **state, const struct config *c, struct tensors *t, struct engine *e,
	 const struct model_opts *o, struct model_info *info, char *why)
{
	struct decoder *m = calloc(1, sizeof *m);

	if (!m || !(m->file = strdup(c->file))) {
		free(m);
		return model_why(why, "%s: no memory", c->file);
	}
	m->e = e;
	m->opts = o;
	const struct decoder_shape *h = &m->shape;

	if (decoder_shape(&m->shape, c, why) < 0 || selection(m, why) < 0 || rotation(m, why) < 0 ||
	    layers(m, o, info, why) < 0 || decoder_load(m, t, why) < 0) {
		dec_close(m);
		return -1;
	}
	info->vocab = h->vocab;
	info->positions = h->positions;
	info->experts = h->experts;
	info->topk = h->topk;
	info->shared = h->nshared;
	info->d = h->d;
	info->capacity = MODEL_FREE;
	info->score = RULES_BEFORE;
	info->renorm = h->renorm;
	info->start = h->bos;
	info->eos = h->eos;
	*state = m;
	return 0;
}

const struct model_ops decoder_ops = {
	.types = "deepseek_v2|qwen3_moe|qwen2_moe|olmoe|mixtral",
	.open = dec_open,
	.run = decoder_run,
	.close = dec_close,
};
