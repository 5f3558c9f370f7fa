/*
 * npz2trace: NPZ files of serving engines in (routed_experts [tokens, layers, k],
 * prompt_token_ids, output_token_ids, request_id), a trace out: a file is a batch.
 *
 * Method: files are mapped in order, inflated and turned into columns by -j threads
 * (lib/format/npzroute), written in order.  Without --experts all ids are read once
 * before; what was inflated is kept up to HOLD bytes.
 */
#include <dirent.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../lib/format/json.h"
#include "../../lib/format/npzroute.h"
#include "num.h"
#include "pool.h"
#include "rng.h"
#include "size.h"
#include "tool.h"

enum { FRAME = 16384, GROUP = 32 << 20, HOLD = 256 << 20 };
enum { ALL, PROMPT, OUTPUT, PART };
enum { NONE, ROUND_ROBIN, BLOCK, RANDOM };

struct item { /* a file */
	char *path;
	struct tool_file f;
	struct npzroute r;
	int open, got;        /* npzroute_open was called, what it said */
	uint64_t limit;       /* greatest id + 1 */
	uint64_t first, rows; /* tokens taken */
	unsigned char *ids;   /* columns of all layers, or NULL: larger than GROUP */
	char err[ARRAY_ERR];
};

static struct {
	struct item *it;
	size_t n, next, held;
	int pass;
	struct array_opts o;
	uint32_t *axis; /* places of the layers taken */
	uint64_t *layer, nlayer, layers, k, batch;
	const char *first; /* file that said so */
} s;

static struct tr_list layers;
static uint64_t offset, experts, mesh_rows, block = 32, number;
static int origin, object0, skip, part;
static int64_t from = 0, to = INT64_MAX;

static void slice(const char *text);

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "layers to take (all)", 0, 0},
	{0, "layer-offset", "N", OPT_U64, &offset, "model layer of the first on the axis (0)", 0,
	 1 << 20},
	{0, "experts", "N", OPT_U64, &experts, "number of experts (greatest id + 1)", 1,
	 TR_EXPERTS_MAX},
	{0, "token-slice", "SLICE", OPT_FUNC, (void *)slice, "all, prompt, output or A:B (all)", 0,
	 0},
	{'n', "number", "N", OPT_U64, &number, "take the first N files (all)", 1, 0},
	{0, "origin", "none|round-robin|block|random", OPT_WORD, &origin,
	 "mesh rows where the tokens live (none)", 0, 0},
	{0, "mesh-rows", "N", OPT_U64, &mesh_rows, "number of mesh rows, for --origin", 1, 65535},
	{0, "block", "N", OPT_U64, &block, "tokens of a block (32)", 1, 0},
	{0, "object", NULL, OPT_FLAG, &object0, "read arrays wrapped in a 0-d object", 0, 0},
	{0, "skip-missing", NULL, OPT_FLAG, &skip, "leave out files without routing", 0, 0},
	{0},
};

static struct tool t = {.name = "npz2trace",
			.operands = "[FILE | DIR ...]",
			.what = "read routed experts from NPZ files",
			.opts = opts,
			.flags = TOOL_TRACE | TOOL_NOIN | TOOL_JOBS | TOOL_SEED};

static int64_t
bound(const char *p, const char *end, int64_t dflt)
{
	uint64_t n;
	int minus = p < end && *p == '-';

	if (p == end)
		return dflt;
	if (num_u64n(p + minus, end, 0, INT64_MAX, &n) < 0)
		die("--token-slice: %.*s is no integer", (int)(end - p), p);
	return minus ? -(int64_t)n : (int64_t)n;
}

static void
slice(const char *text)
{
	const char *colon = strchr(text, ':');

	part = !strcmp(text, "prompt") ? PROMPT : !strcmp(text, "output") ? OUTPUT : ALL;
	if (part || !strcmp(text, "all"))
		return;
	if (!colon)
		die("--token-slice %s: not all, prompt, output or A:B", text);
	part = PART;
	from = bound(text, colon, 0);
	to = bound(colon + 1, text + strlen(text), INT64_MAX);
}

/* ---- files ---- */

static void
add(const char *path)
{
	if (!(s.n & (s.n - 1)))
		s.it = xrealloc(s.it, s.n ? 2 * s.n : 1, sizeof *s.it);
	memset(&s.it[s.n], 0, sizeof *s.it);
	s.it[s.n++].path = xstrdup(path);
}

static int
by_path(const void *a, const void *b)
{
	return strcmp(((const struct item *)a)->path, ((const struct item *)b)->path);
}

