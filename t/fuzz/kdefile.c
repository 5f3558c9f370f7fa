/*
 * Fuzz target: pickles of KDE tables, as pkl2trace reads them; a sound one that is
 * written again must read as itself.
 * Without libFuzzer its main replays the files given.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/format/kdefile.h"
#include "../../lib/format/pickle.h"

int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n);

/* The one-dimensional array of that name as doubles, or NULL. */
static double *
column(const struct array_list *l, const char *name, uint64_t *n)
{
	for (size_t i = 0; i < l->n; i++) {
		double *x;

		if (strcmp(l->a[i].path, name) || l->a[i].ndim != 1)
			continue;
		*n = l->a[i].dim[0];
		if (!(x = malloc((*n + 1) * sizeof *x)))
			abort();
		if (!array_f64(&l->a[i], 0, *n, x))
			return x;
		free(x);
	}
	return NULL;
}

static void
again(const double *x, const double *cdf, uint64_t n)
{
	struct array_opts o = {.max_elements = 1 << 20, .tables = 1};
	struct array_list l = {0};
	uint64_t nx = 0, ncdf = 0;
	size_t size;
	unsigned char *p = kde_pickle(x, cdf, n, &size);
	double *u, *v;

	if (!p || pickle_read(&l, p, size, &o))
		abort();
	u = column(&l, "x", &nx);
	v = column(&l, "cdf", &ncdf);
	if (!u || !v || nx != n || ncdf != n || memcmp(u, x, n * sizeof *u) ||
	    memcmp(v, cdf, n * sizeof *v))
		abort();
	free(u);
	free(v);
	array_free(&l);
	free(p);
}

int
LLVMFuzzerTestOneInput(const unsigned char *p, size_t n)
{
	struct array_opts o = {.max_elements = 1 << 20, .tables = 1};
	struct array_list l = {0};
	uint64_t nx = 0, ncdf = 0;
	double *x = NULL, *cdf = NULL;
	char err[128];

	if (!pickle_read(&l, p, n, &o)) {
		x = column(&l, "x", &nx);
		cdf = column(&l, "cdf", &ncdf);
	}
	if (x && cdf && nx == ncdf && !kde_check(x, cdf, nx, err, sizeof err))
		again(x, cdf, nx);
	free(x);
	free(cdf);
	array_free(&l);
	return 0;
}

#include "replay.h"
