/*
 * pt2trace: torch, pickle and safetensors files in, a trace out: files of a
 * generator, or a selection of the samples and actives trees (trace-csv 2, 3).
 *
 * Method: every shard is mapped and stays so; ptsect.h makes the frames.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "../../lib/format/ptfile.h"
#include "size.h"
#include "tool.h"

static struct ptsect s;
static struct tr_list layers, positions;
static struct pttree tree = {.run = TR_NONE, .epoch = TR_NONE};
static uint64_t topk, experts, shards = 1;
static uint64_t batch_size, seqlen, per_shard = 32, number;
static int logits, no_crc, skip_missing, rows_word, decoder, encoder;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "layers of the trees, or of tensors without", 0,
	 0},
	{'k', "topk", "N", OPT_U64, &topk, "picks of a row (all)", 1, 65534},
	{'m', "model", "NAME", OPT_STR, &tree.model, "model, a folder of the trees", 0, 0},
	{0, "experts", "N", OPT_U64, &experts, "number of experts (64)", 1, TR_EXPERTS_MAX},
	{0, "logits", NULL, OPT_FLAG, &logits, "float tensors hold logits", 0, 0},
	{0, "no-crc", NULL, OPT_FLAG, &no_crc, "a wrong checksum in a zip is no error", 0, 0},
	{0, "actives", "DIR", OPT_STR, &tree.actives, "tree of gate values and indices", 0, 0},
	{0, "samples", "DIR", OPT_STR, &tree.samples, "tree of input ids", 0, 0},
	{0, "run", "N", OPT_U64, &tree.run, "run id", 0, 0},
	{0, "epoch", "N", OPT_U64, &tree.epoch, "training step", 0, 0},
	{0, "prefix", "N", OPT_U64, &tree.prefix, "micro-batch (0)", 0, 0},
	{0, "first-shard", "N", OPT_U64, &tree.first, "first shard (0)", 0, 1 << 30},
	{0, "shards", "N", OPT_U64, &shards, "number of shards (1)", 1, 65536},
	{0, "skip-missing", NULL, OPT_FLAG, &skip_missing, "leave absent shards out", 0, 0},
	{0, "rows", "raw|token", OPT_WORD, &rows_word, "row numbers as they lie, or mapped", 0, 0},
	{0, "batch-size", "B", OPT_U64, &batch_size, "sequences in a shard", 1, 1 << 30},
	{0, "seqlen", "S", OPT_U64, &seqlen, "length of a sequence", 1, 1 << 30},
	{0, "decoder", NULL, OPT_FLAG, &decoder, "the tokens at each of --positions", 0, 0},
	{0, "positions", "LIST", OPT_LIST, &positions, "positions from 0 (0-9)", 0, 0},
	{0, "per-shard", "Q", OPT_U64, &per_shard, "sequences of a shard (32)", 1, 1 << 30},
	{0, "encoder", NULL, OPT_FLAG, &encoder, "whole sequences from the start", 0, 0},
	{'n', "number", "N", OPT_U64, &number, "sequences in all", 1, 1 << 30},
	{0},
};

static struct tool t = {.name = "pt2trace",
			.operands = "[FILE ...]",
			.what = "read routing from torch, pickle and safetensors files",
			.opts = opts,
			.flags = TOOL_TRACE | TOOL_NOIN};

/* Die of a refusal by ptsect.h. */
static void
check(int r)
{
	if (r < 0)
		die("%s", s.err);
}

static int
put(void *arg, struct tr_frame *f)
{
	tool_put(arg, f);
	return 0;
}

/* ---- one file of a generator ---- */