static void
add_dir(const char *dir)
{
	size_t n = strlen(dir), before = s.n, len;
	const char *slash = n && dir[n - 1] == '/' ? "" : "/";
	struct dirent *e;
	DIR *d = opendir(dir);

	if (!d)
		die("%s:", dir);
	while ((e = readdir(d))) {
		char *path = xmalloc(n + strlen(e->d_name) + 2);

		len = strlen(e->d_name);
		sprintf(path, "%s%s%s", dir, slash, e->d_name);
		if (len > 4 && *e->d_name != '.' && !strcmp(e->d_name + len - 4, ".npz"))
			add(path);
		free(path);
	}
	closedir(d);
	if (s.n == before)
		die("%s: no .npz file in it", dir);
	qsort(s.it + before, s.n - before, sizeof *s.it, by_path);
}

static void
drop(struct item *it)
{
	free(it->ids);
	it->ids = NULL;
	npzroute_close(&it->r);
	tool_unslurp(&it->f);
	it->open = 0;
}

/* The tokens of the slice (placement 4). */
static void
take_rows(struct item *it)
{
	int64_t n = (int64_t)it->r.tokens, a = 0, b = n;
	uint64_t p = it->r.ntok[0], o = it->r.ntok[1];

	if (p + o == 0)
		p = it->r.tokens;
	if (part == PROMPT)
		b = (int64_t)MIN(p, it->r.tokens);
	if (part == OUTPUT) {
		a = (int64_t)MIN(p, it->r.tokens);
		b = (int64_t)MIN(p + o, it->r.tokens);
	}
	if (part == PART) {
		a = MIN(from < 0 ? MAX(from + n, 0) : from, n);
		b = MIN(to < 0 ? MAX(to + n, 0) : to, n);
	}
	it->first = (uint64_t)a;
	it->rows = b > a ? (uint64_t)(b - a) : 0;
}

/* ---- passes ---- */

static void *
next_file(void *arg)
{
	struct item *it;

	if (s.next == s.n)
		return NULL;
	it = &s.it[s.next++];
	if (!it->open)
		tool_slurp(&it->f, it->path);
	return it;
}

static void
open_file(struct item *it)
{
	if (it->open)
		return;
	it->open = 1;
	it->got = npzroute_open(&it->r, it->f.p, it->f.n, &s.o);
	if (it->got > 0)
		take_rows(it);
}

static size_t
width(void)
{
	return s.k * (experts > 255 ? 2 : 1);
}

static void
work(void *arg, void *item)
{
	struct item *it = item;

	open_file(it);
	if (it->got <= 0)
		return;
	if (!s.pass) {
		it->limit = npzroute_limit(&it->r);
		return;
	}
	if (it->r.layers != s.layers || it->r.k != s.k || !it->rows ||
	    it->rows * s.nlayer > GROUP / width())
		return;
	/* whole here; larger ones a few layers at a time, by the writer */
	it->ids = malloc(it->rows * s.nlayer * width());
	if (it->ids && npzroute_ids(&it->r, it->first, it->rows, s.axis, (uint32_t)s.nlayer,
				    experts, it->ids, it->rows * width(), it->err) < 0)
		it->got = -2;
}

/* Shape of the first file that has routing: layers, and what is taken of them. */
static void
shape(const struct item *it)
{
	s.first = it->f.name;
	s.layers = it->r.layers;
	s.k = it->r.k;
	s.axis = xmalloc(s.layers * sizeof *s.axis);
	s.layer = xmalloc(s.layers * sizeof *s.layer);
	for (uint64_t i = 0; i < s.layers; i++)
		if (!layers.n || tr_list_has(&layers, offset + i)) {
			s.axis[s.nlayer] = (uint32_t)i;
			s.layer[s.nlayer++] = offset + i;
		}
	for (uint64_t i = 0, n; layers.n && (n = tr_list_at(&layers, i)) != TR_NONE; i++)
		if (n < offset || n >= offset + s.layers)
			die("%s: there is no layer %" PRIu64 ", only %" PRIu64 " to %" PRIu64,
			    s.first, n, offset, offset + s.layers - 1);
}

/* 1: has routing, of the shape of the others. */
static int
check(struct item *it)
{
	if (it->got < 0 || (!it->got && !skip))
		die("%s: %s", it->f.name, it->got == -2 ? it->err : it->r.l.err);
	if (!it->got) {
		if (s.pass && !t.quiet)
			warn("%s: left out: %s", it->f.name, it->r.l.err);
		return 0;
	}
	if (!s.first)
		shape(it);
	if (it->r.layers != s.layers || it->r.k != s.k)
		die("%s: %" PRIu64 " layers, %" PRIu64 " picks, but %s has %" PRIu64 ", %" PRIu64,
		    it->f.name, it->r.layers, it->r.k, s.first, s.layers, s.k);
	return 1;
}

