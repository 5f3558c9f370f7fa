/*
 * csv2trace: dense routing CSV in, a trace out, a section a file.  Rows may
 * come in any order, so the picks of a file (about a fifteenth of its text)
 * are held and written by layer and token.  With --by-layer only one layer is
 * held; -k and -l say what the header needs.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/format/csv.h"
#include "size.h"
#include "tool.h"

enum { FRAME = 8192, LAYERS = 4096 };

static uint64_t topk;
static struct tr_list only;
static int compat, by_layer;

static const struct opt opts[] = {
	{'k', "topk", "N", OPT_U64, &topk, "the N best of a row (the most that one has)", 1,
	 TR_EXPERTS_MAX},
	{'l', "layer", "LIST", OPT_LIST, &only, "only these layers; all must occur", 0, 0},
	{0, "by-layer", NULL, OPT_FLAG, &by_layer,
	 "hold one layer at a time: the file goes by layer (needs -k and -l)", 0, 0},
	{0, "compat", NULL, OPT_FLAG, &compat, "of equals the higher expert first", 0, 0},
	{0},
};

static struct tool t = {.name = "csv2trace",
			.operands = "[FILE ...]",
			.what = "read a trace from dense CSV",
			.opts = opts,
			.flags = TOOL_TRACE | TOOL_NOIN};

struct row {
	uint64_t token, line, at; /* at: its first pick */
	uint32_t n;
};

struct layer {
	uint64_t number;
	struct row *row;
	size_t n, cap;
	uint16_t *id; /* picks of all rows, one after the other */
	float *w;
	size_t npick, cappick;
	int unsorted;
};

static const char *file;
static struct layer *layer[LAYERS];
static size_t nlayer;
static uint32_t experts, most;

_Noreturn static void
twice(const struct layer *l, const struct row *first, uint64_t line)
{
	die("%s:%" PRIu64 ":1: layer %" PRIu64 ", token %" PRIu64 " stands on line %" PRIu64
	    " already",
	    file, line, l->number, first->token, first->line);
}

static struct layer *
find(uint64_t number)
{
	static size_t last;

	if (last < nlayer && layer[last]->number == number)
		return layer[last];
	for (last = 0; last < nlayer; last++)
		if (layer[last]->number == number)
			return layer[last];
	if (nlayer == LAYERS)
		die("%s: more than %d layers", file, LAYERS);
	layer[nlayer] = xcalloc(1, sizeof **layer);
	layer[nlayer]->number = number;
	return layer[nlayer++];
}

static void
hold(struct layer *l, const struct dcsv_row *r)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 1024;
		l->row = xrealloc(l->row, l->cap, sizeof *l->row);
	}
	if (!l->id || l->cappick - l->npick < r->n) {
		l->cappick = 2 * l->cappick + MAX(r->n, 8192);
		l->id = xrealloc(l->id, l->cappick, sizeof *l->id);
		l->w = xrealloc(l->w, l->cappick, sizeof *l->w);
	}
	if (l->n && r->token == l->row[l->n - 1].token)
		twice(l, &l->row[l->n - 1], r->line);
	if (l->n && r->token < l->row[l->n - 1].token)
		l->unsorted = 1;
	l->row[l->n++] = (struct row){r->token, r->line, l->npick, r->n};
	memcpy(l->id + l->npick, r->id, r->n * sizeof *r->id);
	memcpy(l->w + l->npick, r->w, r->n * sizeof *r->w);
	l->npick += r->n;
	most = MAX(most, r->n);
}

static int
by_token(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->token != y->token)
		return x->token < y->token ? -1 : 1;
	return x->line < y->line ? -1 : 1;
}

static int
by_number(const void *a, const void *b)
{
	const struct layer *x = *(struct layer *const *)a, *y = *(struct layer *const *)b;

	return x->number < y->number ? -1 : 1;
}

