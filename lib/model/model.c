/* Which family reads a checkpoint. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../route/product.h"
#include "model.h"
#include "size.h"
#include "switch.h"

static const struct model_ops *const families[] = {
	&switch_ops,
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
	if (product_jobs(MAX(o->jobs, 1)) < 0)
		model_why(why, "%s: no memory for threads", dir);
	else if (config_text(&c, "model_type", m->type, sizeof m->type, why) >= 0 &&
		 (m->ops = family(&c, m->type, why)) && tensors_open(&m->tensors, dir, why) == 0 &&
		 m->ops->open(&m->state, &c, m->tensors, &m->opts, &m->info, why) == 0)
		r = asked(m, dir, why);
	config_free(&c);
	if (r < 0)
		model_close(m);
	return r;
}

static int
known(const struct model *m, const uint32_t *ids, uint64_t n, char *why)
{
	if (m->info.positions && n > m->info.positions)
		return model_why(why, "%llu tokens, but the model has %llu positions",
				 (unsigned long long)n, (unsigned long long)m->info.positions);
	for (uint64_t i = 0; i < n; i++)
		if (ids[i] >= m->info.vocab)
			return model_why(
				why, "id %u of token %llu is beyond the vocabulary of %llu", ids[i],
				(unsigned long long)i, (unsigned long long)m->info.vocab);
	return 0;
}

int
model_run(struct model *m, const struct model_seq *s, model_seen *seen, void *arg, char *why)
{
	char tensor[MODEL_WHY];
	int r;

	if (known(m, s->source, s->nsource, why) < 0 || known(m, s->target, s->ntarget, why) < 0)
		return TR_EVALUE;
	if (!s->nsource)
		return 0;
	*why = 0;
	r = m->ops->run(m->state, s, seen, arg, why);
	if (r == TR_EVALUE && *why && tensors_bad(m->tensors, tensor))
		snprintf(why, MODEL_WHY, "%s", tensor);
	if (r == TR_ENOMEM)
		model_why(why, "%s: no memory for %llu tokens", m->name,
			  (unsigned long long)(s->nsource + s->ntarget));
	return r;
}

void
model_close(struct model *m)
{
	if (m->ops && m->state)
		m->ops->close(m->state);
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