static int
done_limit(void *arg, void *item)
{
	struct item *it = item;
	struct stat st;
	size_t inflated =
		it->r.l.nowned && it->r.ids ? array_count(it->r.ids) * it->r.ids->size : 0;

	if (check(it))
		experts = MAX(experts, it->limit);
	if (experts > TR_EXPERTS_MAX)
		die("%s: an id of %" PRIu64 ", at most %d are read", it->f.name, experts - 1,
		    TR_EXPERTS_MAX - 1);
	if (inflated && inflated <= HOLD - s.held)
		s.held += inflated;
	else if (!stat(it->path, &st) && S_ISREG(st.st_mode)) /* can be opened again */
		drop(it);
	return 0;
}

/* ---- frames ---- */

static void
head(void)
{
	struct tr_list map = {0};
	char text[TR_HEADER_MAX / 2];
	struct tr_frame f;

	if (experts < s.k)
		die("%s: %" PRIu64 " picks of %" PRIu64 " experts", s.first, s.k, experts);
	tr_new(&f, "trace");
	tr_setu(&f, "v", 1);
	tr_setu(&f, "layers", s.nlayer);
	tr_setu(&f, "experts", experts);
	tr_setu(&f, "topk", s.k);
	for (uint64_t i = 0; i < s.nlayer; i++)
		if (tr_list_add(&map, s.layer[i]) < 0)
			die("no memory");
	if (s.layer[s.nlayer - 1] != s.nlayer - 1) {
		if (tr_list_text(&map, text, sizeof text) < 0)
			die("more layers than a header holds");
		tr_set(&f, "map", text);
	}
	tr_set(&f, "order", "batch,layer");
	tr_list_free(&map);
	tool_open(&t, &f);
}

static void
put_seq(const struct item *it, const char *request)
{
	const char *slash = strrchr(it->path, '/'), *name = slash ? slash + 1 : it->path;
	struct tr_frame f;

	tr_new(&f, "seq");
	tr_setu(&f, "batch", s.batch);
	tr_setu(&f, "seq", 0);
	tr_set(&f, "request", request);
	if (strcmp(name, "-") && tr_set(&f, "source", name) < 0)
		die("%s: its name is too long for a header", it->path);
	tool_put(&t, &f);
}

/* Token ids, positions and phases of rows [at, at + n). */
static void
put_tok(const struct item *it, uint64_t at, uint64_t n)
{
	static uint32_t id[FRAME], pos[FRAME];
	static uint8_t phase[FRAME];
	static int64_t v[FRAME];
	const struct npzroute *r = &it->r;
	uint64_t start = it->first + at;
	struct tr_frame f;

	memset(id, 0xff, sizeof id); /* beyond the ids that are there: not known */
	for (int i = 0; i < 2; i++) {
		uint64_t base = i ? r->ntok[0] : 0, a = MAX(start, base);
		uint64_t b = MIN(start + n, base + r->ntok[i]);

		if (a >= b)
			continue;
		if (array_i64(r->tok[i], a - base, b - a, v) < 0)
			die("%s: %s: an id above 2^63", it->f.name, r->tok[i]->path);
		for (uint64_t y = a; y < b; y++) {
			if (v[y - a] < 0 || v[y - a] >= UINT32_MAX)
				die("%s: %s: token %" PRIu64 ": %" PRId64 " is no token id",
				    it->f.name, r->tok[i]->path, y - base, v[y - a]);
			id[y - start] = (uint32_t)v[y - a];
		}
	}
	for (uint64_t y = 0; y < n; y++) {
		pos[y] = (uint32_t)(start + y);
		phase[y] = start + y >= r->ntok[0];
	}
	tr_new(&f, "tok");
	tr_setu(&f, "batch", s.batch);
	tr_setu(&f, "seq", 0);
	if (at)
		tr_setu(&f, "row0", at);
	tr_rows(&f, n);
	if (r->ntok[0] + r->ntok[1])
		tr_addcol(&f, "tok", TR_U32, 1, id);
	tr_addcol(&f, "pos", TR_U32, 1, pos);
	if (r->ntok[0] + r->ntok[1])
		tr_addcol(&f, "phase", TR_U8, 1, phase);
	tool_put(&t, &f);
}

