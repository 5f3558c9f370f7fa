/*
 * log2trace: JSON logs of router logits in, a trace out, a section a file.  A log is
 * read a layer at a time; since its layers and widths stand nowhere before them, the
 * numbers (a tenth of the text) are spooled to an unlinked file, and what is held
 * is 48 bytes a sample and 48 a layer of it.  spec: router-analysis.md section 1.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/format/logsect.h"
#include "size.h"
#include "tool.h"

static struct logsect said = {.tolerance = 1e-5}; /* by the options */

static const struct opt opts[] = {
	{'m', "model", "NAME", OPT_STR, &said.model, "the model (config, as the log has it)", 0, 0},
	{0, "dataset", "NAME", OPT_STR, &said.dataset, "the data set (as the log has it)", 0, 0},
	{0, "recompute", NULL, OPT_FLAG, &said.recompute,
	 "ids and w from the logits: softmax, top-k", 0, 0},
	{'k', "topk", "N", OPT_U64, &said.topk, "--recompute: experts of a row (as logged)", 1,
	 TR_EXPERTS_MAX},
	{0, "renorm", NULL, OPT_FLAG, &said.renorm, "weights are divided by their sum", 0, 0},
	{0, "verify", NULL, OPT_FLAG, &said.verify,
	 "exit 1 where the logits say other ids or weights", 0, 0},
	{0, "tolerance", "X", OPT_F64, &said.tolerance, "--verify: of a weight (1e-5)", 0, 0},
	{0, "strict", NULL, OPT_FLAG, &said.strict, "NaN and Infinity are errors", 0, 0},
	{0},
};

static struct tool t = {.name = "log2trace",
			.operands = "[FILE ...]",
			.what = "read a trace from a JSON log of router logits",
			.opts = opts,
			.flags = TOOL_TRACE | TOOL_NOIN};

static int
put(void *arg, struct tr_frame *f)
{
	if (!strcmp(f->kind, "trace"))
		tool_open(arg, f);
	else
		tool_put(arg, f);
	return 0;
}

static void
convert(const char *file, int fd)
{
	struct logsect s = said;
	int rc;

	s.file = file;
	if ((rc = logsect_read(&s, fd)) < 0)
		die("%s", s.err);
	if (rc) {
		warn("%s", s.err);
		die_no();
	}
	if (s.logits && s.r->num_experts != TR_NONE && s.r->num_experts != s.logits && !t.quiet)
		warn("%s: num_experts is %" PRIu64 ", but rows have %" PRIu32 " logits", file,
		     s.r->num_experts, s.logits);
	if (s.empty && !t.quiet)
		warn("%s: %" PRIu64 " of %zu samples have no layers", file, s.empty, s.nsamples);
	if (logsect_put(&s, put, &t) < 0)
		die("%s", s.err);
	if (s.dropped && !t.quiet)
		warn("%s: %" PRIu64 " rows with NaN or Infinity are left out", file, s.dropped);
	if (s.bare && !s.recompute && !t.quiet)
		warn("%s: %" PRIu64 " picks have no weight in the log: 0", file, s.bare);
	logsect_free(&s);
}

int
main(int argc, char **argv)
{
	tool_start(&t, argc, argv);
	if (said.topk && !said.recompute)
		die("-k goes with --recompute");
	if (said.renorm && !said.recompute && !said.verify)
		die("--renorm goes with --recompute or --verify");
	for (int i = 0; i < MAX(t.nfiles, 1); i++) {
		const char *file = t.nfiles ? t.files[i] : "-";
		int fd = tool_fd(&file);

		convert(file, fd);
		if (fd)
			close(fd);
	}
	return tool_end(&t);
}
