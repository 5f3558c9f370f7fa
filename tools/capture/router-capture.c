/*
 * Tokens in, the same and what the routers of a checkpoint do with them out.  The sequences
 * of a batch run together; an unfinished output is gone on with.  models.md has the forward
 * passes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/model/capture.h"
#include "../../lib/token/same.h"
#include "kept.h"
#include "num.h"
#include "part.h"
#include "size.h"
#include "tool.h"

enum { DROPPED_ZERO, DROPPED_RESIDUAL };
enum { ROWS = 4096 };

static int bare, hidden, dropped = DROPPED_ZERO, unbounded, type;
static const char *gpu;
static struct tr_list layers;
static struct model_opts O = {.layers = &layers};
static struct capture_opts C = {.rows = ROWS};

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
	{0, "loss", NULL, OPT_FLAG, &C.loss, "add the loss of each sequence to its seq frame", 0,
	 0},
	{0, "generate", "N", OPT_U64, &C.generate, "go on with N tokens, at most, greedily", 1,
	 1 << 20},
	{0, "rows", "N", OPT_U64, &C.rows, "rows that run together at most (4096)", 1, 1 << 28},
	{0, "type", "f32|bf16", OPT_WORD, &type, "what goes into products (f32)", 0, 0},
	{0, "gpu", "N", OPT_STR, &gpu, "on that GPU (0)", 0, 0},
	{0, "stream-weights", NULL, OPT_FLAG, &O.engine.stream,
	 "bring weights to the GPU layer by layer", 0, 0},
	{0},
};

static struct tool t = {
	.name = "router-capture",
	.operands = "MODEL_DIR ...",
	.what = "run a checkpoint and record what its routers do",
	.opts = opts,
	.flags = TOOL_TRACE | TOOL_OWNIN | TOOL_JOBS | TOOL_PART,
	.flush = 1, /* each layer as it is ready; an interrupt leaves what was done */
};

static struct model m;
static const char *dir; /* of it */
static struct capture *c;
static struct part old;
static struct kept kept; /* seq and text frames that wait for a loss */
static uint64_t since;   /* frames put behind the last batch */
static uint64_t batches;

/* ---- the model ---- */

static void
options(void)
{
	uint64_t device = 0;

	if (!t.nfiles)
		die("no MODEL_DIR: a folder with config.json and safetensors");
	if (unbounded && O.capacity)
		die("--capacity and --no-capacity exclude each other");
	if (gpu && *gpu && num_u64(gpu, 0, 1023, &device) < 0)
		die("--gpu=%s: not a number from 0 to 1023", gpu);
	if (O.engine.stream && !gpu)
		die("--stream-weights needs --gpu");
	if (unbounded)
		O.capacity = MODEL_FREE;
	O.residual = dropped == DROPPED_RESIDUAL;
	O.head = C.loss || C.generate;
	O.keep = C.generate;
	O.engine.type = type ? TR_BF16 : TR_F32;
	O.engine.jobs = t.jobs;
	O.engine.gpu = gpu ? (int)device : -1;
	O.no_hidden = !hidden;
	C.flags = (bare ? 0 : CAPTURE_LOGIT) | (hidden ? CAPTURE_HIDDEN : 0);
}

/* The first folder that holds a model; all reasons where none does. */
static void
open_first(void)
{
	char why[MODEL_WHY], *all = NULL;
	size_t n = 0;
	int r;

	for (int i = 0; i < t.nfiles; i++) {
		if ((r = model_open(&m, dir = t.files[i], &O, why)) == 0) {
			if (i && !t.quiet)
				warn("%s (%s instead)", all, t.files[i]);
			free(all);
			return;
		}
		if (r == ENGINE_ABSENT)
			die_absent("%s", why);
		all = xrealloc(all, n + strlen(why) + 3, 1);
		strcpy(all + n, n ? "; " : "");
		strcpy(all + n + (n ? 2 : 0), why);
		n = strlen(all);
	}
	die("%s", all);
}

/* What was asked of it that it has not. */
static void
fits(void)
{
	const int two = (m.info.flags & MODEL_DECODER) != 0;

	if (O.decoder && !two)
		die("--decoder: %s has no decoder behind an encoder", m.type);
	if (O.head && two && !O.decoder)
		die("--%s: %s needs --decoder for it", C.loss ? "loss" : "generate", m.type);
	if ((O.capacity || O.residual) && !(m.info.flags & MODEL_DROPS))
		die("--%s: %s drops no tokens",
		    O.residual  ? "dropped"
		    : unbounded ? "no-capacity"
				: "capacity",
		    m.type);
}

