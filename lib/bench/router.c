#include <stdio.h>
#include <string.h>

#include "../core/size.h"
#include "router.h"

enum { SETS_MAX = 1024 };

const char *const router_names[] = {"naive_topk", "masked_matmul", "fused_select", "sinkhorn",
				    "fused_router"};
const char *const router_stages[] = {"logit",  "select", "logit+select", "index", "select+index",
				     "gather", "pack",   "select+pack",  "route"};

static size_t
routes(const struct router *r)
{
	return r->rows * r->s.k;
}

/* Copies of something of n bytes that together outgrow the last cache twice. */
static uint64_t
turns(const struct router *r, size_t n)
{
	uint64_t many = n ? (2 * r->dev->cache + n - 1) / n : 1;

	return r->warm ? 1 : MIN(MAX(many, (uint64_t)2), (uint64_t)SETS_MAX);
}

/* A set is one turn's logits and what each strategy makes of them. */
static void
lay_out(struct router *r)
{
	size_t at = 0;

	r->logits_size = size_align(r->rows * r->s.experts * tr_size(r->s.type), 256);
	r->at_ids = at;
	r->at_w = at += size_align(routes(r) * sizeof(uint16_t), 256);
	r->at_counts = at += size_align(routes(r) * sizeof(float), 256);
	r->at_offsets = at += size_align(r->s.experts * 4, 256);
	r->at_perm = at += size_align((r->s.experts + 1) * 4, 256);
	r->at_place = at += size_align(routes(r) * 4, 256);
	r->picks_size = at + size_align(routes(r) * 4, 256);
	r->set = r->logits_size + ROUTER_STRATEGIES * r->picks_size;
	r->nx = r->d ? turns(r, r->rows * r->d * tr_size(r->s.type)) : 1;
	r->nset = turns(r, r->logits_size);
	r->nset = (r->nset + r->nx - 1) / r->nx * r->nx;
}

struct router_set
router_set(const struct router *r, enum router_strategy a, uint64_t i)
{
	unsigned char *set = r->sets + i % r->nset * r->set,
		      *p = set + r->logits_size + a * r->picks_size;

	return (struct router_set){set,
				   (uint16_t *)(void *)(p + r->at_ids),
				   (float *)(void *)(p + r->at_w),
				   {r->s.experts, r->s.k, 1, (uint32_t *)(void *)(p + r->at_counts),
				    (uint32_t *)(void *)(p + r->at_offsets),
				    (uint32_t *)(void *)(p + r->at_perm),
				    (uint32_t *)(void *)(p + r->at_place)}};
}

static const unsigned char *
x_of(const struct router *r, uint64_t i)
{
	return r->xs + i % r->nx * (r->rows * r->d * tr_size(r->s.type));
}

int
router_has(const struct router *r, enum router_strategy a, enum router_stage b)
{
	int packs = a != ROUTER_MASKED_MATMUL, fused = a == ROUTER_FUSED_SELECT,
	    whole = a == ROUTER_FUSED_ROUTER;

	if (whole && (!r->w || r->s.groups))
		return 0;
	switch (b) {
	case ROUTER_LOGIT:
		return r->w && !whole;
	case ROUTER_SELECT:
		return !fused && !whole;
	case ROUTER_LOGIT_SELECT:
		return whole;
	case ROUTER_INDEX:
		return packs && !fused;
	case ROUTER_SELECT_INDEX:
		return fused;
	case ROUTER_GATHER:
		return packs && r->d;
	case ROUTER_PACK:
		return packs && !fused && r->d;
	case ROUTER_SELECT_PACK:
		return fused && r->d;
	default:
		return 1;
	}
}

static int
call_select(struct router *r, enum router_strategy a, uint64_t i, void *stream)
{
	const struct dev *d = r->dev;
	struct router_set t = router_set(r, a, i);
	int e;

	if (a == ROUTER_SINKHORN)
		return d->sinkhorn(d, &r->h, t.logits, r->rows, t.ids, t.w, r->told, r->work,
				   stream);
	e = d->select(d, &r->s, t.logits, r->rows, t.ids, t.w, stream);
	if (e == 0 && a == ROUTER_MASKED_MATMUL)
		e = d->mask(d, &r->s, t.ids, t.w, r->rows, r->gates, stream);
	return e;
}

/* The stages that are no sums of others. */
static int
call_one(struct router *r, enum router_strategy a, enum router_stage b, uint64_t i, void *stream)
{
	const struct dev *d = r->dev;
	struct router_set t = router_set(r, a, i);

	switch (b) {
	case ROUTER_LOGIT:
		return d->product(d, r->s.type, x_of(r, i), r->router, t.logits, r->rows,
				  r->s.experts, r->d, r->work, stream);
	case ROUTER_SELECT:
		return call_select(r, a, i, stream);
	case ROUTER_LOGIT_SELECT:
		return d->product_select(d, &r->s, x_of(r, i), r->router, r->rows, r->d, t.ids, t.w,
					 r->work, stream);
	case ROUTER_INDEX:
		return d->index(d, &t.x, t.ids, r->rows, r->work, stream);
	case ROUTER_SELECT_INDEX:
		return d->select_index(d, &r->s, &t.x, t.logits, r->rows, t.ids, t.w, r->work,
				       stream);
	default:
		return d->gather(d, &t.x, r->s.type, x_of(r, i), r->rows, r->d,
				 r->weighted ? t.w : NULL, r->packed, stream);
	}
}

