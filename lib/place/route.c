/* Which copy each pick of a batch goes to. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "costeval.h"
#include "size.h"

double
route_far(const struct place *p, const struct cost_model *m, uint32_t dev, uint32_t origin)
{
	return m->distance ? m->distance[(size_t)origin * p->rows * p->cols + dev]
			   : cost_hop(dev / p->cols, origin, p->rows);
}

uint32_t
cost_capacity(const struct cost_model *m, uint32_t instances, size_t picks)
{
	double c = m->factor * (double)picks / instances;

	return c < 1 ? 1 : c > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)c;
}

/* The first copy with room; once all are full, in turn, as if each had room for one more. */
static void
fill_batch(const struct place *p, const uint16_t *pick, size_t n, uint32_t capacity,
	   struct route *r, uint32_t *to)
{
	struct fill *fill = r->fill;

	for (uint32_t e = 0; e < p->experts; e++)
		fill[e] = (struct fill){p->first[e], capacity, capacity};
	for (size_t i = 0; i < n; i++) {
		struct fill *f = &fill[pick[i]];

		if (!f->left) {
			r->used[f->at++] += f->room;
			if (f->at == p->first[pick[i] + 1]) {
				f->at = p->first[pick[i]];
				f->room = 1;
			}
			f->left = f->room;
		}
		f->left--;
		to[i] = f->at;
	}
	for (uint32_t e = 0; e < p->experts; e++)
		if (fill[e].left < fill[e].room)
			r->used[fill[e].at] += fill[e].room - fill[e].left;
}

/* The first copy of e with room, or COST_NOWHERE. */
static uint32_t
with_room(const struct place *p, const struct route *r, uint32_t e, uint32_t capacity)
{
	for (uint32_t i = p->first[e]; i < p->first[e + 1]; i++)
		if (r->used[i] < capacity)
			return i;
	return COST_NOWHERE;
}

/* Rank by rank, each token goes down its list from behind its last expert to the first with
 * room.  Shared experts have no score: the first with room, then in turn. */
static void
reroute_batch(const struct place *p, const struct tokens *t, size_t batch,
	      const struct cost_model *m, struct route *r, uint32_t *to)
{
	size_t from = t->batch[batch], end = t->batch[batch + 1], at = t->first[from], most = 0;
	uint32_t capacity = cost_capacity(m, p->n, t->first[end] - at);

	memset(r->next, 0, p->experts * sizeof *r->next);
	memset(r->list, 0, (end - from) * sizeof *r->list);
	for (size_t k = from; k < end; k++)
		most = MAX(most, t->first[k + 1] - t->first[k]);
	for (size_t rank = 0; rank < most; rank++) {
		for (size_t k = from; k < end; k++) {
			const uint16_t *order = t->order + k * t->routed;
			uint32_t *list = &r->list[k - from], e, i = COST_NOWHERE;

			if (t->first[k] + rank >= t->first[k + 1])
				continue;
			e = t->pick[t->first[k] + rank];
			if (e >= t->routed) {
				i = with_room(p, r, e, capacity);
				if (i == COST_NOWHERE)
					i = p->first[e] +
					    r->next[e]++ % (p->first[e + 1] - p->first[e]);
			}
			while (e < t->routed && i == COST_NOWHERE && *list < t->routed)
				i = with_room(p, r, order[(*list)++], capacity);
			to[t->first[k] + rank - at] = i;
			if (i != COST_NOWHERE)
				r->used[i]++;
		}
	}
}

void
route_batch(const struct place *p, const struct tokens *t, size_t batch, const struct cost_model *m,
	    const uint16_t *origin, struct route *r, uint32_t *to)
{
	size_t from = t->batch[batch], end = t->batch[batch + 1];
	size_t at = t->first[from], picks = t->first[end] - at;
	enum cost_routing routing = m->kind == COST_SIMPLE ? ROUTE_LEAST : m->routing;
	uint32_t capacity;

	memset(r->used, 0, p->n * sizeof *r->used);
	if (!picks)
		return;
	if (routing == ROUTE_REROUTE) {
		reroute_batch(p, t, batch, m, r, to);
		return;
	}
	capacity = cost_capacity(m, p->n, picks);
	if (routing == ROUTE_BALANCED || routing == ROUTE_ROBIN) {
		fill_batch(p, t->pick + at, picks, routing == ROUTE_ROBIN ? 1 : capacity, r, to);
		return;
	}
	for (size_t token = from; token < end; token++)
		for (size_t i = t->first[token]; i < t->first[token + 1]; i++) {
			uint32_t e = t->pick[i], first = p->first[e], n = p->first[e + 1] - first;
			uint32_t k = 0;
			double best = INFINITY;

			switch (routing) {
			case ROUTE_LEAST:
				for (uint32_t j = 1; j < n; j++)
					if (r->used[first + j] < r->used[first + k] ||
					    (r->used[first + j] == r->used[first + k] &&
					     p->dev[first + j] < p->dev[first + k]))
						k = j;
				break;
			case ROUTE_NEAREST: /* smallest hop with room, else smallest hop */
				for (uint32_t j = 0; j < n; j++) {
					double d = route_far(p, m, p->dev[first + j],
							     origin[token - from]);

					d += r->used[first + j] >= capacity ? 1e12 : 0;
					if (d < best) {
						best = d;
						k = j;
					}
				}
				break;
			default: /* ROUTE_FIRST, however full */
				k = 0;
				break;
			}
			r->used[first + k]++;
			to[i - at] = first + k;
		}
}

int
route_open(struct route *r, const struct place *p, size_t tokens)
{
	r->list = malloc((tokens + 1) * sizeof *r->list);
	r->used = malloc((p->n + 1) * sizeof *r->used);
	r->next = malloc((p->experts + 1) * sizeof *r->next);
	r->fill = malloc((p->experts + 1) * sizeof *r->fill);
	return r->used && r->next && r->list && r->fill ? 0 : TR_ENOMEM;
}

void
route_close(struct route *r)
{
	free(r->used);
	free(r->next);
	free(r->fill);
	free(r->list);
}

int
cost_route(const struct place *p, const struct tokens *t, size_t batch, const struct cost_model *m,
	   const uint16_t *origin, uint32_t *to)
{
	struct route r;
	int e = route_open(&r, p, t->batch[batch + 1] - t->batch[batch]);

	if (!e)
		route_batch(p, t, batch, m, origin, &r, to);
	route_close(&r);
	return e;
}
