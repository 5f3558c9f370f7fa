/* The run of Switch Transformers: a batch through the encoder, then through the decoder. */
#include <math.h>
#include <stdlib.h>

#include "head.h"
#include "size.h"
#include "switchown.h"

/* Bucket of a key that is r places after the query. */
static uint64_t
bucket(int64_t r, int causal, uint64_t buckets, uint64_t distance)
{
	const uint64_t half = causal ? buckets : buckets / 2, base = !causal && r > 0 ? half : 0;
	const uint64_t d = r < 0 ? (uint64_t)-r : causal ? 0 : (uint64_t)r, exact = half / 2;

	if (d < exact)
		return base + d;
	const double far = log((double)d / (double)exact) / log((double)distance / (double)exact);
	const uint64_t at = exact + (uint64_t)(far * (double)(half - exact));

	return base + MIN(at, half - 1);
}

/* The stack's biases for distances up to far. */
static int
biases(const struct sw *s, struct stack *k, uint64_t far)
{
	const uint64_t n = 2 * far + 1;
	float *host;
	int no = 0, e;

	if (k->bias && k->nbias >= far)
		return 0;
	s->e->drop(s->e, k->bias);
	k->bias = switch_em(s->e, n, s->heads, &no);
	host = switch_some(n, s->heads, sizeof *host, &no);
	for (uint64_t i = 0; i < n && !no; i++) {
		const uint64_t b =
			bucket((int64_t)i - (int64_t)far, k->causal, s->buckets, s->distance);

		for (uint64_t h = 0; h < s->heads; h++)
			host[h * n + i] = k->table[b * s->heads + h];
	}
	k->nbias = far;
	e = no ? TR_ENOMEM : s->e->put(s->e, k->bias, host, n * s->heads);
	free(host);
	return e;
}

static uint64_t
longest(const struct spans *s)
{
	uint64_t most = 0;

	for (uint64_t i = 0; i < s->n; i++)
		most = MAX(most, s->at[i + 1] - s->at[i] + (s->past ? s->past[i] : 0));
	return most;
}

/* x += attention of x to itself. */
static int
own(struct run *r, const struct stack *k, const struct block *b, float *x, const struct spans *s)
{
	struct sw *w = r->s;
	struct engine *e = w->e;
	const struct attention *a = &b->self;
	const struct heads h = {w->heads, w->heads, w->dk, w->dk, 1, k->causal, k->bias, k->nbias};
	const struct cache *c = k->causal && w->keep ? &b->kept : NULL;
	const uint64_t n = s->at[s->n];
	int no;

	if ((no = e->norm(e, &a->norm.weight, w->eps, x, w->d, n, r->h)) < 0 ||
	    (no = e->linear(e, &a->q.weight, NULL, r->h, r->q, n)) < 0 ||
	    (no = e->linear(e, &a->k.weight, NULL, r->h, r->k, n)) < 0 ||
	    (no = e->linear(e, &a->v.weight, NULL, r->h, r->v, n)) < 0 ||
	    (c && (no = e->keep(e, &h, s, r->k, r->v, c)) < 0) ||
	    (no = e->attend(e, &h, s, r->q, c ? NULL : s, r->k, r->v, c, r->mix)) < 0 ||
	    (no = e->linear(e, &a->o.weight, NULL, r->mix, r->y, n)) < 0)
		return no;
	return e->add(e, x, r->y, n * w->d);
}

/* x += attention of x to source, whose keys and values are kept where b has room for them. */
static int
across(struct run *r, const struct block *b, float *x, const struct spans *s, const float *source,
       const struct spans *sk)
{
	struct sw *w = r->s;
	struct engine *e = w->e;
	const struct attention *a = &b->cross;
	const struct heads h = {w->heads, w->heads, w->dk, w->dk, 1, 0, NULL, 0};
	const uint64_t n = s->at[s->n], nk = sk->at[sk->n];
	float *k = b->k ? b->k : r->k, *v = b->v ? b->v : r->v;
	int no;

	if (source && ((no = e->linear(e, &a->k.weight, NULL, source, k, nk)) < 0 ||
		       (no = e->linear(e, &a->v.weight, NULL, source, v, nk)) < 0))
		return no;
	if ((no = e->norm(e, &a->norm.weight, w->eps, x, w->d, n, r->h)) < 0 ||
	    (no = e->linear(e, &a->q.weight, NULL, r->h, r->q, n)) < 0 ||
	    (no = e->attend(e, &h, s, r->q, sk, k, v, NULL, r->mix)) < 0 ||
	    (no = e->linear(e, &a->o.weight, NULL, r->mix, r->y, n)) < 0)
		return no;
	return e->add(e, x, r->y, n * w->d);
}

