#include <stdlib.h>
#include <string.h>

#include "../bench/clock.h"
#include "eplayerown.h"
#include "size.h"

/* The router's stage that a phase is. */
static const enum router_stage stage[] = {ROUTER_LOGIT, ROUTER_SELECT, ROUTER_INDEX,
					  ROUTER_SELECT_INDEX, ROUTER_GATHER};

enum { WEIGHTS = 1 << 20 }; /* numbers drawn at most, of which all experts' weights are made */

int
eplayer_told(struct eplayer *l, int r)
{
	return r < 0 ? ep_fail(l->ep, "%s", dev_errstr()) : 0;
}

int
eplayer_settle(struct eplayer *l)
{
	return l->ep->settle ? l->ep->settle(l->ep) : 0;
}

static size_t
row_bytes(const struct eplayer *l)
{
	return l->d * tr_size(l->type);
}

/* ---- memory ---- */

static int
get_memory(struct eplayer *l, void *to, size_t n)
{
	void *p = l->dev->alloc(l->dev, n);

	memcpy(to, &p, sizeof p);
	return p ? 0 : ep_fail(l->ep, "%s", dev_errstr());
}

static void
drop(const struct eplayer *l, void *p)
{
	if (p)
		l->dev->free(p);
}

static void
drop_rows(struct eplayer *l)
{
	struct eplayer_own *o = l->own;
	void *const all[] = {o->in,
			     o->out,
			     o->id,
			     o->grouped,
			     o->done,
			     o->by_expert.counts,
			     o->by_expert.offsets,
			     o->by_expert.perm,
			     o->by_expert.place,
			     o->expert,
			     o->work,
			     o->ffn_work};

	for (size_t i = 0; i < LEN(all); i++)
		drop(l, all[i]);
	free(o->host_expert);
	o->in = o->out = o->grouped = o->done = NULL;
	o->id = o->by_expert.counts = o->by_expert.offsets = o->by_expert.perm =
		o->by_expert.place = NULL;
	o->expert = o->host_expert = NULL;
	o->work = o->ffn_work = NULL;
	o->cap = 0;
}

/* Room for rows that arrive. */
static int
room(struct eplayer *l, uint64_t rows)
{
	struct eplayer_own *o = l->own;
	size_t n = row_bytes(l);

	if (rows <= o->cap && o->in)
		return 0;
	drop_rows(l);
	rows = MAX(rows, (uint64_t)1);
	o->by_expert = (struct index){.experts = o->local, .k = 1, .align = 1};
	if (get_memory(l, &o->in, rows * n) < 0 || get_memory(l, &o->out, rows * n) < 0 ||
	    get_memory(l, &o->grouped, rows * n) < 0 || get_memory(l, &o->done, rows * n) < 0 ||
	    get_memory(l, &o->id, rows * 4) < 0 ||
	    get_memory(l, &o->by_expert.perm, rows * 4) < 0 ||
	    get_memory(l, &o->by_expert.place, rows * 4) < 0 ||
	    get_memory(l, &o->by_expert.counts, o->local * 4) < 0 ||
	    get_memory(l, &o->by_expert.offsets, (o->local + 1) * 4) < 0 ||
	    get_memory(l, &o->expert, rows * 2) < 0 ||
	    get_memory(l, &o->work, l->dev->work(l->dev, &l->router.s, &o->by_expert, NULL, rows)) <
		    0)
		return EP_EFAIL;
	if (l->hidden &&
	    get_memory(l, &o->ffn_work,
		       l->dev->ffn_work(l->dev, &o->ffn, MAX(rows, l->rows * l->k))) < 0)
		return EP_EFAIL;
	if (!(o->host_expert = malloc(rows * 2)))
		return ep_fail(l->ep, "no memory");
	o->cap = rows;
	return 0;
}

