/*
 * Copies between host memory and GPUs, timed; out come bench frames, one a copy, or tables
 * of all pairs.  kernels/copy.h has the GPU's part, lib/bench/hostcopy that without one.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/bench/copies.h"
#include "../../lib/bench/copyframe.h"
#include "../../lib/bench/copytime.h"
#include "../../lib/bench/measured.h"
#include "../../lib/bench/ring.h"
#include "tool.h"

static const char *from, *to, *sizes;
static int direction = -1, engine = -1, memory = -1, reach = -1;
static int host, latency, matrix;
static uint64_t samples = 20;

static const struct opt opts[] = {
	{0, "from", "LIST", OPT_STR, &from, "places to copy from: h, g0, g1 ..., all (all)", 0, 0},
	{0, "to", "LIST", OPT_STR, &to, "places to copy to (all)", 0, 0},
	{0, "direction", "uni|bi|both", OPT_WORD, &direction, "one way, both at once, each (both)",
	 0, 0},
	{0, "sizes", "LIST", OPT_STR, &sizes, "bytes; A-B goes by factors of 4 (4K-1G)", 0, 0},
	{0, "memory", "pinned|pageable|both", OPT_WORD, &memory, "the host's (both)", 0, 0},
	{0, "engine", "copy|kernel|both", OPT_WORD, &engine, "what copies (copy)", 0, 0},
	{0, "access", "on|off|both", OPT_WORD, &reach, "of GPUs to each other's memory (both)", 0,
	 0},
	{0, "latency", NULL, OPT_FLAG, &latency, "4-byte copies and chases of pointers instead", 0,
	 0},
	{0, "samples", "N", OPT_U64, &samples, "how often each is measured (20)", 1, 100000},
	{0, "host", NULL, OPT_FLAG, &host, "this machine's memory alone: needs no GPU", 0, 0},
	{0, "matrix", NULL, OPT_FLAG, &matrix, "a table of all pairs a size, for plot-heat", 0, 0},
	{0},
};

static struct tool t = {.name = "pcie-bw",
			.operands = "",
			.what = "measure copies between host memory and GPUs",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_NOIN | TOOL_JOBS};

static struct copies want;
static struct copytime with;

/* 0, or 1 and *why where there is no such copy here. */
static int
measure(const struct copy *c, const char **why)
{
	char a[16], b[16];
	int r = copytime(&with, c, why);

	if (r < 0)
		die("%s to %s, %zu bytes: %s", copyframe_place(c->from, a),
		    copyframe_place(c->to, b), c->bytes, *why);
	return r;
}

static void
put_all(void)
{
	struct copy *list;
	int n = copies_list(&want, &list);

	if (n < 0)
		die("no memory");
	for (int i = 0; i < n; i++) {
		struct copyframe s = {&list[i], latency, .us = with.us, .n = with.n};
		struct tr_frame f;
		const char *why;

		s.check = host && latency ? NULL : "ok";
		if (host && !latency)
			s.jobs = with.jobs;
		if (copytime_plain(s.c))
			s.plain = with.plain;
		if (measure(s.c, &why))
			s = (struct copyframe){s.c, latency, .check = why};
		if (copyframe_of(&s, &f) < 0)
			die("no memory");
		tool_put(&t, &f);
	}
	free(list);
}

/* What a matrix says of a pair: the first of its copies that there is here. */
static double
cell(const struct copies *w, int a, int b)
{
	struct copies one = *w;
	struct sample s;
	struct copy *list;
	const char *why;
	char buf[32];
	double x = NAN;
	int n, i = 0;

	one.from[0] = a;
	one.to[0] = b;
	one.nfrom = one.nto = 1;
	if ((n = copies_list(&one, &list)) < 0)
		die("no memory");
	while (i < n && measure(&list[i], &why))
		i++;
	if (i < n) {
		if (sample_of(with.us, with.n, &s) < 0)
			die("no memory");
		x = latency ? s.median : copyframe_moved(&list[i]) / s.median / 1e3;
		x = strtod(measured_text(x, buf), NULL); /* as frames of single copies say it */
	}
	free(list);
	return x;
}

/* Of one size in one direction. */
static void
put_matrix(const struct copies *w)
{
	double *x = xcalloc((size_t)(w->nfrom * w->nto), sizeof *x);
	char buf[16], side[2][16 * COPIES_PLACES] = {"", ""};
	struct tr_frame f;

	for (int i = 0; i < w->nfrom * w->nto; i++)
		x[i] = cell(w, w->from[i / w->nto], w->to[i % w->nto]);
	for (int i = 0; i < w->nfrom; i++)
		strcat(strcat(side[0], i ? "," : ""), copyframe_place(w->from[i], buf));
	for (int i = 0; i < w->nto; i++)
		strcat(strcat(side[1], i ? "," : ""), copyframe_place(w->to[i], buf));
	tr_new(&f, "table");
	tr_set(&f, "name", latency ? "latency" : "pcie");
	tr_set(&f, "from", side[0]);
	tr_set(&f, "to", side[1]);
	tr_set(&f, "direction", w->direction == WAYS_FIRST ? "uni" : "bi");
	tr_setu(&f, "size", w->size[0]);
	tr_rows(&f, (uint64_t)w->nfrom);
	if (tr_addcol(&f, latency ? "us" : "gbs", TR_F64, (uint64_t)w->nto, x) < 0)
		die("no memory");
	tool_put(&t, &f);
	free(x);
}

