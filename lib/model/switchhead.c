/* The head of Switch Transformers. */
#include <string.h>

#include "size.h"
#include "switchown.h"

enum { ROWS = 64 }; /* whose logits are held at once */

/* Logits of n normed rows x into em of [n][vocab]. */
static int
scores(const struct sw *s, const float *x, uint64_t n, float *to)
{
	const struct weight *w = s->tied ? &s->shared.weight : &s->head.weight;

	return s->e->linear(s->e, w, NULL, x, to, n);
}

static int
after_last(const struct run *r, const float *x)
{
	const struct sw *s = r->s;
	const struct model_ids *t = &r->b->target;
	struct engine *e = s->e;
	int no = 0, bad = 0;
	float *to = switch_em(e, MIN(r->b->n, (uint64_t)ROWS), s->vocab, &bad);
	float *last = switch_em(e, ROWS, s->d, &bad);

	for (uint64_t i = 0, n; i < r->b->n && !bad && no == 0; i += n) {
		n = MIN(r->b->n - i, (uint64_t)ROWS);
		for (uint64_t j = 0; j < n && no == 0; j++) {
			/* of a sequence without rows any row: nobody asks what follows it */
			const uint64_t at = MAX(t->at[i + j + 1], (uint64_t)1) - 1;

			no = e->copy(e, last + j * s->d, s->d, 0, x + at * s->d, s->d, 0, 1, 1,
				     s->d);
		}
		if (no == 0 && (no = scores(s, last, n, to)) == 0)
			no = e->get(e, r->b->next + i * s->vocab, to, n * s->vocab);
	}
	e->drop(e, to);
	e->drop(e, last);
	return bad ? TR_ENOMEM : no;
}

static int
losses(const struct run *r, const float *x)
{
	const struct sw *s = r->s;
	const struct model_ids *t = &r->b->target;
	const uint64_t rows = t->at[r->b->n];
	struct engine *e = s->e;
	int no = 0, bad = 0;
	float *to = switch_em(e, MIN(rows, (uint64_t)ROWS), s->vocab, &bad);

	for (uint64_t i = 0, n; i < rows && !bad && no == 0; i += n) {
		uint32_t ids[ROWS] = {0};

		n = MIN(rows - i, (uint64_t)ROWS);
		memcpy(ids, t->ids + i + 1, (MIN(rows, i + n + 1) - i - 1) * sizeof *ids);
		if ((no = scores(s, x + i * s->d, n, to)) == 0)
			no = e->nll(e, to, s->vocab, ids, n, r->b->nll + i);
	}
	for (uint64_t i = 0; i < r->b->n && !bad && no == 0; i++)
		if (t->at[i + 1] > t->at[i])
			r->b->nll[t->at[i + 1] - 1] = 0;
	e->drop(e, to);
	return bad ? TR_ENOMEM : no;
}

int
switch_head(const struct run *r, const float *x)
{
	struct sw *s = r->s;
	struct weight *w = s->tied ? &s->shared.weight : &s->head.weight;
	int no = s->e->next(s->e, &w, 1);

	if (no == 0 && r->b->next)
		no = after_last(r, x);
	if (no == 0 && r->b->nll)
		no = losses(r, x);
	return no;
}
