/*
 * pt2trace: torch, pickle and safetensors files in, a trace out: files of a
 * generator, or a selection of the samples and actives trees (trace-csv 2, 3).
 *
 * Method: every shard is mapped and stays so; a section is a list of runs of
 * rows (first, step, number), the same for all layers, cut into frames.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/format/ptroute.h"
#include "size.h"
#include "tool.h"

enum { FRAME = 8192, BLOCK = 512, SHARD_TEXT = 3000 };

struct part { /* an open file */
	struct tool_file f;
	struct array_list l;
	struct gates g;
};

struct run { /* rows of one shard that follow each other in the output */
	size_t shard;
	uint64_t row, step, n;  /* of the actives */
	uint64_t sample, sstep; /* of the samples */
	uint64_t seq, dseq, pos, dpos;
	uint64_t at; /* row of the section */
};

static struct {
	struct tool *t;
	uint64_t *layer;
	size_t nlayer, nshard;
	struct part **part;           /* [nlayer][nshard]; of FILE: all the same one */
	struct gate **gate;           /* [nlayer][nshard] */
	struct part *sample;          /* [nshard], or NULL */
	const struct array **samples; /* [nshard], or NULL */
	uint64_t *number;             /* [nshard] of the shard */
	struct run *run;
	size_t nrun, caprun;
	uint64_t rows, experts, topk;
	int token;
} s;

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

static void
load(struct part *p, const char *file)
{
	struct array_opts o = {.no_crc = no_crc};

	memset(p, 0, sizeof *p);
	tool_slurp(&p->f, file);
	if (array_read(&p->l, p->f.p, p->f.n, &o))
		die("%s: %s", file, p->l.err);
}

static void
load_gates(struct part *p, const char *file)
{
	load(p, file);
	if (gates_find(&p->g, &p->l, logits))
		die("%s: %s", file, p->g.err);
}

static void
unload(struct part *p)
{
	gates_free(&p->g);
	array_free(&p->l);
	tool_unslurp(&p->f);
}

static void
add_run(struct run r)
{
	if (s.nrun == s.caprun) {
		s.caprun = s.caprun * 2 + 16;
		s.run = xrealloc(s.run, s.caprun, sizeof *s.run);
	}
	r.at = s.rows;
	s.run[s.nrun++] = r;
	s.rows += r.n;
}

static uint64_t
rows_of(size_t shard)
{
	return s.gate[shard]->rows;
}

/* Experts and slots of the section, and that its shards agree with the samples. */
static void
agree(void)
{
	uint64_t dense = 0;

	s.topk = 0;
	for (size_t i = 0; i < s.nlayer * s.nshard; i++) {
		const struct gate *g = s.gate[i];
		const char *file = s.part[i]->f.name;

		if (g->rows != rows_of(i % s.nshard))
			die("%s: layer %" PRIu64 " has %" PRIu64 " rows, layer %" PRIu64
			    " has %" PRIu64,
			    file, s.layer[i / s.nshard], g->rows, s.layer[0],
			    rows_of(i % s.nshard));
		if (g->kind == GATE_PAIR || g->kind == GATE_IDS) {
			s.topk = MAX(s.topk, topk ? MIN(topk, g->width) : g->width);
			continue;
		}
		if ((experts && experts != g->width) || (dense && dense != g->width))
			die("%s: %" PRIu64 " experts, %" PRIu64 " are expected", file, g->width,
			    experts ? experts : dense);
		dense = g->width;
	}
	s.experts = dense ? dense : experts ? experts : 64;
	if (s.experts > TR_EXPERTS_MAX || s.topk > s.experts)
		die("%s: %" PRIu64 " picks of %" PRIu64 " experts", s.part[0]->f.name, s.topk,
		    s.experts);
	for (size_t i = 0; s.samples && i < s.nshard; i++)
		if (s.samples[i] && array_count(s.samples[i]) != rows_of(i))
			die("%s: %" PRIu64 " samples, but %s has %" PRIu64 " rows",
			    s.sample ? s.sample[i].f.name : s.part[i]->f.name,
			    array_count(s.samples[i]), s.part[i]->f.name, rows_of(i));
}

/* ---- rows ---- */

