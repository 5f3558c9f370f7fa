/*
 * Nothing in; a trace of synthetic routing out.  Each (batch, layer) is one
 * run of frames of at most 8192 rows; a row's picks depend on seed, batch, row
 * and layer alone (lib/stats/gen), so --batch 100-199 gives the same bytes as
 * cutting those batches out of the whole.
 */
#include <string.h>

#include "../../lib/stats/gen.h"
#include "../../lib/stats/refgen.h"
#include "half.h"
#include "size.h"
#include "tool.h"

enum { FRAME_ROWS = 8192, K_MAX = 1024 };
enum { W_F16, W_BF16, W_F32, W_NONE };
enum { ZIPF, REFERENCE };

static uint64_t layers = 1, batches = 1, rows = 1024, experts = 64, topk = 2;
static struct tr_list batch_list, map;
static const char *name;
static double zipf = -1, coact = 0.25;
static uint64_t mesh_rows = 16;
static int model, weights = -1, tokens;

static const struct opt opts[] = {
	{0, "layers", "N", OPT_U64, &layers, "layers (1)", 1, 4096},
	{0, "batches", "N", OPT_U64, &batches, "batches (1)", 1, 1 << 30},
	{0, "rows", "N", OPT_U64, &rows, "rows of a batch (1024)", 1, 1 << 28},
	{0, "experts", "N", OPT_U64, &experts, "experts (64)", 1, TR_EXPERTS_MAX},
	{'k', "topk", "N", OPT_U64, &topk, "picks of a row (2)", 1, K_MAX},
	{'b', "batch", "LIST", OPT_LIST, &batch_list, "only these batches of the whole", 0, 0},
	{'w', "weights", "f16|bf16|f32|none", OPT_WORD, &weights, "type of the weights (f16)", 0,
	 0},
	{0, "model", "zipf|reference", OPT_WORD, &model,
	 "ours, or the placement simulator's draw for draw (zipf)", 0, 0},
	{0, "zipf", "S", OPT_F64, &zipf, "exponent of the popularity (0.6; reference 1.05)", 0, 0},
	{0, "coact", "P", OPT_F64, &coact, "reference: a draw that changes nothing (0.25)", 0, 0},
	{0, "mesh-rows", "N", OPT_U64, &mesh_rows, "reference: rows where tokens live (16)", 1,
	 65534},
	{0, "map", "LIST", OPT_LIST, &map, "the layers' own numbers", 0, 0},
	{0, "name", "NAME", OPT_STR, &name, "model= of the trace", 0, 0},
	{0, "tokens", NULL, OPT_FLAG, &tokens, "seq and tok frames too", 0, 0},
	{0},
};

static struct gen gen;
static struct refgen ref;
static uint16_t *perms, ids[FRAME_ROWS * K_MAX], half[FRAME_ROWS * K_MAX];
static uint8_t ids8[FRAME_ROWS * K_MAX];
static uint16_t origin[FRAME_ROWS];
static float w[FRAME_ROWS * K_MAX];

static uint64_t
layer_number(uint64_t i)
{
	return map.n ? tr_list_at(&map, i) : i;
}

static void
put_trace(struct tool *t)
{
	struct tr_frame f;
	char text[TR_HEADER_MAX];

	tr_new(&f, "trace");
	tr_setu(&f, "v", 1);
	if (name)
		tr_set(&f, "model", name);
	tr_setu(&f, "layers", layers);
	tr_setu(&f, "experts", experts);
	tr_setu(&f, "topk", topk);
	if (map.n && tr_list_text(&map, text, sizeof text) > 0)
		tr_set(&f, "map", text);
	tr_set(&f, "order", model == REFERENCE ? "layer,batch" : "batch,layer");
	tool_open(t, &f);
}

/* One sequence a batch; its token ids are draws too. */
static void
put_tokens(struct tool *t, uint64_t batch, uint64_t row0, uint64_t n)
{
	static uint32_t tok[FRAME_ROWS], pos[FRAME_ROWS];
	struct tr_frame f;

	if (row0 == 0) {
		tr_new(&f, "seq");
		tr_setu(&f, "batch", batch);
		tr_setu(&f, "seq", batch);
		tr_setu(&f, "tokens", rows);
		tr_set(&f, "synthetic", "1");
		tool_put(t, &f);
	}
	for (uint64_t i = 0; i < n; i++) {
		tok[i] = gen_token(&gen, batch, row0 + i);
		pos[i] = (uint32_t)(row0 + i);
	}
	tr_new(&f, "tok");
	tr_setu(&f, "batch", batch);
	tr_setu(&f, "seq", batch);
	tr_setu(&f, "phase", 0);
	if (row0)
		tr_setu(&f, "row0", row0);
	tr_rows(&f, n);
	tr_addcol(&f, "tok", TR_U32, 1, tok);
	tr_addcol(&f, "pos", TR_U32, 1, pos);
	tool_put(t, &f);
}

