/*
 * A trace in; out, of each layer, how well a token's best pick is told by those
 * of the layers before, counted on one part of the samples and tested on the
 * others; or those counts.  ngram frames that come in are counted in.
 * collection.md section 10.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/stats/choices.h"
#include "../../lib/stats/ngram.h"
#include "../../lib/stats/sum.h"
#include "pool.h"
#include "rng.h"
#include "size.h"
#include "tool.h"

enum { NGRAM, POPULAR, RECENT, WAYS };
static const char *const ways[] = {"ngram", "popular", "recent"};

static struct tr_list layers, best, seen;
static uint64_t context = 3;
static double train = NAN;
static int count_only;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{'k', "topk", "LIST", OPT_LIST, &best, "is it among the k likeliest? (1,3,5,10)", 0, 0},
	{0, "context", "N", OPT_U64, &context, "layers before that tell (3)", 1, PREDICT_CONTEXT},
	{0, "train", "X", OPT_F64, &train, "part of the samples that is counted (0.8)", 0, 0},
	{0, "count", NULL, OPT_FLAG, &count_only, "the counts instead, of all samples", 0, 0},
	{0},
};

static struct tool t = {.name = "spec-eval",
			.operands = "[FILE ...]",
			.what = "tell how well the layers before predict the next expert",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_FOLD | TOOL_FORCE | TOOL_SEED | TOOL_JOBS};

static struct layer {
	uint64_t number;
	uint64_t from[PREDICT_CONTEXT];
	int64_t slot[PREDICT_CONTEXT + 1]; /* in choices, of from and then its own; <0: none */
	uint32_t context;
	struct predict *predict;
	struct predict_hits hits[WAYS];
	int failed;
	char why[128];
} * layer;
static size_t nlayer;
static uint32_t experts, top;
static struct choices choices;
static uint8_t *tested; /* [choices.nrun] */
static struct sum *counts;

static void
read_all(void)
{
	uint64_t last = 0;
	int input = 0;
	struct tr_frame f;
	struct tr_ids ids;

	counts = sum_new();
	while (tool_next(&t, &f)) {
		const int route = !strcmp(f.kind, "route");
		int r = 0;

		choices.section += f.input != input || f.number <= last;
		input = f.input;
		last = f.number;
		if (!strcmp(f.kind, "tok"))
			r = choices_tok(&choices, &f);
		if (!tr_list_has(&layers, tr_get(&f, "layer", 0)))
			continue;
		if (!strcmp(f.kind, "ngram") && sum_add(counts, &f) < 0)
			die("%s", sum_errstr(counts));
		if (route) {
			tool_key(&t, &f, "layer");
			tool_ids(&t, &f, &ids);
			r = choices_route(&choices, &f, &ids);
		}
		if (r < 0 && *choices.err)
			tool_refuse(&t, &f, "%s", choices.err);
		tool_check(&t, r);
	}
}

/* The layers of routes and counts, and what tells of each. */
static void
set_layers(void)
{
	for (size_t i = 0; i < choices.nlayer; i++)
		tool_check(&t, tr_list_add(&seen, choices.layer[i]));
	tool_check(&t, sum_layers(counts, &seen));
	tool_layers(&layers, &seen);
	nlayer = tr_list_count(&seen);
	if (!seen.n || nlayer > TR_WIDTH_MAX)
		die(seen.n ? "too many layers" : "no routing in the input");
	layer = xcalloc(nlayer, sizeof *layer);
	for (size_t i = 0; i < nlayer; i++)
		layer[i].number = tr_list_at(&seen, i);
	for (size_t i = 0; i < nlayer; i++) {
		struct layer *l = &layer[i];

		l->context = (uint32_t)MIN(context, i);
		for (uint32_t k = 0; k <= l->context; k++) {
			uint64_t number = layer[i - l->context + k].number;

			l->slot[k] = choices_slot(&choices, number);
			if (k < l->context)
				l->from[k] = number;
		}
		if (!(l->predict = predict_new(experts, l->context)))
			die("no memory, or too many experts for --context %llu",
			    (unsigned long long)context);
		for (int w = 0; w < WAYS; w++)
			l->hits[w].rank = xcalloc(top, sizeof(uint64_t));
	}
}

/* Deal the samples; those without --train are counted by --count, all of them. */
static void
deal(void)
{
	size_t n = 0;

	tool_check(&t, choices_end(&choices));
	tested = xcalloc(choices.nrun + 1, 1);
	for (size_t i = 0; i < choices.nrun; i++) {
		const struct choices_run *r = &choices.run[i];

		tested[i] = rng_f64(t.seed, r->batch->batch, r->seq) >= train;
		n += tested[i];
	}
	if (!count_only && (!n || (n == choices.nrun && train > 0 && !sum_count(counts))))
		die("%zu samples: none is left to %s, by -s %llu and --train %g", choices.nrun,
		    n ? "count" : "test", (unsigned long long)t.seed, train);
}

