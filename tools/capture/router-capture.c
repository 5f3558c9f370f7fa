/*
 * Tokens in, the same and what the routers of a checkpoint do with them out.  A batch is
 * held and run as one.  models.md has the forward passes.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/model/capture.h"
#include "size.h"
#include "tool.h"

enum { DROPPED_ZERO, DROPPED_RESIDUAL };

static int bare, hidden, dropped = DROPPED_ZERO, unbounded;
static struct tr_list layers;
static struct model_opts O;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "routers of those layers (all)", 0, 0},
	{0, "decoder", NULL, OPT_FLAG, &O.decoder, "the decoder behind an encoder, too", 0, 0},
	{0, "capacity", "N", OPT_U64, &O.capacity,
	 "tokens that an expert takes of a sequence (config.json's)", 1, UINT32_MAX},
	{0, "no-capacity", NULL, OPT_FLAG, &unbounded, "no token is dropped", 0, 0},
	{0, "dropped", "zero|residual", OPT_WORD, &dropped,
	 "what a dropped token gets: nothing, or its weighted input (zero)", 0, 0},
	{0, "no-logits", NULL, OPT_FLAG, &bare, "leave column logit out", 0, 0},
	{0, "hidden", NULL, OPT_FLAG, &hidden, "add column hidden: what the router saw", 0, 0},
	{0},
};

static struct tool t = {
	.name = "router-capture",
	.operands = "MODEL_DIR ...",
	.what = "run a checkpoint and record what its routers do",
	.opts = opts,
	.flags = TOOL_TRACE | TOOL_OWNIN | TOOL_JOBS,
};

/* The first folder that holds a model; all reasons where none does. */
static void
open_first(struct model *m)
{
	char why[MODEL_WHY], *all = NULL;
	size_t n = 0;

	for (int i = 0; i < t.nfiles; i++) {
		if (model_open(m, t.files[i], &O, why) == 0) {
			if (i && !t.quiet)
				warn("%s (%s instead)", all, t.files[i]);
			free(all);
			return;
		}
		all = xrealloc(all, n + strlen(why) + 3, 1);
		strcpy(all + n, n ? "; " : "");
		strcpy(all + n + (n ? 2 : 0), why);
		n = strlen(all);
	}
	die("%s", all);
}

static void
capture(struct capture *c, const struct tr_frame *f, uint64_t n)
{
	char why[MODEL_WHY];
	struct tr_frame route;
	int r;

	if (capture_run(c, f, why) < 0) {
		if (strlen(why) < 200)
			tool_refuse(&t, f, "%s", why);
		die("%s", why);
	}
	tool_put(&t, f);
	for (uint64_t i = 0; i < n; i++) {
		if ((r = capture_route(c, i, &route)) < 0)
			tool_refuse(&t, f, "its route frames grow above the limits");
		if (r)
			tool_put(&t, &route);
	}
}

int
main(int argc, char **argv)
{
	struct tr_frame f;
	struct capture *c;
	struct model m;
	uint64_t n, batch = TR_NONE;

	tool_start(&t, argc, argv);
	if (!t.nfiles)
		die("no MODEL_DIR: a folder with config.json and safetensors");
	if (unbounded && O.capacity)
		die("--capacity and --no-capacity exclude each other");
	if (unbounded)
		O.capacity = MODEL_FREE;
	O.residual = dropped == DROPPED_RESIDUAL;
	O.layers = &layers;
	O.engine = (struct engine_opts){.type = TR_F32, .jobs = t.jobs, .gpu = -1};
	open_first(&m);
	if (O.decoder && !(m.info.flags & MODEL_DECODER))
		die("--decoder: %s has no decoder behind an encoder", m.type);
	if ((O.capacity || O.residual) && !(m.info.flags & MODEL_DROPS))
		die("--%s: %s drops no tokens",
		    O.residual  ? "dropped"
		    : unbounded ? "no-capacity"
				: "capacity",
		    m.type);
	if (!(c = capture_new(&m, (bare ? 0 : CAPTURE_LOGIT) | (hidden ? CAPTURE_HIDDEN : 0))))
		die("no memory");
	n = tr_list_count(&m.info.routed);
	t.in = tool_reader(&t, NULL, 0);
	while (tool_next(&t, &f)) {
		if (!strcmp(f.kind, "route"))
			continue;
		if (!strcmp(f.kind, "trace")) {
			batch = TR_NONE;
			if (capture_trace(c, &f) < 0)
				tool_refuse(&t, &f, "the line grows too long");
		}
		if (strcmp(f.kind, "tok")) {
			tool_put(&t, &f);
			continue;
		}
		if (tr_get(&f, "batch", 0) == batch)
			tool_refuse(&t, &f, "more of batch %llu: a batch is one frame",
				    (unsigned long long)batch);
		batch = tr_get(&f, "batch", 0);
		tool_check(&t, tr_decode(&f));
		capture(c, &f, n);
	}
	capture_free(c);
	model_close(&m);
	return tool_end(&t);
}
