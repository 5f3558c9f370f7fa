/*
 * Sizes, or a checkpoint, in; a folder out with the graph of a routed model in
 * __model__ and its weights, written as they are drawn or read, in __params__
 * (router-bench.md A6, A7, B5).  --list prints what such a folder holds.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/format/safetensors.h"
#include "../../lib/model/moegraph.h"
#include "size.h"
#include "tool.h"

enum { PAGE = 4096, CHUNK = 1 << 16 }; /* bytes a tensor is aligned to; values at once */

static struct moedec m = {.temperature = 1};
static int kind = MOEDEC_MOE, rule = -1, learned;
static const char *checkpoint, *listed;

static const struct opt opts[] = {
	{0, "kind", "router|decoder-moe|decoder", OPT_WORD, &kind, "what to make (decoder-moe)", 0,
	 0},
	{0, "vocab", "N", OPT_U64, &m.vocab, "tokens that there are (32000)", 1, 0},
	{0, "d-model", "N", OPT_U64, &m.d_model, "width of the model (512)", 1, 0},
	{0, "heads", "N", OPT_U64, &m.heads, "heads of attention (8)", 1, 0},
	{0, "layers", "N", OPT_U64, &m.layers, "blocks (6)", 1, 0},
	{0, "hidden", "N", OPT_U64, &m.hidden, "width inside a SwiGLU (2048)", 1, 0},
	{0, "max-len", "N", OPT_U64, &m.max_len, "tokens of the longest sequence (2048)", 1, 0},
	{0, "learned-positions", NULL, OPT_FLAG, &learned, "positions are rows, not rotations", 0,
	 0},
	{0, "experts", "N", OPT_U64, &m.experts, "experts of a layer (8)", 1, 0},
	{'k', "topk", "K", OPT_U64, &m.topk, "picks of a token (2)", 1, 0},
	{0, "rule", "topk|sinkhorn", OPT_WORD, &rule, "how a row is routed (topk)", 0, 0},
	{0, "iterations", "N", OPT_U64, &m.iterations, "of sinkhorn (10)", 1, 1000},
	{0, "temperature", "X", OPT_F64, &m.temperature, "of sinkhorn: divides the logits (1)", 0,
	 0},
	{'m', "model", "FILE", OPT_STR, &checkpoint, "weights from a safetensors checkpoint", 0, 0},
	{0, "list", "DIR", OPT_STR, &listed, "print what a model holds instead", 0, 0},
	{0},
};

static struct tool t = {
	.name = "model-onnx",
	.operands = "",
	.what = "make a routed model for ONNX run-times",
	.opts = opts,
	.flags = TOOL_NOIN | TOOL_OWNOUT | TOOL_SEED,
};

/* The files of a folder, which have no names yet. */
static struct half {
	struct sink *model, *params;
	const char *made; /* a folder that was not there */
} half;

static void
give_up(void *h)
{
	sink_drop(((struct half *)h)->model);
	sink_drop(((struct half *)h)->params);
	if (((struct half *)h)->made)
		rmdir(((struct half *)h)->made);
}

static char *
path(const char *dir, const char *file)
{
	char *p = xmalloc(strlen(dir) + strlen(file) + 2);

	sprintf(p, "%s/%s", dir, file);
	return p;
}

/* Sizes that were told, or the checkpoint has, or the reference model. */
static void
settle(const struct array_list *l)
{
	int whole = kind != MOEDEC_ROUTER, routed = kind != MOEDEC_DENSE;
	const struct {
		const char *name;
		uint64_t *size, unasked;
		int has;
	} sizes[] = {
		{"vocab", &m.vocab, 32000, whole},
		{"d-model", &m.d_model, 512, 1},
		{"heads", &m.heads, 8, whole},
		{"layers", &m.layers, 6, whole},
		{"hidden", &m.hidden, 2048, whole},
		{"max-len", &m.max_len, 2048, whole},
		{"experts", &m.experts, 8, routed},
		{"topk", &m.topk, 2, routed},
		{"iterations", &m.iterations, 10, rule == MOEDEC_SINKHORN},
	};
	char err[MOEDEC_ERR];

	for (size_t i = 0; i < LEN(sizes); i++)
		if (!sizes[i].has && *sizes[i].size)
			die("--%s: this model has none", sizes[i].name);
	if ((learned && !whole) || (rule >= 0 && !routed))
		die("--%s: this model has none", learned ? "learned-positions" : "rule");
	m.kind = (uint64_t)kind;
	m.rule = rule == MOEDEC_SINKHORN;
	m.learned = (uint64_t)learned;
	if (checkpoint)
		moedec_sizes_of(&m, l);
	for (size_t i = 0; i < LEN(sizes); i++)
		if (sizes[i].has && !*sizes[i].size)
			*sizes[i].size = sizes[i].unasked;
	if (moedec_check(&m, err) < 0)
		die("%s", err);
	if (checkpoint && moedec_match(&m, l, err) < 0)
		die("%s: %s", checkpoint, err);
}

