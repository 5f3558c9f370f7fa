/*
 * trace2pt: one layer of a trace in, the torch file that the DynaNDE trace
 * generator writes out: a dict in its key order (trace-csv 8).
 *
 * Method: holds the rows, 16 bytes and 12 a pick each; keys of the trace line
 * that pt2trace put there become entries again, unknown ones are left out.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/format/torchout.h"
#include "size.h"
#include "tool.h"

enum { TEXT = 4096 };

static struct {
	struct tr_frame trace, route;
	char model[TEXT], shards[TEXT];
	uint64_t layer, topk, rows, cap, ntok, captok;
	int64_t *ids, *samples;
	float *w;
	int sections, routes, has_w, has_samples;
} s;

static struct tr_list layers;

static const struct opt opts[] = {
	{'l', "layer", "N", OPT_LIST, &layers, "the layer to write, where there are several", 0, 0},
	{0},
};

static void *
room(void *p, uint64_t have, uint64_t *cap, uint64_t width, size_t size)
{
	return have <= *cap ? p : xrealloc(p, have * width, size);
}

static void
take_route(struct tool *t, const struct tr_frame *f)
{
	uint64_t layer = tool_key(t, f, "layer"), n = f->rows, cap = s.cap;
	struct tr_ids ids;
	struct tr_col w;
	int r;

	if (layers.n && !tr_list_has(&layers, layer))
		return;
	if (s.routes && layer != s.layer) {
		tr_fail(t->in, f, TR_EVALUE,
			"layer %" PRIu64 " after %" PRIu64 ": one layer a file (--layer)", layer,
			s.layer);
		tool_fail(t);
	}
	tool_ids(t, f, &ids);
	if (s.routes++ && ids.k != s.topk) {
		tr_fail(t->in, f, TR_ECOLS, "%u picks, %" PRIu64 " before", ids.k, s.topk);
		tool_fail(t);
	}
	s.layer = layer;
	s.topk = ids.k;
	if (s.rows + n > s.cap)
		cap = MAX(s.cap * 2, s.rows + n);
	s.ids = room(s.ids, cap, &s.cap, s.topk, sizeof *s.ids);
	s.w = room(s.w, cap, &s.cap, s.topk, sizeof *s.w);
	s.cap = cap;
	for (uint64_t i = 0; i < n * s.topk; i++) {
		uint32_t e = tr_id(&ids, i);

		s.ids[s.rows * s.topk + i] = e == UINT32_MAX ? -1 : (int64_t)e;
		if (e != UINT32_MAX)
			continue;
		tr_fail(t->in, f, TR_EVALUE,
			"row %" PRIu64 ": an empty slot has no place in the file", i / s.topk);
		tool_fail(t);
	}
	if ((r = tr_col(f, "w", &w)) < 0)
		tool_fail(t);
	if ((s.routes > 1 && r != s.has_w) || (r && w.width != s.topk)) {
		tr_fail(t->in, f, TR_ECOLS, "column w does not go with ids");
		tool_fail(t);
	}
	s.has_w = r;
	if (r && col_f32(&w, 0, n * s.topk, s.w + s.rows * s.topk) < 0) {
		tr_fail(t->in, f, TR_ECOLS, "column w holds no floats");
		tool_fail(t);
	}
	s.rows += n;
}

static void
take_tok(struct tool *t, const struct tr_frame *f)
{
	struct tr_col c;
	uint64_t n = f->rows, cap = s.captok;
	int r = tr_col(f, "dynande.sample", &c);

	if (!r)
		r = tr_col(f, "tok", &c);
	if (r < 0)
		tool_fail(t);
	if (!r)
		return;
	if (s.ntok + n > s.captok)
		cap = MAX(s.captok * 2, s.ntok + n);
	s.samples = room(s.samples, cap, &s.captok, 1, sizeof *s.samples);
	s.captok = cap;
	if (c.width != 1 || col_u64(&c, 0, n, (uint64_t *)(s.samples + s.ntok)) < 0) {
		tr_fail(t->in, f, TR_ECOLS, "column %s holds no token ids", c.name);
		tool_fail(t);
	}
	s.ntok += n;
	s.has_samples = 1;
}

static int
put(void *arg, const void *p, size_t n)
{
	return sink_put(arg, p, n);
}

/* The name of the output without directory and suffix. */
static char *
root(const char *file)
{
	const char *slash = file ? strrchr(file, '/') : NULL;
	char *name, *dot;

	if (!file || !strcmp(file, "-"))
		return xstrdup("archive");
	name = xstrdup(slash ? slash + 1 : file);
	if ((dot = strrchr(name, '.')) && dot != name)
		*dot = 0;
	return name;
}

