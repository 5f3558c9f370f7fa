/*
 * One trace in, N complete traces out: each batch goes whole to one of them, in
 * turn by first appearance; what has no batch goes to the first alone, or a
 * sum would count it N times.  framing.md section 6.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "size.h"
#include "tool.h"

enum { SHARDS = 1000 };

static uint64_t number;

static struct opt opts[] = {
	{'n', "number", "N", OPT_U64, &number, "how many traces to make", 1, SHARDS},
	{0},
};

static struct tool t = {
	.name = "trace-split",
	.operands = "[FILE ...]",
	.what = "deal the batches of a trace out to several",
	.opts = opts,
	.flags = TOOL_TRACE | TOOL_OWNOUT,
};

static struct tr_out *outs[SHARDS];

/* Batches of the section by number, and who got them. */
static struct dealt {
	uint64_t batch, to;
} * dealt;
static size_t ndealt, cap;

static uint64_t
deal(uint64_t batch)
{
	size_t lo = 0, hi = ndealt;

	if (ndealt && dealt[ndealt - 1].batch <= batch) /* the usual order */
		lo = ndealt - (dealt[ndealt - 1].batch == batch);
	else
		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;

			if (dealt[mid].batch < batch)
				lo = mid + 1;
			else
				hi = mid;
		}
	if (lo < ndealt && dealt[lo].batch == batch)
		return dealt[lo].to;
	if (ndealt == cap) {
		cap = cap ? 2 * cap : 256;
		dealt = xrealloc(dealt, cap, sizeof *dealt);
	}
	memmove(dealt + lo + 1, dealt + lo, (ndealt - lo) * sizeof *dealt);
	dealt[lo] = (struct dealt){batch, ndealt % number};
	ndealt++;
	return dealt[lo].to;
}

static void
put(struct tr_out *o, const struct tr_frame *f)
{
	int r = tr_put(o, f);

	if (r == TR_EIO)
		die("%s*.trace:", t.output);
	if (r < 0)
		die("@%s: cannot be written (%d)", f->kind, r);
}

int
main(int argc, char **argv)
{
	struct tr_frame f;
	char *file;
	uint64_t n;

	tool_start(&t, argc, argv);
	if (!number || !t.output)
		die("give -n N and -o PREFIX: the traces become PREFIX0.trace and so on");
	file = xmalloc(strlen(t.output) + 32);
	for (uint64_t i = 0; i < number; i++) {
		sprintf(file, "%s%llu.trace", t.output, (unsigned long long)i);
		outs[i] = tool_output(&t, file);
	}
	while (tool_next(&t, &f)) {
		int all = !strcmp(f.kind, "trace") || !strcmp(f.kind, "prog") ||
			  !strcmp(f.kind, "end");

		if (!strcmp(f.kind, "trace"))
			ndealt = 0;
		if (all)
			for (uint64_t i = 0; i < number; i++)
				put(outs[i], &f);
		else if (tr_num(&f, "batch", &n) > 0 || !strcmp(f.kind, "route"))
			put(outs[deal(tr_get(&f, "batch", 0))], &f);
		else
			put(outs[0], &f);
	}
	for (uint64_t i = 0; i < number; i++)
		tool_output_end(&t, outs[i]);
	return tool_end(&t);
}