static void
put_route(const struct item *it, uint64_t layer, const unsigned char *ids, const char *id)
{
	static uint16_t row[FRAME];

	for (uint64_t at = 0, n; at < it->rows || !at; at += n) {
		struct tr_frame f;

		n = MIN(it->rows - at, (uint64_t)FRAME);
		tr_new(&f, "route");
		tr_setu(&f, "batch", s.batch);
		tr_setu(&f, "layer", layer);
		if (at)
			tr_setu(&f, "row0", at);
		if (id)
			tr_set(&f, "moe-balance.batch_id", id);
		tr_rows(&f, n);
		tr_addcol(&f, "ids", experts > 255 ? TR_U16 : TR_U8, s.k, ids + at * width());
		for (uint64_t y = 0; y < n && origin; y++)
			row[y] = (uint16_t)(origin == RANDOM
						    ? rng_below(t.seed, s.batch, at + y, mesh_rows)
					    : origin == BLOCK ? (at + y) / block % mesh_rows
							      : (at + y) % mesh_rows);
		if (origin)
			tr_addcol(&f, "origin", TR_U16, 1, row);
		tool_put(&t, &f);
		if (!n)
			break;
	}
}

static void
put_file(struct item *it)
{
	char request[sizeof it->r.request];
	const char *id = NULL; /* JSON of the simulator's batch_id, where batch is another */
	struct json_out json = {.style = JSON_PYTHON};
	uint64_t n, group;

	/* without an id the place in the list stands for it */
	snprintf(request, sizeof request, "%" PRIu64, (uint64_t)(it - s.it));
	if (*it->r.request)
		memcpy(request, it->r.request, sizeof request);
	if (it->r.named) {
		json_put_str(&json, request, strlen(request));
		json_put_bytes(&json, "", 1);
		id = json.p;
	} else if (num_u64(request, 0, INT64_MAX, &n) < 0 || n != s.batch) {
		id = request;
	}
	put_seq(it, request);
	for (uint64_t at = 0; at < it->rows; at += FRAME)
		put_tok(it, at, MIN(it->rows - at, (uint64_t)FRAME));
	group = it->ids || !it->rows ? s.nlayer : MAX(GROUP / (it->rows * width()), 1u);
	for (uint64_t i = 0; i < s.nlayer; i++) {
		size_t bytes = it->rows * width(), m = MIN(group, s.nlayer - i);

		if (i % group == 0 && group < s.nlayer) {
			if (!it->ids)
				it->ids = xmalloc(group * bytes);
			if (npzroute_ids(&it->r, it->first, it->rows, s.axis + i, (uint32_t)m,
					 experts, it->ids, bytes, it->err) < 0)
				die("%s: %s", it->f.name, it->err);
		}
		put_route(it, s.layer[i], it->ids + i % group * bytes, id);
	}
	json_out_free(&json);
}

static int
done_put(void *arg, void *item)
{
	struct item *it = item;

	if (check(it)) {
		if (!s.batch)
			head();
		put_file(it);
		s.batch++;
	}
	drop(it);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct pool_ops limit = {next_file, work, done_limit, NULL};
	static const struct pool_ops put = {next_file, work, done_put, NULL};
	struct tr_frame f;
	struct stat st;

	tool_start(&t, argc, argv);
	/* the memory of a file serves the next: fresh pages cost a third of inflating it */
	mallopt(M_MMAP_THRESHOLD, 16 << 20);
	mallopt(M_TRIM_THRESHOLD, HOLD);
	if (origin && !mesh_rows)
		die("--origin needs --mesh-rows");
	s.o = (struct array_opts){.object0 = object0};
	for (int i = 0; i < t.nfiles; i++)
		if (strcmp(t.files[i], "-") && !stat(t.files[i], &st) && S_ISDIR(st.st_mode))
			add_dir(t.files[i]);
		else
			add(t.files[i]);
	if (!t.nfiles)
		add("-");
	s.n = number && number < s.n ? number : s.n;
	if (!experts) {
		if (pool_run(t.jobs, &limit, NULL) < 0)
			die("no thread can be made");
		experts = MAX(experts, s.k); /* a row has k different ones */
	}
	for (struct item *it; !s.first && (it = next_file(NULL));) { /* the threads need shape */
		open_file(it);
		check(it);
	}
	s.pass = 1;
	s.next = 0;
	if (pool_run(t.jobs, &put, NULL) < 0)
		die("no thread can be made");
	if (!s.batch)
		die("no file has routing");
	tr_new(&f, "end");
	tool_put(&t, &f);
	for (size_t i = 0; i < s.n; i++)
		free(s.it[i].path);
	free(s.it);
	free(s.axis);
	free(s.layer);
	return tool_end(&t);
}
