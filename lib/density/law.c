#include <stdlib.h>

#include "histo.h"
#include "rng.h"
#include "size.h"
#include "uniform.h"

/* P(a < u < b) of the k-th smallest of e uniform values, of one of them where k is 0. */
static double
part(double a, double b, uint32_t k, uint32_t e)
{
	double low, high, over_a, over_b;

	if (!k)
		return MAX(MIN(b, 1) - MAX(a, 0), 0);
	low = uniform_beta(a, k, e, &over_a);
	high = uniform_beta(b, k, e, &over_b);
	return low < 0.5 ? high - low : over_a - over_b;
}

/* Have both the same bins? */
static int
alike(const struct histo_group *a, const struct histo_group *b)
{
	int r = a->experts == b->experts && a->nrow == b->nrow;

	for (uint32_t i = 0; r && i < a->nrow; i++)
		r = a->lo[i] == b->lo[i] && a->hi[i] == b->hi[i];
	return r;
}

static void
parts(const struct histo *h, struct histo_group *g)
{
	for (uint32_t r = 0; r < g->nrow; r++)
		for (uint64_t i = 0; i < h->bins; i++) {
			double step = (g->hi[r] - g->lo[r]) / (double)h->bins;
			double a = g->lo[r] + step * (double)i,
			       b = g->lo[r] + step * (double)(i + 1);
			double from = h->of == HISTO_CDF ? 1 - b : a;
			double to = h->of == HISTO_CDF ? 1 - a : b;

			g->expected[r * h->bins + i] =
				part(from, to, h->by == HISTO_KTH ? r + 1 : 0, g->experts);
		}
}

void
histo_law(struct histo *h)
{
	for (size_t i = 0; i < h->n; i++) {
		struct histo_group *g = &h->group[i];

		g->expected = xcalloc(g->nrow * h->bins, sizeof *g->expected);
		/* the parts of the last group stand until they become counts */
		if (i && alike(g, g - 1))
			for (size_t k = 0; k < g->nrow * h->bins; k++)
				g->expected[k] = g[-1].expected[k];
		else
			parts(h, g);
	}
	for (size_t i = 0; i < h->n; i++)
		for (size_t k = 0; k < h->group[i].nrow * h->bins; k++)
			h->group[i].expected[k] *= (double)h->group[i].values[k / h->bins];
}

static int
rising(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The e-th of row t is draw t * experts + e of the stream of the layer's number. */
void
histo_draw(struct histo *h, uint64_t seed)
{
	for (size_t i = 0; i < h->n; i++) {
		struct histo_group *g = &h->group[i];
		double *u = xcalloc(g->experts, sizeof *u);

		g->expected = xcalloc(g->nrow * h->bins, sizeof *g->expected);
		for (size_t t = 0; t < g->rows; t++) {
			for (uint32_t e = 0; e < g->experts; e++)
				u[e] = rng_f64(seed, g->layer, t * g->experts + e);
			if (h->by == HISTO_KTH)
				qsort(u, g->experts, sizeof *u, rising);
			for (uint32_t e = 0; e < g->experts; e++) {
				uint32_t r = g->nrow > 1 ? e : 0;
				double x = h->of == HISTO_CDF ? 1 - u[e] : u[e];
				double at =
					(x - g->lo[r]) / (g->hi[r] - g->lo[r]) * (double)h->bins;

				if (x >= g->lo[r] && x <= g->hi[r])
					g->expected[r * h->bins + MIN((uint64_t)at, h->bins - 1)]++;
			}
		}
		free(u);
	}
}