static float fw[BLOCK * 64], *dense;
static int64_t iw[BLOCK * 64];

/* Rows that a block of that width may have, so that it fits the buffers. */
static uint64_t
block(uint64_t width)
{
	return width > 64 ? MAX(BLOCK * 64 / width, 1u) : BLOCK;
}

static void
check_row(const struct run *r, uint64_t i, const char *file, const float *w, const int64_t *id,
	  uint64_t k)
{
	static uint64_t seen[TR_EXPERTS_MAX + 1], stamp;
	uint64_t row = r->row + i * r->step;

	stamp++;
	for (uint64_t j = 0; j < k; j++) {
		if (id[j] < 0 || (uint64_t)id[j] >= s.experts)
			die("%s: row %" PRIu64 ", slot %" PRIu64 ": expert %" PRId64
			    " is not below %" PRIu64,
			    file, row, j, id[j], s.experts);
		if (seen[id[j]] == stamp)
			die("%s: row %" PRIu64 ", slot %" PRIu64 ": expert %" PRId64 " again", file,
			    row, j, id[j]);
		seen[id[j]] = stamp;
		if (w && !isfinite(w[j]))
			die("%s: row %" PRIu64 ", slot %" PRIu64 ": the score is not finite", file,
			    row, j);
	}
}

static void
read_rows(int r, const struct part *p)
{
	if (r)
		die("%s: a value that is no number of its column", p->f.name);
}

/* n rows of run r from its row i: picks into id and w (padded to s.topk). */
static void
block_rows(const struct gate *g, const struct part *p, const struct run *r, uint64_t i, uint64_t n,
	   void *id, float *w)
{
	uint64_t first = r->row + i * r->step, k = MIN(g->width, s.topk);
	struct array aw = array_rows(&g->w, first, r->step, n);
	struct array ai = array_rows(&g->ids, first, r->step, n);

	aw.dim[1] = ai.dim[1] = g->kind == GATE_DENSE ? g->width : k;
	if (g->kind == GATE_DENSE)
		read_rows(array_f32(&aw, 0, n, dense), p);
	else
		read_rows(array_i64(&ai, 0, n, iw), p);
	if (g->kind == GATE_PAIR)
		read_rows(array_f32(&aw, 0, n, fw), p);
	for (uint64_t y = 0; y < n; y++) {
		int64_t pick[BLOCK], *from = iw + y * k;
		float gate[BLOCK], *score = fw + y * k;
		uint64_t have = k;

		if (g->kind == GATE_DENSE) {
			int64_t found =
				gate_pick(dense + y * g->width, g->width, s.topk, pick, gate);

			if (found < 0)
				die("%s: row %" PRIu64 ", expert %" PRId64
				    ": a gate that is negative or not finite (--logits?)",
				    p->f.name, first + y * r->step, -1 - found);
			have = MIN((uint64_t)found, s.topk);
			from = pick;
			score = gate;
		} else {
			check_row(r, i + y, p->f.name, g->kind == GATE_PAIR ? score : NULL, from,
				  k);
		}
		for (uint64_t j = 0; j < s.topk; j++) {
			if (s.experts <= 255)
				((uint8_t *)id)[y * s.topk + j] =
					j < have ? (uint8_t)from[j] : 0xff;
			else
				((uint16_t *)id)[y * s.topk + j] =
					j < have ? (uint16_t)from[j] : 0xffff;
			if (g->kind != GATE_IDS)
				w[y * s.topk + j] = j < have ? score[j] : 0;
		}
	}
}

/* Call what for each stretch of rows [from, from + n) of the section. */
static void
stretches(uint64_t from, uint64_t n, uint64_t most,
	  void (*what)(void *arg, const struct run *r, uint64_t i, uint64_t n, uint64_t at),
	  void *arg)
{
	size_t lo = 0, hi = s.nrun;
	uint64_t at = 0;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (s.run[mid].at <= from)
			lo = mid;
		else
			hi = mid;
	}
	while (at < n) {
		const struct run *r = &s.run[lo];
		uint64_t i = from + at - r->at, m = MIN(MIN(n - at, r->n - i), most);

		if (m)
			what(arg, r, i, m, at);
		at += m;
		if (i + m == r->n)
			lo++;
	}
}

