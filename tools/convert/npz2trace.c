/*
 * npz2trace: NPZ files of serving engines in (routed_experts [tokens, layers, k],
 * prompt_token_ids, output_token_ids, request_id), a trace out: a file is a batch.
 * Or matrices of counts in, count frames out (lib/format/npzcount).
 *
 * Method: files are mapped in order, inflated and turned into columns by -j threads
 * (lib/format/npzsect), written in order.  Without --experts all ids are read once
 * before; what was inflated is kept up to HOLD bytes.
 */
#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../lib/format/npzcount.h"
#include "pool.h"
#include "size.h"
#include "tool.h"

enum { HOLD = 256 << 20 };

struct item {
	char *path;
	struct tool_file f;
	struct npzfile z;
};

static struct npzsect s = {.to = INT64_MAX, .block = 32};
static struct item *files;
static size_t nfiles, next, held;
static uint64_t number, topk;
static int object0, skip, count, writing;

static void slice(const char *text);

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &s.want, "layers to take (all)", 0, 0},
	{0, "layer-offset", "N", OPT_U64, &s.offset, "model layer of the first on the axis (0)", 0,
	 1 << 20},
	{0, "experts", "N", OPT_U64, &s.experts, "number of experts (greatest id + 1)", 1,
	 TR_EXPERTS_MAX},
	{0, "token-slice", "SLICE", OPT_FUNC, (void *)slice, "all, prompt, output or A:B (all)", 0,
	 0},
	{'n', "number", "N", OPT_U64, &number, "take the first N files (all)", 1, 0},
	{0, "origin", "none|round-robin|block|random", OPT_WORD, &s.origin,
	 "mesh rows where the tokens live (none)", 0, 0},
	{0, "mesh-rows", "N", OPT_U64, &s.mesh_rows, "number of mesh rows, for --origin", 1, 65535},
	{0, "block", "N", OPT_U64, &s.block, "tokens of a block (32)", 1, 0},
	{0, "count", NULL, OPT_FLAG, &count, "read counts, layers x experts, as count frames", 0,
	 0},
	{'k', "topk", "N", OPT_U64, &topk, "picks of a token, for --count", 1, 4096},
	{0, "object", NULL, OPT_FLAG, &object0, "read arrays wrapped in a 0-d object", 0, 0},
	{0, "skip-missing", NULL, OPT_FLAG, &skip, "leave out files without routing", 0, 0},
	{0},
};

static struct tool t = {.name = "npz2trace",
			.operands = "[FILE | DIR ...]",
			.what = "read routed experts from NPZ files",
			.opts = opts,
			.flags = TOOL_TRACE | TOOL_NOIN | TOOL_JOBS | TOOL_SEED};

/* Die of a refusal by npzsect.h. */
static int
good(int r)
{
	if (r < 0)
		die("%s", s.err);
	return r;
}

static void
slice(const char *text)
{
	good(npzsect_slice(&s, text));
}

static int
put(void *arg, struct tr_frame *f)
{
	tool_put(arg, f);
	return 0;
}

/* ---- files ---- */

static void
add(const char *path)
{
	if (!(nfiles & (nfiles - 1)))
		files = xrealloc(files, nfiles ? 2 * nfiles : 1, sizeof *files);
	memset(&files[nfiles], 0, sizeof *files);
	files[nfiles++].path = xstrdup(path);
}

