/*
 * A real and a synthetic trace in, one of both out: so many traces of each as a ratio says,
 * whole samples, evenly by data set, a batch each, mixed.  collection.md 5: real samples that
 * lack are not replaced.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/model/samples.h"
#include "size.h"
#include "tool.h"

enum { MIXED, REAL, SYNTHETIC };
enum { SHUFFLE };

static const char *file[SAMPLES_KINDS];
static uint64_t traces = 3000;
static double ratio = 0.5;
static int mode, order;

static const struct opt opts[] = {
	{0, "real", "FILE", OPT_STR, &file[SAMPLES_REAL], "samples that a model made", 0, 0},
	{0, "synthetic", "FILE", OPT_STR, &file[SAMPLES_SYNTHETIC], "samples that are made up", 0,
	 0},
	{0, "mode", "mixed|real|synthetic", OPT_WORD, &mode, "of what (mixed)", 0, 0},
	{0, "traces", "N", OPT_U64, &traces, "samples times layers, at most (3000)", 1,
	 (uint64_t)1 << 40},
	{0, "real-ratio", "R", OPT_F64, &ratio, "share of real ones in mode mixed (0.5)", 0, 0},
	{0, "order", "shuffle|round-robin", OPT_WORD, &order, "of the samples (shuffle)", 0, 0},
	{0},
};

static struct tool t = {
	.name = "trace-mix",
	.operands = "",
	.what = "mix real and synthetic samples",
	.opts = opts,
	.flags = TOOL_TRACE | TOOL_OWNIN | TOOL_SEED | TOOL_FORCE,
};

static const char *const kinds[SAMPLES_KINDS] = {"", "real", "synthetic"};
static struct spool spool[SAMPLES_KINDS];
static struct samples *s;
static struct tr_head *head;

static void
read_part(enum samples_kind kind)
{
	char *name;

	if (!file[kind])
		die("--mode %s: give --%s FILE",
		    mode == MIXED  ? "mixed"
		    : mode == REAL ? "real"
				   : "synthetic",
		    kinds[kind]);
	tool_spool(&spool[kind], file[kind]);
	name = (char *)spool[kind].name;
	t.in = tool_reader(&t, &name, 1);
	tool_check(&t, samples_read(s, t.in, &spool[kind], kind, head, t.force));
	tool_reader_end(&t, t.in);
	t.in = NULL;
}

/* So many samples of that kind, or what there is. */
static uint64_t
choose(enum samples_kind kind, uint64_t want, uint64_t layers)
{
	long long n;

	if (!want)
		return 0;
	if ((n = samples_choose(s, kind, want, UINT32_MAX)) == TR_EVALUE)
		die("%s: %s", file[kind], samples_err(s));
	if (n < 0)
		die("no memory");
	if (!n)
		die("%s: no %s samples", file[kind], kinds[kind]);
	if ((uint64_t)n < want && !t.quiet)
		warn("%s: %llu samples, not %llu: %llu %s traces, not %llu", file[kind],
		     (unsigned long long)n, (unsigned long long)want,
		     (unsigned long long)((uint64_t)n * layers), kinds[kind],
		     (unsigned long long)(want * layers));
	return (uint64_t)n;
}

static int
put(void *arg, struct tr_frame *f)
{
	tool_put(&t, f);
	return 0;
}

int
main(int argc, char **argv)
{
	uint64_t want, real, n, layers;
	int e;

	tool_start(&t, argc, argv);
	if (t.nfiles)
		die("%s: files are told by --real and --synthetic", t.files[0]);
	if (!(ratio >= 0 && ratio <= 1))
		die("--real-ratio: not between 0 and 1");
	if (!(s = samples_new(t.seed, t.text || t.zstd)) || !(head = tr_head_new()))
		die("no memory");
	if (mode != SYNTHETIC)
		read_part(SAMPLES_REAL);
	if (mode != REAL)
		read_part(SAMPLES_SYNTHETIC);
	layers = tr_head_section(head)->layers;
	if (!layers)
		die("no layers: a prompt is no trace yet");
	if (samples_layers(s) != layers)
		die("the traces have not the same layers: of %llu in all, one has %llu",
		    (unsigned long long)layers, (unsigned long long)samples_layers(s));
	if (!(want = traces / layers))
		die("--traces %llu: one sample makes %llu", (unsigned long long)traces,
		    (unsigned long long)layers);
	real = mode == MIXED  ? (uint64_t)floor((double)want * ratio + 0.5)
	       : mode == REAL ? want
			      : 0;
	n = choose(SAMPLES_REAL, real, layers);
	n += choose(SAMPLES_SYNTHETIC, want - real, layers);
	if (samples_order(s, order == SHUFFLE, tr_head_trace(head)) < 0)
		die("no memory");
	t.head = head;
	for (uint64_t i = 0; i < n; i++)
		if ((e = samples_put(s, i, put, NULL)) < 0)
			die("%s", e == TR_EVALUE ? samples_err(s) : "a frame cannot be read again");
	samples_free(s);
	for (int i = 0; i < SAMPLES_KINDS; i++)
		if (file[i])
			spool_close(&spool[i]);
	return tool_end(&t);
}