struct picks {
	size_t layer;
	void *id;
	float *w;
	uint64_t most; /* non-zeros, when counting */
};

static void
put_picks(void *arg, const struct run *r, uint64_t i, uint64_t n, uint64_t at)
{
	struct picks *q = arg;
	const struct gate *g = s.gate[q->layer * s.nshard + r->shard];
	const struct part *p = s.part[q->layer * s.nshard + r->shard];
	struct array a;

	if (g->kind == GATE_LOGITS) {
		a = array_rows(&g->w, r->row + i * r->step, r->step, n);
		read_rows(array_f32(&a, 0, n, q->w + at * s.experts), p);
		for (uint64_t y = 0; y < n * s.experts; y++)
			if (!isfinite(q->w[at * s.experts + y]))
				die("%s: row %" PRIu64 ", expert %" PRIu64
				    ": the logit is not finite",
				    p->f.name, r->row + (i + y / s.experts) * r->step,
				    y % s.experts);
		return;
	}
	block_rows(g, p, r, i, n, (char *)q->id + at * s.topk * (s.experts <= 255 ? 1 : 2),
		   q->w + at * s.topk);
}

static void
count_picks(void *arg, const struct run *r, uint64_t i, uint64_t n, uint64_t at)
{
	struct picks *q = arg;
	const struct gate *g = s.gate[q->layer * s.nshard + r->shard];
	struct array a = array_rows(&g->w, r->row + i * r->step, r->step, n);

	if (g->kind != GATE_DENSE)
		return;
	read_rows(array_f32(&a, 0, n, dense), s.part[q->layer * s.nshard + r->shard]);
	for (uint64_t y = 0; y < n; y++) {
		uint64_t found = 0;

		for (uint64_t e = 0; e < g->width; e++)
			found += dense[y * g->width + e] != 0;
		q->most = MAX(q->most, found);
	}
}

struct tokens {
	uint32_t *id, *seq, *pos;
};

static void
put_tokens(void *arg, const struct run *r, uint64_t i, uint64_t n, uint64_t at)
{
	struct tokens *q = arg;

	if (s.samples) {
		struct array flat = *s.samples[r->shard], a;

		flat.ndim = 1; /* [R]; a contiguous [B][S] is the same */
		flat.stride[0] = flat.stride[s.samples[r->shard]->ndim - 1];
		a = array_rows(&flat, r->sample + i * r->sstep, r->sstep, n);
		if (array_i64(&a, 0, n, iw))
			die("%s: a sample is no integer",
			    s.sample ? s.sample[r->shard].f.name : s.part[0]->f.name);
		for (uint64_t y = 0; y < n; y++) {
			if (iw[y] < 0 || iw[y] > UINT32_MAX)
				die("%s: sample %" PRIu64 ": %" PRId64 " is no token id",
				    s.sample ? s.sample[r->shard].f.name : s.part[0]->f.name,
				    r->sample + (i + y) * r->sstep, iw[y]);
			q->id[at + y] = (uint32_t)iw[y];
		}
	}
	for (uint64_t y = 0; y < n && s.token; y++) {
		q->seq[at + y] = (uint32_t)(r->seq + (i + y) * r->dseq);
		q->pos[at + y] = (uint32_t)(r->pos + (i + y) * r->dpos);
	}
}

/* ---- frames ---- */

