/*
 * Logits in; tables of their kernel density estimate out, a frame a layer,
 * kernel and trim: the exact distribution function and its complement, and
 * behind a gaussian one another of its tails beyond the grid.  All logits of a
 * layer are held, eight bytes each.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/density/collect.h"
#include "../../lib/density/kde.h"
#include "num.h"
#include "size.h"

enum { POINTS = 10000, TRIMS = 8 };
enum { SCOTT, R106 };

static struct tr_list layers;
static const char *kernels = "gaussian", *trims = "0", *points;
static uint64_t npoint = POINTS;
static int rule = -1, all, cumsum;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{0, "kernel", "NAME,...", OPT_STR, &kernels,
	 "gaussian, tophat, epanechnikov, linear (gaussian)", 0, 0},
	{0, "trim", "N,...", OPT_STR, &trims, "values left out on each side of a row (0)", 0, 0},
	{0, "rule", "scott|1.06", OPT_WORD, &rule,
	 "of the bandwidth (scott for gaussian, else 1.06)", 0, 0},
	{0, "all", NULL, OPT_FLAG, &all, "the eight tables of the original", 0, 0},
	{0, "points", "N", OPT_U64, &npoint, "points of the grid (10000)", 2, 1 << 24},
	{0, "at", "X,...", OPT_STR, &points, "these points instead of a grid", 0, 0},
	{0, "compat", "cumsum", OPT_WORD, &cumsum, "cdf is the density added up, as the original's",
	 0, 0},
	{0},
};

static struct tool t = {.name = "logit-kde",
			.operands = "[FILE ...]",
			.what = "estimate the density of router logits",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_FOLD | TOOL_FORCE};

static double *at;

static const char *const kernel_name[] = {"gaussian", "tophat", "epanechnikov", "linear"};

/* ---- values ---- */

/* By insertion: rows are short, and only order matters. */
static int
sort_row(double *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		double x = v[i];
		uint32_t k = i;

		if (x - x != 0)
			return 0;
		for (; k > 0 && v[k - 1] > x; k--)
			v[k] = v[k - 1];
		v[k] = x;
	}
	return 1;
}

static struct collect rows = {.column = "logit", .layers = &layers, .take = sort_row};

/* ---- tables ---- */

/* What all frames of a table say of it. */
static void
keys(struct tr_frame *f, uint64_t layer, enum kde_kernel kernel, double h, int scott, uint64_t trim)
{
	char text[NUM_MAX + 1];

	tr_setu(f, "layer", layer);
	tr_set(f, "kernel", kernel_name[kernel]);
	text[num_put_f64(text, h)] = 0;
	tr_set(f, "bandwidth", text);
	tr_set(f, "rule", scott ? "scott" : "1.06");
	tr_setu(f, "trim", trim);
}

/* f has the keys. */
static void
put_tail(struct tr_frame *f, const struct kde *k, double first, double last)
{
	double *d = xcalloc(KDE_TAIL, sizeof *d), *S = xcalloc(KDE_TAIL, sizeof *S);
	double *F = xcalloc(KDE_TAIL, sizeof *F);

	kde_tail(k, first, last, d, S, F);
	tr_rows(f, KDE_TAIL);
	tr_addcol(f, "d", TR_F64, 1, d);
	tr_addcol(f, "sf", TR_F64, 1, S);
	tr_addcol(f, "cdf", TR_F64, 1, F);
	tool_put(&t, f);
	free(d);
	free(S);
	free(F);
}

static void
put(const struct collected *l, const struct kde_data *d, enum kde_kernel kernel, int scott,
    uint64_t trim)
{
	double h = scott ? kde_scott(d) : kde_106(d), *x = at, sum = 0;
	double *F = xcalloc(npoint, sizeof *F), *S = xcalloc(npoint, sizeof *S);
	double *p = xcalloc(npoint, sizeof *p);
	struct kde *k = kde_new(d, kernel, h);
	struct tr_frame f;

	if (!k)
		die("no memory");
	if (!at) {
		x = xcalloc(npoint, sizeof *x);
		kde_grid(d->min, d->max, h, npoint, x);
	}
	kde_at(k, x, npoint, F, S, p);
	for (size_t i = 1; !at && i < npoint; i++) { /* rounding aside, they are so */
		F[i] = MAX(F[i], F[i - 1]);
		S[i] = MIN(S[i], S[i - 1]);
	}
	for (size_t i = 0; cumsum && i < npoint; i++)
		F[i] = sum += p[i];
	for (size_t i = 0; cumsum && i < npoint; i++)
		F[i] /= sum;
	tr_new(&f, "kde");
	keys(&f, l->layer, kernel, h, scott, trim);
	tr_setu(&f, "values", d->n);
	if (cumsum)
		tr_set(&f, "table", "cumsum");
	tr_rows(&f, npoint);
	tr_addcol(&f, "x", TR_F64, 1, x);
	tr_addcol(&f, "cdf", TR_F64, 1, F);
	if (!cumsum) {
		tr_addcol(&f, "sf", TR_F64, 1, S);
		tr_addcol(&f, "pdf", TR_F64, 1, p);
	}
	tool_put(&t, &f);
	if (kernel == KDE_GAUSSIAN && !at && !cumsum) {
		tr_new(&f, "tail");
		keys(&f, l->layer, kernel, h, scott, trim);
		put_tail(&f, k, x[0], x[npoint - 1]);
	}
	kde_free(k);
	if (!at)
		free(x);
	free(F);
	free(S);
	free(p);
}

