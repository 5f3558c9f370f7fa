/*
 * Nothing in; how long an expert-parallel layer over several ranks takes out: a bench frame a
 * strategy and phase, then a table of the strategies (lib/ep/epbench).  What carries messages
 * is lib/ep/transport's.  Every strategy is checked to the bit before it is measured.
 */
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "../../lib/bench/bench.h"
#include "../../lib/ep/epbench.h"
#include "launch.h"
#include "size.h"
#include "tool.h"

static uint64_t ranks, rank = TR_NONE, device = TR_NONE, tokens = 4096, d_model = 4096,
		       experts = 64, topk = 2, hidden, iterations = 10, hot, chunks = 4,
		       samples = 20, warmup = 2;
static double temperature = 1, timeout = 10, bias, zipf;
static int transport = -1, cpu, dtype = BENCH_F16, strategy = -1, all, same_tokens, expert,
	   no_combine, unscaled, table;
static const char *id, *strategies;

enum { SWIGLU, IDENTITY };
static const char *const transports[] = {"loop", "shm", "mpi", "nccl"}; /* as enum ep_kind */

static const struct opt opts[] = {
	{0, "transport", "loop|shm|mpi|nccl", OPT_WORD, &transport,
	 "what carries messages (nccl; with --cpu shm)", 0, 0},
	{0, "ranks", "N", OPT_U64, &ranks, "so many (2; mpi and nccl: as many as were started)", 1,
	 EP_RANKS_MAX},
	{0, "rank", "R", OPT_U64, &rank, "nccl: this process' (what its launcher says)", 0,
	 EP_RANKS_MAX - 1},
	{0, "id", "FILE", OPT_STR, &id, "nccl: where the ranks find each other", 0, 0},
	{0, "timeout", "S", OPT_F64, &timeout, "seconds to wait for a rank (10)", 0, 0},
	{0, "cpu", NULL, OPT_FLAG, &cpu, "on the processor", 0, 0},
	{0, "device", "N", OPT_U64, &device, "nccl: on that GPU (the rank of those here)", 0, 1023},
	{0, "tokens", "N", OPT_U64, &tokens, "of a rank (4096)", 1, 1 << 24},
	{0, "d-model", "N", OPT_U64, &d_model, "width of rows (4096)", 1, 1 << 20},
	{0, "experts", "N", OPT_U64, &experts, "of all ranks together (64)", 1, SELECT_EXPERTS_MAX},
	{'k', "topk", "N", OPT_U64, &topk, "picks of a token (2)", 1, SELECT_K_MAX},
	{0, "hidden", "N", OPT_U64, &hidden, "width inside an expert (as --d-model)", 1, 1 << 20},
	{0, "expert", "swiglu|none", OPT_WORD, &expert, "what experts do (swiglu)", 0, 0},
	{0, "dtype", BENCH_DTYPES, OPT_WORD, &dtype, "of rows and weights (f16)", 0, 0},
	{0, "strategy", "naive_topk|fused_select|sinkhorn", OPT_WORD, &strategy,
	 "that alone (naive_topk)", 0, 0},
	{0, "strategies", "NAME,...", OPT_STR, &strategies, "these", 0, 0},
	{0, "all-strategies", NULL, OPT_FLAG, &all, "all of them", 0, 0},
	{0, "iterations", "N", OPT_U64, &iterations, "sinkhorn: sweeps (10)", 1, 100000},
	{0, "temperature", "X", OPT_F64, &temperature, "sinkhorn: divide the logits (1)", 0, 0},
	{0, "skew-experts", "N", OPT_U64, &hot, "the first N experts are hot", 0,
	 SELECT_EXPERTS_MAX},
	{0, "skew-bias", "X", OPT_F64, &bias, "what their logits have more", 0, 0},
	{0, "zipf", "S", OPT_F64, &zipf, "expert i is picked as if by i^-S", 0, 0},
	{0, "reference-inputs", NULL, OPT_FLAG, &unscaled,
	 "logits of deviation sqrt(d), as the reference draws them", 0, 0},
	{0, "same-tokens", NULL, OPT_FLAG, &same_tokens, "all ranks have the same", 0, 0},
	{0, "chunks", "N", OPT_U64, &chunks, "overlapped: parts of a message (4)", 1,
	 EPLAYER_CHUNKS_MAX},
	{0, "no-combine", NULL, OPT_FLAG, &no_combine, "rows do not come back", 0, 0},
	{0, "samples", "N", OPT_U64, &samples, "passes that are measured (20)", 1, 10000},
	{0, "warmup", "N", OPT_U64, &warmup, "passes before (2)", 0, 10000},
	{0, "table", NULL, OPT_FLAG, &table, "the table alone", 0, 0},
	{0},
};

static struct tool t = {.name = "ep-bench",
			.operands = "",
			.what = "time an expert-parallel layer",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_NOIN | TOOL_SEED | TOOL_JOBS};

/* One that ends first would have the launcher end the first rank before it has told why. */
static void
linger(void *unused)
{
	nanosleep(&(struct timespec){3, 0}, NULL);
}

/* Of many processes that see the same mistake the first tells it. */
static int
hush(int of)
{
	int told = of ? dup(2) : -1, none = of ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;

	if (none >= 0) {
		dup2(none, 2);
		close(none);
		die_undo(linger, &t);
	}
	return told;
}

static void
want(struct epbench *b)
{
	const char *names[EPBENCH_STRATEGIES];

	if (all + (strategies != NULL) + (strategy >= 0) > 1)
		die("--strategy, --strategies and --all-strategies: one of them");
	for (int a = 0; a < EPBENCH_STRATEGIES; a++) {
		names[a] = router_names[epbench_strategies[a]];
		b->want[a] = all || (!strategies && a == (strategy < 0 ? 0 : strategy));
	}
	if (strategies)
		bench_want("strategies", strategies, names, EPBENCH_STRATEGIES, b->want);
}

