/*
 * How long a layer's experts take: rows gathered by expert, through their SwiGLU networks,
 * back to their tokens with their weights (lib/bench/layer).  Ours beside a loop of
 * products and the library's grouped product, by turns on the same rows, each result
 * checked.
 */
#include <string.h>

#include "../../lib/bench/bench.h"
#include "../../lib/bench/layer.h"
#include "../../lib/route/product.h"
#include "size.h"

enum { SAMPLES = 200 };

static struct bench bench;
static struct layer layer;
static uint64_t tokens = 4096, d_model = 4096, experts = 64, topk = 2, hidden = 11008, hot, empty,
		samples, warmup = 1;
static int dtype = BENCH_F16, no_check, no_graph;
static const char *strategies;

static const struct opt opts[] = {
	BENCH_OPTS(bench),
	{0, "tokens", "N", OPT_U64, &tokens, "rows before they are gathered (4096)", 1, 1 << 24},
	{0, "d-model", "N", OPT_U64, &d_model, "width of rows (4096)", 1, 1 << 16},
	{0, "experts", "N", OPT_U64, &experts, "experts (64)", 1, SELECT_EXPERTS_MAX},
	{'k', "topk", "N", OPT_U64, &topk, "picks of a token (2)", 1, SELECT_K_MAX},
	{0, "hidden", "N", OPT_U64, &hidden, "width inside the experts (11008)", 1, 1 << 18},
	{0, "dtype", BENCH_DTYPES, OPT_WORD, &dtype, "of rows and weights (f16)", 0, 0},
	{0, "strategy", "NAME,...", OPT_STR, &strategies,
	 "ours, loop, grouped-library (what there is)", 0, 0},
	{0, "skew-experts", "N", OPT_U64, &hot, "the first N experts are hot", 0,
	 SELECT_EXPERTS_MAX},
	{0, "skew-bias", "X", OPT_F64, &layer.bias, "what their logits have more", 0, 0},
	{0, "zipf", "S", OPT_F64, &layer.zipf, "expert i is picked as if by i^-S", 0, 0},
	{0, "empty", "N", OPT_U64, &empty, "the last N experts get no tokens", 0,
	 SELECT_EXPERTS_MAX},
	{0, "no-graph", NULL, OPT_FLAG, &no_graph, "a call at a time, the host's part included", 0,
	 0},
	{0, "warmup", "N", OPT_U64, &warmup, "turns before those that count (1)", 0, 1000},
	{0, "samples", "N", OPT_U64, &samples, "turns (11 to 200, for 0.2 s a stage)", 1, SAMPLES},
	{0, "no-check", NULL, OPT_FLAG, &no_check, "do not compare results", 0, 0},
	{0},
};

static struct tool t = {.name = "ffn-bench",
			.operands = "",
			.what = "time the experts of a layer",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_NOIN | TOOL_SEED | TOOL_JOBS};

/* One stage of one strategy; gather and combine are everybody's and done once. */
struct timed {
	enum layer_strategy a;
	enum layer_stage b;
	double us[SAMPLES];
};

static struct timed timed[LAYER_STRATEGIES * LAYER_STAGES];
static int ntimed, wanted[LAYER_STRATEGIES], turns;
static char check[LAYER_STRATEGIES][96];

static void
sizes(void)
{
	char why[128];
	struct select s = {.experts = (uint32_t)experts, .k = (uint32_t)topk, .type = TR_F32};

	if (select_fit(&s, why, sizeof why) < 0)
		die("%s", why);
	if (!hot != (layer.bias == 0))
		die("--skew-experts and --skew-bias: both, or none");
	if (hot > experts)
		die("--skew-experts %llu of %llu", (unsigned long long)hot,
		    (unsigned long long)experts);
	if (empty >= experts || topk > experts - empty)
		die("--empty %llu of %llu experts: %llu picks of a token need as many others",
		    (unsigned long long)empty, (unsigned long long)experts,
		    (unsigned long long)topk);
	layer.dev = &bench.dev;
	layer.jobs = t.jobs;
	layer.f = (struct ffn){(uint32_t)experts, d_model, hidden, bench_type(dtype)};
	layer.rows = tokens;
	layer.k = (uint32_t)topk;
	layer.seed = t.seed;
	layer.hot = (uint32_t)hot;
	layer.empty = (uint32_t)empty;
}

static int
call(void *arg, uint64_t i, void *stream)
{
	const struct timed *m = arg;

	return layer_call(&layer, m->a, m->b, stream);
}