static void
put_section(struct tr_frame *trace)
{
	struct tr_list map = {0};
	char text[TR_HEADER_MAX];
	struct tr_frame f;
	struct picks q = {0};
	struct tokens tok = {0};
	uint64_t width, n;
	int is_logits = s.gate[0]->kind == GATE_LOGITS;

	for (size_t i = 0; i < s.nlayer * s.nshard; i++)
		if ((s.gate[i]->kind == GATE_LOGITS) != is_logits)
			die("%s: logits beside picks", s.part[i]->f.name);
	dense = xmalloc(block(s.experts) * s.experts * sizeof *dense);
	for (q.layer = 0; q.layer < s.nlayer && !topk; q.layer++)
		stretches(0, s.rows, block(s.experts), count_picks, &q);
	if (q.most > BLOCK || topk > BLOCK || s.topk > BLOCK)
		die("%s: more than %d picks in a row", s.part[0]->f.name, BLOCK);
	for (size_t i = 0; i < s.nlayer * s.nshard; i++)
		if (s.gate[i]->kind == GATE_DENSE)
			s.topk = MAX(s.topk, topk ? MIN(topk, s.experts) : q.most);
	for (size_t i = 0; i < s.nlayer; i++)
		if (tr_list_add(&map, s.layer[i]))
			die("no memory");
	if (tr_list_text(&map, text, sizeof text) < 0)
		die("the layers do not fit a header");
	tr_setu(trace, "v", 1);
	tr_setu(trace, "layers", s.nlayer);
	tr_setu(trace, "experts", s.experts);
	tr_setu(trace, "topk", s.topk);
	tr_set(trace, "map", text);
	tr_set(trace, "order", "batch,layer");
	tool_open(s.t, trace);
	width = is_logits ? s.experts : s.topk;
	n = MIN(s.rows, (uint64_t)FRAME);
	q.id = xmalloc(n * s.topk * 2 + 1);
	q.w = xmalloc(n * width * sizeof *q.w + 1);
	tok.id = xmalloc(n * 4 + 1);
	tok.seq = xmalloc(n * 4 + 1);
	tok.pos = xmalloc(n * 4 + 1);
	for (uint64_t at = 0, batch = 0; at < s.rows; at += n, batch++) {
		n = MIN(s.rows - at, (uint64_t)FRAME);
		stretches(at, n, BLOCK * 64, put_tokens, &tok);
		tr_new(&f, "tok");
		tr_setu(&f, "batch", batch);
		tr_rows(&f, n);
		if (s.samples)
			tr_addcol(&f, s.token ? "tok" : "dynande.sample", TR_U32, 1, tok.id);
		if (s.token) {
			tr_addcol(&f, "seq", TR_U32, 1, tok.seq);
			tr_addcol(&f, "pos", TR_U32, 1, tok.pos);
		}
		if (f.ncols)
			tool_put(s.t, &f);
		for (q.layer = 0; q.layer < s.nlayer; q.layer++) {
			const struct gate *g = s.gate[q.layer * s.nshard];

			stretches(at, n, block(MAX(g->width, s.topk)), put_picks, &q);
			tr_new(&f, "route");
			tr_setu(&f, "batch", batch);
			tr_setu(&f, "layer", s.layer[q.layer]);
			tr_rows(&f, n);
			if (is_logits)
				tr_addcol(&f, "logit", TR_F32, s.experts, q.w);
			else
				tr_addcol(&f, "ids", s.experts <= 255 ? TR_U8 : TR_U16, s.topk,
					  q.id);
			if (g->kind == GATE_PAIR || g->kind == GATE_DENSE)
				tr_addcol(&f, "w", TR_F32, s.topk, q.w);
			tool_put(s.t, &f);
		}
	}
	tr_new(&f, "end");
	tool_put(s.t, &f);
	free(q.id);
	free(q.w);
	free(tok.id);
	free(tok.seq);
	free(tok.pos);
	free(dense);
	tr_list_free(&map);
}

static void
key(struct tr_frame *f, const char *name, const char *val)
{
	if (*val && tr_set(f, name, val))
		die("%s: too long for a header", name);
}

/* shards, first and last from names joined by commas. */
static void
shard_keys(struct tr_frame *f, const char *text)
{
	const char *last = strrchr(text, ',');
	size_t n = strcspn(text, ",");
	char name[SHARD_TEXT];

	key(f, "shards", text);
	for (int i = 0; i < 2; i++) {
		if (i) {
			text = last ? last + 1 : text;
			n = strcspn(text, ",");
		}
		snprintf(name, sizeof name, "%.*s", (int)n, text);
		if (n > 3 && !strcmp(name + n - 3, ".pt"))
			name[n - 3] = 0;
		key(f, i ? "last" : "first", name);
	}
}

/* ---- one file of a generator ---- */