/* A matrix for each local expert: numbers drawn once, each expert's from a place of its own. */
static int
weights(struct eplayer *l, int m, uint64_t n, uint64_t from)
{
	struct eplayer_own *o = l->own;
	size_t b = tr_size(l->type), size;
	uint64_t drawn = MIN(n * l->experts, (uint64_t)WEIGHTS);
	char *pool, *host;
	int r = 0;

	if (size_mul(n * b, o->local, &size) < 0 || get_memory(l, &o->w[m], size) < 0)
		return ep_fail(l->ep, "no memory");
	pool = inputs_normal(l->expert_seed, (uint64_t)(0x0f20 + m), drawn,
			     1 / __builtin_sqrt((double)from), l->type);
	host = malloc(n * b + 1);
	if (!pool || !host) {
		free(pool);
		free(host);
		return ep_fail(l->ep, "no memory");
	}
	for (uint32_t e = 0; e < o->local && r == 0; e++) {
		uint64_t at = ((uint64_t)l->ep->rank * o->local + e) * 7919 % drawn, k;

		for (uint64_t i = 0; i < n; i += k, at = 0) {
			k = MIN(n - i, drawn - at);
			memcpy(host + i * b, pool + at * b, k * b);
		}
		r = eplayer_told(l, l->dev->put((char *)o->w[m] + e * n * b, host, n * b));
	}
	free(pool);
	free(host);
	return r;
}

static int
open_experts(struct eplayer *l)
{
	struct eplayer_own *o = l->own;

	if (!l->hidden)
		return 0;
	if (weights(l, 0, l->hidden * l->d, l->d) < 0 ||
	    weights(l, 1, l->hidden * l->d, l->d) < 0 ||
	    weights(l, 2, l->hidden * l->d, l->hidden) < 0)
		return EP_EFAIL;
	o->ffn = (struct ffn){o->local, l->d, l->hidden, l->type, o->w[0], o->w[1], o->w[2]};
	return 0;
}

static int
open_router(struct eplayer *l)
{
	void *x = inputs_x(l->in), *w = inputs_router(l->in);

	l->router = (struct router){
		.dev = l->dev,
		.rows = l->rows,
		.d = l->d,
		.s = {.experts = l->experts, .k = l->k, .type = l->type, .score = RULES_AFTER},
		.h = l->sinkhorn,
		.x = x,
		.w = w,
		.warm = 1};
	l->own->x = x;
	l->own->router = w;
	if (!x || !w)
		return ep_fail(l->ep, "no memory");
	return eplayer_told(l, router_open(&l->router));
}

int
eplayer_open(struct eplayer *l)
{
	uint64_t routes = l->rows * l->k;
	struct eplayer_own *o = calloc(1, sizeof *o);

	l->router = (struct router){.dev = l->dev};
	if (!(l->own = o))
		return ep_fail(l->ep, "no memory");
	o->local = l->experts / (uint32_t)l->ep->size;
	o->offsets = calloc(l->experts + 1, 4);
	o->came = calloc(l->experts, 4);
	o->chunk = calloc((size_t)l->chunks, sizeof *o->chunk);
	o->stay = calloc(o->local + 1, 4);
	o->chunk_offsets = calloc((size_t)l->chunks, (o->local + 1) * 4);
	if (!o->offsets || !o->came || !o->chunk || !o->stay || !o->chunk_offsets)
		return ep_fail(l->ep, "no memory");
	if (open_router(l) < 0 || get_memory(l, &o->came_dev, l->experts * 4) < 0 ||
	    get_memory(l, &o->stay_dev, (o->local + 1) * 4) < 0 ||
	    get_memory(l, &o->back, routes * row_bytes(l)) < 0 ||
	    get_memory(l, &o->y, l->rows * row_bytes(l)) < 0)
		return EP_EFAIL;
	return open_experts(l);
}

void
eplayer_close(struct eplayer *l)
{
	struct eplayer_own *o = l->own;

	if (!o)
		return;
	router_close(&l->router);
	drop_rows(l);
	drop(l, o->came_dev);
	drop(l, o->stay_dev);
	drop(l, o->back);
	drop(l, o->y);
	for (size_t i = 0; i < LEN(o->w); i++)
		drop(l, o->w[i]);
	free(o->x);
	free(o->router);
	free(o->offsets);
	free(o->came);
	free(o->stay);
	free(o->chunk_offsets);
	free(o->chunk);
	free(o);
	l->own = NULL;
}

/* ---- phases ---- */

