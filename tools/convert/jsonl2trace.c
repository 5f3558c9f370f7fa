/*
 * jsonl2trace: JSON Lines in, a trace out.  Lines are frames, as trace2jsonl
 * writes them, or records of the placement simulator; the first line tells.
 * The header of a trace says how many experts and which layers there are, which
 * records do not: their frames are spooled to an unlinked file until all were
 * seen, unless --experts, -k and -l say it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/format/jsonl.h"
#include "../../lib/format/moebalance.h"
#include "kind.h"
#include "tool.h"

enum { AUTO, MOETRACE, MOE_BALANCE };

static int dialect;
static uint64_t experts, topk, max_record = (uint64_t)256 << 20;
static struct tr_list layers;

static struct opt opts[] = {
	{0, "dialect", "auto|moetrace|moe-balance", OPT_WORD, &dialect, "what the lines are (auto)",
	 0, 0},
	{0, "experts", "N", OPT_U64, &experts, "number of experts (greatest id + 1)", 1,
	 TR_EXPERTS_MAX},
	{'k', "topk", "N", OPT_U64, &topk, "picks of a row (the most that one has)", 1,
	 TR_WIDTH_MAX},
	{'l', "layer", "LIST", OPT_LIST, &layers, "layers of the model (those that occur)", 0, 0},
	{0, "max-record", "N", OPT_SIZE, &max_record, "refuse longer lines (256M)", 1,
	 (uint64_t)1 << 31},
	{0},
};

static struct tool t = {.name = "jsonl2trace",
			.operands = "[FILE ...]",
			.what = "read a trace from JSON Lines",
			.opts = opts,
			.flags = TOOL_TRACE | TOOL_NOIN};

static const char *file;
static struct jsonl lines; /* our own dialect: the section that is open */
static int open_section;
static uint64_t frames;

static struct mb *records; /* the simulator's */
static struct tr_list seen;
static struct tr_out *spool;
static int spool_fd;

static void
own(const char *p, size_t n, uint64_t line)
{
	struct tr_frame f;
	int head, end;

	lines.j.line = line;
	if (jsonl_get(&lines, p, n, &f))
		die("%s:%s", file, lines.j.err);
	head = !strcmp(f.kind, "trace");
	end = !strcmp(f.kind, "end");
	if (head == open_section)
		die("%s:%llu:1: %s", file, (unsigned long long)line,
		    head ? "a trace frame before the end frame" : "a frame before the trace frame");
	if (end && tr_get(&f, "frames", TR_NONE) != frames)
		die("%s:%llu:1: the end frame says %lld frames, there are %llu", file,
		    (unsigned long long)line, (long long)tr_get(&f, "frames", TR_NONE),
		    (unsigned long long)frames);
	frames = head ? 0 : frames + 1;
	open_section = !end;
	if (head)
		tool_open(&t, &f);
	else
		tool_put(&t, &f);
}

static void
spool_records(void)
{
	struct tr_frame f;

	if ((spool_fd = spool_temp()) < 0)
		die("$TMPDIR:");
	if (!(spool = tr_create(spool_fd, TR_NOPROG, 0)))
		die("no memory");
	tr_new(&f, "trace");
	tr_setu(&f, "v", 1);
	tr_setu(&f, "layers", 0);
	tr_setu(&f, "experts", 0);
	tr_setu(&f, "topk", 0);
	if (tr_put(spool, &f) < 0)
		die("$TMPDIR:");
}

/* The header, with all that the records showed. */
static void
head(uint64_t nexperts, uint64_t k, const struct tr_list *l)
{
	struct tr_frame f;

	if (tr_new_trace(&f, l, nexperts, k) < 0)
		die("more layers than a header holds");
	tool_open(&t, &f);
}

static void
out(struct tr_frame *f)
{
	if (spool ? tr_put(spool, f) < 0 : 0)
		die("$TMPDIR:");
	if (spool)
		return;
	if (!strcmp(f->kind, "route") && mb_widen(records, f, experts, topk) < 0)
		die("%s: no memory", file);
	tool_put(&t, f);
}