static void
values(const struct collected *l, uint64_t trim, struct kde_data *d)
{
	size_t width = l->width - 2 * trim;
	float *v = xcalloc(l->rows * width + 1, sizeof *v);

	for (size_t i = 0; i < l->rows; i++)
		for (size_t k = 0; k < width; k++)
			v[i * width + k] = (float)l->v[i * l->width + trim + k];
	if (kde_data(d, v, l->rows * width) < 0)
		die("no memory");
	free(v);
	if (!(d->s1 > 0) && !t.quiet)
		warn("layer %llu, trim %llu: values without spread, the bandwidth is 1",
		     (unsigned long long)l->layer, (unsigned long long)trim);
}

static int
names(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (strcspn(p, ",") == n && !strncmp(p, name, n))
			return 1;
	return 0;
}

static void
tables(const struct collected *l, const uint64_t *trim, size_t ntrim)
{
	for (size_t i = 0; i < ntrim; i++) {
		struct kde_data d;

		if (2 * trim[i] >= l->width)
			die("layer %llu: --trim %llu of %u values", (unsigned long long)l->layer,
			    (unsigned long long)trim[i], l->width);
		values(l, trim[i], &d);
		if (all)
			put(l, &d, KDE_GAUSSIAN, 1, trim[i]);
		for (int k = 0; k < 4 && (!all || trim[i] == 0); k++)
			if (all || names(kernels, kernel_name[k]))
				put(l, &d, (enum kde_kernel)k,
				    all         ? 0
				    : rule >= 0 ? rule == SCOTT
						: k == KDE_GAUSSIAN,
				    trim[i]);
		kde_data_free(&d);
	}
}

/* ---- options ---- */

static size_t
read_trims(uint64_t *trim)
{
	size_t n = 0;

	for (const char *p = all ? "0,1,2,4" : trims, *end; p; p = *end ? end + 1 : NULL) {
		end = strchrnul(p, ',');
		if (n == TRIMS || num_u64n(p, end, 0, 65534, &trim[n++]) < 0)
			die("--trim %s: not one to %d numbers", trims, TRIMS);
	}
	return n;
}

static void
read_points(void)
{
	size_t n = 1;

	for (const char *p = points; *p; p++)
		n += *p == ',';
	at = xcalloc(n, sizeof *at);
	npoint = 0;
	for (const char *p = points, *end; p; p = *end ? end + 1 : NULL) {
		end = strchrnul(p, ',');
		if (num_f64(p, end, &at[npoint++]) < 0)
			die("--at %s: a point that is no number", points);
	}
}

static void
check_kernels(void)
{
	for (const char *p = kernels, *end; p; p = *end ? end + 1 : NULL) {
		int known = 0;

		end = strchrnul(p, ',');
		for (int k = 0; k < 4; k++)
			known |= strlen(kernel_name[k]) == (size_t)(end - p) &&
				 !strncmp(p, kernel_name[k], (size_t)(end - p));
		if (!known)
			die("--kernel %.*s: not one of gaussian, tophat, epanechnikov, linear",
			    (int)(end - p), p);
	}
}

int
main(int argc, char **argv)
{
	uint64_t trim[TRIMS];
	struct tr_frame f;
	size_t ntrim;

	cumsum = -1;
	tool_start(&t, argc, argv);
	cumsum = cumsum >= 0;
	ntrim = read_trims(trim);
	check_kernels();
	if (points)
		read_points();
	if (points && cumsum)
		die("--compat cumsum needs the grid");
	while (tool_next(&t, &f))
		collect_add(&rows, &t, &f);
	collect_end(&rows, &t,
		    "no logits of those layers: log2trace and pt2trace --logits write them",
		    "with a logit that is no number");
	for (size_t i = 0; i < rows.n; i++) {
		if (!rows.at[i].rows)
			die("layer %llu: no values", (unsigned long long)rows.at[i].layer);
		tables(&rows.at[i], trim, ntrim);
		free(rows.at[i].v);
	}
	return tool_end(&t);
}
