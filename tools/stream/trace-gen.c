/*
 * Nothing in; a trace of synthetic routing out.  Each (batch, layer) is one
 * run of frames of at most 8192 rows; a row's picks and logits depend on seed,
 * batch, row and layer alone (lib/stats/gen, genmodel, genlogit), so --batch
 * 100-199 gives the same bytes as cutting those batches out of the whole.
 */
#include <math.h>
#include <string.h>

#include "../../lib/stats/genframe.h"
#include "../../lib/stats/genmodel.h"
#include "../../lib/stats/refgen.h"
#include "size.h"
#include "tool.h"

enum { LAYERS_MAX = 4096 };
enum { ZIPF, REFERENCE };

static uint64_t layers = 1, batches = 1, experts = 64, topk = 2, mesh_rows = TR_NONE;
static struct tr_list batch_list, map;
static const char *name;
static double zipf = NAN, decode_zipf = NAN, coact = 0.25;
static int model, weights = -1, tokens, logits, logit_type = -1;
static struct genmodel gm = {.rows = 1024,
			     .prefill = GENMODEL_NEVER,
			     .affinity = NAN,
			     .domain_share = NAN,
			     .burst = NAN,
			     .chain = NAN};

static const struct opt opts[] = {
	{0, "layers", "N", OPT_U64, &layers, "layers (1)", 1, LAYERS_MAX},
	{0, "batches", "N", OPT_U64, &batches, "batches (1)", 1, 1 << 30},
	{0, "rows", "N", OPT_U64, &gm.rows, "rows of a batch (1024)", 1, 1 << 28},
	{0, "experts", "N", OPT_U64, &experts, "experts (64)", 1, TR_EXPERTS_MAX},
	{'k', "topk", "N", OPT_U64, &topk, "picks of a row (2)", 1, GENFRAME_K},
	{'b', "batch", "LIST", OPT_LIST, &batch_list, "only these batches of the whole", 0, 0},
	{'w', "weights", "f16|bf16|f32|none", OPT_WORD, &weights, "type of the weights (f16)", 0,
	 0},
	{0, "model", "zipf|reference", OPT_WORD, &model,
	 "ours, or the placement simulator's draw for draw (zipf)", 0, 0},
	{0, "zipf", "S", OPT_F64, &zipf, "exponent of the popularity (0.6; reference 1.05)", 0, 0},
	{0, "groups", "N", OPT_U64, &gm.groups, "deal each layer's experts into N groups", 1,
	 TR_EXPERTS_MAX},
	{0, "affinity", "P", OPT_F64, &gm.affinity, "a pick is from its row's group (0.5)", 0, 0},
	{0, "domains", "N", OPT_U64, &gm.domains, "each request is of one of N domains", 1, 4096},
	{0, "domain-share", "P", OPT_F64, &gm.domain_share,
	 "a pick is by its domain's popularity (0.5)", 0, 0},
	{0, "drift", "N", OPT_U64, &gm.drift, "the mixture of domains comes round in N batches", 2,
	 1 << 30},
	{0, "request-rows", "N", OPT_U64, &gm.request_rows, "rows of a request (a batch)", 1,
	 1 << 28},
	{0, "prefill", "N", OPT_U64, &gm.prefill, "a request's first N rows; the others decode", 0,
	 1 << 28},
	{0, "decode-zipf", "S", OPT_F64, &decode_zipf, "exponent of decode rows (twice --zipf)", 0,
	 0},
	{0, "burst", "P", OPT_F64, &gm.burst, "a run of rows shares its picks (0)", 0, 0},
	{0, "burst-rows", "N", OPT_U64, &gm.burst_rows, "rows of a run (32)", 2, 1 << 28},
	{0, "chain", "P", OPT_F64, &gm.chain, "a pick follows from that of the layer before (0)", 0,
	 0},
	{0, "origin-rows", "N", OPT_U64, &gm.origin_rows, "column origin: rows where tokens live",
	 1, 65534},
	{0, "coact", "P", OPT_F64, &coact, "reference: a draw that changes nothing (0.25)", 0, 0},
	{0, "mesh-rows", "N", OPT_U64, &mesh_rows, "reference: rows where tokens live (16)", 1,
	 65534},
	{0, "map", "LIST", OPT_LIST, &map, "the layers' own numbers", 0, 0},
	{0, "name", "NAME", OPT_STR, &name, "model= of the trace", 0, 0},
	{0, "logits", NULL, OPT_FLAG, &logits, "all logits, too; the picks are their top-k", 0, 0},
	{0, "logit-type", "f32|f16|bf16", OPT_WORD, &logit_type, "type of them (f32)", 0, 0},
	{0, "tokens", NULL, OPT_FLAG, &tokens, "seq and tok frames too", 0, 0},
	{0},
};

