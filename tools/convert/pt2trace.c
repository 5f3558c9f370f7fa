/*
 * pt2trace: torch, pickle and safetensors files in, a trace out: files of a
 * generator, or a selection of the samples and actives trees (trace-csv 2, 3).
 *
 * Method: every shard is mapped and stays so; ptsect.h makes the frames.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../lib/format/ptsect.h"
#include "size.h"
#include "tool.h"

enum { SHARD_TEXT = 3000 };

struct part { /* an open file */
	struct tool_file f;
	struct array_list l;
	struct gates g;
};

static struct ptsect s;
static struct tr_list layers, positions;
static uint64_t topk, experts, run_id = TR_NONE, epoch = TR_NONE, prefix, first_shard, shards = 1;
static uint64_t batch_size, seqlen, per_shard = 32, number;
static const char *model, *actives, *samples;
static int logits, no_crc, skip_missing, rows_word, decoder, encoder;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "layers of the trees, or of tensors without", 0,
	 0},
	{'k', "topk", "N", OPT_U64, &topk, "picks of a row (all)", 1, 65534},
	{'m', "model", "NAME", OPT_STR, &model, "model, a folder of the trees", 0, 0},
	{0, "experts", "N", OPT_U64, &experts, "number of experts (64)", 1, TR_EXPERTS_MAX},
	{0, "logits", NULL, OPT_FLAG, &logits, "float tensors hold logits", 0, 0},
	{0, "no-crc", NULL, OPT_FLAG, &no_crc, "a wrong checksum in a zip is no error", 0, 0},
	{0, "actives", "DIR", OPT_STR, &actives, "tree of gate values and indices", 0, 0},
	{0, "samples", "DIR", OPT_STR, &samples, "tree of input ids", 0, 0},
	{0, "run", "N", OPT_U64, &run_id, "run id", 0, 0},
	{0, "epoch", "N", OPT_U64, &epoch, "training step", 0, 0},
	{0, "prefix", "N", OPT_U64, &prefix, "micro-batch (0)", 0, 0},
	{0, "first-shard", "N", OPT_U64, &first_shard, "first shard (0)", 0, 1 << 30},
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

static void
load(struct part *p, const char *file)
{
	struct array_opts o = {.no_crc = no_crc};

	tool_slurp(&p->f, file);
	if (array_read(&p->l, p->f.p, p->f.n, &o))
		die("%s: %s", p->f.name, p->l.err);
}

static void
load_gates(struct part *p, const char *file)
{
	load(p, file);
	if (gates_find(&p->g, &p->l, logits))
		die("%s: %s", p->f.name, p->g.err);
}

/* ---- one file of a generator ---- */

static void
file_section(const char *file)
{
	struct part p = {0};
	struct tr_frame trace;
	uint64_t *layer;

	load_gates(&p, file);
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
	if (model && tr_set(&trace, "model", model) < 0)
		die("model: too long for a header");
	check(pt_file_keys(&s, &trace, &p.l));
	if (p.g.samples)
		tr_set(&trace, "align", "raw");
	check(pt_put(&s, &trace, put, &t));
	free(layer);
	free(s.gate);
	free(s.file);
	gates_free(&p.g);
	array_free(&p.l);
	tool_unslurp(&p.f);
}

/* ---- the trees ---- */

/* The file of a shard: of that layer, or (TR_NONE) its samples.  Kept, like the file. */
static char *
path_of(uint64_t layer, uint64_t shard)
{
	char *p = NULL;
	int r;

	if (layer == TR_NONE)
		r = asprintf(&p, "%s/%s/%" PRIu64 "/%" PRIu64 "-%" PRIu64 ".pt", samples, model,
			     run_id, prefix, shard);
	else
		r = asprintf(&p,
			     "%s/%s/%" PRIu64 "/%" PRIu64 "/%" PRIu64 "/%" PRIu64 "-%" PRIu64 ".pt",
			     actives, model, run_id, epoch, layer, prefix, shard);
	if (r < 0)
		die("no memory");
	return p;
}

