/* The head's logits, those of some rows at a time. */
#include <stdlib.h>

#include "head.h"
#include "size.h"

enum { AT_ONCE = 1 << 24 }; /* logits, 64 MiB of them */

struct head {
	struct engine *e;
	const struct weight *w;
	const struct model_batch *b;
	const struct model_ids *of;
	const float *x;
	float *logit, *last; /* em, [most][vocab], [most][d] */
	uint32_t *ids;       /* [most] */
	uint64_t most;
};

/* Of rows [from, to).  Those after which a sequence ends have no token to tell of. */
static int
losses(const struct head *h, uint64_t from, uint64_t to)
{
	const uint64_t *at = h->of->at, n = h->b->n;
	float *nll = h->b->nll;
	struct engine *e = h->e;
	int r;

	for (uint64_t i = from; i < to; i++)
		h->ids[i - from] = h->of->ids[MIN(i + 1, at[n] - 1)];
	if ((r = e->linear(e, h->w, NULL, h->x + from * h->w->cols, h->logit, to - from)) < 0 ||
	    (r = e->nll(e, h->logit, h->w->rows, h->ids, to - from, nll + from)) < 0)
		return r;
	for (uint64_t i = 0; i < n; i++)
		if (at[i + 1] > MAX(from, at[i]) && at[i + 1] <= to)
			nll[at[i + 1] - 1] = 0;
	return 0;
}

/* Of sequences *i and on, as many as there is room for; those without rows are over. */
static int
nexts(const struct head *h, uint64_t *i)
{
	const uint64_t *at = h->of->at, d = h->w->cols, vocab = h->w->rows;
	struct engine *e = h->e;
	const uint64_t first = *i;
	uint64_t k = 0, n;
	int r = 0;

	for (; *i < h->b->n && k < h->most && r == 0; ++*i)
		if (at[*i] < at[*i + 1])
			r = e->copy(e, h->last + k++ * d, d, d, h->x + (at[*i + 1] - 1) * d, d, d,
				    1, 1, d);
	if (r < 0 || !k || (r = e->linear(e, h->w, NULL, h->last, h->logit, k)) < 0)
		return r;
	k = 0;
	for (uint64_t j = first; j < *i && r == 0; j += MAX(n, 1), k += n) {
		for (n = 0; j + n < *i && at[j + n] < at[j + n + 1]; n++)
			;
		if (n)
			r = e->get(e, h->b->next + j * vocab, h->logit + k * vocab, n * vocab);
	}
	return r;
}

int
model_head(struct engine *e, const struct weight *w, const struct model_batch *b,
	   const struct model_ids *of, const float *x)
{
	const uint64_t rows = of->at[b->n];
	struct head h = {.e = e, .w = w, .b = b, .of = of, .x = x};
	int r = TR_ENOMEM;

	if (!b->next && !b->nll)
		return 0;
	h.most = MIN(rows, MAX(AT_ONCE / w->rows, 1));
	if ((h.ids = malloc((h.most + 1) * sizeof *h.ids)) &&
	    (h.logit = e->room(e, h.most * w->rows)) && (h.last = e->room(e, h.most * w->cols)))
		r = 0;
	for (uint64_t i = 0; r == 0 && b->nll && i < rows; i += h.most)
		r = losses(&h, i, MIN(i + h.most, rows));
	for (uint64_t i = 0; r == 0 && b->next && i < b->n;)
		r = nexts(&h, &i);
	e->drop(e, h.logit);
	e->drop(e, h.last);
	free(h.ids);
	return r;
}