static void
put_matrices(void)
{
	struct copies one = want;

	one.nsize = 1;
	for (int i = 0; i < want.nsize; i++)
		for (int way = WAYS_FIRST; way <= WAYS_SECOND; way++)
			if (want.direction & way) {
				one.size[0] = want.size[i];
				one.direction = (enum copies_ways)way;
				put_matrix(&one);
			}
}

/* What joins the GPUs that are named with the host and each other. */
static void
put_links(void)
{
	for (int b = 0; b < with.devices; b++)
		for (int a = COPY_HOST; a < with.devices; a++) {
			int own = a == COPY_HOST;
			struct copy_link l;
			struct copy_peer p;
			struct tr_frame f;

			if (own ? !copies_has(&want, b, b) : a == b || !copies_has(&want, a, b))
				continue;
			if (copy_link(b, &l) < 0 || (!own && copy_peer(a, b, &p) < 0))
				die("g%d: %s", b, copy_errstr());
			copyframe_link(a, b, &l, own ? NULL : &p, &f);
			tool_put(&t, &f);
		}
}

/* ---- options ---- */

static enum copies_ways
ways(int word, enum copies_ways unasked)
{
	return word < 0 ? unasked : (enum copies_ways)(word + 1);
}

static void
want_host(void)
{
	if (from || to || direction >= 0 || engine >= 0 || memory >= 0 || reach >= 0)
		die("--host copies pageable memory one way: not with --from, --to, --direction, "
		    "--engine, --memory or --access");
	want.from[0] = want.to[0] = COPY_HOST;
	want.nfrom = want.nto = want.host = 1;
	for (int i = 0; i < want.nsize; i++)
		if (want.size[i] / 1024 > (uint64_t)sysconf(_SC_PHYS_PAGES) *
						  (uint64_t)sysconf(_SC_PAGESIZE) / 1024 * 2 / 5)
			die("--sizes: %llu bytes twice do not fit this machine's memory",
			    (unsigned long long)want.size[i]);
}

static void
want_gpus(void)
{
	int pairs = 0, here = 0, n;

	if (t.jobs != 1)
		die("--jobs: only with --host");
	if ((n = copy_devices()) < 0)
		die_absent("no GPU: %s; --host measures this machine's memory", copy_errstr());
	with.devices = n;
	if ((want.nfrom = copies_places(from ? from : "all", n, want.from)) < 0)
		die("--from %s: not a list of h, g0, g1 ..., nor all", from);
	if ((want.nto = copies_places(to ? to : "all", n, want.to)) < 0)
		die("--to %s: not a list of h, g0, g1 ..., nor all", to);
	for (int i = 0; i < want.nfrom * want.nto; i++) {
		int a = want.from[i / want.nto], b = want.to[i % want.nto];

		pairs += a != COPY_HOST || b != COPY_HOST;
		here += (a != COPY_HOST || b != COPY_HOST) && a < n && b < n;
	}
	if (!pairs)
		die("from h to h is what --host measures");
	if (!here)
		die_absent("no such GPU: there %s %d", n == 1 ? "is" : "are", n);
}

int
main(int argc, char **argv)
{
	struct tr_frame f;

	tool_start(&t, argc, argv);
	if (t.nfiles)
		die("%s: it reads no files", t.files[0]);
	if (!sizes)
		sizes = latency || matrix ? "256M" : "4K-1G";
	want.latency = latency;
	want.nsize = sizes_parse(sizes, latency ? RING_LINE : 1, (uint64_t)16 << 30, want.size);
	if (want.nsize < 0)
		die("--sizes %s: not a list of sizes from %d bytes to 16G", sizes,
		    latency ? RING_LINE : 1);
	want.engine = ways(engine, WAYS_FIRST);
	want.memory = ways(memory, WAYS_BOTH);
	want.access = ways(reach, WAYS_BOTH);
	want.direction = ways(direction, host || latency ? WAYS_FIRST : WAYS_BOTH);
	with = (struct copytime){0, t.jobs, (int)samples, xcalloc(samples, sizeof(double)),
				 xcalloc(samples, sizeof(double))};
	if (host)
		want_host();
	else
		want_gpus();
	tr_new_trace(&f, &(struct tr_list){0}, 0, 0);
	tool_open(&t, &f);
	if (!host)
		put_links();
	if (matrix)
		put_matrices();
	else
		put_all();
	free(with.us);
	free(with.plain);
	return tool_end(&t);
}