/* One of the route's; *us is not touched where the strategy has it not. */
static int
route_phase(struct eplayer *l, enum router_strategy a, enum eplayer_phase p, double *us)
{
	double from = clock_us();

	if (!router_has(&l->router, a, stage[p]))
		return 0;
	if (eplayer_told(l, router_call(&l->router, a, stage[p], 0, l->ep->stream)) < 0 ||
	    eplayer_settle(l) < 0)
		return EP_EFAIL;
	*us = clock_us() - from;
	return 0;
}

/* How many rows each rank has for each local expert, and what this one sends to whom. */
static int
meta(struct eplayer *l, enum router_strategy a)
{
	struct eplayer_own *o = l->own;
	struct router_set t = router_set(&l->router, a, 0);
	size_t off[EP_RANKS_MAX], n[EP_RANKS_MAX];
	struct ep_xfer x = {1, {{t.x.counts, off, n, o->came_dev, off, n}}};

	for (int p = 0; p < l->ep->size; p++) {
		n[p] = o->local * 4;
		off[p] = (size_t)p * n[p];
	}
	if (ep_exchange(l->ep, &x) < 0)
		return EP_EFAIL;
	if (eplayer_told(l, l->dev->get(o->came, o->came_dev, l->experts * 4)) < 0)
		return EP_EFAIL;
	return eplayer_told(l, l->dev->get(o->offsets, t.x.offsets, (l->experts + 1) * 4));
}

static uint64_t
came_from(const struct eplayer_own *o, int p)
{
	uint64_t n = 0;

	for (uint32_t e = 0; e < o->local; e++)
		n += o->came[(uint32_t)p * o->local + e];
	return n;
}

/* The i-th of n parts of m rows begins at. */
static uint64_t
part_at(uint64_t m, int i, int n)
{
	return m * (uint64_t)i / (uint64_t)n;
}

/* Local expert of each row of a chunk, in its order. */
static void
list_experts(const struct eplayer *l, const struct chunk *c, uint16_t *to)
{
	const struct eplayer_own *o = l->own;
	int i = (int)(c - o->chunk);

	for (int p = 0; p < l->ep->size; p++) {
		const uint32_t *came = o->came + (uint32_t)p * o->local;
		uint64_t n = came_from(o, p), from = part_at(n, i, o->nchunk),
			 end = part_at(n, i + 1, o->nchunk), at = 0;

		if (p == l->ep->rank)
			continue;
		for (uint32_t e = 0; e < o->local; at += came[e++])
			for (uint64_t k = MAX(at, from); k < MIN(at + came[e], end); k++)
				*to++ = (uint16_t)e;
	}
}

/* The experts of a chunk's rows, and how many rows each has. */
static void
sort_out(struct eplayer *l, struct chunk *c)
{
	struct eplayer_own *o = l->own;
	uint16_t *expert = o->host_expert + c->first;

	list_experts(l, c, expert);
	memset(c->offsets, 0, (o->local + 1) * sizeof *c->offsets);
	for (uint64_t i = 0; i < c->rows; i++)
		c->offsets[expert[i] + 1]++;
	for (uint32_t e = 0; e < o->local; e++)
		c->offsets[e + 1] += c->offsets[e];
}

/* Which bytes go where, in so many chunks; what stays here is not moved. */
static int
plan(struct eplayer *l, enum router_strategy a, int chunks)
{
	struct eplayer_own *o = l->own;
	const uint32_t *perm = router_set(&l->router, a, 0).x.perm;
	size_t b = row_bytes(l);
	uint64_t at = 0;

	o->received = 0;
	for (int p = 0; p < l->ep->size; p++)
		o->received += p == l->ep->rank ? 0 : came_from(o, p);
	if (room(l, o->received) < 0)
		return EP_EFAIL;
	o->nchunk = chunks;
	for (int i = 0; i < chunks; i++) {
		struct chunk *c = &o->chunk[i];

		c->first = at;
		for (int p = 0; p < l->ep->size; p++) {
			uint64_t first = o->offsets[(uint32_t)p * o->local],
				 out = o->offsets[(uint32_t)(p + 1) * o->local] - first,
				 in = came_from(o, p), from, n;

			if (p == l->ep->rank)
				in = out = 0;
			from = part_at(out, i, chunks);
			n = part_at(out, i + 1, chunks) - from;
			c->row_soff[p] = (first + from) * b;
			c->row_sn[p] = n * b;
			c->id_soff[p] = (first + from) * 4;
			c->id_sn[p] = n * 4;
			n = part_at(in, i + 1, chunks) - part_at(in, i, chunks);
			c->row_roff[p] = at * b;
			c->row_rn[p] = n * b;
			c->id_roff[p] = at * 4;
			c->id_rn[p] = n * 4;
			at += n;
		}
		c->rows = at - c->first;
		c->offsets = o->chunk_offsets + (uint32_t)i * (o->local + 1);
		sort_out(l, c);
		c->go = (struct ep_xfer){
			2,
			{{l->router.packed, c->row_soff, c->row_sn, o->in, c->row_roff, c->row_rn},
			 {perm, c->id_soff, c->id_sn, o->id, c->id_roff, c->id_rn}}};
		c->back = (struct ep_xfer){
			1, {{o->out, c->row_roff, c->row_rn, o->back, c->row_soff, c->row_sn}}};
	}
	for (uint32_t e = 0, me = (uint32_t)l->ep->rank * o->local; e <= o->local; e++)
		o->stay[e] = o->offsets[me + e] - o->offsets[me];
	if (eplayer_told(l, l->dev->put(o->stay_dev, o->stay, (o->local + 1) * 4)) < 0)
		return EP_EFAIL;
	return eplayer_told(l, l->dev->put(o->expert, o->host_expert, o->received * 2));
}