/* n rows of one batch as a frame. */
static void
put_rows(const struct layer *l, const struct row *row, size_t n, uint64_t k)
{
	size_t size = experts <= 255 ? 1 : 2;
	unsigned char *ids = xmalloc(n * k * size);
	float *w = xcalloc(n * k, sizeof *w);
	uint32_t *number = xmalloc(n * sizeof *number);
	struct tr_frame f;

	memset(ids, 0xff, n * k * size);
	for (size_t i = 0; i < n; i++) {
		number[i] = (uint32_t)(row[i].token % FRAME);
		memcpy(w + i * k, l->w + row[i].at, row[i].n * sizeof *w);
		if (size == 2)
			memcpy(ids + 2 * i * k, l->id + row[i].at, 2 * (size_t)row[i].n);
		for (uint32_t j = 0; j < row[i].n && size == 1; j++)
			ids[i * k + j] = (unsigned char)l->id[row[i].at + j];
	}
	tr_new(&f, "route");
	tr_setu(&f, "batch", row->token / FRAME);
	tr_setu(&f, "layer", l->number);
	if (number[0] && number[n - 1] - number[0] == n - 1)
		tr_setu(&f, "row0", number[0]);
	tr_rows(&f, n);
	tr_addcol(&f, "ids", size == 1 ? TR_U8 : TR_U16, k, ids);
	tr_addcol(&f, "w", TR_F32, k, w);
	if (number[n - 1] - number[0] != n - 1)
		tr_addcol(&f, "row", TR_U32, 1, number);
	tool_put(&t, &f);
	free(ids);
	free(w);
	free(number);
}

/* Write a layer and forget it. */
static void
put_layer(struct layer *l, uint64_t k)
{
	size_t n;

	if (l->unsorted)
		qsort(l->row, l->n, sizeof *l->row, by_token);
	for (size_t i = 1; i < l->n; i++)
		if (l->row[i].token == l->row[i - 1].token)
			twice(l, &l->row[i - 1], l->row[i].line);
	for (size_t i = 0; i < l->n; i += n) {
		for (n = 1; i + n < l->n; n++)
			if (l->row[i + n].token / FRAME != l->row[i].token / FRAME)
				break;
		put_rows(l, l->row + i, n, k);
	}
	free(l->row);
	free(l->id);
	free(l->w);
	free(l);
}

static void
put_head(const struct tr_list *map, uint64_t k)
{
	struct tr_frame f;

	if (tr_new_trace(&f, map, experts, k) < 0)
		die("%s: the layers do not fit a header", file);
	tr_set(&f, "order", "layer,batch");
	tool_open(&t, &f);
}

static void
check_present(const struct tr_list *map)
{
	for (uint64_t i = 0; only.n && i < tr_list_count(&only); i++)
		if (!map->n || tr_list_find(map, tr_list_at(&only, i)) == TR_NONE)
			die("%s: no row of layer %" PRIu64, file, tr_list_at(&only, i));
}

static void
convert(struct dcsv *c)
{
	int rc, n = dcsv_head(c);
	uint64_t k = topk, done = TR_NONE;
	struct tr_list map = {0};
	struct tr_frame end;
	struct dcsv_row r;
	struct layer *l;

	if (n < 0)
		die("%s:%s", file, dcsv_err(c));
	experts = (uint32_t)n;
	nlayer = most = 0;
	if (topk > experts)
		die("%s: -k %" PRIu64 " of %" PRIu32 " experts", file, topk, experts);
	if (by_layer)
		put_head(&only, k);
	while ((rc = dcsv_next(c, &r)) > 0) {
		if (!tr_list_has(&only, r.layer))
			continue;
		dcsv_best(&r, k ? (uint32_t)k : experts, compat);
		if (by_layer && nlayer && layer[0]->number != r.layer) {
			done = layer[0]->number;
			put_layer(layer[0], k);
			nlayer = 0;
		}
		if (done != TR_NONE && r.layer <= done)
			die("%s:%" PRIu64 ":1: layer %" PRIu64 " after layer %" PRIu64
			    ": not --by-layer",
			    file, r.line, r.layer, done);
		l = find(r.layer);
		if (!l->n && tr_list_add(&map, r.layer) < 0)
			die("no memory");
		hold(l, &r);
	}
	if (rc < 0)
		die("%s:%s", file, dcsv_err(c));
	if (!map.n && !only.n)
		die("%s: no rows", file);
	check_present(&map);
	qsort(layer, nlayer, sizeof *layer, by_number);
	k = k ? k : MAX(most, 1);
	if (!by_layer)
		put_head(&map, k);
	for (size_t i = 0; i < nlayer; i++)
		put_layer(layer[i], k);
	tr_list_free(&map);
	tr_new(&end, "end");
	tool_put(&t, &end);
}

int
main(int argc, char **argv)
{
	static char *in[] = {"-"};

	tool_start(&t, argc, argv);
	if (by_layer && !(topk && only.n))
		die("--by-layer needs -k and --layer");
	for (int i = 0; i < MAX(t.nfiles, 1); i++) {
		struct dcsv *c;
		int fd;

		file = t.nfiles ? t.files[i] : in[0];
		fd = tool_fd(&file);
		if (!(c = dcsv_open(fd)))
			die("no memory");
		convert(c);
		dcsv_free(c);
		if (fd)
			close(fd);
	}
	return tool_end(&t);
}