static void
put_route(struct tool *t, uint64_t batch, uint64_t l, uint64_t row0, uint64_t n)
{
	struct tr_frame f;
	uint64_t layer = layer_number(l);

	for (uint64_t i = 0; i < n; i++)
		if (model == REFERENCE)
			refgen_row(&ref, &origin[i], ids + i * topk);
		else
			gen_row(&gen, perms + l * experts, layer, batch, row0 + i, ids + i * topk,
				w + i * topk);
	if (!tr_list_has(&batch_list, batch))
		return;
	tr_new(&f, "route");
	tr_setu(&f, "batch", batch);
	tr_setu(&f, "layer", layer);
	if (row0)
		tr_setu(&f, "row0", row0);
	tr_rows(&f, n);
	if (experts <= 255) {
		for (uint64_t i = 0; i < n * topk; i++)
			ids8[i] = (uint8_t)ids[i];
		tr_addcol(&f, "ids", TR_U8, topk, ids8);
	} else {
		tr_addcol(&f, "ids", TR_U16, topk, ids);
	}
	if (weights == W_F16)
		half_fromn(half, w, n * topk);
	if (weights == W_BF16)
		for (uint64_t i = 0; i < n * topk; i++)
			half[i] = bf16_from(w[i]);
	if (weights == W_F32)
		tr_addcol(&f, "w", TR_F32, topk, w);
	else if (weights != W_NONE)
		tr_addcol(&f, "w", weights == W_F16 ? TR_F16 : TR_BF16, topk, half);
	if (model == REFERENCE)
		tr_addcol(&f, "origin", TR_U16, 1, origin);
	tool_put(t, &f);
}

static void
put_batch(struct tool *t, uint64_t batch, uint64_t l)
{
	for (uint64_t r = 0; r < rows; r += FRAME_ROWS)
		put_route(t, batch, l, r, MIN(rows - r, (uint64_t)FRAME_ROWS));
}

/* Its draws follow each other, so what is not wanted is drawn, too. */
static void
reference(struct tool *t)
{
	if (refgen_init(&ref, t->seed, (uint32_t)experts, (uint32_t)topk, (uint32_t)mesh_rows, zipf,
			coact) < 0)
		die("no memory");
	put_trace(t);
	for (uint64_t l = 0; l < layers; l++) {
		refgen_layer(&ref);
		for (uint64_t b = 0; b < batches; b++)
			put_batch(t, b, l);
	}
	refgen_free(&ref);
}

static void
ours(struct tool *t)
{
	if (gen_init(&gen, t->seed, (uint32_t)experts, (uint32_t)topk, zipf) < 0)
		die("no memory");
	perms = xcalloc(layers * experts, sizeof *perms);
	for (uint64_t l = 0; l < layers; l++)
		gen_layer(&gen, layer_number(l), perms + l * experts);
	put_trace(t);
	for (uint64_t b = 0; b < batches; b++) {
		if (!tr_list_has(&batch_list, b))
			continue;
		for (uint64_t r = 0; tokens && r < rows; r += FRAME_ROWS)
			put_tokens(t, b, r, MIN(rows - r, (uint64_t)FRAME_ROWS));
		for (uint64_t l = 0; l < layers; l++)
			put_batch(t, b, l);
	}
	gen_free(&gen);
}

int
main(int argc, char **argv)
{
	static struct tool t = {"trace-gen", "", "make synthetic routing", opts,
				TOOL_TRACE | TOOL_NOIN | TOOL_SEED};

	tool_start(&t, argc, argv);
	if (t.nfiles)
		die("%s: there is nothing to read", t.files[0]);
	if (topk > experts)
		die("--topk %llu of --experts %llu", (unsigned long long)topk,
		    (unsigned long long)experts);
	if (map.n && tr_list_count(&map) != layers)
		die("--map lists %llu layers, --layers says %llu",
		    (unsigned long long)tr_list_count(&map), (unsigned long long)layers);
	if (model == REFERENCE && (tokens || weights >= 0))
		die("--model reference makes neither weights nor tokens");
	weights = model == REFERENCE ? W_NONE : weights < 0 ? W_F16 : weights;
	zipf = zipf >= 0 ? zipf : model == REFERENCE ? 1.05 : 0.6;
	if (model == REFERENCE)
		reference(&t);
	else
		ours(&t);
	return tool_end(&t);
}
