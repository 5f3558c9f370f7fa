#include <stdlib.h>
#include <string.h>

#include "../core/rng.h"
#include "../core/size.h"
#include "devown.h"
#include "inputs.h"
#include "sweep.h"

enum { STREAM_X = 0x1f00, STREAM_ID, STREAM_W };

struct run {
	const struct sweep *s;
	uint64_t rows;
	void *x, *naive, *sorted, *work;
	uint16_t *ids;
	float *w;
	struct index a, b; /* of the naive way, of the sorted */
};

static int
call_naive(void *arg, uint64_t i, void *stream)
{
	struct run *r = arg;

	return r->s->dev->naive(r->s->dev, r->s->how, &r->a, r->s->type, r->x, r->ids, r->w,
				r->rows, r->s->d, r->naive, stream);
}

static int
call_sorted(void *arg, uint64_t i, void *stream)
{
	struct run *r = arg;
	const struct dev *d = r->s->dev;
	int e = d->index(d, &r->b, r->ids, r->rows, r->work, stream);

	return e < 0 ? e
		     : d->gather(d, &r->b, r->s->type, r->x, r->rows, r->s->d, r->w, r->sorted,
				 stream);
}

static int
room(struct run *r)
{
	const struct dev *d = r->s->dev;
	const uint64_t R = r->rows * r->s->k, E = r->s->experts;
	const size_t b = tr_size(r->s->type);
	struct select s = {.experts = r->s->experts, .k = r->s->k, .type = r->s->type};

	r->a = r->b = (struct index){.experts = r->s->experts, .k = r->s->k, .align = 1};
	return (r->x = d->alloc(d, r->rows * r->s->d * b)) &&
			       (r->naive = d->alloc(d, R * r->s->d * b)) &&
			       (r->sorted = d->alloc(d, R * r->s->d * b)) &&
			       (r->ids = d->alloc(d, R * 2)) && (r->w = d->alloc(d, R * 4)) &&
			       (r->a.counts = d->alloc(d, (2 * E + 1 + 2 * R) * 4)) &&
			       (r->b.counts = d->alloc(d, (2 * E + 1 + 2 * R) * 4)) &&
			       (r->work = d->alloc(d, d->work(d, &s, &r->b, NULL, r->rows)))
		       ? 0
		       : GPU_ENOMEM;
}

static void
part(struct index *x, uint64_t routes)
{
	x->offsets = x->counts + x->experts;
	x->perm = x->offsets + x->experts + 1;
	x->place = x->perm + routes;
}

/* Routes and rows drawn, and put there. */
static int
draw(struct run *r)
{
	const struct dev *d = r->s->dev;
	const uint64_t R = r->rows * r->s->k;
	uint16_t *ids = malloc(R * sizeof *ids);
	float *w = malloc(R * sizeof *w);
	void *x = inputs_normal(r->s->seed, STREAM_X, r->rows * r->s->d, 1, r->s->type);
	int e = ids && w && x ? 0 : dev_error(GPU_ENOMEM, "no memory");

	for (uint64_t i = 0; e == 0 && i < R; i++) {
		ids[i] = (uint16_t)rng_below(r->s->seed, STREAM_ID, i, r->s->experts);
		w[i] = (float)rng_f64(r->s->seed, STREAM_W, i) + 1e-3f;
	}
	for (uint64_t t = 0; e == 0 && t < r->rows; t++) {
		float sum = 0;

		for (uint32_t j = 0; j < r->s->k; j++)
			sum += w[t * r->s->k + j];
		for (uint32_t j = 0; j < r->s->k; j++)
			w[t * r->s->k + j] /= sum;
	}
	if (e == 0)
		e = d->put(r->x, x, r->rows * r->s->d * tr_size(r->s->type));
	if (e == 0)
		e = d->put(r->ids, ids, R * sizeof *ids);
	if (e == 0)
		e = d->put(r->w, w, R * sizeof *w);
	free(ids);
	free(w);
	free(x);
	return e;
}

/* Each route's row is the same in both, and where its expert's rows are. */
static int
compare(struct run *r, int *same)
{
	const struct dev *d = r->s->dev;
	const uint64_t R = r->rows * r->s->k;
	const size_t row = r->s->d * tr_size(r->s->type), n = 2 * r->s->experts + 1 + 2 * R;
	struct index a = r->a, b = r->b;
	unsigned char *p = malloc(R * row), *q = malloc(R * row);
	uint16_t *ids = malloc(R * sizeof *ids);
	int e;

	a.counts = malloc(n * 4);
	b.counts = malloc(n * 4);
	e = p && q && ids && a.counts && b.counts ? 0 : dev_error(GPU_ENOMEM, "no memory");
	if (e == 0)
		e = d->get(p, r->naive, R * row);
	if (e == 0)
		e = d->get(q, r->sorted, R * row);
	if (e == 0)
		e = d->get(ids, r->ids, R * sizeof *ids);
	if (e == 0)
		e = d->get(a.counts, r->a.counts, n * 4);
	if (e == 0)
		e = d->get(b.counts, r->b.counts, n * 4);
	*same = e == 0;
	if (e == 0) {
		part(&a, R);
		part(&b, R);
	}
	for (uint64_t i = 0; *same && i < R; i++)
		*same = a.place[i] < R && b.place[i] < R && a.place[i] >= a.offsets[ids[i]] &&
			a.place[i] < a.offsets[ids[i] + 1] && b.place[i] >= b.offsets[ids[i]] &&
			b.place[i] < b.offsets[ids[i] + 1] && a.perm[a.place[i]] == i &&
			b.perm[b.place[i]] == i &&
			!memcmp(p + a.place[i] * row, q + b.place[i] * row, row);
	free(a.counts);
	free(b.counts);
	free(ids);
	free(p);
	free(q);
	return e;
}

int
sweep_tokens(const struct sweep *s, uint64_t tokens, struct sweep_row *to)
{
	const struct dev *d = s->dev;
	struct run r = {.s = s, .rows = tokens};
	struct gpu_run of[] = {{call_naive, &r, 1, 1}, {call_sorted, &r, 1, 1}};
	void *plan[2] = {NULL, NULL};
	double *us[] = {to->naive, to->sorted};
	double routes = (double)tokens * s->k, row = (double)s->d * tr_size(s->type);
	int e = room(&r);

	if (e == 0) {
		part(&r.a, tokens * s->k);
		part(&r.b, tokens * s->k);
		e = draw(&r);
	}
	for (int i = 0; i < 2 && e == 0; i++)
		if (!(plan[i] = d->plan(d, &of[i])))
			e = GPU_EFAIL;
	if (e == 0)
		e = dev_turns(d, plan, 2, s->samples, us);
	if (e == 0)
		e = compare(&r, &to->same);
	to->bytes = 2 * routes * row;
	to->moved = ((double)tokens + routes) * row + routes * (2 * 4 + 2) + /* as router_bytes */
		    routes * 2 * 4 + (2.0 * s->experts + 1) * 4;
	for (int i = 0; i < 2; i++)
		if (plan[i])
			d->unplan(plan[i]);
	void *const all[] = {r.x, r.naive, r.sorted, r.ids, r.w, r.a.counts, r.b.counts, r.work};
	for (size_t i = 0; i < LEN(all); i++)
		if (all[i])
			d->free(all[i]);
	return e;
}