static void
work(void *arg, size_t at)
{
	struct layer *l = &layer[at];
	const uint16_t *col[PREDICT_CONTEXT + 1];
	int r = 0;

	(void)arg;
	for (size_t i = 0; i < sum_count(counts) && r == 0; i++)
		if (tr_get(sum_at(counts, i), "layer", 0) == l->number)
			r = ngram_put(l->predict, sum_at(counts, i), l->from, l->context, experts,
				      l->why, sizeof l->why);
	for (size_t i = 0; i < choices.nrun && r == 0; i++)
		if (!tested[i] && choices_columns(&choices.run[i], l->slot, l->context + 1, col))
			r = predict_count(l->predict, col, col[l->context], choices.run[i].rows);
	if (!count_only && r == 0)
		r = predict_build(l->predict, top);
	for (size_t i = 0; i < choices.nrun && !count_only && r == 0; i++) {
		const struct choices_run *run = &choices.run[i];

		if (!tested[i] || !choices_columns(run, l->slot, l->context + 1, col))
			continue;
		predict_score(l->predict, col, col[l->context], run->rows, &l->hits[NGRAM],
			      &l->hits[POPULAR]);
		predict_recent(l->context, top, col, col[l->context], run->rows, &l->hits[RECENT]);
	}
	l->failed = r;
}

static void
put_counts(const struct layer *l)
{
	uint16_t before[PREDICT_CONTEXT];
	uint64_t *n, at = 0;
	struct tr_frame f;
	int r = 0;

	if ((uint64_t)experts * experts * sizeof *n > TR_BYTES_MAX)
		die("%u experts: too many for a matrix of counts", experts);
	n = xcalloc((size_t)experts * experts, sizeof *n);
	while ((r = predict_next(l->predict, &at, before, n)) > 0) {
		tool_check(&t, ngram_frame(&f, l->number, l->from, l->context, before, experts, n));
		tool_put(&t, &f);
	}
	tool_check(&t, r);
	free(n);
}

/* One way's row, of a layer or of all that have a layer before. */
static void
put(const struct predict_hits *h, const struct layer *l, int way)
{
	static char name[TR_COLS_MAX][TR_NAME_MAX];
	static double part[TR_COLS_MAX];
	double known = h->n ? (double)h->seen / (double)h->n : 0;
	struct tr_frame f;

	tr_new(&f, "table");
	tr_set(&f, "name", l ? "spec-eval" : "spec-eval-all");
	if (l)
		tr_setu(&f, "layer", l->number);
	tr_set(&f, "by", ways[way]);
	tr_rows(&f, 1);
	if (l)
		tr_addcol(&f, "context", TR_U32, 1, &l->context);
	tr_addcol(&f, "tokens", TR_U64, 1, &h->n);
	tr_addcol(&f, "known", TR_F64, 1, &known);
	for (uint32_t i = 0; i < tr_list_count(&best); i++) {
		uint64_t k = tr_list_at(&best, i), n = 0;

		for (uint32_t rank = 0; rank < MIN(k, top); rank++)
			n += h->rank[rank];
		part[i] = h->n ? (double)n / (double)h->n : 0;
		snprintf(name[i], sizeof name[i], "top%llu", (unsigned long long)k);
		tr_addcol(&f, name[i], TR_F64, 1, &part[i]);
	}
	tool_put(&t, &f);
}

static void
put_all(void)
{
	struct predict_hits all[WAYS] = {{0}};

	for (size_t i = 0; i < nlayer; i++)
		for (int w = 0; w < WAYS; w++)
			put(&layer[i].hits[w], &layer[i], w);
	for (int w = 0; w < WAYS && nlayer > 1; w++) {
		all[w].rank = xcalloc(top, sizeof(uint64_t));
		for (size_t i = 1; i < nlayer; i++)
			predict_hits_add(&all[w], &layer[i].hits[w], top);
		put(&all[w], NULL, w);
		free(all[w].rank);
	}
}

static void
check(void)
{
	if (isnan(train))
		train = count_only ? 1 : 0.8;
	if (!(train >= 0 && train <= 1))
		die("--train %g: a part of the samples is between 0 and 1", train);
	if (count_only && best.n)
		die("--count: not with -k");
	if (!best.n && tr_list_parse(&best, "1,3,5,10") < 0)
		die("no memory");
	top = (uint32_t)MIN(tr_list_at(&best, tr_list_count(&best) - 1), PREDICT_TOP);
	if (tr_list_has(&best, 0) || tr_list_at(&best, tr_list_count(&best) - 1) > PREDICT_TOP ||
	    tr_list_count(&best) > TR_COLS_MAX - 3)
		die("-k: at most %d numbers between 1 and %d", TR_COLS_MAX - 3, PREDICT_TOP);
}

int
main(int argc, char **argv)
{
	tool_start(&t, argc, argv);
	check();
	read_all();
	experts = (uint32_t)tool_section(&t)->experts;
	set_layers();
	deal();
	pool_each(t.jobs, nlayer, work, NULL);
	for (size_t i = 0; i < nlayer; i++) {
		if (layer[i].failed)
			die("layer %llu: %s", (unsigned long long)layer[i].number,
			    layer[i].failed == TR_ENOMEM ? "no memory" : layer[i].why);
		if (count_only)
			put_counts(&layer[i]);
	}
	if (!count_only)
		put_all();
	for (size_t i = 0; i < nlayer; i++) {
		predict_free(layer[i].predict);
		for (int w = 0; w < WAYS; w++)
			free(layer[i].hits[w].rank);
	}
	choices_free(&choices);
	sum_free(counts);
	free(layer);
	free(tested);
	return tool_end(&t);
}