/* Logits, what each strategy picks of them, and as many copies as take turns. */
static int
fill(struct router *r)
{
	const struct dev *d = r->dev;
	size_t nx = r->rows * r->d * tr_size(r->s.type);
	int e = 0;

	for (uint64_t i = 0; r->d && i < r->nx && e == 0; i++)
		e = d->put(r->xs + i * nx, r->x, nx);
	if (r->w && e == 0)
		e = d->put(r->router, r->w, r->s.experts * r->d * tr_size(r->s.type));
	if (e == 0 && r->logits)
		e = d->put(r->sets, r->logits, r->rows * r->s.experts * tr_size(r->s.type));
	else if (e == 0)
		e = call_one(r, ROUTER_NAIVE_TOPK, ROUTER_LOGIT, 0, NULL);
	for (int a = 0; a < ROUTER_STRATEGIES && e == 0; a++) {
		e = call_select(r, a, 0, NULL);
		if (e == 0)
			e = call_one(r, a, ROUTER_INDEX, 0, NULL);
	}
	for (uint64_t i = 1; i < r->nset && e == 0; i++)
		e = d->copy(d, r->sets + i * r->set, r->sets, r->set, NULL);
	return e;
}

int
router_open(struct router *r)
{
	const struct dev *d = r->dev;
	size_t b = tr_size(r->s.type);
	struct index x;
	int e;

	r->h.experts = r->s.experts;
	r->h.k = r->s.k;
	r->h.type = r->s.type;
	lay_out(r);
	x = router_set(r, ROUTER_NAIVE_TOPK, 0).x;
	if (!(r->sets = d->alloc(d, r->nset * r->set)) ||
	    !(r->gates = d->alloc(d, r->rows * r->s.experts * sizeof(float))) ||
	    !(r->told = d->alloc(d, sizeof *r->told)) ||
	    !(r->work = d->alloc(d, d->work(d, &r->s, &x, &r->h, r->rows))))
		return GPU_ENOMEM;
	if (r->d && (!(r->xs = d->alloc(d, r->nx * r->rows * r->d * b)) ||
		     !(r->packed = d->alloc(d, routes(r) * r->d * b))))
		return GPU_ENOMEM;
	if (r->w && !(r->router = d->alloc(d, r->s.experts * r->d * b)))
		return GPU_ENOMEM;
	if (r->bias) {
		if (!(r->biases = d->alloc(d, r->s.experts * sizeof *r->biases)))
			return GPU_ENOMEM;
		if ((e = d->put(r->biases, r->bias, r->s.experts * sizeof *r->biases)) < 0)
			return e;
		r->s.bias = r->biases;
	}
	return fill(r);
}

void
router_close(struct router *r)
{
	void *const all[] = {r->sets, r->gates,  r->told,   r->work,
			     r->xs,   r->packed, r->router, r->biases};

	for (size_t i = 0; i < LEN(all); i++)
		if (all[i])
			r->dev->free(all[i]);
}

/* What a stage is the sum of. */
static int
in(enum router_stage part, enum router_stage b)
{
	static const int packs = 1 << ROUTER_INDEX | 1 << ROUTER_GATHER;
	static const int parts[ROUTER_STAGES] = {
		[ROUTER_PACK] = packs,
		[ROUTER_SELECT_PACK] = 1 << ROUTER_SELECT_INDEX | 1 << ROUTER_GATHER,
		[ROUTER_ROUTE] = 1 << ROUTER_LOGIT | 1 << ROUTER_SELECT | 1 << ROUTER_LOGIT_SELECT |
				 1 << ROUTER_SELECT_INDEX | packs,
	};

	return part == b || parts[b] >> part & 1;
}

int
router_call(struct router *r, enum router_strategy a, enum router_stage b, uint64_t i, void *stream)
{
	int e = 0;

	for (int part = 0; part < ROUTER_PACK && e == 0; part++)
		if (in(part, b) && router_has(r, a, part))
			e = call_one(r, a, part, i, stream);
	return e;
}

uint64_t
router_turn(struct router *r, enum router_stage b, uint64_t i)
{
	if (r->d && (b == ROUTER_LOGIT || b == ROUTER_LOGIT_SELECT || b >= ROUTER_GATHER))
		return r->next_x++;
	return b == ROUTER_INDEX ? i : r->next_logits++;
}

static double
bytes_one(const struct router *r, enum router_strategy a, enum router_stage b)
{
	double T = (double)r->rows, E = r->s.experts, R = T * r->s.k, d = (double)r->d,
	       s = tr_size(r->s.type), picks = R * (sizeof(uint16_t) + sizeof(float)),
	       index = R * 2 * 4 + (2 * E + 1) * 4;

	switch (b) {
	case ROUTER_LOGIT:
		return (T * d + E * d + T * E) * s;
	case ROUTER_SELECT:
		return T * E * s + picks + (a == ROUTER_MASKED_MATMUL ? picks + T * E * 4 : 0);
	case ROUTER_LOGIT_SELECT:
		return (T * d + E * d) * s + picks;
	case ROUTER_INDEX:
		return R * sizeof(uint16_t) + index;
	case ROUTER_SELECT_INDEX:
		return T * E * s + picks + R * sizeof(uint16_t) + index;
	default:
		return (T + R) * d * s + R * 4 * (r->weighted ? 2 : 1);
	}
}

double
router_bytes(const struct router *r, enum router_strategy a, enum router_stage b)
{
	double sum = 0;

	for (int part = 0; part < ROUTER_PACK; part++)
		if (in(part, b) && router_has(r, a, part))
			sum += bytes_one(r, a, part);
	return sum;
}

double
router_flops(const struct router *r, enum router_strategy a, enum router_stage b)
{
	enum router_stage p = a == ROUTER_FUSED_ROUTER ? ROUTER_LOGIT_SELECT : ROUTER_LOGIT;

	return in(p, b) && router_has(r, a, p) ? 2.0 * (double)r->rows * r->s.experts * (double)r->d
					       : 0;
}