/* The local experts on rows in their order; offsets [local + 1] of the host and the device. */
static int
experts(struct eplayer *l, const uint32_t *host, const uint32_t *offsets, const void *x, void *to)
{
	struct eplayer_own *o = l->own;
	const struct dev *d = l->dev;
	uint32_t n = host[o->local];

	if (!n)
		return 0;
	if (!l->hidden || o->identity)
		return eplayer_told(l, d->copy(d, to, x, n * row_bytes(l), l->ep->stream));
	return eplayer_told(
		l, d->ffn(d, &o->ffn, 0, offsets, host, n, x, to, o->ffn_work, l->ep->stream));
}

/* Rows of this rank for experts of this rank stay where they are packed. */
static int
local(struct eplayer *l)
{
	struct eplayer_own *o = l->own;
	size_t at = o->offsets[(uint32_t)l->ep->rank * o->local] * row_bytes(l);

	return experts(l, o->stay, o->stay_dev, l->router.packed + at, o->back + at);
}

/* Rows of others, of one chunk: by expert, and back in their order. */
static int
remote(struct eplayer *l, const struct chunk *c)
{
	struct eplayer_own *o = l->own;
	const struct dev *d = l->dev;
	void *stream = l->ep->stream;
	size_t at = c->first * row_bytes(l);

	if (!c->rows)
		return 0;
	if (eplayer_told(l, d->index(d, &o->by_expert, o->expert + c->first, c->rows, o->work,
				     stream)) < 0 ||
	    eplayer_told(l, d->gather(d, &o->by_expert, l->type, o->in + at, c->rows, l->d, NULL,
				      o->grouped, stream)) < 0 ||
	    experts(l, c->offsets, o->by_expert.offsets, o->grouped, o->done) < 0)
		return EP_EFAIL;
	return eplayer_told(l, d->combine(d, &o->by_expert, l->type, o->done, l->d, NULL, c->rows,
					  o->out + at, stream));
}

static int
combine(struct eplayer *l, enum router_strategy a)
{
	struct router_set t = router_set(&l->router, a, 0);

	return eplayer_told(l, l->dev->combine(l->dev, &t.x, l->type, l->own->back, l->d, t.w,
					       l->rows, l->own->y, l->ep->stream));
}

/* ---- the layer ---- */

/* After a phase that this rank began at from. */
static int
phase_end(struct eplayer *l, int r, double from, double *us)
{
	if (r < 0 || eplayer_settle(l) < 0)
		return EP_EFAIL;
	*us = clock_us() - from;
	return 0;
}

/* All ranks at once: the first barrier is waited for, and whoever slept there wakes late. */
static int
together(struct ep *ep)
{
	return ep_barrier(ep) < 0 ? EP_EFAIL : ep_barrier(ep);
}