static int
is_npz(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 4 && *e->d_name != '.' && !strcmp(e->d_name + n - 4, ".npz");
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
add_dir(const char *dir)
{
	struct dirent **e;
	int n = scandir(dir, &e, is_npz, by_name);

	if (n < 0)
		die("%s:", dir);
	if (!n)
		die("%s: no .npz file in it", dir);
	for (int i = 0; i < n; i++) {
		char *path = xmalloc(strlen(dir) + strlen(e[i]->d_name) + 2);

		sprintf(path, "%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", e[i]->d_name);
		add(path);
		free(path);
		free(e[i]);
	}
	free(e);
}

static void
drop(struct item *it)
{
	npzsect_drop(&it->z);
	tool_unslurp(&it->f);
}

/* ---- passes ---- */

static void *
next_file(void *arg)
{
	struct item *it;

	if (next == nfiles)
		return NULL;
	it = &files[next++];
	if (it->z.open)
		return it;
	tool_slurp(&it->f, it->path);
	it->z.path = it->path;
	it->z.name = it->f.name;
	it->z.index = (uint64_t)(it - files);
	it->z.p = it->f.p;
	it->z.n = it->f.n;
	return it;
}

static void
scan(void *arg, void *item)
{
	npzsect_scan(&s, &((struct item *)item)->z);
}

static void
load(void *arg, void *item)
{
	npzsect_load(&s, &((struct item *)item)->z);
}

/* 1: has routing, of the shape of the others. */
static int
check(struct item *it)
{
	if (good(npzsect_check(&s, &it->z)))
		return 1;
	if (!skip)
		die("%s: %s", it->f.name, it->z.r.l.err);
	if (writing && !t.quiet)
		warn("%s: left out: %s", it->f.name, it->z.r.l.err);
	return 0;
}

static int
done_scan(void *arg, void *item)
{
	struct item *it = item;
	size_t inflated = npzsect_inflated(&it->z);
	struct stat st;

	if (check(it))
		good(npzsect_limit(&s, &it->z));
	if (inflated && inflated <= HOLD - held)
		held += inflated;
	else if (!stat(it->path, &st) && S_ISREG(st.st_mode)) /* can be opened again */
		drop(it);
	return 0;
}

static int
done_load(void *arg, void *item)
{
	struct item *it = item;
	struct tr_frame head;

	if (check(it)) {
		if (!s.batch) {
			good(npzsect_head(&s, &head));
			tool_open(&t, &head);
		}
		good(npzsect_put(&s, &it->z));
	}
	drop(it);
	return 0;
}

static void
pass(void (*work)(void *arg, void *item), int (*done)(void *arg, void *item))
{
	struct pool_ops ops = {next_file, work, done, NULL};

	next = 0;
	if (pool_run(t.jobs, &ops, NULL) < 0)
		die("no thread can be made");
}

static void
put_counts(void)
{
	if (!topk)
		die("--count needs -k, the picks of a token");
	for (struct item *it; (it = next_file(NULL));) {
		good(npzcount_put(&s, &it->z, topk));
		drop(it);
	}
}

static void
put_routing(void)
{
	if (!s.experts) {
		pass(scan, done_scan);
		s.experts = MAX(s.experts, s.k); /* a row has k different ones */
	}
	for (struct item *it; !s.first && (it = next_file(NULL));) { /* the threads need shape */
		npzsect_open(&s, &it->z);
		check(it);
	}
	writing = 1;
	pass(load, done_load);
	if (!s.batch)
		die("no file has routing");
}

int
main(int argc, char **argv)
{
	struct tr_frame end;
	struct stat st;

	tool_start(&t, argc, argv);
	/* the memory of a file serves the next: fresh pages cost a third of inflating it */
	mallopt(M_MMAP_THRESHOLD, 16 << 20);
	mallopt(M_TRIM_THRESHOLD, HOLD);
	if (s.origin && !s.mesh_rows)
		die("--origin needs --mesh-rows");
	s.o.object0 = object0;
	s.seed = t.seed;
	s.put = put;
	s.arg = &t;
	for (int i = 0; i < t.nfiles; i++)
		if (strcmp(t.files[i], "-") && !stat(t.files[i], &st) && S_ISDIR(st.st_mode))
			add_dir(t.files[i]);
		else
			add(t.files[i]);
	if (!t.nfiles)
		add("-");
	nfiles = number && number < nfiles ? number : nfiles;
	if (count)
		put_counts();
	else
		put_routing();
	tr_new(&end, "end");
	tool_put(&t, &end);
	for (size_t i = 0; i < nfiles; i++)
		free(files[i].path);
	free(files);
	npzsect_free(&s);
	return tool_end(&t);
}
