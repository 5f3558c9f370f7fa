/* The ways of some tokens through all layers, drawn while rows are held. */
#include <stdlib.h>

#include "../core/rng.h"
#include "flowown.h"

/* Place of a row in h, or TR_NONE. */
static uint64_t
place(const struct held *h, uint64_t row)
{
	uint64_t lo = 0, hi = h->rows;

	if (!h->row)
		return row - h->first < h->rows ? row - h->first : TR_NONE;
	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (h->row[mid] < row)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < h->rows && h->row[lo] == row ? lo : TR_NONE;
}

static void
drop_journey(struct flow_journey *j)
{
	free(j->layer);
	free(j->id);
}

/* Draws may be equal, and then the earlier token wins. */
static int
later(const struct flow_journey *a, const struct flow_journey *b)
{
	if (a->draw != b->draw)
		return a->draw > b->draw;
	if (a->section != b->section)
		return a->section > b->section;
	return a->batch != b->batch ? a->batch > b->batch : a->row > b->row;
}

static void
sift(struct flow_journey *h, size_t n, size_t i)
{
	for (size_t c; (c = 2 * i + 1) < n; i = c) {
		struct flow_journey x = h[i];

		c += c + 1 < n && later(&h[c + 1], &h[c]);
		if (!later(&h[c], &x))
			return;
		h[i] = h[c];
		h[c] = x;
	}
}

/* The way of row j->row through the layers of a batch: 1, 0 where one lacks it. */
static int
follow(struct flow *f, const struct held *h, size_t n, struct flow_journey *j)
{
	j->n = (uint32_t)n;
	j->layer = malloc(n * sizeof *j->layer);
	j->id = malloc(n * sizeof *j->id);
	for (size_t i = 0; j->layer && j->id && i < n; i++) {
		uint64_t at = place(&h[i], j->row);

		if (at == TR_NONE || h[i].id[at * f->k] == EMPTY) {
			drop_journey(j);
			return 0;
		}
		j->layer[i] = h[i].layer;
		j->id[i] = h[i].id[at * f->k];
	}
	if (j->layer && j->id)
		return 1;
	drop_journey(j);
	return flow_no_memory(f);
}

int
flow_draw(struct flow *f, const struct held *h, size_t n)
{
	uint32_t word[4];
	void *p;
	int r;

	if (n != f->layers)
		return 0;
	if (!f->journey) {
		if (!(p = calloc(f->want, sizeof *f->journey)))
			return flow_no_memory(f);
		f->journey = p;
	}
	for (uint64_t i = 0; i < h->rows; i++) {
		struct flow_journey j = {0, f->section, h->batch, held_row(h, i), NULL, NULL, 0};

		rng_u32x4(f->seed, j.batch, j.row, word);
		j.draw = (uint64_t)word[1] << 32 | word[0];
		if (f->njourney == f->want && !later(f->journey, &j))
			continue;
		if ((r = follow(f, h, n, &j)) <= 0) {
			if (r < 0)
				return r;
			continue;
		}
		if (f->njourney < f->want) {
			f->journey[f->njourney++] = j;
			for (size_t k = f->njourney / 2; f->njourney == f->want && k-- > 0;)
				sift(f->journey, f->njourney, k);
			continue;
		}
		drop_journey(f->journey);
		f->journey[0] = j;
		sift(f->journey, f->njourney, 0);
	}
	return 0;
}

void
flow_drop_journeys(struct flow *f)
{
	for (size_t i = 0; i < f->njourney; i++)
		drop_journey(&f->journey[i]);
	free(f->journey);
}