static size_t
number(struct torch_item *it, size_t n, const char *name, const char *key)
{
	uint64_t x;

	if (tr_num(&s.trace, key, &x) <= 0)
		return n;
	it[n] = (struct torch_item){.key = name, .kind = TORCH_INT, .i = (int64_t)x};
	return n + 1;
}

static void
write_file(struct tool *t)
{
	struct torch_item it[12];
	size_t n = 0, shards = 0;
	char *name;
	uint64_t x;

	if (tr_text(&s.trace, "model", s.model, sizeof s.model) > 0)
		it[n++] = (struct torch_item){.key = "model", .kind = TORCH_STR, .s = s.model};
	n = number(it, n, "runid", "run");
	n = number(it, n, "epoch", "epoch");
	it[n++] = (struct torch_item){.key = "layer", .kind = TORCH_INT, .i = (int64_t)s.layer};
	n = number(it, n, "token_position", "position");
	n = number(it, n, "num_sequences", "seqs");
	if (tr_num(&s.trace, "seqs", &x) > 0) {
		it[n++] = (struct torch_item){
			.key = "num_tokens", .kind = TORCH_INT, .i = (int64_t)s.rows};
		n = number(it, n, "sequence_length", "seqlen");
	}
	if (tr_text(&s.trace, "shards", s.shards, sizeof s.shards) > 0) {
		for (char *p = s.shards; p; shards++)
			if ((p = strchr(p, ',')))
				*p++ = 0;
		it[n++] = (struct torch_item){
			.key = "shards", .kind = TORCH_LIST, .s = s.shards, .n = shards};
	}
	if (s.has_samples)
		it[n++] = (struct torch_item){.key = "samples",
					      .kind = TORCH_I64,
					      .data = s.samples,
					      .ndim = 1,
					      .dim = {s.rows}};
	if (s.has_w)
		it[n++] = (struct torch_item){.key = "scores",
					      .kind = TORCH_F32,
					      .data = s.w,
					      .ndim = 2,
					      .dim = {s.rows, s.topk}};
	it[n++] = (struct torch_item){.key = "indices",
				      .kind = TORCH_I64,
				      .data = s.ids,
				      .ndim = 2,
				      .dim = {s.rows, s.topk}};
	name = root(t->output);
	errno = 0;
	if (torch_write(name, it, n, put, t->sink)) {
		if (errno == EPIPE)
			die_silent();
		die("%s:", t->output ? t->output : "standard output");
	}
	free(name);
}

int
main(int argc, char **argv)
{
	static struct tool t = {.name = "trace2pt",
				.operands = "[FILE ...]",
				.what = "write one layer as a torch file of the trace generator",
				.opts = opts,
				.flags = TOOL_BYTES};
	static struct tr_frame f;

	tool_start(&t, argc, argv);
	while (tool_next(&t, &f)) {
		if (!strcmp(f.kind, "trace")) {
			if (s.sections++)
				die("a second section: trace-join makes one of batches that "
				    "follow, trace-merge of files of a layer each");
			s.trace = f;
		} else if (!strcmp(f.kind, "route")) {
			take_route(&t, &f);
		} else if (!strcmp(f.kind, "tok")) {
			take_tok(&t, &f);
		}
	}
	if (!s.routes)
		die("no route frames%s", layers.n ? " of that layer" : "");
	if (s.has_samples && s.ntok != s.rows)
		die("%" PRIu64 " rows of tokens, but %" PRIu64 " of routing", s.ntok, s.rows);
	write_file(&t);
	return tool_end(&t);
}