static void
measure(void)
{
	const struct dev *d = &bench.dev;
	void *plan[LEN(timed)];
	double *us[LEN(timed)];

	for (int a = 0; a < LAYER_STRATEGIES; a++)
		for (int b = 0; wanted[a] && b < LAYER_STAGES; b++)
			if (!ntimed || b == LAYER_FFN || b == LAYER_ALL ||
			    timed[0].a == (enum layer_strategy)a)
				timed[ntimed++] = (struct timed){a, b};
	for (int i = 0; i < ntimed; i++) {
		struct gpu_run run = {call, &timed[i], !no_graph, 1};

		if (!(plan[i] = d->plan(d, &run)))
			bench_check(GPU_EFAIL);
		us[i] = timed[i].us;
	}
	for (uint64_t w = 0; w < MAX(warmup, samples ? 0 : 1); w++)
		bench_check(dev_turns(d, plan, ntimed, 1, us));
	turns = (int)samples;
	if (!turns) {
		double first[LEN(timed)];

		for (int i = 0; i < ntimed; i++)
			first[i] = timed[i].us[0];
		turns = bench_samples(first, ntimed, SAMPLES);
	}
	bench_check(dev_turns(d, plan, ntimed, turns, us));
	for (int i = 0; i < ntimed; i++)
		d->unplan(plan[i]);
}

static void
put_stage(const struct timed *m)
{
	struct measured got = {.us = m->us,
			       .n = turns,
			       .bytes = layer_bytes(&layer, m->b),
			       .flops = layer_flops(&layer, m->b),
			       .copy = bench.copy,
			       .product = bench.product};
	int common = m->b == LAYER_GATHER || m->b == LAYER_COMBINE;
	struct tr_frame f;

	tr_new(&f, "bench");
	tr_set(&f, "name", "ffn");
	tr_set(&f, "strategy", common ? "-" : layer_names[m->a]);
	tr_set(&f, "stage", layer_stages[m->b]);
	tr_setu(&f, "tokens", layer.rows);
	tr_setu(&f, "d_model", layer.f.d);
	tr_setu(&f, "hidden", layer.f.hidden);
	tr_setu(&f, "experts", layer.f.experts);
	tr_setu(&f, "topk", layer.k);
	tr_set(&f, "dtype", tr_typename(layer.f.type));
	tr_set(&f, "backend", bench.dev.backend);
	got.check = common ? NULL : check[m->a];
	tool_check(&t, measured_put(&f, &got));
	tool_put(&t, &f);
}

/* How the rows are spread. */
static void
put_load(void)
{
	double n[SELECT_EXPERTS_MAX], max_mean, cv;
	uint64_t most = 0, none = 0;
	struct tr_frame f;

	for (uint32_t e = 0; e < layer.f.experts; e++) {
		n[e] = layer.host.counts[e];
		most = MAX(most, layer.host.counts[e]);
		none += !layer.host.counts[e];
	}
	sample_spread(n, (int)layer.f.experts, &max_mean, &cv);
	tr_new(&f, "bench");
	tr_set(&f, "name", "load");
	tr_setu(&f, "routes", layer.rows * layer.k);
	bench_key(&f, "weights_gb", (double)layer_bytes_weights(&layer) / 1e9);
	tr_setu(&f, "most", most);
	tr_setu(&f, "empty", none);
	bench_key(&f, "max_mean", max_mean);
	bench_key(&f, "cv", cv);
	tr_set(&f, "library", bench.cpu ? product_library() : "-");
	tool_put(&t, &f);
}

int
main(int argc, char **argv)
{
	int named; /* so that it has to be there */

	tool_start(&t, argc, argv);
	if (t.nfiles)
		die("%s: there is nothing to read", t.files[0]);
	named = strategies != NULL;
	for (int a = 0; a < LAYER_STRATEGIES; a++)
		wanted[a] = !named;
	if (named)
		bench_want("strategy", strategies, layer_names, LAYER_STRATEGIES, wanted);
	sizes();
	bench_open(&bench, &t);
	bench_check(layer_open(&layer));
	for (int a = 0; a < LAYER_STRATEGIES; a++) {
		int r = wanted[a] ? layer_try(&layer, a) : 0;

		strcpy(check[a], "-");
		if (!named && (r == GPU_ABSENT || r == GPU_EUSE))
			wanted[a] = 0;
		else
			bench_check(r);
		if (wanted[a] && !no_check)
			bench_check(layer_check(&layer, a, check[a], sizeof check[a]));
	}
	if (!wanted[LAYER_OURS] && !wanted[LAYER_LOOP] && !wanted[LAYER_GROUPED_LIBRARY])
		die("no strategy takes these sizes: %s", dev_errstr());
	bench_peaks(&bench, layer.f.type, 1);
	measure();
	bench_head(&bench, &t, experts, topk);
	put_load();
	for (int i = 0; i < ntimed; i++)
		put_stage(&timed[i]);
	layer_close(&layer);
	dev_close(&bench.dev);
	for (int a = 0; a < LAYER_STRATEGIES; a++)
		if (wanted[a] && !no_check && strcmp(check[a], "ok") != 0)
			die("%s: results differ: %s", layer_names[a], check[a]);
	return tool_end(&t);
}
