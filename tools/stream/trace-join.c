/*
 * Many sections in, one out: batches are renumbered upward, layers united,
 * provenance kept.  Read twice, since @trace must say what all sections hold;
 * what is no file is spooled to an unlinked one in $TMPDIR.  framing.md section 6.
 */
#include <errno.h>
#include <string.h>

#include "size.h"
#include "spool.h"
#include "tool.h"

static struct opt opts[] = {{0}};

static struct tool t = {
	.name = "trace-join",
	.operands = "[FILE ...]",
	.what = "make one section of many",
	.opts = opts,
	.flags = TOOL_TRACE | TOOL_OWNIN | TOOL_FORCE,
};

static struct tr_head *head;
static struct tr *in;

static int
next(struct tr_frame *f)
{
	int r = tr_next(in, f);

	if (r < 0)
		die("%s", tr_errstr(in));
	return r;
}

/* First pass: what the sections are.  Their number. */
static uint64_t
fold(void)
{
	uint64_t sections = 0;
	struct tr_frame f;

	while (next(&f)) {
		int r = tr_head_add(head, &f, t.force);

		if (r < 0) {
			tr_fail(in, &f, r, "%s", tr_head_errstr(head));
			die("%s", tr_errstr(in));
		}
		sections += !strcmp(f.kind, "trace");
	}
	return sections;
}

/* Second pass: their frames.  first: number of the section's batch 0. */
static void
join(void)
{
	uint64_t first = 0, above = 0, batch;
	struct tr_frame f;

	while (next(&f)) {
		if (!strcmp(f.kind, "trace"))
			first = above;
		if (!strcmp(f.kind, "trace") || !strcmp(f.kind, "prog") || !strcmp(f.kind, "end"))
			continue;
		batch = 0;
		if (tr_num(&f, "batch", &batch) > 0 || !strcmp(f.kind, "route")) {
			if (batch >= INT64_MAX - first) {
				tr_fail(in, &f, TR_EVALUE, "batch is too large to renumber");
				die("%s", tr_errstr(in));
			}
			above = MAX(above, first + batch + 1);
			if (first)
				tr_setu(&f, "batch", first + batch);
		}
		tool_put(&t, &f);
	}
}

int
main(int argc, char **argv)
{
	static char *dash[] = {"-"};
	char **files, **names;
	const char *order;
	struct spool *spool;
	uint64_t sections;
	int n;

	tool_start(&t, argc, argv);
	n = t.nfiles ? t.nfiles : 1;
	files = t.nfiles ? t.files : dash;
	names = xcalloc((size_t)n, sizeof *names);
	spool = xcalloc((size_t)n, sizeof *spool);
	for (int i = 0; i < n; i++) {
		tool_spool(&spool[i], files[i]);
		names[i] = (char *)spool[i].name;
		if (spool[i].name == files[i] && spool[i].fd)
			spool_close(&spool[i]); /* it can be opened again */
	}
	if (!(head = tr_head_new()))
		die("no memory");
	in = tool_reader(&t, names, n);
	sections = fold();
	tool_reader_end(&t, in);
	for (int i = 0; i < n; i++)
		if (spool[i].fd >= 0 && spool_rewind(&spool[i]) < 0)
			die("%s:", names[i]);
	if (sections > 1 && tr_key(tr_head_trace(head), "order", &order) &&
	    strcmp(order, "batch,layer"))
		tr_unset(tr_head_trace(head), "order");
	errno = 0;
	if (tr_head_put(head, t.out) < 0) {
		if (errno == EPIPE)
			die_silent();
		die(errno ? "the joined head:" : "the joined head is too long");
	}
	in = tool_reader(&t, names, n);
	join();
	tr_free(in);
	for (int i = 0; i < n; i++)
		spool_close(&spool[i]);
	tr_head_free(head);
	return tool_end(&t);
}
