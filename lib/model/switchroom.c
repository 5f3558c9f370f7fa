/* Memory of Switch Transformers' runs, and what is kept between them. */
#include <stdlib.h>
#include <string.h>

#include "size.h"
#include "switchown.h"

void *
switch_some(uint64_t n, uint64_t each, uint64_t size, int *failed)
{
	size_t bytes = 0;
	void *p = NULL;

	if (size_mul(n, each, &bytes) < 0 || size_mul(bytes, size, &bytes) < 0 ||
	    !(p = malloc(bytes + 1)))
		*failed = 1;
	return p;
}

float *
switch_em(struct engine *e, uint64_t n, uint64_t each, int *failed)
{
	size_t all = 0;
	float *p = size_mul(n, each, &all) < 0 ? NULL : e->room(e, all);

	*failed |= !p;
	return p;
}

int
switch_room(struct run *r)
{
	const struct sw *s = r->s;
	const uint64_t inner = s->heads * s->dk;
	int no = 0;

	r->h = switch_em(s->e, r->rows, s->d, &no);
	r->q = switch_em(s->e, r->rows, inner, &no);
	r->k = switch_em(s->e, r->rows, inner, &no);
	r->v = switch_em(s->e, r->rows, inner, &no);
	r->mix = switch_em(s->e, r->rows, inner, &no);
	r->y = switch_em(s->e, r->rows, s->d, &no);
	r->score = switch_em(s->e, r->rows, s->experts, &no);
	r->logit = switch_some(r->rows, s->experts, sizeof *r->logit, &no);
	r->hidden = switch_some(r->rows, s->d, sizeof *r->hidden, &no);
	r->w = switch_some(r->rows, 1, sizeof *r->w, &no);
	r->patch = switch_some(s->residual ? r->rows : 0, s->d, sizeof *r->patch, &no);
	r->ids = switch_some(r->rows, 1, sizeof *r->ids, &no);
	r->kept = switch_some(r->rows, 1, sizeof *r->kept, &no);
	r->dropped = switch_some(r->rows, 1, sizeof *r->dropped, &no);
	r->taken = switch_some(r->b->n, s->experts, sizeof *r->taken, &no);
	return no ? TR_ENOMEM : 0;
}

void
switch_room_free(struct run *r)
{
	float *rooms[] = {r->h, r->q, r->k, r->v, r->mix, r->y, r->score};
	void *all[] = {r->logit, r->hidden, r->w, r->patch, r->ids, r->kept, r->dropped, r->taken};

	for (size_t i = 0; i < LEN(rooms); i++)
		r->s->e->drop(r->s->e, rooms[i]);
	for (size_t i = 0; i < LEN(all); i++)
		free(all[i]);
}

void
switch_forget(struct sw *s)
{
	for (uint64_t i = 0; s->decoder.block && i < s->decoder.n; i++) {
		struct block *b = &s->decoder.block[i];

		s->e->drop(s->e, b->kept.k);
		s->e->drop(s->e, b->kept.v);
		s->e->drop(s->e, b->k);
		s->e->drop(s->e, b->v);
		free(b->taken);
		b->k = b->v = b->kept.k = b->kept.v = NULL;
		b->taken = NULL;
	}
	free(s->at);
	s->at = NULL;
	s->n = 0;
}

int
switch_remember(struct sw *s, const struct model_batch *b)
{
	const uint64_t inner = s->heads * s->dk;
	int no = 0;

	s->at = switch_some(b->n + 1, 1, sizeof *s->at, &no);
	if (no)
		return TR_ENOMEM;
	memcpy(s->at, b->source.at, (b->n + 1) * sizeof *s->at);
	s->n = b->n;
	for (uint64_t i = 0; i < s->decoder.n && !no; i++) {
		struct block *k = &s->decoder.block[i];

		k->kept.cap = s->keep;
		k->kept.k = switch_em(s->e, b->n * s->keep, inner, &no);
		k->kept.v = switch_em(s->e, b->n * s->keep, inner, &no);
		k->k = switch_em(s->e, b->source.at[b->n], inner, &no);
		k->v = switch_em(s->e, b->source.at[b->n], inner, &no);
		k->taken = switch_some(b->n, s->experts, sizeof *k->taken, &no);
		if (k->taken)
			memset(k->taken, 0, b->n * s->experts * sizeof *k->taken);
	}
	return no ? TR_ENOMEM : 0;
}