static void
file_scalars(struct tr_frame *f, const struct part *p)
{
	static const struct {
		const char *in, *key;
	} names[] = {{"runid", "run"},
		     {"epoch", "epoch"},
		     {"token_position", "position"},
		     {"num_sequences", "seqs"},
		     {"sequence_length", "seqlen"}};
	const struct array_scalar *v;
	char text[SHARD_TEXT], path[32];
	size_t at = 0;

	if (model)
		key(f, "model", model);
	else if ((v = array_scalar(&p->l, "model")) && v->is_text)
		key(f, "model", v->text);
	for (size_t i = 0; i < LEN(names); i++)
		if ((v = array_scalar(&p->l, names[i].in)) && !v->is_text && v->i >= 0)
			tr_setu(f, names[i].key, (uint64_t)v->i);
	if ((v = array_scalar(&p->l, "num_tokens")) && !v->is_text && (uint64_t)v->i != s.rows)
		die("%s: num_tokens is %" PRId64 ", but there are %" PRIu64 " rows", p->f.name,
		    v->i, s.rows);
	for (unsigned i = 0;; i++) {
		snprintf(path, sizeof path, "shards.%u", i);
		if (!(v = array_scalar(&p->l, path)) || !v->is_text)
			break;
		if (strchr(v->text, ',') || at + strlen(v->text) + 2 > sizeof text)
			die("%s: the shards do not fit a header", p->f.name);
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i ? "," : "", v->text);
	}
	if (at)
		shard_keys(f, text);
}

static void
file_section(const char *file)
{
	struct part p;
	struct tr_frame trace;
	const struct array *sample;

	load_gates(&p, file);
	s.nlayer = p.g.n;
	s.nshard = 1;
	s.layer = xcalloc(p.g.n, sizeof *s.layer);
	s.gate = xcalloc(p.g.n, sizeof *s.gate);
	s.part = xcalloc(p.g.n, sizeof *s.part);
	for (size_t i = 0; i < p.g.n; i++) {
		struct gate *g = &p.g.g[i];

		s.gate[i] = g;
		s.part[i] = &p;
		s.layer[i] = g->layer;
		if (layers.n && !g->has_layer && (s.layer[i] = tr_list_at(&layers, i)) == TR_NONE)
			die("%s: %zu layers, --layer names %" PRIu64, file, p.g.n,
			    tr_list_count(&layers));
		for (size_t j = 0; j < i; j++)
			if (s.layer[i] == s.layer[j])
				die("%s: layer %" PRIu64 " twice: name the layers with --layer",
				    file, s.layer[i]);
	}
	sample = p.g.samples;
	s.samples = sample ? &sample : NULL;
	if (sample && sample->ndim != 1)
		die("%s: samples in %d dimensions", file, sample->ndim);
	s.token = 0;
	s.rows = 0;
	s.nrun = 0;
	agree();
	add_run((struct run){.n = rows_of(0), .step = 1, .sstep = 1});
	tr_new(&trace, "trace");
	tr_setu(&trace, "v", 1);
	file_scalars(&trace, &p);
	if (sample)
		tr_set(&trace, "align", "raw");
	put_section(&trace);
	free(s.layer);
	free(s.gate);
	free(s.part);
	unload(&p);
}

/* ---- the trees ---- */

static char *
path_of(const char *layer, uint64_t shard)
{
	char *p = NULL;
	int r;

	if (layer)
		r = asprintf(&p, "%s/%s/%" PRIu64 "/%" PRIu64 "/%s/%" PRIu64 "-%" PRIu64 ".pt",
			     actives, model, run_id, epoch, layer, prefix, shard);
	else
		r = asprintf(&p, "%s/%s/%" PRIu64 "/%" PRIu64 "-%" PRIu64 ".pt", samples, model,
			     run_id, prefix, shard);
	if (r < 0)
		die("no memory");
	return p;
}

