/*
 * trace2npz: a trace in, NPZ files out as serving engines dump them, a batch a file:
 * routed_experts [tokens, layers, k], logit, prompt_token_ids, output_token_ids, request_id.
 *
 * Method: a batch is held (lib/format/npzbatch) until the next one begins (under
 * order=batch,layer) or until the end: 2 k bytes a row and layer, its logits, with --all
 * also the other columns.  lib/format/npzout writes it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../lib/format/npzout.h"
#include "tool.h"

static struct npzbatches s;
static struct npzout o;
static int ordered, dir;

static const struct opt opts[] = {
	{0, "dtype", "i16|u8|u16|i32|i64", OPT_WORD, &o.dtype, "type of routed_experts (i16)", 0,
	 0},
	{0, "all", NULL, OPT_FLAG, &s.all, "write the other columns of route and tok too", 0, 0},
	{0, "deflate", "N", OPT_U64, &o.level, "compress members, level N (stored)", 1, 9},
	{0},
};

static struct tool t = {.name = "trace2npz",
			.operands = "[FILE ...]",
			.what = "write routed experts as NPZ files",
			.opts = opts,
			.flags = TOOL_OWNOUT};

/* ---- writing ---- */

static int
put(void *arg, const void *p, size_t n)
{
	return sink_put(arg, p, n);
}

static void
undo(void *sink)
{
	sink_drop(sink);
}

/* Where the file of b goes: in a folder under the name it came from. */
static char *
name_of(const struct npzbatch *b)
{
	const char *slash = t.output[strlen(t.output) - 1] == '/' ? "" : "/";
	char *path = xmalloc(strlen(t.output) + NPZBATCH_TEXT + 40);
	const char *base = b->source ? strrchr(b->source, '/') : NULL, *dot;

	base = base ? base + 1 : b->source;
	if (!base || !*base || *base == '.')
		sprintf(path, "%s%sbatch-%" PRIu64 ".npz", t.output, slash, b->number);
	else if ((dot = strrchr(base, '.')) && dot != base)
		sprintf(path, "%s%s%.*s.npz", t.output, slash, (int)(dot - base), base);
	else
		sprintf(path, "%s%s%s.npz", t.output, slash, base);
	for (size_t i = 0; i < s.n; i++)
		if (s.b[i].written && s.b[i].source && !strcmp(s.b[i].source, path))
			die("%s: batches %" PRIu64 " and %" PRIu64 " both come from it", path,
			    s.b[i].number, b->number);
	return path;
}

static void
write_batch(struct npzbatch *b)
{
	char *path = dir ? name_of(b) : NULL;
	const char *file = path ? path : t.output;
	struct sink *out;
	int r;

	if (npzbatch_check(&s, b) < 0)
		die("%s", s.err);
	if (!(out = sink_open(file)))
		die("%s:", file ? file : "standard output");
	die_undo(undo, out);
	o.put = put;
	o.arg = out;
	r = npzout_write(&s, b, &o);
	if (r < 0 && *s.err)
		die("%s", s.err);
	if (r < 0 || (die_keep(out), sink_close(out) < 0)) {
		if (errno == EPIPE)
			die_silent();
		die("%s:", file ? file : "standard output");
	}
	npzbatch_done(&s, b, path); /* keeps path, so that no other takes the name */
}

/* ---- taking ---- */

/* Die of a refusal of f by npzbatch.h. */
static void
good(const struct tr_frame *f, int r)
{
	if (r >= 0)
		return;
	if (*s.err)
		tr_fail(t.in, f, TR_EVALUE, "%s", s.err);
	tool_fail(&t);
}

static void
begin(const struct tr_frame *f)
{
	char order[32];

	if (npzbatch_begin(&s, tool_section(&t)) < 0)
		die("%s", s.err);
	ordered = tr_text(f, "order", order, sizeof order) > 0 && !strcmp(order, "batch,layer");
}

static void
take(struct tr_frame *f)
{
	struct npzbatch *b;
	struct tr_ids ids;
	struct tr_col c;

	good(f, npzbatch_of(&s, f, &b));
	for (struct npzbatch *old = s.b; ordered && dir && old < b; old++)
		if (!old->written)
			write_batch(old);
	if (!strcmp(f->kind, "route")) { /* say in the common words what it has not */
		tool_key(&t, f, "layer");
		tool_ids(&t, f, &ids);
		tool_col(&t, f, "ids", &c);
	}
	good(f, npzbatch_take(&s, b, f));
}

/* -o names a folder, made here where it ends in a slash. */
static int
output_dir(void)
{
	size_t n = strlen(t.output);
	struct stat st;

	if (!stat(t.output, &st) && S_ISDIR(st.st_mode))
		return 1;
	if (!n || t.output[n - 1] != '/')
		return 0;
	if (mkdir(t.output, 0777) < 0)
		die("%s:", t.output);
	return 1;
}

int
main(int argc, char **argv)
{
	struct tr_frame f;

	tool_start(&t, argc, argv);
	if (t.output && strcmp(t.output, "-"))
		dir = output_dir();
	else if (tool_tty(1))
		die("an NPZ is nothing for a terminal: give -o FILE or -o DIR/");
	s.single = !dir;
	while (tool_next(&t, &f))
		if (!strcmp(f.kind, "trace"))
			begin(&f);
		else if (!strcmp(f.kind, "route") || !strcmp(f.kind, "tok") ||
			 !strcmp(f.kind, "seq"))
			take(&f);
	for (size_t i = 0; i < s.n; i++)
		if (!s.b[i].written)
			write_batch(&s.b[i]);
	if (!s.n)
		die("no batch with routing");
	npzbatch_free(&s);
	return tool_end(&t);
}