/* Is the shard there, in samples and all layers?  Else die, or say so. */
static int
present(uint64_t shard)
{
	for (size_t i = samples ? 0 : 1; i <= s.nlayer; i++) {
		char *p = path_of(i ? s.layer[i - 1] : TR_NONE, shard);

		if (access(p, F_OK)) {
			if (!skip_missing || errno != ENOENT)
				die("%s:", p);
			if (!t.quiet)
				warn("%s is missing, shard %" PRIu64 "-%" PRIu64 " is left out", p,
				     prefix, shard);
			free(p);
			return 0;
		}
		free(p);
	}
	return 1;
}

static void
open_samples(size_t j, uint64_t shard)
{
	struct part *p = xcalloc(1, sizeof *p);

	load(p, path_of(TR_NONE, shard));
	if (p->l.n != 1 || p->l.a[0].ndim != 1)
		die("%s: not one list of ids", p->f.name);
	s.samples[j] = &p->l.a[0];
	s.sample_file[j] = p->f.name;
}

static void
open_trees(void)
{
	uint64_t *layer, *at;

	s.nlayer = tr_list_count(&layers);
	if (!layers.n || s.nlayer > 4096)
		die("--actives needs --layer, at most 4096 of them");
	s.layer = layer = xcalloc(s.nlayer, sizeof *layer);
	for (size_t i = 0; i < s.nlayer; i++)
		layer[i] = tr_list_at(&layers, i);
	s.number = at = xcalloc(shards, sizeof *at);
	for (uint64_t i = 0; i < shards; i++)
		if (present(first_shard + i))
			at[s.nshard++] = i;
	if (!s.nshard)
		die("%s: none of the shards is there", actives);
	s.gate = xcalloc(s.nlayer * s.nshard, sizeof *s.gate);
	s.file = xcalloc(s.nlayer * s.nshard, sizeof *s.file);
	if (samples) {
		s.samples = xcalloc(s.nshard, sizeof *s.samples);
		s.sample_file = xcalloc(s.nshard, sizeof *s.sample_file);
	}
	for (size_t j = 0; j < s.nshard; j++) {
		if (samples)
			open_samples(j, first_shard + at[j]);
		for (size_t i = 0; i < s.nlayer; i++) {
			struct part *p = xcalloc(1, sizeof *p);

			load_gates(p, path_of(layer[i], first_shard + at[j]));
			if (p->g.n != 1)
				die("%s: %zu layers in it, not one", p->f.name, p->g.n);
			s.file[i * s.nshard + j] = p->f.name;
			s.gate[i * s.nshard + j] = &p->g.g[0];
		}
	}
}

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
	char text[SHARD_TEXT];
	uint64_t length;
	size_t at = 0;

	pt_reset(&s);
	for (size_t j = 0; j < s.nshard; j++) {
		take_rows(j, pos);
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%" PRIu64 "-%" PRIu64 ".pt",
				       j ? "," : "", prefix, first_shard + s.number[j]);
		if (at >= sizeof text)
			die("%zu shards do not fit a header", s.nshard);
	}
	if (decoder && number)
		check(pt_cut(&s, number));
	tr_new(&trace, "trace");
	tr_setu(&trace, "v", 1);
	if (tr_set(&trace, "model", model) < 0)
		die("model: too long for a header");
	tr_setu(&trace, "run", run_id);
	tr_setu(&trace, "epoch", epoch);
	if (decoder)
		tr_setu(&trace, "position", pos);
	else if (encoder)
		tr_setu(&trace, "seqs", s.rows / s.seqlen);
	if (s.seqlen)
		tr_setu(&trace, "seqlen", s.seqlen);
	check(pt_shard_keys(&s, &trace, text));
	tr_set(&trace, "align", s.token ? "token" : "raw");
	if (batch_size) {
		check(pt_length(&s, 0, &length));
		tr_setu(&trace, "shard_seqs", batch_size);
		tr_setu(&trace, "shard_seqlen", length);
	}
	check(pt_put(&s, &trace, put, &t));
}

static void
trees(void)
{
	if (!model || run_id == TR_NONE || epoch == TR_NONE)
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
	open_trees();
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
	if (actives)
		trees();
	else if (!t.nfiles)
		file_section("-");
	else
		for (int i = 0; i < t.nfiles; i++)
			file_section(t.files[i]);
	pt_free(&s);
	return tool_end(&t);
}
