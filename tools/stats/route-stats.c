/*
 * Routes in, as trace-route writes them; out, of each layer and over all, how many
 * experts rows take, how their weights are spread and, of HC, what its search found.
 * Sums are exact (lib/stats/moment.h): order does not matter.  router-analysis.md
 * section 6.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/stats/moment.h"
#include "num.h"
#include "size.h"
#include "tool.h"

static struct tr_list layers;
static uint64_t min_k = 1, max_k;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{0, "min-k", "N", OPT_U64, &min_k, "picks of a row at the floor (1)", 1, TR_WIDTH_MAX},
	{0, "max-k", "N", OPT_U64, &max_k, "picks at the ceiling (the width of ids)", 1,
	 TR_WIDTH_MAX},
	{0},
};

static struct tool t = {.name = "route-stats",
			.operands = "[FILE ...]",
			.what = "tell how routes choose and weigh",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_FOLD | TOOL_FORCE};

static struct layer {
	uint64_t layer, experts;
	struct moment count, entropy, rank, hc;
	uint64_t weights; /* above 0 */
	uint64_t floor, ceiling, mid, one, positive;
	uint64_t used; /* experts that some row gives more than 0.01 */
	uint8_t *seen; /* [experts] is it one of those */
} * layer;
static size_t nlayer;

static struct layer *
layer_of(uint64_t number, uint64_t experts)
{
	for (size_t i = nlayer; i-- > 0;) {
		if (layer[i].layer == number)
			return &layer[i];
	}
	layer = xrealloc(layer, nlayer + 1, sizeof *layer);
	memset(&layer[nlayer], 0, sizeof *layer);
	layer[nlayer].layer = number;
	layer[nlayer].experts = experts;
	layer[nlayer].seen = xcalloc(experts + 1, 1);
	return &layer[nlayer++];
}

static void
take_row(struct layer *l, const struct tr_ids *ids, uint64_t row, const double *w, uint64_t most)
{
	uint64_t picks = 0;
	double entropy = 0;

	for (uint32_t k = 0; k < ids->k; k++) {
		uint32_t id = tr_id(ids, row * ids->k + k);

		if (id == UINT32_MAX)
			continue;
		picks++;
		l->weights += w[k] > 0;
		entropy -= w[k] * num_log(w[k] + 1e-10);
		if (w[k] > 0.01 && !l->seen[id]) {
			l->seen[id] = 1;
			l->used++;
		}
	}
	moment_add(&l->count, (double)picks);
	moment_add(&l->entropy, entropy);
	l->floor += picks <= min_k;
	l->ceiling += picks >= most;
	l->mid += picks > min_k && picks < most;
	l->one += picks == 1;
}

/* Numbers of a column, one a row, where there is one. */
static void
take_found(const struct tr_frame *f, const char *name, struct moment *m, uint64_t *positive)
{
	struct tr_col c;
	int r = tr_col(f, name, &c);
	double x;

	if (r < 0)
		tool_fail(&t);
	for (uint64_t i = 0; r && i < f->rows; i++) {
		if (c.width != 1 || col_f64(&c, i, 1, &x) < 0)
			tool_refuse(&t, f, "column %s is not a number a row", name);
		if (positive || x > 0) /* a rank of 0 is none */
			moment_add(m, x);
		if (positive)
			*positive += x > 0;
	}
}

static void
take(const struct tr_frame *f)
{
	const uint64_t experts = tool_section(&t)->experts;
	struct layer *l = layer_of(tr_get(f, "layer", 0), experts);
	struct tr_ids ids;
	struct tr_col c;
	double *w;

	if (l->experts != experts)
		tool_refuse(&t, f, "%llu experts, before it %llu", (unsigned long long)experts,
			    (unsigned long long)l->experts);
	tool_ids(&t, f, &ids);
	tool_col(&t, f, "w", &c);
	if (c.width != ids.k)
		tool_refuse(&t, f, "%u weights of %u picks", c.width, ids.k);
	w = xcalloc(ids.k, sizeof *w);
	for (uint64_t i = 0; i < f->rows; i++) {
		if (col_f64(&c, i * ids.k, ids.k, w) < 0)
			tool_refuse(&t, f, "column w is no numbers");
		for (uint32_t k = 0; k < ids.k; k++)
			if (!(w[k] >= 0 && w[k] - w[k] == 0))
				tool_refuse(&t, f, "row %llu: a weight below 0 or not finite",
					    (unsigned long long)i);
		take_row(l, &ids, i, w, max_k ? max_k : ids.k);
	}
	free(w);
	take_found(f, "best_rank", &l->rank, NULL);
	take_found(f, "hc_max", &l->hc, &l->positive);
}

