/*
 * Nothing, or a trace with logits, in; how long the parts of a router take out, a bench
 * frame a strategy and stage, then a table of the strategies (lib/bench/router).  Stages
 * are timed by turns on inputs that the cache does not hold, and every strategy's result
 * is compared with the CPU's plain functions.
 */
#include <stdlib.h>

#include "../../lib/bench/bench.h"
#include "../../lib/bench/inputs.h"
#include "../../lib/bench/logits.h"
#include "../../lib/bench/stages.h"
#include "../../lib/route/ruleargs.h"
#include "size.h"

static struct bench bench;
static struct inputs in = {.rows = 4096, .experts = 64};
static struct router router;
static struct tr_list layers, batch_sizes;
static uint64_t tokens, d_model, experts, topk, iterations = 10, seq_len = 128, hot;
static double temperature = 1, tolerance;
static int softmax = -1, sigmoid;
static const char *bias;
static uint64_t groups, topk_groups;
static int dtype = -1, strategy = -1, all, from_trace, sweep, naive, plain;
static const char *strategies, *isa;
static struct tool t;
static struct stages stages = {.bench = &bench, .tool = &t, .router = &router, .warmup = 1};

static const struct opt opts[] = {
	BENCH_OPTS(bench),
	{0, "tokens", "N", OPT_U64, &tokens, "rows (4096, or all of a trace)", 1, 1 << 24},
	{0, "d-model", "N", OPT_U64, &d_model, "width of rows (4096; of a trace: no rows)", 1,
	 1 << 20},
	{0, "experts", "N", OPT_U64, &experts, "experts (64)", 1, SELECT_EXPERTS_MAX},
	{'k', "topk", "N", OPT_U64, &topk, "picks of a row (2)", 1, SELECT_K_MAX},
	{0, "dtype", BENCH_DTYPES, OPT_WORD, &dtype, "of rows, router and logits (f16)", 0, 0},
	{0, "strategy", "naive_topk|masked_matmul|fused_select|sinkhorn|fused_router", OPT_WORD,
	 &strategy, "that alone (naive_topk)", 0, 0},
	{0, "strategies", "NAME,...", OPT_STR, &strategies, "these", 0, 0},
	{0, "all-strategies", NULL, OPT_FLAG, &all, "all of them", 0, 0},
	{0, "softmax", "before|after|none", OPT_WORD, &softmax,
	 "weights are a softmax of all logits, of those picked, or logits (after)", 0, 0},
	{0, "sigmoid", NULL, OPT_FLAG, &sigmoid, "scores are the sigmoid of each logit", 0, 0},
	{0, "bias", "FILE", OPT_STR, &bias, "a number an expert, added to what chooses", 0, 0},
	{0, "renorm", NULL, OPT_FLAG, &router.s.renorm, "divide the weights by their sum", 0, 0},
	{0, "groups", "N", OPT_U64, &groups, "cut the experts into N groups", 1,
	 SELECT_EXPERTS_MAX},
	{0, "topk-groups", "N", OPT_U64, &topk_groups, "picks come from N of them", 1,
	 SELECT_EXPERTS_MAX},
	{0, "iterations", "N", OPT_U64, &iterations, "sinkhorn: sweeps (10)", 1, 100000},
	{0, "temperature", "X", OPT_F64, &temperature, "sinkhorn: divide the logits (1)", 0, 0},
	{0, "tolerance", "X", OPT_F64, &tolerance, "sinkhorn: stop below that change (0)", 0, 0},
	{0, "skew-experts", "N", OPT_U64, &hot, "the first N experts are hot", 0,
	 SELECT_EXPERTS_MAX},
	{0, "skew-bias", "X", OPT_F64, &in.bias, "what their logits have more", 0, 0},
	{0, "zipf", "S", OPT_F64, &in.zipf, "expert i is picked as if by i^-S", 0, 0},
	{0, "reference-inputs", NULL, OPT_FLAG, &in.unscaled,
	 "logits of deviation sqrt(d), as the reference draws them", 0, 0},
	{0, "raw-rows", NULL, OPT_FLAG, &plain, "gather rows without their weights", 0, 0},
	{0, "from-trace", NULL, OPT_FLAG, &from_trace, "logits of the input's route frames", 0, 0},
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers of it", 0, 0},
	{0, "warm", NULL, OPT_FLAG, &router.warm, "always the same buffers", 0, 0},
	{0, "no-graph", NULL, OPT_FLAG, &stages.no_graph,
	 "a call at a time, the host's part included", 0, 0},
	{0, "warmup", "N", OPT_U64, &stages.warmup, "turns before those that count (1)", 0, 1000},
	{0, "samples", "N", OPT_U64, &stages.samples, "turns (11 to 200, for 0.2 s a stage)", 1,
	 STAGES_SAMPLES},
	{0, "isa", "avx512|avx2|neon|plain", OPT_STR, &isa, "select by that code (the widest)", 0,
	 0},
	{0, "no-check", NULL, OPT_FLAG, &stages.no_check, "do not compare results", 0, 0},
	{0, "timeline", "FILE", OPT_STR, &stages.timeline,
	 "a turn of each strategy as a Chrome trace", 0, 0},
	{0, "sweep", NULL, OPT_FLAG, &sweep, "packing without and with an index instead", 0, 0},
	{0, "batch-sizes", "LIST", OPT_LIST, &batch_sizes, "sweep: sequences (1,2,4 ... 64)", 0, 0},
	{0, "seq-len", "N", OPT_U64, &seq_len, "sweep: tokens of a sequence (128)", 1, 1 << 20},
	{0, "naive", "atomic|scan", OPT_WORD, &naive, "sweep: packing without an index (atomic)", 0,
	 0},
	{0},
};

