/* Transitions between two layers, walked along their row numbers. */
#include <stdlib.h>

#include "../core/size.h"
#include "flowown.h"

static struct flow_pair *
pair_of(struct flow *f, uint64_t layer, uint64_t to)
{
	struct flow_pair *p;

	for (size_t i = 0; i < f->npair; i++)
		if (f->pair[i].layer == layer && f->pair[i].to == to)
			return &f->pair[i];
	if (!(p = realloc(f->pair, (f->npair + 1) * sizeof *p)))
		return NULL;
	f->pair = p;
	p += f->npair;
	*p = (struct flow_pair){layer, to, 0,
				calloc((size_t)f->experts * f->experts + 1, sizeof *p->n)};
	if (!p->n)
		return NULL;
	f->npair++;
	return p;
}

static inline void
count_row(uint64_t *n, uint32_t experts, const uint16_t *a, const uint16_t *b, uint32_t k)
{
	for (uint32_t i = 0; i < k; i++)
		for (uint32_t j = 0; j < k; j++)
			if (a[i] != EMPTY && b[j] != EMPTY)
				n[(size_t)a[i] * experts + b[j]]++;
}

int
flow_count(struct flow *f, const struct held *a, const struct held *b)
{
	struct flow_pair *p = pair_of(f, a->layer, b->layer);
	uint32_t k = f->k;
	uint64_t i = 0, j = 0;

	if (!p)
		return flow_no_memory(f);
	if (!a->row && !b->row) {
		uint64_t from = MAX(a->first, b->first);
		uint64_t to = MIN(a->first + a->rows, b->first + b->rows);
		const uint16_t *x, *y;

		if (from >= to)
			return 0;
		p->n_tokens += to - from;
		x = a->id + (from - a->first) * k;
		y = b->id + (from - b->first) * k;
		if (k == 1)
			for (uint64_t r = 0; r < to - from; r++)
				count_row(p->n, f->experts, x + r, y + r, 1);
		else
			for (uint64_t r = 0; r < to - from; r++)
				count_row(p->n, f->experts, x + r * k, y + r * k, k);
		return 0;
	}
	while (i < a->rows && j < b->rows) {
		uint64_t x = held_row(a, i), y = held_row(b, j);

		if (x == y) {
			p->n_tokens++;
			count_row(p->n, f->experts, a->id + i * k, b->id + j * k, k);
		}
		i += x <= y;
		j += y <= x;
	}
	return 0;
}
