/*
 * A trace in; out, of each layer and over all, the share of picks that a cache
 * of so many of its experts would have held, by policy.  A layer's picks come
 * one after another, rows as they stand, the best pick of a row first.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/stats/cache.h"
#include "pool.h"
#include "size.h"
#include "tool.h"

enum { LRU, LFU, STATIC, BELADY, POLICIES };
static const char *const policies[] = {"lru", "lfu", "static", "belady"};

static struct tr_list layers, seen, sizes;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{0, "size", "LIST", OPT_LIST, &sizes, "experts that a layer's cache holds (1,2,4,8)", 0, 0},
	{0},
};

static struct tool t = {.name = "cache-sim",
			.operands = "[FILE ...]",
			.what = "tell how often a cache of experts would have held a pick",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_FOLD | TOOL_FORCE | TOOL_JOBS};

static struct layer {
	uint64_t number, n, cap;
	uint16_t *pick;
	uint64_t *hits; /* [POLICIES][sizes] */
	int failed;     /* TR_E... */
} * layer;
static size_t nlayer;
static uint32_t experts, *size, nsize;

static struct layer *
layer_of(uint64_t number)
{
	for (size_t i = nlayer; i-- > 0;)
		if (layer[i].number == number)
			return &layer[i];
	layer = xrealloc(layer, nlayer + 1, sizeof *layer);
	layer[nlayer] = (struct layer){.number = number};
	return &layer[nlayer++];
}

static void
take(const struct tr_frame *f)
{
	struct layer *l = layer_of(tool_key(&t, f, "layer"));
	struct tr_ids ids;

	tool_ids(&t, f, &ids);
	if (l->n + ids.rows * ids.k > l->cap) {
		l->cap = 2 * (l->n + ids.rows * ids.k);
		l->pick = xrealloc(l->pick, l->cap, sizeof *l->pick);
	}
	for (uint64_t i = 0; i < ids.rows * ids.k; i++) {
		uint32_t id = tr_id(&ids, i);

		if (id != UINT32_MAX)
			l->pick[l->n++] = (uint16_t)id;
	}
}

static void
work(void *arg, size_t at)
{
	struct layer *l = &layer[at];
	uint64_t *lru = calloc(experts + (size_t)1, sizeof *lru);
	int r = lru ? cache_lru(l->pick, l->n, experts, lru) : TR_ENOMEM;

	(void)arg;
	for (uint32_t i = 0; i < nsize && r == 0; i++) {
		uint64_t *hits = l->hits + i;

		hits[LRU * nsize] = lru[size[i]];
		r = cache_lfu(l->pick, l->n, experts, size[i], &hits[LFU * nsize]);
		if (r == 0)
			r = cache_static(l->pick, l->n, experts, size[i], &hits[STATIC * nsize]);
		if (r == 0)
			r = cache_belady(l->pick, l->n, experts, size[i], &hits[BELADY * nsize]);
	}
	free(lru);
	l->failed = r;
}

static void
put(const struct layer *l, int total)
{
	double *part = xcalloc((size_t)nsize * POLICIES, sizeof *part);
	uint64_t *picks = xcalloc(nsize, sizeof *picks);
	struct tr_frame f;

	for (uint32_t i = 0; i < nsize; i++)
		picks[i] = l->n;
	for (uint32_t i = 0; i < nsize * POLICIES; i++)
		part[i] = l->n ? (double)l->hits[i] / (double)l->n : 0;
	tr_new(&f, "table");
	tr_set(&f, "name", total ? "cache-sim-all" : "cache-sim");
	if (!total)
		tr_setu(&f, "layer", l->number);
	tr_rows(&f, nsize);
	tr_addcol(&f, "size", TR_U32, 1, size);
	tr_addcol(&f, "picks", TR_U64, 1, picks);
	for (int p = 0; p < POLICIES; p++)
		tr_addcol(&f, policies[p], TR_F64, 1, part + (size_t)p * nsize);
	tool_put(&t, &f);
	free(part);
	free(picks);
}

static int
by_number(const void *a, const void *b)
{
	const struct layer *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static void
check_sizes(void)
{
	const int asked = sizes.n > 0;

	experts = (uint32_t)tool_section(&t)->experts;
	for (uint64_t n = 1; !asked && n <= MIN(experts, 8); n *= 2)
		tool_check(&t, tr_list_add(&sizes, n));
	nsize = (uint32_t)tr_list_count(&sizes);
	size = xcalloc(nsize, sizeof *size);
	for (uint32_t i = 0; i < nsize; i++) {
		if (tr_list_at(&sizes, i) > experts)
			die("--size %llu: a layer has %u experts",
			    (unsigned long long)tr_list_at(&sizes, i), experts);
		size[i] = (uint32_t)tr_list_at(&sizes, i);
	}
}

int
main(int argc, char **argv)
{
	struct layer all = {0};
	struct tr_frame f;

	tool_start(&t, argc, argv);
	if (tr_list_count(&sizes) > TR_WIDTH_MAX)
		die("--size: more sizes than experts");
	while (tool_next(&t, &f))
		if (!strcmp(f.kind, "route") && tr_list_has(&layers, tr_get(&f, "layer", 0)))
			take(&f);
	check_sizes();
	if (layer)
		qsort(layer, nlayer, sizeof *layer, by_number);
	all.hits = xcalloc((size_t)nsize * POLICIES, sizeof *all.hits);
	for (size_t i = 0; i < nlayer; i++) {
		layer[i].hits = xcalloc((size_t)nsize * POLICIES, sizeof *layer[i].hits);
		if (tr_list_add(&seen, layer[i].number) < 0)
			die("no memory");
	}
	tool_layers(&layers, &seen);
	if (!nlayer)
		die("no routing in the input");
	pool_each(t.jobs, nlayer, work, NULL);
	for (size_t i = 0; i < nlayer; i++) {
		if (layer[i].failed)
			die("layer %llu: %s", (unsigned long long)layer[i].number,
			    layer[i].failed == TR_ENOMEM ? "no memory" : "2^32 picks or more");
		put(&layer[i], 0);
		all.n += layer[i].n;
		for (uint32_t k = 0; k < nsize * POLICIES; k++)
			all.hits[k] += layer[i].hits[k];
		free(layer[i].pick);
		free(layer[i].hits);
	}
	put(&all, 1);
	free(layer);
	free(all.hits);
	free(size);
	return tool_end(&t);
}
