/* The routed blocks of Switch Transformers: picks, whom the experts have no room for, and what
 * becomes of those. */
#include <string.h>

#include "switchown.h"

/* Tokens in order; an expert that has its capacity takes no more of a sequence.  1: some were
 * dropped. */
static int
drop(struct run *r, const struct spans *s, uint64_t *taken)
{
	int some = 0;

	for (uint64_t i = 0; i < s->n; i++, taken += r->s->experts)
		for (uint64_t t = s->at[i]; t < s->at[i + 1]; t++) {
			r->dropped[t] = taken[r->ids[t]]++ >= r->s->capacity;
			r->kept[t] = r->dropped[t] ? SELECT_NONE : r->ids[t];
			some |= r->dropped[t];
		}
	return some;
}

/* y of dropped rows = their weight times their input. */
static int
residual(struct run *r, uint64_t n)
{
	struct sw *s = r->s;
	int no = s->e->get(s->e, r->patch, r->y, n * s->d);

	if (no < 0)
		return no;
	for (uint64_t t = 0; t < n; t++)
		for (uint64_t d = t * s->d; r->dropped[t] && d < (t + 1) * s->d; d++)
			r->patch[d] = r->w[t] * r->hidden[d];
	return s->e->put(s->e, r->y, r->patch, n * s->d);
}

int
switch_routed(struct run *r, struct block *b, const struct spans *s)
{
	struct sw *w = r->s;
	struct engine *e = w->e;
	const uint64_t n = s->at[s->n];
	const struct weight *bias = b->bias.weight.part ? &b->bias.weight : NULL;
	const struct ffns f = {w->experts, w->d, w->ff, 1, &b->ins, NULL, &b->outs};
	uint64_t *taken = b->taken ? b->taken : r->taken;
	const int hidden = b->told && !w->no_hidden;
	int no, some;

	if ((no = e->linear(e, &b->router.weight, bias, r->h, r->score, n)) < 0 ||
	    (no = e->get(e, r->logit, r->score, n * w->experts)) < 0 ||
	    (no = model_finite(r->logit, n, w->experts, b->layer, r->why)) < 0 ||
	    (no = e->select(e, &w->select, r->score, n, r->ids, r->w)) < 0 ||
	    ((hidden || w->residual) && (no = e->get(e, r->hidden, r->h, n * w->d)) < 0))
		return no;
	if (!b->taken)
		memset(taken, 0, s->n * w->experts * sizeof *taken);
	some = drop(r, s, taken);
	const struct model_route told = {.layer = b->layer,
					 .rows = n,
					 .logit = r->logit,
					 .ids = r->ids,
					 .w = r->w,
					 .dropped = w->capacity == MODEL_FREE ? NULL : r->dropped,
					 .hidden = hidden ? r->hidden : NULL};

	if (b->told && (no = r->seen(r->arg, &told)) < 0)
		return no;
	if (!b->part)
		return 1;
	no = e->experts(e, &f, r->h, r->kept, r->w, n, 1, r->y);
	return no < 0 || !w->residual || !some ? no : residual(r, n);
}
