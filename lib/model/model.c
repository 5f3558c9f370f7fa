/* Which family reads a checkpoint. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decoder.h"
#include "model.h"
#include "size.h"
#include "switch.h"

static const struct model_ops *const families[] = {
	&switch_ops,
	&decoder_ops,
};

/* Is word one of "a|b|c"? */
static int
among(const char *words, const char *word)
{
	for (size_t n; *words; words += n + (words[n] == '|')) {
		n = strcspn(words, "|");
		if (strlen(word) == n && !strncmp(words, word, n))
			return 1;
	}
	return 0;
}

static const struct model_ops *
family(const struct config *c, const char *type, char *why)
{
	char all[MODEL_WHY / 2] = "";
	size_t n = 0;

	for (size_t i = 0; i < LEN(families); i++)
		if (among(families[i]->types, type))
			return families[i];
	for (size_t i = 0; i < LEN(families) && n < sizeof all; i++)
		n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? "|" : "",
				      families[i]->types);
	model_why(why, "%s: model_type %s is none of %s", c->file, *type ? type : "(absent)", all);
	return NULL;
}

/* Layers that were asked for and do not route. */
static int
asked(const struct model *m, const char *dir, char *why)
{
	const struct tr_list *want = m->opts.layers;
	char routed[256];

	if (want && want->n)
		for (uint64_t i = 0, l; (l = tr_list_at(want, i)) != TR_NONE; i++)
			if (tr_list_find(&m->info.routed, l) == TR_NONE)
				return model_why(why, "%s: layer %llu has no router", dir,
						 (unsigned long long)l);
	if (!m->info.routed.n)
		return model_why(why, "%s: no layer has a router", dir);
	if (tr_list_text(&m->info.routed, routed, sizeof routed) < 0)
		return model_why(why, "%s: more layers than a trace has room for", dir);
	return 0;
}

int
model_open(struct model *m, const char *dir, const struct model_opts *o, char *why)
{
	struct config c;
	size_t n = strlen(dir);
	int r = -1;

	memset(m, 0, sizeof *m);
	m->opts = *o;
	while (n > 1 && dir[n - 1] == '/')
		n--;
	const char *slash = memrchr(dir, '/', n), *name = slash ? slash + 1 : dir;

	snprintf(m->name, sizeof m->name, "%.*s", (int)(dir + n - name), name);
	if (config_open(&c, dir, why) < 0)
		return -1;
	m->info.start = m->info.eos = MODEL_NOID;
	if (config_text(&c, "model_type", m->type, sizeof m->type, why) >= 0 &&
	    (m->ops = family(&c, m->type, why)) && tensors_open(&m->tensors, dir, why) == 0 &&
	    (r = engine_open(&m->engine, &o->engine, why)) == 0 && (r = -1) &&
	    m->ops->open(&m->state, &c, m->tensors, m->engine, &m->opts, &m->info, why) == 0)
		r = asked(m, dir, why);
	config_free(&c);
	if (r < 0)
		model_close(m);
	return r;
}

/* Sequence i of ids, which goes on after past rows and of which keep are kept, 0: none. */
static int
known(const struct model *m, const struct model_ids *of, uint64_t i, uint64_t past, uint64_t keep,
      char *why)
{
	const uint64_t n = of->at[i + 1] - of->at[i];
	const uint32_t *ids = of->ids + of->at[i];

	if (m->info.positions && past + n > m->info.positions)
		return model_why(why, "%llu tokens, but the model has %llu positions",
				 (unsigned long long)(past + n),
				 (unsigned long long)m->info.positions);
	if (keep && past + n > keep)
		return model_why(why, "%llu tokens, but %llu are kept",
				 (unsigned long long)(past + n), (unsigned long long)keep);
	for (uint64_t k = 0; k < n; k++)
		if (ids[k] >= m->info.vocab)
			return model_why(
				why, "id %u of token %llu is beyond the vocabulary of %llu", ids[k],
				(unsigned long long)k, (unsigned long long)m->info.vocab);
	return 0;
}

static int
fits(const struct model *m, const struct model_batch *b, char *why)
{
	if (b->past && !m->opts.keep)
		return model_why(why, "a run that goes on, and nothing is kept");
	for (uint64_t i = 0; i < b->n; i++) {
		const uint64_t past = b->past ? b->past[i] : 0;

		if (!b->target.at) {
			if (known(m, &b->source, i, past, m->opts.keep, why) < 0)
				return -1;
			continue;
		}
		if (known(m, &b->source, i, 0, 0, why) < 0 ||
		    known(m, &b->target, i, past, m->opts.keep, why) < 0)
			return -1;
		if (b->source.at[i] == b->source.at[i + 1])
			return model_why(why, "sequence %llu has a target and no source",
					 (unsigned long long)i);
	}
	return 0;
}

/* What the head said. */
static int
said(const struct model *m, const struct model_batch *b, char *why)
{
	const uint64_t *at = b->target.at ? b->target.at : b->source.at;

	for (uint64_t i = 0; i < b->n; i++) {
		int bad = 0;

		for (uint64_t k = 0; b->next && at[i] < at[i + 1] && k < m->info.vocab; k++)
			bad |= !isfinite(b->next[i * m->info.vocab + k]);
		for (uint64_t k = at[i]; b->nll && k < at[i + 1]; k++)
			bad |= !isfinite(b->nll[k]);
		if (bad) {
			model_why(why, "the head's logits of sequence %llu are not finite",
				  (unsigned long long)i);
			return TR_EVALUE;
		}
	}
	return 0;
}

int
model_run(struct model *m, const struct model_batch *b, model_seen *seen, void *arg, char *why)
{
	char tensor[MODEL_WHY];
	uint64_t rows;
	int r;

	if (fits(m, b, why) < 0)
		return TR_EVALUE;
	rows = b->target.at ? b->target.at[b->n] : b->source.at[b->n];
	if (!rows)
		return 0;
	*why = *m->engine->why = 0;
	r = m->ops->run(m->state, b, seen, arg, why);
	if (r == 0)
		r = said(m, b, why);
	if (r == TR_EVALUE && *why && tensors_bad(m->tensors, tensor))
		snprintf(why, MODEL_WHY, "%s", tensor);
	if (r < 0 && !*why && *m->engine->why)
		snprintf(why, MODEL_WHY, "%s: %.*s", m->name, MODEL_WHY / 2, m->engine->why);
	if (r == TR_ENOMEM && !*why)
		model_why(why, "%s: no memory for %llu tokens", m->name, (unsigned long long)rows);
	return r;
}

void
model_close(struct model *m)
{
	if (m->ops && m->state)
		m->ops->close(m->state);
	if (m->engine)
		m->engine->close(m->engine);
	tensors_close(m->tensors);
	tr_list_free(&m->info.routed);
	tr_list_free(&m->info.second);
	memset(m, 0, sizeof *m);
}

int
model_finite(const float *logits, uint64_t rows, uint64_t experts, uint64_t layer, char *why)
{
	for (uint64_t i = 0; i < rows * experts; i++)
		if (!isfinite(logits[i])) {
			model_why(why, "layer %llu: logits of token %llu are not finite",
				  (unsigned long long)layer, (unsigned long long)(i / experts));
			return TR_EVALUE;
		}
	return 0;
}
