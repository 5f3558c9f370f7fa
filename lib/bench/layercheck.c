/* What a layer came to, beside plain loops. */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/pool.h"
#include "../core/size.h"
#include "../route/widen.h"
#include "devown.h"
#include "layer.h"

enum { ROWS = 3 }; /* looked at of each expert: its first, middle and last */

/* Rows of experts, by many threads. */
struct rows {
	const struct layer *l;
	const char *got; /* [experts][ROWS][d] of f.type */
	double *off;     /* [experts][ROWS]: greatest error over the row's greatest number */
	atomic_int failed;
};

/* Packed row of an expert that row i looks at; 0 where it has fewer. */
static int
place(const struct layer *l, uint32_t e, int i, uint64_t *row)
{
	uint64_t first = l->host.offsets[e], n = l->host.offsets[e + 1] - first;

	*row = first + (i == 0 ? 0 : i == 1 ? n - 1 : n / 2);
	return (uint64_t)i < n;
}

static void
compare(struct rows *c, uint32_t e, int i, const struct ffn *one, float *x, double *want)
{
	const struct layer *l = c->l;
	uint64_t d = l->f.d, row, line = d * tr_size(l->f.type);
	double off = 0, most = 0;
	float *got = x + d;

	place(l, e, i, &row);
	widen(l->f.type, (char *)l->x + l->host.perm[row] / l->k * line, d, x);
	widen(l->f.type, c->got + ((uint64_t)e * ROWS + (uint64_t)i) * line, d, got);
	if (ffn_plain(one, 0, 1, x, want) < 0) {
		c->failed = 1;
		return;
	}
	for (uint64_t k = 0; k < d; k++) {
		double far = fabs(got[k] - want[k]);

		off = far <= off ? off : far == far ? far : INFINITY;
		most = MAX(most, fabs(want[k]));
	}
	c->off[e * ROWS + (uint32_t)i] = off == 0 ? 0 : off / most;
}

static void
check_expert(void *arg, size_t e)
{
	struct rows *c = arg;
	const struct layer *l = c->l;
	size_t n = l->f.hidden * l->f.d * tr_size(l->f.type);
	struct ffn one = l->f;
	uint64_t row;
	char *w;
	float *x;
	double *want;

	if (!l->host.counts[e] || c->failed)
		return;
	w = malloc(3 * n);
	x = malloc(2 * l->f.d * sizeof *x);
	want = malloc(l->f.d * sizeof *want);
	if (!w || !x || !want)
		c->failed = 1;
	for (int i = 0; i < 3 && !c->failed; i++)
		layer_weights(l, i, (uint32_t)e, w + (size_t)i * n);
	one.w1 = w;
	one.w3 = w + n;
	one.w2 = w + 2 * n;
	for (int i = 0; i < ROWS && !c->failed && place(l, (uint32_t)e, i, &row); i++)
		compare(c, (uint32_t)e, i, &one, x, want);
	free(w);
	free(x);
	free(want);
}

/* How many of the rows looked at are off, by how much, of how many. */
static int
check_rows(const struct layer *l, uint64_t *bad, uint64_t *seen, double *worst)
{
	const uint64_t line = l->f.d * tr_size(l->f.type), E = l->f.experts;
	const double may = l->f.type == TR_F32 ? 0x1p-15 : l->f.type == TR_F16 ? 0x1p-8 : 0x1p-5;
	char *got = calloc(E * ROWS, line);
	struct rows c = {l, got, calloc(E * ROWS, sizeof(double)), 0};
	uint64_t row;
	int r = got && c.off ? 0 : dev_error(GPU_ENOMEM, "no memory");

	for (uint32_t e = 0; e < E; e++)
		for (int i = 0; i < ROWS && r == 0 && place(l, e, i, &row); i++, ++*seen)
			r = l->dev->get(got + (e * ROWS + (uint32_t)i) * line,
					(const char *)l->out + row * line, line);
	if (r == 0)
		pool_each(l->jobs, E, check_expert, &c);
	if (r == 0 && c.failed)
		r = dev_error(GPU_ENOMEM, "no memory");
	for (uint64_t i = 0; i < E * ROWS && r == 0; i++) {
		*bad += !(c.off[i] <= may);
		*worst = MAX(*worst, c.off[i]);
	}
	free(got);
	free(c.off);
	return r;
}

/* Tokens that do not come back from experts which change nothing as what they are times
 * weights, added up in the order of slots.  The layer's own add up to 1 for each token, which
 * would hide whose they are. */
static int
check_tokens(struct layer *l, uint64_t *bad)
{
	const struct dev *d = l->dev;
	const uint64_t n = l->f.d, size = tr_size(l->f.type), routes = l->rows * l->k;
	char *got = malloc(l->rows * n * size + 1), *want = malloc(n * size);
	float *x = malloc(2 * n * sizeof *x), *sum = x + n, *w = malloc(routes * sizeof *w);
	int r = got && want && x && w ? 0 : dev_error(GPU_ENOMEM, "no memory");

	for (uint64_t i = 0; i < routes && r == 0; i++)
		w[i] = l->w[i] * (float)(1 + i % 7);
	if (r == 0)
		r = d->put(l->won, w, routes * sizeof *w);
	if (r == 0)
		r = d->combine(d, &l->on, l->f.type, l->packed, n, l->won, l->rows, l->back, NULL);
	if (r == 0)
		r = d->get(got, l->back, l->rows * n * size);
	if (r == 0)
		r = d->put(l->won, l->w, routes * sizeof *w);
	for (uint64_t t = 0; t < l->rows && r == 0; t++) {
		widen(l->f.type, (char *)l->x + t * n * size, n, x);
		memset(sum, 0, n * sizeof *sum);
		for (uint32_t k = 0; k < l->k; k++)
			for (uint64_t i = 0; i < n; i++)
				sum[i] = fmaf(w[t * l->k + k], x[i], sum[i]);
		narrow(l->f.type, sum, n, want);
		*bad += memcmp(want, got + t * n * size, n * size) != 0;
	}
	free(got);
	free(want);
	free(x);
	free(w);
	return r;
}

int
layer_check(struct layer *l, enum layer_strategy a, char *check, size_t size)
{
	uint64_t bad = 0, seen = 0, lost = 0;
	double worst = 0;
	int r = layer_call(l, a, LAYER_ALL, NULL);

	if (r == 0 && (r = check_rows(l, &bad, &seen, &worst)) == 0)
		r = check_tokens(l, &lost);
	if (!bad && !lost)
		snprintf(check, size, "ok");
	else
		snprintf(check, size, "%llu of %llu rows differ (%.2g), %llu tokens",
			 (unsigned long long)bad, (unsigned long long)seen, worst,
			 (unsigned long long)lost);
	return r;
}
