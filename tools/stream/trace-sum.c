/*
 * Result frames in, one frame for each identity out: counters are added over
 * all files and sections, least and greatest kept.  framing.md section 6.
 */
#include <string.h>

#include "../../lib/stats/sum.h"
#include "tool.h"

static struct opt opts[] = {{0}};

static struct tool t = {
	.name = "trace-sum",
	.operands = "[FILE ...]",
	.what = "add result frames",
	.opts = opts,
	.flags = TOOL_RESULT | TOOL_FOLD | TOOL_FORCE,
};

int
main(int argc, char **argv)
{
	struct tr_frame f;
	struct sum *s;
	int r;

	tool_start(&t, argc, argv);
	if (!(s = sum_new()))
		die("no memory");
	while (tool_next(&t, &f)) {
		if (!strcmp(f.kind, "note") || tr_get(&f, "derived", 0) == 1)
			continue;
		if ((r = sum_add(s, &f)) < 0) {
			tr_fail(t.in, &f, r, "%s", sum_errstr(s));
			tool_fail(&t);
		}
	}
	sum_sort(s);
	for (size_t i = 0; i < sum_count(s); i++)
		tool_put(&t, sum_at(s, i));
	sum_free(s);
	return tool_end(&t);
}
