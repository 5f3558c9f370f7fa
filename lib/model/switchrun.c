/* The run of Switch Transformers: a batch through the encoder, then through the decoder. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "head.h"
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

static int
run_room(struct run *r)
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

static void
run_free(struct run *r)
{
	float *rooms[] = {r->h, r->q, r->k, r->v, r->mix, r->y, r->score};
	void *all[] = {r->logit, r->hidden, r->w, r->patch, r->ids, r->kept, r->dropped, r->taken};

	for (size_t i = 0; i < LEN(rooms); i++)
		r->s->e->drop(r->s->e, rooms[i]);
	for (size_t i = 0; i < LEN(all); i++)
		free(all[i]);
}

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

/* Room for what is kept of the sequences of b. */
static int
remember(struct sw *s, const struct model_batch *b)
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
	if (no || run_room(&r) < 0 || (begins && second && s->keep && remember(s, b) < 0))
		e = TR_ENOMEM;
	if (e == 0 && begins)
		e = encoded(&r, x);
	if (e == 0 && second)
		e = decoded(&r, begins ? x : NULL, y);
	s->e->drop(s->e, x);
	s->e->drop(s->e, y);
	run_free(&r);
	if (e < 0)
		switch_forget(s);
	return e;
}