static void
record(const char *p, size_t n, uint64_t line)
{
	struct tr_frame seq, route;
	uint64_t layer;
	int with = mb_get(records, p, n, line, experts, &seq, &route);

	if (with < 0)
		die("%s:%s", file, mb_err(records));
	layer = tr_get(&route, "layer", 0);
	if (layers.n && !tr_list_has(&layers, layer))
		die("%s:%llu:1: layer %llu is not one of -l", file, (unsigned long long)line,
		    (unsigned long long)layer);
	if (topk && mb_topk(records) > topk)
		die("%s:%llu:1: a token has more than %llu picks", file, (unsigned long long)line,
		    (unsigned long long)topk);
	if (!layers.n && (!seen.n || !tr_list_has(&seen, layer)) && tr_list_add(&seen, layer) < 0)
		die("no memory");
	if (with)
		out(&seq);
	out(&route);
}

static void
unspool(void)
{
	struct tr_frame f;
	struct tr *in;
	int rc;

	if (tr_end(spool) < 0 || lseek(spool_fd, 0, SEEK_SET) < 0)
		die("$TMPDIR:");
	experts = experts ? experts : mb_experts(records);
	topk = topk ? topk : mb_topk(records);
	head(experts, topk, layers.n ? &layers : &seen);
	if (!(in = tr_open(spool_fd, NULL)))
		die("no memory");
	while ((rc = tr_next(in, &f)) > 0) {
		if (!strcmp(f.kind, "trace") || !strcmp(f.kind, "end"))
			continue;
		if (!strcmp(f.kind, "route") && (rc = mb_widen(records, &f, experts, topk)) < 0)
			break;
		tool_put(&t, &f);
	}
	if (rc < 0)
		die("$TMPDIR: %s", rc == TR_ENOMEM ? "no memory" : tr_errstr(in));
	tr_free(in);
	tr_out_free(spool);
	close(spool_fd);
}

/* Our own lines are objects with a kind. */
static int
which(const char *p, size_t n, uint64_t line)
{
	struct json j = {.line = line};
	const char *told = line == 1 ? kind_told(p, n) : NULL;
	int own_dialect;

	if (told && *p != '{')
		die("%s: no JSON but %s", file, told);
	if (json_parse(&j, p, n))
		die("%s:%s", file, j.err);
	own_dialect = json_find(&j, 0, "kind") >= 0;
	if (json_find(&j, 0, "samples") >= 0)
		die("%s: a log of router logits: log2trace reads it", file);
	json_free(&j);
	return own_dialect ? MOETRACE : MOE_BALANCE;
}

static void
read_lines(void)
{
	struct json_split *s;
	uint64_t line;
	int rc, fd = tool_fd(&file);
	size_t n;
	char *p;

	if (!(s = json_split_open(fd, NULL, max_record)))
		die("no memory");
	while ((rc = json_split_next(s, &p, &n, &line)) > 0) {
		if (dialect == AUTO)
			dialect = which(p, n, line);
		if (dialect == MOE_BALANCE && !records) {
			if (!(records = mb_new()))
				die("no memory");
			if (experts && topk && layers.n)
				head(experts, topk, &layers);
			else
				spool_records();
		}
		if (records)
			record(p, n, line);
		else
			own(p, n, line);
	}
	if (rc < 0)
		die("%s:%s", file, json_split_err(s));
	json_split_free(s);
	if (fd)
		close(fd);
}

int
main(int argc, char **argv)
{
	char *in[] = {"-"}, **files;
	int i;

	tool_start(&t, argc, argv);
	files = t.nfiles ? t.files : in;
	for (i = 0; i < (t.nfiles ? t.nfiles : 1); i++) {
		file = files[i];
		read_lines();
		if (!records && (open_section || !frames))
			die("%s: %s", file, open_section ? "cut short: no end frame" : "no frames");
	}
	if (spool)
		unspool();
	mb_free(records);
	jsonl_free(&lines);
	tr_list_free(&seen);
	return tool_end(&t);
}
