/* What decoder-only models say of the next token. */
#include <stdlib.h>
#include <string.h>

#include "decoder.h"
#include "size.h"

enum { AT_ONCE = 1 << 26 }; /* logits */

struct head {
	struct engine *e;
	const struct model_batch *b;
	const struct weight *w;
	float *logit; /* [most][vocab], em */
	uint32_t *ids;
	uint64_t most, rows, d, vocab;
};

/* -ln p of the token after each of rows [from, to) of h; 0 after the last of a sequence. */
static int
losses(const struct head *t, const float *h, uint64_t from, uint64_t to)
{
	const struct model_ids *s = &t->b->source;
	float *nll = t->b->nll;
	int c;

	for (uint64_t i = from; i < to; i++)
		t->ids[i - from] = s->ids[MIN(i + 1, t->rows - 1)];
	if ((c = t->e->linear(t->e, t->w, NULL, h + from * t->d, t->logit, to - from)) < 0 ||
	    (c = t->e->nll(t->e, t->logit, t->vocab, t->ids, to - from, nll + from)) < 0)
		return c;
	for (uint64_t i = 0; i < t->b->n; i++)
		if (s->at[i + 1] > MAX(from, s->at[i]) && s->at[i + 1] <= to)
			nll[s->at[i + 1] - 1] = 0;
	return 0;
}

/* Logits after the last rows of sequences [from, to); last: room for those rows.  0 of one
 * that has none. */
static int
nexts(const struct head *t, const float *h, float *last, uint64_t from, uint64_t to)
{
	const uint64_t *at = t->b->source.at, d = t->d;
	float *next = t->b->next;
	int c;

	for (uint64_t i = from; i < to; i++)
		if ((c = t->e->copy(t->e, last + (i - from) * d, d, d,
				    h + (MAX(at[i + 1], 1) - 1) * d, d, d, 1, 1, d)) < 0)
			return c;
	if ((c = t->e->linear(t->e, t->w, NULL, last, t->logit, to - from)) < 0 ||
	    (c = t->e->get(t->e, next + from * t->vocab, t->logit, (to - from) * t->vocab)) < 0)
		return c;
	for (uint64_t i = from; i < to; i++)
		if (at[i] == at[i + 1])
			memset(next + i * t->vocab, 0, t->vocab * sizeof *next);
	return 0;
}

int
decoder_head(struct decoder *m, const struct model_batch *b, struct decoder_room *r)
{
	const struct decoder_shape *h = &m->shape;
	struct engine *e = m->e;
	struct head t = {.e = e,
			 .b = b,
			 .w = h->tied ? &m->embed.w : &m->head.w,
			 .most = MIN(r->rows, MAX(AT_ONCE / h->vocab, 1)),
			 .rows = r->rows,
			 .d = h->d,
			 .vocab = h->vocab};
	int c = TR_ENOMEM;

	if ((t.ids = malloc(t.most * sizeof *t.ids)) && (t.logit = e->room(e, t.most * h->vocab)))
		c = e->norm(e, &m->norm.w, h->eps, r->x, h->d, r->rows, r->h);
	for (uint64_t i = 0; c == 0 && b->nll && i < r->rows; i += t.most)
		c = losses(&t, r->h, i, MIN(i + t.most, r->rows));
	for (uint64_t i = 0; c == 0 && b->next && i < b->n; i += t.most)
		c = nexts(&t, r->h, r->y, i, MIN(i + t.most, b->n));
	e->drop(e, t.logit);
	free(t.ids);
	return c;
}
