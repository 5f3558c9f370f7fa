/*
 * A trace in; its header lines out as they are stored, padding apart.  The
 * frames are walked, so bytes of a payload that look like a header do not
 * show, as they might with grep.  Each line is written at once: what stands
 * before a broken frame is seen, and so is what a pipe carries while it runs.
 */
#include <string.h>

#include "num.h"
#include "tool.h"

static int offset;

static const struct opt opts[] = {
	{0, "offset", NULL, OPT_FLAG, &offset, "put the byte where the frame starts before it", 0,
	 0},
	{0},
};

static struct tool t = {.name = "trace-heads",
			.operands = "[FILE ...]",
			.what = "print the header lines",
			.opts = opts,
			.flags = TOOL_BYTES};

/* The header of f without padding and LF. */
static size_t
header(const struct tr_frame *f)
{
	const char *line = f->raw, *end;

	if (!line)
		return 0; /* made by --keep-going */
	end = memchr(line, '\n', f->nraw);
	while (end[-1] == ' ')
		end--;
	return (size_t)(end - line);
}

int
main(int argc, char **argv)
{
	struct tr_frame f;
	char num[NUM_MAX];

	tool_start(&t, argc, argv);
	while (tool_next(&t, &f)) {
		size_t n = header(&f);

		if (n && offset)
			sink_put(t.sink, num, num_put_u64(num, f.offset));
		if (n && offset)
			sink_put(t.sink, "\t", 1);
		if (n)
			sink_put(t.sink, f.raw, n);
		if (n && (sink_put(t.sink, "\n", 1) < 0 || sink_flush(t.sink) < 0))
			break; /* tool_end says why */
	}
	return tool_end(&t);
}