static struct gen gen, decode;
static struct refgen ref;
static struct genframe out;
static struct genlogit score = {.rows = GENFRAME_ROWS};

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
	if (logits) {
		tr_set(&f, "score", "softmax");
		tr_set(&f, "renorm", "1");
	}
	tr_set(&f, "order", model == REFERENCE ? "layer,batch" : "batch,layer");
	tool_open(t, &f);
}

static void
put_tokens(struct tool *t, uint64_t batch)
{
	for (uint64_t q = 0; q < genframe_requests(&gm); q++) {
		genframe_seq(&out, &gm, batch, q);
		tool_put(t, &out.f);
	}
	for (uint64_t r = 0; r < gm.rows; r += GENFRAME_ROWS) {
		genframe_tok(&out, &gm, batch, r, MIN(gm.rows - r, (uint64_t)GENFRAME_ROWS));
		tool_put(t, &out.f);
	}
}

static void
draw(uint64_t batch, uint64_t l, uint64_t row, uint16_t *ids, uint16_t *origin)
{
	struct genrow r;

	if (model == REFERENCE) {
		refgen_row(&ref, origin, ids);
		return;
	}
	genmodel_row(&gm, &gm.layer[l], batch, row, ids);
	if (gm.origin_rows) {
		genmodel_facts(&gm, batch, row, &r);
		*origin = r.origin;
	}
}

/* What is not wanted is drawn for what comes after it. */
static void
put_batch(struct tool *t, uint64_t batch, uint64_t l, uint64_t layer, int wanted)
{
	if (logits)
		genlogit_layer(&score, &gm.layer[l]);
	for (uint64_t r = 0; r < gm.rows; r += score.rows) {
		uint64_t n = MIN(gm.rows - r, score.rows);

		for (uint64_t i = 0; i < n; i++)
			draw(batch, l, r + i, out.ids + i * topk, &out.origin[i]);
		if (!wanted)
			continue;
		genframe_route(&out, &gen, batch, layer, r, n, weights,
			       model == REFERENCE || gm.origin_rows, logits ? &score : NULL);
		tool_put(t, &out.f);
	}
}

/* Its draws follow each other, so what is not wanted is drawn, too. */
static void
reference(struct tool *t)
{
	if (refgen_init(&ref, t->seed, (uint32_t)experts, (uint32_t)topk, (uint32_t)mesh_rows, zipf,
			coact) < 0)
		die("no memory");
	gen.k = (uint32_t)topk;
	gen.experts = (uint32_t)experts;
	put_trace(t);
	for (uint64_t l = 0; l < layers; l++) {
		refgen_layer(&ref);
		for (uint64_t b = 0; b < batches; b++)
			put_batch(t, b, l, layer_number(l), tr_list_has(&batch_list, b));
	}
	refgen_free(&ref);
}

static void
ours(struct tool *t)
{
	gm.gen = &gen;
	gm.decode = &decode;
	if (gen_init(&gen, t->seed, (uint32_t)experts, (uint32_t)topk, zipf) < 0 ||
	    gen_init(&decode, t->seed, (uint32_t)experts, (uint32_t)topk, decode_zipf) < 0 ||
	    genmodel_init(&gm) < 0 || genmodel_layers(&gm, layers, &map) < 0 ||
	    (logits && genlogit_init(&score, &gm, MAX(logit_type, 0)) < 0))
		die("no memory");
	put_trace(t);
	for (uint64_t b = 0; b < batches; b++) {
		if (!tr_list_has(&batch_list, b))
			continue;
		if (tokens)
			put_tokens(t, b);
		for (uint64_t l = 0; l < gm.nlayers; l++)
			put_batch(t, b, l, gm.layer[l].number, gm.layer[l].wanted);
	}
	genlogit_free(&score);
	genmodel_free(&gm);
	gen_free(&decode);
	gen_free(&gen);
}

static void
at_most(const char *what, uint64_t n, const char *of, uint64_t most)
{
	if (n > most)
		die("--%s %llu of --%s %llu", what, (unsigned long long)n, of,
		    (unsigned long long)most);
}