static void
file_section(const char *file)
{
	struct ptfile p;
	struct tr_frame trace;
	uint64_t *layer;

	ptfile_gates(&p, file, no_crc, logits);
	s.nlayer = p.g.n;
	s.nshard = 1;
	s.layer = layer = xcalloc(p.g.n, sizeof *layer);
	s.gate = xcalloc(p.g.n, sizeof *s.gate);
	s.file = xcalloc(p.g.n, sizeof *s.file);
	for (size_t i = 0; i < p.g.n; i++) {
		s.gate[i] = &p.g.g[i];
		s.file[i] = p.f.name;
		layer[i] = p.g.g[i].layer;
		if (layers.n && !p.g.g[i].has_layer &&
		    (layer[i] = tr_list_at(&layers, i)) == TR_NONE)
			die("%s: %zu layers, --layer names %" PRIu64, p.f.name, p.g.n,
			    tr_list_count(&layers));
		for (size_t j = 0; j < i; j++)
			if (layer[i] == layer[j])
				die("%s: layer %" PRIu64 " twice: name the layers with --layer",
				    p.f.name, layer[i]);
	}
	s.samples = p.g.samples ? &p.g.samples : NULL;
	s.sample_file = s.file;
	if (p.g.samples && p.g.samples->ndim != 1)
		die("%s: samples in %d dimensions", p.f.name, p.g.samples->ndim);
	pt_reset(&s);
	check(pt_agree(&s));
	check(pt_all(&s, 0));
	tr_new(&trace, "trace");
	tr_setu(&trace, "v", 1);
	if (tree.model && tr_set(&trace, "model", tree.model) < 0)
		die("model: too long for a header");
	check(pt_file_keys(&s, &trace, &p.l));
	if (p.g.samples)
		tr_set(&trace, "align", "raw");
	check(pt_put(&s, &trace, put, &t));
	free(layer);
	free(s.gate);
	free(s.file);
	ptfile_close(&p);
}

/* ---- the trees ---- */

/* Rows of shard j: at pos of its sequences, its part of them whole, or all. */
static void
take_rows(size_t j, uint64_t pos)
{
	uint64_t i = s.number[j], count = number / shards + (i < number % shards), length;

	if (decoder)
		check(pt_position(&s, j, s.token ? MIN(per_shard, batch_size) : per_shard, pos));
	else if (!encoder)
		check(pt_all(&s, j));
	else if (count)
		check(pt_sequences(&s, j, count));
	if (batch_size) {
		check(pt_length(&s, j, &length));
		if (s.token && !s.seqlen)
			s.seqlen = length;
	}
}

static void
tree_section(uint64_t pos)
{
	struct tr_frame trace;

	pt_reset(&s);
	for (size_t j = 0; j < s.nshard; j++)
		take_rows(j, pos);
	if (decoder && number)
		check(pt_cut(&s, number));
	check(pttree_trace(&tree, &s, &trace, pos, encoder));
	check(pt_put(&s, &trace, put, &t));
}

static void
trees(void)
{
	if (!tree.model || tree.run == TR_NONE || tree.epoch == TR_NONE)
		die("--actives needs --model, --run and --epoch");
	if (t.nfiles)
		die("--actives and a FILE together");
	if (decoder && encoder)
		die("--decoder and --encoder together");
	if (rows_word && !batch_size)
		die("--rows token needs --batch-size");
	s.token = rows_word;
	s.batch = batch_size;
	s.seqlen = seqlen ? seqlen : s.token || !(decoder || encoder) ? 0 : decoder ? 512 : 64;
	if (encoder && !number)
		number = 32;
	if (!positions.n && tr_list_parse(&positions, "0-9"))
		die("no memory");
	if (!layers.n || tr_list_count(&layers) > 4096)
		die("--actives needs --layer, at most 4096 of them");
	ptfile_tree(&s, &tree, &layers, shards, no_crc, logits, skip_missing, t.quiet);
	check(pt_agree(&s));
	if (!decoder)
		tree_section(TR_NONE);
	for (uint64_t i = 0, pos; decoder && (pos = tr_list_at(&positions, i)) != TR_NONE; i++)
		tree_section(pos);
}

int
main(int argc, char **argv)
{
	tool_start(&t, argc, argv);
	s.want_topk = topk;
	s.want_experts = experts;
	if (tree.actives)
		trees();
	else if (!t.nfiles)
		file_section("-");
	else
		for (int i = 0; i < t.nfiles; i++)
			file_section(t.files[i]);
	pt_free(&s);
	return tool_end(&t);
}