static void
put_rows(const struct array_list *l, const struct moedec_tensor *w, float *buf)
{
	uint64_t some = MAX(CHUNK / w->dim[1], (uint64_t)1);
	const struct array *a = NULL;
	char err[MOEDEC_ERR];
	int found = checkpoint ? moedec_find(l, w, &a, err) : 0;

	for (uint64_t r = 0; r < w->dim[0]; r += some) {
		uint64_t n = MIN(some, w->dim[0] - r);

		if (found && array_f32(a, r, n, buf) < 0)
			die("%s: %s: a value that is no f32", checkpoint, w->name);
		if (!found)
			moedec_draw(&m, w, t.seed, r, n, buf);
		if (sink_put(half.params, buf, n * w->dim[1] * sizeof *buf) < 0)
			die("%s/" ONNX_PARAMS ":", t.output);
	}
}

static void
put_params(const struct array_list *l, struct onnx_out *o)
{
	static const char zeros[PAGE];
	float *buf = xmalloc(sizeof *buf * MAX(CHUNK, MAX(m.d_model, m.hidden)));
	struct moedec_tensor w;
	uint64_t at = 0;

	for (uint64_t i = 0; moedec_tensor(&m, i, &w); i++) {
		uint64_t offset = size_align(at, PAGE), length = w.dim[0] * w.dim[1] * sizeof *buf;

		onnx_external(o, w.name, w.ndim, w.dim, offset, length);
		if (sink_put(half.params, zeros, offset - at) < 0)
			die("%s/" ONNX_PARAMS ":", t.output);
		put_rows(l, &w, buf);
		at = offset + length;
	}
	free(buf);
}

static struct sink *
create(const char *file)
{
	char *p = path(t.output, file);
	struct sink *s = sink_open(p);

	if (!s)
		die("%s:", p);
	free(p);
	return s;
}

/* What sink_close fails to name it has removed. */
static void
name(struct sink **s)
{
	struct sink *whole = *s;

	*s = NULL;
	if (sink_close(whole) < 0)
		die("%s:", t.output);
}

static void
make(const struct array_list *l)
{
	struct onnx_out *o = onnx_new();
	const unsigned char *p;
	size_t n;

	if (!o)
		die("no memory");
	die_undo(give_up, &half);
	if (mkdir(t.output, 0777) == 0)
		half.made = t.output;
	else if (errno != EEXIST)
		die("%s:", t.output);
	half.params = create(ONNX_PARAMS);
	half.model = create(ONNX_MODEL);
	moegraph_put(o, &m);
	put_params(l, o);
	if (onnx_end(o, moedec_kinds[kind], MOETRACE_VERSION, &p, &n) < 0)
		die("the graph does not fit 2 GiB, or memory");
	/* Neither has its name before both are written. */
	if (sink_put(half.model, p, n) < 0 || sink_flush(half.model) < 0)
		die("%s:", t.output);
	name(&half.params);
	name(&half.model);
	die_keep(&half);
	onnx_free(o);
}

static void
list(void)
{
	char *model = path(listed, ONNX_MODEL), *params = path(listed, ONNX_PARAMS);
	struct onnx_in in = {0};
	struct tool_file f;
	struct sink *s;
	struct stat st = {0};
	size_t ext = 0;

	tool_slurp(&f, model);
	if (onnx_read(&in, f.p, f.n) < 0)
		die("%s: %s", model, in.err);
	while (ext < in.ninit && !in.init[ext].external)
		ext++;
	if (ext < in.ninit && stat(params, &st) < 0)
		die("%s:", params);
	if (onnx_ranges(&in, (uint64_t)st.st_size) < 0)
		die("%s: %s", model, in.err);
	if (!(s = sink_open(t.output)))
		die("%s:", t.output ? t.output : "standard output");
	if (onnx_list(&in, s) < 0 || sink_close(s) < 0)
		tool_broken(&t);
	onnx_read_free(&in);
}

int
main(int argc, char **argv)
{
	struct array_list l = {0};
	struct tool_file f = {0};

	tool_start(&t, argc, argv);
	if (t.nfiles)
		die("%s: no operand is read: -m FILE gives a checkpoint", t.files[0]);
	if (listed) {
		list();
		return 0;
	}
	if (!t.output || !strcmp(t.output, "-"))
		die("give -o DIR: the model becomes DIR/" ONNX_MODEL " and DIR/" ONNX_PARAMS);
	if (checkpoint) {
		tool_slurp(&f, checkpoint);
		if (safetensors_read(&l, f.p, f.n, NULL) < 0)
			die("%s: %s", f.name, l.err);
	}
	settle(&l);
	make(&l);
	array_free(&l);
	return 0;
}