/* A GPU for each rank of this host, where the launcher shows them all to each. */
static int
a_device(int mine)
{
	int n = transport == EP_NCCL ? gpu_count() : 0, here = launch_local();

	return n > 1 ? (here ? here : mine) % n : 0;
}

static void
who(struct ep_how *how, int launched, int size)
{
	int many = transport == EP_MPI || transport == EP_NCCL;

	if ((transport == EP_NCCL) == cpu)
		die("--transport %s %s", transports[transport],
		    cpu ? "moves a GPU's memory: not with --cpu" : "moves host memory: give --cpu");
	if (transport != EP_NCCL && (id || rank != TR_NONE || device != TR_NONE))
		die("--id, --rank and --device are for --transport nccl");
	if (transport == EP_MPI && ranks && ranks != (uint64_t)size)
		die("--ranks %llu, but %d were started", (unsigned long long)ranks, size);
	if (!many && size > 1)
		die("started as %d processes: --transport mpi or nccl", size);
	if (!(timeout > 0 && timeout < 1e6))
		die("--timeout %g: not above 0", timeout);
	how->kind = (enum ep_kind)transport;
	how->timeout = timeout;
	how->size = ranks ? (int)ranks : many ? size : 2;
	how->rank = rank == TR_NONE ? launched : (int)rank;
	how->device = device != TR_NONE ? (int)device : a_device(how->rank);
	how->id = id;
	if (how->rank >= how->size)
		die("--rank %d of %d", how->rank, how->size);
	if (transport == EP_NCCL && how->size > 1 && !id)
		die("--id FILE: where the ranks find each other");
}

static void
fits(struct epbench *b, int size)
{
	struct select s = {.experts = (uint32_t)experts,
			   .k = (uint32_t)topk,
			   .type = bench_type(dtype),
			   .score = RULES_AFTER};
	char why[128];

	if (select_fit(&s, why, sizeof why) < 0)
		die("%s", why);
	if (experts % (uint64_t)size)
		die("%llu experts cannot be shared evenly by %d ranks", (unsigned long long)experts,
		    size);
	if (!hot != (bias == 0))
		die("--skew-experts and --skew-bias: both, or none");
	if (hot > experts)
		die("--skew-experts %llu of %llu", (unsigned long long)hot,
		    (unsigned long long)experts);
	if (!sinkhorn_cools(temperature))
		die("--temperature %g: not above 0, or beyond f32", temperature);
	if (expert == IDENTITY && hidden)
		die("--hidden: only with --expert swiglu");
	b->layer = (struct eplayer){
		.rows = tokens,
		.d = d_model,
		.hidden = expert == IDENTITY ? 0
			  : hidden           ? hidden
					     : d_model,
		.experts = s.experts,
		.k = s.k,
		.type = s.type,
		.sinkhorn = {.iterations = (uint32_t)iterations, .temperature = (float)temperature},
		.chunks = (int)chunks,
		.combine = !no_combine};
	b->in = (struct inputs){.seed = t.seed,
				.rows = tokens,
				.d = d_model,
				.experts = s.experts,
				.type = s.type,
				.unscaled = unscaled,
				.hot = (uint32_t)hot,
				.bias = bias,
				.zipf = zipf};
}

static void
put(struct epbench *b)
{
	struct tr_frame f;
	int r;

	tr_new_trace(&f, &(struct tr_list){0}, experts, topk);
	tool_open(&t, &f);
	for (int a = 0; a < EPBENCH_STRATEGIES && !table; a++)
		for (int row = 0; b->want[a] && row < EPBENCH_ROWS; row++) {
			if ((r = epbench_phase(b, a, row, &f)) < 0)
				die("no memory");
			if (r)
				tool_put(&t, &f);
		}
	for (int a = 0; a < EPBENCH_STRATEGIES; a++)
		if (b->want[a] && epbench_line(b, a, &f) > 0)
			tool_put(&t, &f);
}

int
main(int argc, char **argv)
{
	static struct epbench b;
	struct ep_how how = {0};
	char why[EP_WHY + 64];
	int launched, size, told, r;

	launch_ranks(&launched, &size);
	told = hush(launched);
	tool_start(&t, argc, argv);
	if (t.nfiles)
		die("no operands: '%s'", t.files[0]);
	if (transport < 0)
		transport = cpu ? EP_SHM : EP_NCCL;
	who(&how, launched, size);
	if (how.rank && told < 0)
		told = hush(how.rank);
	want(&b);
	fits(&b, how.size);
	b.transport = transports[transport];
	b.virtual_ranks = transport == EP_LOOP;
	b.same_tokens = same_tokens;
	b.gpu = !cpu;
	b.device = how.device;
	b.jobs = t.jobs;
	b.samples = (int)samples;
	b.warmup = (int)warmup;
	r = ep_run(&how, epbench_work, &b, why, sizeof why);
	if (r == EP_EABSENT)
		die_absent("%s%s", why, cpu ? "" : "; --cpu runs on the processor");
	if (r < 0 &&
	    told >= 0) { /* rank 0 may be telling the same: mpirun then ends us, after a second or two */
		nanosleep(&(struct timespec){3, 0}, NULL);
		dup2(told, 2);
		die_keep(&t);
	}
	if (r < 0)
		die("%s", why);
	if (how.rank)
		return tool_drop(&t);
	put(&b);
	epbench_free(&b);
	return tool_end(&t);
}