/* All of l is added to *all. */
static void
add(struct layer *all, const struct layer *l)
{
	if (moment_merge(&all->count, &l->count) < 0 ||
	    moment_merge(&all->entropy, &l->entropy) < 0 ||
	    moment_merge(&all->rank, &l->rank) < 0 || moment_merge(&all->hc, &l->hc) < 0)
		die("too many rows");
	all->experts += l->experts;
	all->weights += l->weights;
	all->floor += l->floor;
	all->ceiling += l->ceiling;
	all->mid += l->mid;
	all->one += l->one;
	all->positive += l->positive;
	all->used += l->used;
}

static void
put_f64(struct tr_frame *f, const char *name, const double *x)
{
	if (tr_addcol(f, name, TR_F64, 1, x) < 0)
		die("a frame with too many columns");
}

/* slots: expert and row pairs, of which weights are not 0. */
static void
put(const struct layer *l, double slots, int total)
{
	const double n = (double)l->count.n;
	double mean, std, entropy, none, rank[2], hc[2], min, max;
	double part[] = {1 - (double)l->weights / slots,
			 100 * (double)l->floor / n,
			 100 * (double)l->ceiling / n,
			 100 * (double)l->mid / n,
			 100 * (double)l->one / n,
			 (double)l->used / (double)l->experts,
			 (double)l->positive / (double)l->hc.n};
	static const char *const name[] = {"zero", "floor", "ceiling", "mid", "one", "used"};
	struct tr_frame f;

	if (moment_told(&l->count, &mean, &std) < 0 ||
	    moment_told(&l->entropy, &entropy, &none) < 0 ||
	    moment_told(&l->rank, &rank[0], &rank[1]) < 0 ||
	    moment_told(&l->hc, &hc[0], &hc[1]) < 0)
		die("sums that no values have");
	min = l->count.min;
	max = l->count.max;
	tr_new(&f, "table");
	tr_set(&f, "name", total ? "route-stats-all" : "route-stats");
	if (!total)
		tr_setu(&f, "layer", l->layer);
	tr_rows(&f, 1);
	tr_addcol(&f, "tokens", TR_U64, 1, &l->count.n);
	put_f64(&f, "mean", &mean);
	put_f64(&f, "std", &std);
	put_f64(&f, "min", &min);
	put_f64(&f, "max", &max);
	put_f64(&f, "entropy", &entropy);
	for (size_t i = 0; i < LEN(name); i++)
		put_f64(&f, name[i], &part[i]);
	if (l->rank.n) {
		put_f64(&f, "rank_mean", &rank[0]);
		put_f64(&f, "rank_std", &rank[1]);
	}
	if (l->hc.n) {
		put_f64(&f, "hc_mean", &hc[0]);
		put_f64(&f, "hc_std", &hc[1]);
		put_f64(&f, "signal", &part[LEN(name)]);
	}
	tool_put(&t, &f);
}

static int
by_number(const void *a, const void *b)
{
	const struct layer *x = a, *y = b;

	return (x->layer > y->layer) - (x->layer < y->layer);
}

int
main(int argc, char **argv)
{
	struct layer all = {0};
	struct tr_frame f;
	double slots = 0;

	tool_start(&t, argc, argv);
	while (tool_next(&t, &f))
		if (!strcmp(f.kind, "route") && f.rows &&
		    tr_list_has(&layers, tr_get(&f, "layer", 0)))
			take(&f);
	if (!nlayer)
		die("no routes of those layers: trace-route writes them");
	qsort(layer, nlayer, sizeof *layer, by_number);
	for (size_t i = 0; i < nlayer; i++) {
		double own = (double)layer[i].count.n * (double)layer[i].experts;

		put(&layer[i], own, 0);
		add(&all, &layer[i]);
		slots += own;
		free(layer[i].seen);
	}
	put(&all, slots, 1);
	return tool_end(&t);
}
