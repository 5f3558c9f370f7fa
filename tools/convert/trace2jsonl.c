/*
 * trace2jsonl: a trace in, JSON Lines out: one frame a line, of which
 * jsonl2trace makes the trace again; or, for the placement simulator, one
 * record a route frame, with request and source of its batch's seq frame.
 */
#include <string.h>

#include "../../lib/format/jsonl.h"
#include "../../lib/format/moebalance.h"
#include "tool.h"

static int simulator;

static struct opt opts[] = {
	{0, "dialect", "moetrace|moe-balance", OPT_WORD, &simulator, "what to write (moetrace)", 0,
	 0},
	{0},
};

static int
drain(void *sink, const void *p, size_t n)
{
	return sink_put(sink, p, n);
}

static void
bad(struct tool *t, const struct tr_frame *f, const struct json_out *o, int rc)
{
	if (o->bad)
		die("%s:", t->output ? t->output : "standard output");
	if (rc == TR_ECOLS)
		tr_fail(t->in, f, rc, "@route has no ids (trace-route adds them), or odd columns");
	else if (rc == TR_ENOMEM)
		die("no memory");
	else if (!simulator)
		tr_fail(t->in, f, TR_EENC, "enc=%s without cols", f->enc);
	tool_fail(t);
}

int
main(int argc, char **argv)
{
	static struct tool t = {.name = "trace2jsonl",
				.operands = "[FILE ...]",
				.what = "write a trace as JSON Lines",
				.opts = opts,
				.flags = TOOL_BYTES};
	struct json_out o = {.drain = drain};
	struct mb *records = mb_new();
	struct tr_frame f;
	uint64_t frames = 0;
	const char *val;
	int rc;

	tool_start(&t, argc, argv);
	if (!records)
		die("no memory");
	o.style = simulator ? JSON_PYTHON : JSON_COMPACT;
	o.arg = t.sink;
	while (tool_next(&t, &f)) {
		if (tr_key(&f, "derived", &val) && !strcmp(val, "1"))
			continue;
		if (!strcmp(f.kind, "trace")) {
			frames = 0;
			mb_free(records);
			if (!(records = mb_new()))
				die("no memory");
		} else if (!strcmp(f.kind, "end")) {
			tr_setu(&f, "frames", frames);
		} else {
			frames++;
		}
		rc = 0;
		if (!simulator) {
			if (tr_decode(&f) < 0)
				tool_fail(&t);
			rc = jsonl_put(&o, &f);
		} else if (!strcmp(f.kind, "seq")) {
			rc = mb_seq(records, &f);
		} else if (!strcmp(f.kind, "route")) {
			rc = mb_put(records, &o, &f);
		}
		if (rc < 0)
			bad(&t, &f, &o, rc);
	}
	if (json_put_flush(&o))
		bad(&t, &f, &o, 0);
	json_out_free(&o);
	mb_free(records);
	return tool_end(&t);
}