static struct tool t = {.name = "router-bench",
			.operands = "[FILE ...]",
			.what = "time the parts of a router",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_OWNIN | TOOL_SEED | TOOL_JOBS};

/* What chooses, and what weighs. */
static void
scores(struct select *s)
{
	static const enum rules_score of[] = {RULES_BEFORE, RULES_AFTER, RULES_NONE};
	double *b;
	float *f;
	uint32_t n;

	if (sigmoid && softmax >= 0)
		die("--softmax and --sigmoid: one of them");
	if (!groups != !topk_groups)
		die("--groups and --topk-groups: both, or none");
	s->score = sigmoid ? RULES_SIGMOID : softmax < 0 ? RULES_AFTER : of[softmax];
	s->groups = (uint32_t)groups;
	s->topk_groups = (uint32_t)topk_groups;
	if (!bias)
		return;
	b = ruleargs_bias(bias, &n);
	if (n != s->experts)
		die("%s: %u numbers, and %u experts", bias, n, s->experts);
	router.bias = f = xcalloc(n, sizeof *f);
	for (uint32_t i = 0; i < n; i++)
		f[i] = (float)b[i];
	free(b);
}

/* Rows and router, or a trace's logits. */
static void
inputs(void)
{
	struct select *s = &router.s;
	struct logits l = {.type = dtype < 0 ? TR_F16 : bench_type(dtype)};
	char why[128];

	if (from_trace)
		logits_read(&l, &t, &layers, tokens, dtype < 0 ? -1 : (int)l.type);
	if (from_trace && l.experts > SELECT_EXPERTS_MAX)
		die("%llu experts: above %d", (unsigned long long)l.experts, SELECT_EXPERTS_MAX);
	s->type = l.type;
	s->experts = (uint32_t)(from_trace ? l.experts : experts ? experts : 64);
	s->k = (uint32_t)(topk ? topk : l.topk ? l.topk : 2);
	scores(s);
	if (select_fit(s, why, sizeof why) < 0)
		die("%s", why);
	router.rows = from_trace ? l.rows : tokens ? tokens : 4096;
	router.d = d_model ? d_model : from_trace ? 0 : 4096;
	router.logits = l.p;
	in.seed = t.seed;
	in.rows = router.rows;
	in.d = router.d;
	in.experts = s->experts;
	in.type = s->type;
	in.hot = (uint32_t)hot;
	if (!hot != (in.bias == 0))
		die("--skew-experts and --skew-bias: both, or none");
	if (hot > s->experts)
		die("--skew-experts %llu of %u", (unsigned long long)hot, s->experts);
	if (router.d && !sweep && !(router.x = inputs_x(&in)))
		die("no memory");
	if (!from_trace && !sweep && !(router.w = inputs_router(&in)))
		die("no memory");
}

int
main(int argc, char **argv)
{
	tool_start(&t, argc, argv);
	from_trace |= t.nfiles > 0;
	if (all + (strategies != NULL) + (strategy >= 0) > 1)
		die("--strategy, --strategies and --all-strategies: one of them");
	if (from_trace && (sweep || in.unscaled || hot || in.zipf != 0 || experts))
		die("a trace has its own logits: not with --sweep, --experts or options of inputs");
	if (!from_trace && layers.n)
		die("-l: only with --from-trace");
	if (!sweep && batch_sizes.n)
		die("--batch-sizes: only with --sweep");
	if (sweep && stages.timeline)
		die("--timeline: not with --sweep");
	if (isa && select_isa(isa) < 0)
		die("--isa %s: not on this processor", isa);
	if (!sinkhorn_cools(temperature) || tolerance < 0)
		die("--temperature, --tolerance: not above 0, or beyond f32");
	if (strategies)
		bench_want("strategies", strategies, router_names, ROUTER_STRATEGIES,
			   stages.wanted);
	for (int a = 0; a < ROUTER_STRATEGIES; a++)
		stages.wanted[a] |= all || (!strategies && a == (strategy < 0 ? 0 : strategy));
	if (!batch_sizes.n && tr_list_parse(&batch_sizes, "1,2,4,8,16,32,64") < 0)
		die("no memory");
	inputs();
	router.dev = &bench.dev;
	router.weighted = !plain;
	router.h = (struct sinkhorn){.iterations = (uint32_t)iterations,
				     .temperature = (float)temperature,
				     .tolerance = (float)tolerance};
	bench_open(&bench, &t);
	if (sweep)
		stages_sweep(&bench, &t,
			     &(struct sweep){&bench.dev, router.s.experts, router.s.k, router.d,
					     t.seed, router.s.type, (enum naive)naive,
					     stages.samples ? (int)stages.samples : 11},
			     &batch_sizes, seq_len);
	else
		stages_run(&stages);
	return tool_end(&t);
}