/* x through the stack; source: what the decoder's cross attention sees, of rows sk. */
static int
through(struct run *r, struct stack *k, float *x, const struct spans *s, const float *source,
	const struct spans *sk)
{
	struct sw *w = r->s;
	struct engine *e = w->e;
	const uint64_t n = s->at[s->n];
	int no = k->n ? biases(w, k, longest(s)) : 0;

	for (uint64_t i = 0; i < k->n && no == 0; i++) {
		struct block *b = &k->block[i];
		const struct ffns f = {1, w->d, w->ff, 1, &b->in.weight, NULL, &b->out.weight};

		if ((no = e->next(e, b->need, b->needs)) < 0 || (no = own(r, k, b, x, s)) < 0 ||
		    (sk && (no = across(r, b, x, s, source, sk)) < 0) ||
		    (no = e->norm(e, &b->norm.weight, w->eps, x, w->d, n, r->h)) < 0)
			break;
		if (b->router.weight.part)
			no = switch_routed(r, b, s);
		else
			no = e->ffn(e, &f, r->h, n, r->y);
		if (no == 0)
			no = e->add(e, x, r->y, n * w->d);
	}
	if (no == 0 && k->normed)
		no = e->norm(e, &k->norm.weight, w->eps, x, w->d, n, x);
	return MIN(no, 0);
}

static int
embedded(struct run *r, const struct model_ids *from, float *x)
{
	struct engine *e = r->s->e;
	struct weight *w = &r->s->shared.weight;
	const int no = e->next(e, &w, 1);

	return no < 0 ? no : e->embed(e, w, from->ids, from->at[r->b->n], x);
}

static int
encoded(struct run *r, float *x)
{
	struct sw *s = r->s;
	const struct model_ids *from = &r->b->source;
	const struct spans spans = {r->b->n, from->at, NULL};
	int no = embedded(r, from, x);

	return no < 0 ? no : through(r, &s->encoder, x, &spans, NULL, NULL);
}

/* source NULL: its keys and values are kept. */
static int
decoded(struct run *r, const float *source, float *x)
{
	struct sw *s = r->s;
	const struct model_ids *from = &r->b->target;
	const struct spans spans = {r->b->n, from->at, r->b->past};
	const struct spans sk = {r->b->n, source ? r->b->source.at : s->at, NULL};
	struct weight *head = s->tied ? &s->shared.weight : &s->head.weight;
	int no = embedded(r, from, x);

	if (no < 0 || (no = through(r, &s->decoder, x, &spans, source, &sk)) < 0 || !s->wanted ||
	    (no = s->e->next(s->e, &head, 1)) < 0)
		return no;
	return model_head(s->e, head, r->b, from, x);
}

int
switch_run(void *state, const struct model_batch *b, model_seen *seen, void *arg, char *why)
{
	struct sw *s = state;
	struct run r = {.s = s, .b = b, .seen = seen, .arg = arg, .why = why};
	const int second = b->target.at && s->decoder.block, begins = !b->past;
	const uint64_t n = begins ? b->source.at[b->n] : 0, m = second ? b->target.at[b->n] : 0;
	float *x = NULL, *y = NULL;
	int no = 0, e = 0;

	if (b->past && !second)
		return model_why(why, "an encoder's sequences do not go on"), TR_EVALUE;
	if (b->past && s->n != b->n)
		return model_why(why, "%llu sequences go on, but %llu are kept",
				 (unsigned long long)b->n, (unsigned long long)s->n),
		       TR_EVALUE;
	if (begins) {
		switch_forget(s);
		s->keep = s->opts->decoder ? s->opts->keep : 0;
	}
	r.rows = MAX(n, m);
	x = switch_em(s->e, n, s->d, &no);
	y = switch_em(s->e, m, s->d, &no);
	if (no || switch_room(&r) < 0 || (begins && second && s->keep && switch_remember(s, b) < 0))
		e = TR_ENOMEM;
	if (e == 0 && begins)
		e = encoded(&r, x);
	if (e == 0 && second)
		e = decoded(&r, begins ? x : NULL, y);
	s->e->drop(s->e, x);
	s->e->drop(s->e, y);
	switch_room_free(&r);
	if (e < 0)
		switch_forget(s);
	return e;
}