int
eplayer_apart(struct eplayer *l, enum router_strategy a, double us[EPLAYER_PHASES])
{
	struct ep *ep = l->ep;
	struct chunk *c = l->own->chunk;
	double at;

	for (int p = 0; p < EPLAYER_PHASES; p++)
		us[p] = -1;
	if (together(ep) < 0)
		return EP_EFAIL;
	for (enum eplayer_phase p = 0; p <= EPLAYER_GATHER; p++)
		if (route_phase(l, a, p, &us[p]) < 0)
			return EP_EFAIL;
	if (together(ep) < 0)
		return EP_EFAIL;
	at = clock_us();
	if (phase_end(l, meta(l, a) < 0 ? EP_EFAIL : plan(l, a, 1), at, &us[EPLAYER_META]) < 0 ||
	    together(ep) < 0)
		return EP_EFAIL;
	at = clock_us();
	if (phase_end(l, ep_exchange(ep, &c->go), at, &us[EPLAYER_COMM]) < 0 || together(ep) < 0)
		return EP_EFAIL;
	at = clock_us();
	if (phase_end(l, local(l), at, &us[EPLAYER_LOCAL]) < 0)
		return EP_EFAIL;
	at = clock_us();
	if (phase_end(l, remote(l, c), at, &us[EPLAYER_REMOTE]) < 0 || together(ep) < 0)
		return EP_EFAIL;
	if (!l->combine)
		return 0;
	at = clock_us();
	if (phase_end(l, ep_exchange(ep, &c->back), at, &us[EPLAYER_RETURN]) < 0)
		return EP_EFAIL;
	at = clock_us();
	return phase_end(l, combine(l, a), at, &us[EPLAYER_COMBINE]);
}

int
eplayer_overlapped(struct eplayer *l, enum router_strategy a, struct eplayer_overlap *us)
{
	struct eplayer_own *o = l->own;
	int go[EPLAYER_CHUNKS_MAX], back[EPLAYER_CHUNKS_MAX];
	double from, rows, at, took;

	*us = (struct eplayer_overlap){0};
	if (together(l->ep) < 0 || route_phase(l, a, EPLAYER_LOGIT, &took) < 0)
		return EP_EFAIL;
	from = clock_us();
	for (enum eplayer_phase p = EPLAYER_SELECT; p <= EPLAYER_GATHER; p++)
		if (route_phase(l, a, p, &took) < 0)
			return EP_EFAIL;
	us->route = clock_us() - from;
	if (meta(l, a) < 0 || plan(l, a, l->chunks) < 0)
		return EP_EFAIL;
	rows = clock_us();
	for (int i = 0; i < l->chunks; i++)
		if ((go[i] = ep_start(l->ep, &o->chunk[i].go)) < 0)
			return EP_EFAIL;
	at = clock_us();
	if (phase_end(l, local(l), at, &us->comp) < 0)
		return EP_EFAIL;
	for (int i = 0; i < l->chunks; i++) {
		if (ep_finish(l->ep, go[i], &took) < 0)
			return EP_EFAIL;
		us->comm += took;
		at = clock_us();
		if (phase_end(l, remote(l, &o->chunk[i]), at, &took) < 0)
			return EP_EFAIL;
		us->comp += took;
		if (l->combine && (back[i] = ep_start(l->ep, &o->chunk[i].back)) < 0)
			return EP_EFAIL;
	}
	for (int i = 0; i < l->chunks && l->combine; i++) {
		if (ep_finish(l->ep, back[i], &took) < 0)
			return EP_EFAIL;
		us->comm += took;
	}
	us->part = clock_us() - rows;
	return phase_end(l, l->combine ? combine(l, a) : 0, from, &us->wall);
}

/* ---- what it came to ---- */

void
eplayer_counts(const struct eplayer *l, double *picks)
{
	for (uint32_t e = 0; e < l->experts; e++)
		picks[e] = l->own->offsets[e + 1] - l->own->offsets[e];
}

double
eplayer_sent(const struct eplayer *l)
{
	const struct eplayer_own *o = l->own;
	uint32_t first = (uint32_t)l->ep->rank * o->local;

	return o->offsets[l->experts] - (o->offsets[first + o->local] - o->offsets[first]);
}

double
eplayer_received(const struct eplayer *l)
{
	const struct eplayer_own *o = l->own;
	uint32_t first = (uint32_t)l->ep->rank * o->local;

	return (double)o->received + (o->offsets[first + o->local] - o->offsets[first]);
}