/* Is the shard there, in samples and all layers?  Else die, or say so. */
static int
present(uint64_t shard)
{
	char text[24];

	for (size_t i = 0; i <= s.nlayer; i++) {
		char *p;

		if (i == s.nlayer && !samples)
			break;
		if (i < s.nlayer)
			snprintf(text, sizeof text, "%" PRIu64, s.layer[i]);
		p = path_of(i < s.nlayer ? text : NULL, shard);
		if (access(p, F_OK)) {
			if (!skip_missing || errno != ENOENT)
				die("%s:", p);
			if (!s.t->quiet)
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
open_trees(void)
{
	char text[24];

	s.nlayer = tr_list_count(&layers);
	if (!layers.n || s.nlayer > 4096)
		die("--actives needs --layer, at most 4096 of them");
	s.layer = xcalloc(s.nlayer, sizeof *s.layer);
	for (size_t i = 0; i < s.nlayer; i++)
		s.layer[i] = tr_list_at(&layers, i);
	s.number = xcalloc(shards, sizeof *s.number);
	for (uint64_t i = 0; i < shards; i++)
		if (present(first_shard + i))
			s.number[s.nshard++] = i;
	if (!s.nshard)
		die("%s: none of the shards is there", actives);
	s.gate = xcalloc(s.nlayer * s.nshard, sizeof *s.gate);
	s.part = xcalloc(s.nlayer * s.nshard, sizeof *s.part);
	if (samples) {
		s.sample = xcalloc(s.nshard, sizeof *s.sample);
		s.samples = xcalloc(s.nshard, sizeof *s.samples);
	}
	for (size_t j = 0; j < s.nshard; j++) {
		uint64_t shard = first_shard + s.number[j];

		if (samples) {
			struct part *p = &s.sample[j];

			load(p, path_of(NULL, shard));
			if (p->l.n != 1 || p->l.a[0].ndim != 1)
				die("%s: not one list of ids", p->f.name);
			s.samples[j] = &p->l.a[0];
		}
		for (size_t i = 0; i < s.nlayer; i++) {
			struct part *p = xcalloc(1, sizeof *p);

			snprintf(text, sizeof text, "%" PRIu64, s.layer[i]);
			load_gates(p, path_of(text, shard));
			if (p->g.n != 1)
				die("%s: %zu layers in it, not one", p->f.name, p->g.n);
			s.part[i * s.nshard + j] = p;
			s.gate[i * s.nshard + j] = &p->g.g[0];
		}
	}
}

/* Sequence length of a shard whose rows are dealt over B sequences. */
static uint64_t
true_length(size_t j)
{
	uint64_t rows = rows_of(j), len = rows / batch_size;

	if (rows % batch_size || (s.token && seqlen && len != seqlen))
		die("%s: %" PRIu64 " rows are not %" PRIu64 " sequences%s", s.part[j]->f.name, rows,
		    batch_size, s.token && seqlen ? " of --seqlen" : "");
	return len;
}

static void
short_shard(size_t j, uint64_t need)
{
	if (need > rows_of(j))
		die("%s: %" PRIu64 " rows, %" PRIu64 " are needed", s.part[j]->f.name, rows_of(j),
		    need);
}

/* count sequences from the start of shard j: their position pos, or (TR_NONE)
 * all of each. */
static void
pick_rows(size_t j, uint64_t count, uint64_t pos)
{
	uint64_t base = s.number[j] * batch_size, len;

	if (!s.token) {
		if (pos == TR_NONE) {
			short_shard(j, count * seqlen);
			add_run((struct run){
				.shard = j, .n = count * seqlen, .step = 1, .sstep = 1});
			return;
		}
		short_shard(j, (count - 1) * seqlen + pos + 1);
		add_run((struct run){.shard = j,
				     .row = pos,
				     .step = seqlen,
				     .n = count,
				     .sample = pos,
				     .sstep = seqlen});
		return;
	}
	len = true_length(j);
	if (count > batch_size)
		die("%s: %" PRIu64 " sequences, %" PRIu64 " are needed", s.part[j]->f.name,
		    batch_size, count);
	if (pos != TR_NONE) {
		short_shard(j, (pos + 1) * batch_size);
		add_run((struct run){.shard = j,
				     .row = pos * batch_size,
				     .step = 1,
				     .n = count,
				     .sample = pos,
				     .sstep = len,
				     .seq = base,
				     .dseq = 1,
				     .pos = pos});
		return;
	}
	for (uint64_t i = 0; i < count; i++)
		add_run((struct run){.shard = j,
				     .row = i,
				     .step = batch_size,
				     .n = len,
				     .sample = i * len,
				     .sstep = 1,
				     .seq = base + i,
				     .dpos = 1});
}

/* All rows of shard j in their order. */
static void
all_rows(size_t j)
{
	uint64_t len;

	if (!s.token) {
		add_run((struct run){.shard = j, .n = rows_of(j), .step = 1, .sstep = 1});
		return;
	}
	len = true_length(j);
	for (uint64_t p = 0; p < len; p++)
		add_run((struct run){.shard = j,
				     .row = p * batch_size,
				     .step = 1,
				     .n = batch_size,
				     .sample = p,
				     .sstep = len,
				     .seq = s.number[j] * batch_size,
				     .dseq = 1,
				     .pos = p});
}

/* Only the first n rows of the section. */
static void
cut_rows(uint64_t n)
{
	if (n > s.rows)
		die("%" PRIu64 " rows, --number asks for %" PRIu64, s.rows, n);
	while (s.nrun && s.run[s.nrun - 1].at >= n)
		s.nrun--;
	s.run[s.nrun - 1].n = n - s.run[s.nrun - 1].at;
	s.rows = n;
}

static void
tree_section(uint64_t pos)
{
	struct tr_frame trace;
	char text[SHARD_TEXT];
	size_t at = 0;

	s.rows = 0;
	s.nrun = 0;
	for (size_t j = 0; j < s.nshard; j++) {
		uint64_t i = s.number[j], len;
		uint64_t count = number / shards + (i < number % shards);

		if (decoder)
			pick_rows(j, s.token ? MIN(per_shard, batch_size) : per_shard, pos);
		else if (encoder && count)
			pick_rows(j, count, TR_NONE);
		else if (!encoder)
			all_rows(j);
		if (batch_size) {
			len = true_length(j);
			if (s.token && !seqlen)
				seqlen = len;
		}
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%" PRIu64 "-%" PRIu64 ".pt",
				       j ? "," : "", prefix, first_shard + i);
		if (at >= sizeof text)
			die("%zu shards do not fit a header", s.nshard);
	}
	if (decoder && number)
		cut_rows(number);
	tr_new(&trace, "trace");
	tr_setu(&trace, "v", 1);
	key(&trace, "model", model);
	tr_setu(&trace, "run", run_id);
	tr_setu(&trace, "epoch", epoch);
	if (decoder)
		tr_setu(&trace, "position", pos);
	else if (encoder)
		tr_setu(&trace, "seqs", s.rows / seqlen);
	if (seqlen)
		tr_setu(&trace, "seqlen", seqlen);
	shard_keys(&trace, text);
	tr_set(&trace, "align", s.token ? "token" : "raw");
	if (batch_size) {
		tr_setu(&trace, "shard_seqs", batch_size);
		tr_setu(&trace, "shard_seqlen", true_length(0));
	}
	put_section(&trace);
}

static void
trees(void)
{
	if (!model || run_id == TR_NONE || epoch == TR_NONE)
		die("--actives needs --model, --run and --epoch");
	if (s.t->nfiles)
		die("--actives and a FILE together");
	if (decoder && encoder)
		die("--decoder and --encoder together");
	s.token = rows_word;
	if (s.token && !batch_size)
		die("--rows token needs --batch-size");
	if (!s.token && !seqlen && (decoder || encoder))
		seqlen = decoder ? 512 : 64;
	if (encoder && !number)
		number = 32;
	if (!positions.n && tr_list_parse(&positions, "0-9"))
		die("no memory");
	open_trees();
	agree();
	if (!decoder) {
		tree_section(TR_NONE);
		return;
	}
	for (uint64_t i = 0, pos; (pos = tr_list_at(&positions, i)) != TR_NONE; i++)
		tree_section(pos);
}

int
main(int argc, char **argv)
{
	static struct tool t = {.name = "pt2trace",
				.operands = "[FILE ...]",
				.what = "read routing from torch, pickle and safetensors files",
				.opts = opts,
				.flags = TOOL_TRACE | TOOL_NOIN};

	tool_start(&t, argc, argv);
	s.t = &t;
	if (actives) {
		trees();
		return tool_end(&t);
	}
	if (!t.nfiles)
		file_section("-");
	for (int i = 0; i < t.nfiles; i++)
		file_section(t.files[i]);
	return tool_end(&t);
}
