/* Attention of decoder-only models: grouped heads, or DeepSeek's latent ones (MLA). */
#include <math.h>

#include "decoder.h"

#define LATENT_EPS 1e-6 /* of the norms within MLA, whatever rms_norm_eps is */

static const struct weight *
maybe(const struct one *x)
{
	return x->w.rows ? &x->w : NULL;
}

/* Keys and values of heads of their own, or of groups. */
static int
grouped(struct decoder *m, struct decoder_layer *l, const struct spans *s, struct decoder_room *r)
{
	const struct decoder_shape *h = &m->shape;
	const uint64_t n = r->rows, nq = h->heads * h->dk, nk = h->kv_heads * h->dk;
	const int each = h->qk_norm == NORM_HEAD;
	const uint64_t dq = each ? h->dk : nq, dk = each ? h->dk : nk;
	struct engine *e = m->e;
	int c;

	if ((c = e->linear(e, &l->q.w, maybe(&l->bq), r->h, r->q, n)) < 0 ||
	    (c = e->linear(e, &l->k.w, maybe(&l->bk), r->h, r->k, n)) < 0 ||
	    (c = e->linear(e, &l->v.w, maybe(&l->bv), r->h, r->v, n)) < 0)
		return c;
	if (h->qk_norm != NORM_NONE &&
	    ((c = e->norm(e, &l->qn.w, h->eps, r->q, dq, n * nq / dq, r->q)) < 0 ||
	     (c = e->norm(e, &l->kn.w, h->eps, r->k, dk, n * nk / dk, r->k)) < 0))
		return c;
	if (h->clip > 0 && ((c = e->clip(e, r->q, n * nq, (float)h->clip)) < 0 ||
			    (c = e->clip(e, r->k, n * nk, (float)h->clip)) < 0 ||
			    (c = e->clip(e, r->v, n * nk, (float)h->clip)) < 0))
		return c;
	if ((c = e->rope(e, &m->rope, s, r->q, nq, h->heads, h->dk)) < 0)
		return c;
	return e->rope(e, &m->rope, s, r->k, nk, h->kv_heads, h->dk);
}

/* Keys and values out of one small row, with one rotated key for all heads. */
static int
latent(struct decoder *m, struct decoder_layer *l, const struct spans *s, struct decoder_room *r)
{
	const struct decoder_shape *h = &m->shape;
	const uint64_t n = r->rows, low = h->kv_rank + h->rope, pair = h->nope + h->dv;
	const uint64_t nq = h->heads * h->dk, nv = h->heads * h->dv;
	struct engine *e = m->e;
	const float *x = r->h;
	int c;

	if (h->q_rank) {
		if ((c = e->linear(e, &l->qa.w, maybe(&l->ba), x, r->low, n)) < 0 ||
		    (c = e->norm(e, &l->qan.w, LATENT_EPS, r->low, h->q_rank, n, r->normed)) < 0)
			return c;
		x = r->normed;
	}
	if ((c = e->linear(e, &l->q.w, NULL, x, r->q, n)) < 0 ||
	    (c = e->rope(e, &m->rope, s, r->q, nq, h->heads, h->dk)) < 0 ||
	    (c = e->linear(e, &l->kva.w, maybe(&l->bkva), r->h, r->low, n)) < 0 ||
	    (c = e->rope(e, &m->rope, s, r->low, low, 1, low)) < 0 ||
	    (c = e->norm(e, &l->kvan.w, LATENT_EPS, r->low, low, n, r->normed)) < 0 ||
	    (c = e->linear(e, &l->kvb.w, NULL, r->normed, r->kv, n)) < 0 ||
	    (c = e->copy(e, r->k, nq, h->dk, r->kv, h->heads * pair, pair, n, h->heads, h->nope)) <
		    0 ||
	    (c = e->copy(e, r->k + h->nope, nq, h->dk, r->low + h->kv_rank, low, 0, n, h->heads,
			 h->rope)) < 0)
		return c;
	return e->copy(e, r->v, nv, h->dv, r->kv + h->nope, h->heads * pair, pair, n, h->heads,
		       h->dv);
}

int
decoder_attend(struct decoder *m, struct decoder_layer *l, const struct spans *s,
	       struct decoder_room *r)
{
	const struct decoder_shape *h = &m->shape;
	const double wider = h->mla ? yarn_squared(&h->yarn) : 1;
	const struct heads heads = {
		.heads = h->heads,
		.kv_heads = h->kv_heads,
		.dk = h->dk,
		.dv = h->dv,
		.scale = (float)(wider / sqrt((double)h->dk)),
		.causal = 1,
	};
	const struct cache *cache = l->cache.k ? &l->cache : NULL;
	struct engine *e = m->e;
	int c;

	if ((c = e->norm(e, &l->norm.w, h->eps, r->x, h->d, r->rows, r->h)) < 0 ||
	    (c = h->mla ? latent(m, l, s, r) : grouped(m, l, s, r)) < 0 ||
	    (cache && (c = e->keep(e, &heads, s, r->k, r->v, cache)) < 0) ||
	    (c = e->attend(e, &heads, s, r->q, s, r->k, r->v, cache, r->mix)) < 0 ||
	    (c = e->linear(e, &l->o.w, maybe(&l->bo), r->mix, r->y, r->rows)) < 0)
		return c;
	return e->add(e, r->x, r->y, r->rows * h->d);
}