static void
resume(void)
{
	const int r = part_open(&old, t.output);

	if (r == TR_EVALUE)
		die("%s: not a trace, and --resume would write over it", old.file);
	if (r < 0 || sink_have(t.sink, old.end) < 0)
		die("%s:", t.output);
}

/* ---- batches ---- */

static void
put(const struct tr_frame *f)
{
	tool_put(&t, f);
	since++;
}

/* Frames that waited, with the losses of a batch where that is not NULL; sequences that have no
 * seq frame get one. */
static void
release(const struct tr_frame *tok)
{
	uint64_t batch = tok ? tr_get(tok, "batch", 0) : 0, seq, tokens;
	const char *val;
	double loss;

	for (uint64_t i = 0; tok && capture_seq(c, i, &seq, &tokens, &loss); i++) {
		struct tr_frame own, *f = NULL;

		for (size_t k = 0; k < kept.n && !f; k++)
			if (!strcmp(kept.of[k].f.kind, "seq") &&
			    tr_get(&kept.of[k].f, "batch", 0) == batch &&
			    tr_get(&kept.of[k].f, "seq", TR_NONE) == seq)
				f = &kept.of[k].f;
		if (!f) {
			f = &own;
			tr_new(f, "seq");
			tr_setu(f, "batch", batch);
			tr_setu(f, "seq", seq);
		}
		if (!tr_key(f, "tokens", &val))
			tr_setu(f, "tokens", tokens);
		if (!isnan(loss) && tr_setf(f, "loss", loss) < 0)
			die("@seq: its line grows too long");
		if (f == &own)
			put(f);
	}
	for (size_t k = 0; k < kept.n; k++)
		put(&kept.of[k].f);
	kept_clear(&kept);
}

static int
put_made(void *arg, const struct tr_frame *f)
{
	if (C.loss && !strcmp(f->kind, "tok"))
		release(f);
	tool_put(&t, f);
	return 0;
}

static int
put_old(void *arg, const struct tr_frame *f)
{
	tool_put(&t, f);
	return 0;
}

static void
run(struct tr_frame *f)
{
	char why[MODEL_WHY] = "";

	if (capture_run(c, f, put_made, NULL, why) == 0)
		return;
	if (!*why)
		tool_refuse(&t, f, "its route frames grow above the limits");
	if (strlen(why) < 200)
		tool_refuse(&t, f, "%s", why);
	die("%s", why);
}

static void
batch(struct tr_frame *f)
{
	static uint64_t last, section;
	static int tried;
	const int had = sink_at(t.sink) < old.end;

	if (section == t.sections && tr_get(f, "batch", 0) == last)
		tool_refuse(&t, f, "more of batch %llu: a batch is one frame",
			    (unsigned long long)last);
	section = t.sections;
	last = tr_get(f, "batch", 0);
	tool_check(&t, tr_decode(f));
	if (had && part_batch(&old, f, since, tried ? put_old : NULL, NULL) < 0)
		die("%s: not of this input and these options", old.file);
	/* the first is run in any case: another model makes other bytes */
	if (had && tried)
		kept_clear(&kept);
	else
		run(f);
	tried = 1;
	since = 0;
	batches++;
	sink_keep(t.sink);
}

static void
frame(struct tr_frame *f)
{
	const char *kind = f->kind;

	if (!strcmp(kind, "route"))
		return;
	if (!strcmp(kind, "tok")) {
		batch(f);
	} else if (!strcmp(kind, "trace")) {
		const enum token_same same = token_same(f, dir, m.name);

		if (same == TOKEN_OTHER)
			die("%s/tokenizer.json: the tokens were made by another", dir);
		if (same == TOKEN_NAMED && !t.quiet)
			warn("tokens of another tokenizer, or one of another name than %s", m.name);
		if (capture_trace(c, f) < 0)
			tool_refuse(&t, f, "the line grows too long");
		tool_put(&t, f);
	} else if (!strcmp(kind, "end") || !strcmp(kind, "prog")) {
		release(NULL);
		tool_put(&t, f);
	} else if (C.loss && (!strcmp(kind, "seq") || !strcmp(kind, "text"))) {
		if (kept_add(&kept, f) < 0)
			die("no memory");
	} else {
		put(f);
	}
}

int
main(int argc, char **argv)
{
	struct tr_frame f;

	tool_start(&t, argc, argv);
	options();
	if (t.resume)
		resume();
	open_first();
	fits();
	if (!(c = capture_new(&m, &C)))
		die("no memory");
	t.in = tool_reader(&t, NULL, 0);
	while (tool_next(&t, &f))
		frame(&f);
	if (!batches)
		die("no tok frame: tok-encode(1) makes them of texts");
	part_close(&old);
	kept_free(&kept);
	capture_free(c);
	model_close(&m);
	return tool_end(&t);
}