/* Which options mean nothing without which, and what the others are by default. */
static void
check_options(void)
{
	int phases = gm.prefill != GENMODEL_NEVER;
	const struct {
		const char *name;
		int given;
		const char *to;
		int there;
	} rules[] = {
		{"groups", gm.groups > 0, "", 1},
		{"affinity", !isnan(gm.affinity), "groups", gm.groups > 0},
		{"domains", gm.domains > 0, "", 1},
		{"domain-share", !isnan(gm.domain_share), "domains", gm.domains > 0},
		{"drift", gm.drift > 0, "domains", gm.domains > 0},
		{"prefill", phases, "", 1},
		{"decode-zipf", !isnan(decode_zipf), "prefill", phases},
		{"request-rows", gm.request_rows > 0, "domains, --prefill or --tokens",
		 gm.domains || phases || tokens},
		{"burst", !isnan(gm.burst), "", 1},
		{"burst-rows", gm.burst_rows > 0, "burst", !isnan(gm.burst)},
		{"chain", !isnan(gm.chain), "", 1},
		{"origin-rows", gm.origin_rows > 0, "", 1},
		{"logits", logits, "", 1},
		{"logit-type", logit_type >= 0, "logits", logits},
	};
	const struct {
		const char *name;
		double *var, standard, most;
	} numbers[] = {
		{"zipf", &zipf, model == REFERENCE ? 1.05 : 0.6, 100},
		{"affinity", &gm.affinity, 0.5, 1},
		{"domain-share", &gm.domain_share, 0.5, 1},
		{"burst", &gm.burst, 0, 1},
		{"chain", &gm.chain, 0, 1},
	};

	for (size_t i = 0; i < LEN(rules); i++) {
		if (rules[i].given && model == REFERENCE)
			die("--model reference has no --%s", rules[i].name);
		if (rules[i].given && !rules[i].there)
			die("--%s without --%s", rules[i].name, rules[i].to);
	}
	for (size_t i = 0; i < LEN(numbers); i++) {
		if (isnan(*numbers[i].var))
			*numbers[i].var = numbers[i].standard;
		if (*numbers[i].var < 0 || *numbers[i].var > numbers[i].most)
			die("--%s %g: not from 0 to %g", numbers[i].name, *numbers[i].var,
			    numbers[i].most);
	}
	decode_zipf = isnan(decode_zipf) ? 2 * zipf : decode_zipf;
	if (decode_zipf < 0 || decode_zipf > 200)
		die("--decode-zipf %g: not from 0 to 200", decode_zipf);
	gm.burst_rows = gm.burst_rows ? gm.burst_rows : 32;
	gm.request_rows = gm.request_rows ? gm.request_rows : gm.rows;
	at_most("topk", topk, "experts", experts);
	at_most("groups", gm.groups, "experts", experts);
	at_most("request-rows", gm.request_rows, "rows", gm.rows);
	if (gm.chain > 0 && layer_number(layers - 1) >= LAYERS_MAX)
		die("--chain to layer %llu: above %d", (unsigned long long)layer_number(layers - 1),
		    LAYERS_MAX - 1);
	if (phases)
		at_most("prefill", gm.prefill, "request-rows", gm.request_rows);
}

int
main(int argc, char **argv)
{
	static struct tool t = {"trace-gen", "", "make synthetic routing", opts,
				TOOL_TRACE | TOOL_NOIN | TOOL_SEED};

	tool_start(&t, argc, argv);
	if (t.nfiles)
		die("%s: there is nothing to read", t.files[0]);
	if (map.n && tr_list_count(&map) != layers)
		die("--map lists %llu layers, --layers says %llu",
		    (unsigned long long)tr_list_count(&map), (unsigned long long)layers);
	if (model == REFERENCE && (tokens || weights >= 0))
		die("--model reference makes neither weights nor tokens");
	if (model != REFERENCE && mesh_rows != TR_NONE)
		die("--mesh-rows is of --model reference; --origin-rows makes origins");
	if (batch_list.n && batch_list.range[batch_list.n - 1].hi >= batches)
		die("--batch: there are --batches %llu", (unsigned long long)batches);
	mesh_rows = mesh_rows == TR_NONE ? 16 : mesh_rows;
	check_options();
	weights = model == REFERENCE ? GENFRAME_NONE : weights < 0 ? GENFRAME_F16 : weights;
	if (model == REFERENCE)
		reference(&t);
	else
		ours(&t);
	return tool_end(&t);
}
