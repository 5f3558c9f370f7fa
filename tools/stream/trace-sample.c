/*
 * Traces in, a random choice of their samples out, whole: a batch each, evenly by data set.
 * Frames are noted by place, and those that are chosen read again.  collection.md 4.
 */
#include <stdlib.h>

#include "../../lib/model/samples.h"
#include "size.h"
#include "tool.h"

enum { SHUFFLE };

static uint64_t number = TR_NONE, per_set = UINT32_MAX;
static int order;

static const struct opt opts[] = {
	{'n', "number", "N", OPT_U64, &number, "samples, evenly of all data sets (all)", 1,
	 UINT32_MAX},
	{0, "per-dataset", "N", OPT_U64, &per_set, "samples of each data set, at most (all)", 1,
	 UINT32_MAX},
	{0, "order", "shuffle|round-robin", OPT_WORD, &order, "of the samples (shuffle)", 0, 0},
	{0},
};

static struct tool t = {
	.name = "trace-sample",
	.operands = "[FILE ...]",
	.what = "choose samples of a trace at random",
	.opts = opts,
	.flags = TOOL_TRACE | TOOL_OWNIN | TOOL_SEED | TOOL_FORCE,
};

static int
put(void *arg, struct tr_frame *f)
{
	tool_put(&t, f);
	return 0;
}

int
main(int argc, char **argv)
{
	static char *dash[] = {"-"};
	struct tr_head *head;
	struct samples *s;
	struct spool *spool;
	long long n;
	int e;

	tool_start(&t, argc, argv);
	if (!t.nfiles)
		t.files = dash, t.nfiles = 1;
	spool = xcalloc((size_t)t.nfiles, sizeof *spool);
	if (!(s = samples_new(t.seed, t.text || t.zstd)) || !(head = tr_head_new()))
		die("no memory");
	for (int i = 0; i < t.nfiles; i++) {
		char *name;

		tool_spool(&spool[i], t.files[i]);
		name = (char *)spool[i].name;
		t.in = tool_reader(&t, &name, 1);
		tool_check(&t, samples_read(s, t.in, &spool[i], SAMPLES_ANY, head, t.force));
		tool_reader_end(&t, t.in);
		t.in = NULL;
	}
	if ((n = samples_choose(s, SAMPLES_ANY, number, per_set)) == TR_EVALUE)
		die("%s", samples_err(s));
	if (n == 0)
		die("no samples: no frame has a batch");
	if (n < 0 || samples_order(s, order == SHUFFLE, tr_head_trace(head)) < 0)
		die("no memory");
	t.head = head;
	for (uint64_t i = 0; i < (uint64_t)n; i++)
		if ((e = samples_put(s, i, put, NULL)) < 0)
			die("%s", e == TR_EVALUE ? samples_err(s) : "a frame cannot be read again");
	samples_free(s);
	for (int i = 0; i < t.nfiles; i++)
		spool_close(&spool[i]);
	free(spool);
	return tool_end(&t);
}
