/*
 * Texts in, their tokens out: as a tokenizer.json says, or ids that are given.  models.md 6.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/token/item.h"
#include "../../lib/token/open.h"
#include "../../lib/token/same.h"
#include "../../lib/token/textin.h"
#include "pool.h"
#include "tool.h"

enum { ITEM = 1 << 16, FRAMES = 256 }; /* what a thread takes: bytes of text, or texts */

static const char *model, *ids_file, *target_file;
static int lines;
static uint64_t most = 256, start = TR_NONE;

static const struct opt opts[] = {
	{'m', "model", "FILE/DIR", OPT_STR, &model, "tokenizer.json, or a folder with it", 0, 0},
	{0, "max-tokens", "N", OPT_U64, &most, "cut longer texts, 0: never (256)", 0, UINT32_MAX},
	{0, "decoder", "ID", OPT_U64, &start,
	 "add what the decoder behind an encoder reads: this token, then the text's", 0,
	 UINT32_MAX - 1},
	{0, "lines", NULL, OPT_FLAG, &lines, "the input is plain lines, a text each", 0, 0},
	{0, "ids", "FILE", OPT_STR, &ids_file, "take ids instead: a sequence a line", 0, 0},
	{0, "target", "FILE", OPT_STR, &target_file, "with --ids: ids that the decoder reads", 0,
	 0},
	{0},
};

static struct tool t = {
	.name = "tok-encode",
	.operands = "[FILE ...]",
	.what = "make tokens of texts",
	.opts = opts,
	.flags = TOOL_TRACE | TOOL_OWNIN | TOOL_JOBS,
};

static struct tokenizer *tokenizer;
static char *name;   /* of it */
static uint32_t crc; /* of its file */
static struct item_opts O;

/* Rooms of threads, those that are not in use. */
static struct token_run **runs;
static int nruns;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct textin in; /* --lines */
static uint64_t texts;
static struct tr_frame frame; /* the one that was read and not taken */
static int waiting, eof;

static void
open_tokenizer(void)
{
	char why[TOKENIZER_WHY];
	int rc;

	if (!(tokenizer = tokenizer_open(model, TOKENIZER_ENCODE, &name, &rc, why))) {
		if (rc == TOKENIZER_ABSENT)
			die_absent("%s", why);
		die("%s", why);
	}
	if (!token_crc(model, &crc))
		die("%s: cannot be read again", model);
	if (most && most <= tokenizer_around(tokenizer))
		die("--max-tokens %llu: %llu are put around each text", (unsigned long long)most,
		    (unsigned long long)tokenizer_around(tokenizer));
	runs = xcalloc((size_t)t.jobs, sizeof *runs);
	for (nruns = 0; nruns < t.jobs; nruns++)
		if (!(runs[nruns] = token_run_new(tokenizer)))
			die("no memory");
}

/* By which tokenizer the tokens of a section are made. */
static int
tell(struct tr_frame *f)
{
	char hex[9];

	snprintf(hex, sizeof hex, "%08x", crc);
	return tr_set(f, "tokenizer", name) < 0 || tr_set(f, "tokenizer_crc", hex) < 0 ? -1 : 0;
}

static void
open_section(void)
{
	struct tr_frame f;

	tr_new_trace(&f, &(struct tr_list){0}, 0, 0);
	if (model && tell(&f) < 0)
		die("%s: a name that is too long", model);
	tool_open(&t, &f);
}

static void *
next_lines(void *arg)
{
	static struct record_text line;
	struct item *m = item_new();
	struct item_from from = {0};
	size_t n = 0;

	if (!m)
		die("no memory");
	while (!eof && n < FRAMES && item_size(m) < ITEM) {
		if ((eof = !textin_next(&in, &t, &line)))
			break;
		texts = in.lines;
		if (texts > UINT32_MAX)
			die("more lines than a seq counts");
		from.number = texts;
		if (item_text(m, line.p, line.n, texts - 1, texts - 1, from) < 0)
			die("no memory");
		n++;
	}
	if (n)
		return m;
	item_free(m);
	free(line.p);
	return NULL;
}

/* One frame into the item. */
static void
take(struct item *m, struct tr_frame *f)
{
	if (!strcmp(f->kind, "tok"))
		tool_refuse(&t, f, "the input has tokens already");
	if (!strcmp(f->kind, "trace") && tell(f) < 0)
		tool_refuse(&t, f, "the line grows too long");
	if (strcmp(f->kind, "text")) {
		tool_check(&t, item_keep(m, f, t.text || t.zstd));
		return;
	}
	if (tr_get(f, "seq", 0) > UINT32_MAX)
		tool_refuse(&t, f, "seq above 4294967295");
	tool_check(&t,
		   item_text(m, f->payload, f->bytes, tr_get(f, "batch", 0), tr_get(f, "seq", 0),
			     (struct item_from){f->number, f->offset, f->input}));
	texts++;
}

static void *
next_frames(void *arg)
{
	struct item *m = item_new();
	uint64_t batch = TR_NONE;
	size_t n = 0;

	if (!m)
		die("no memory");
	while (!eof && (waiting || !(eof = !tool_next(&t, &frame)))) {
		const int text = !strcmp(frame.kind, "text");

		/* a batch is not cut */
		waiting = (n >= FRAMES || item_size(m) >= ITEM) &&
			  !(text && tr_get(&frame, "batch", 0) == batch);
		if (waiting)
			return m;
		if (text)
			batch = tr_get(&frame, "batch", 0);
		take(m, &frame);
		n++;
	}
	if (n)
		return m;
	item_free(m);
	return NULL;
}

static void
work(void *arg, void *item)
{
	struct token_run *r;

	pthread_mutex_lock(&lock);
	r = runs[--nruns];
	pthread_mutex_unlock(&lock);
	item_encode(item, r, &O);
	pthread_mutex_lock(&lock);
	runs[nruns++] = r;
	pthread_mutex_unlock(&lock);
}

static int
done(void *arg, void *item)
{
	struct item_from from;
	struct tr_frame f;
	int rc = item_failed(item, &from);

	if (rc == TOKENIZER_NOMEM)
		die("no memory");
	if (rc < 0 && lines)
		die("line %llu: %s", (unsigned long long)from.number, tokenizer_strerror(rc));
	if (rc < 0) {
		tr_new(&f, "text");
		f.number = from.number;
		f.offset = from.offset;
		f.input = from.input;
		tool_refuse(&t, &f, "%s", tokenizer_strerror(rc));
	}
	while ((rc = item_next(item, &f)) > 0)
		tool_put(&t, &f);
	tool_check(&t, rc);
	item_free(item);
	return 0;
}

/* --ids: a sequence a line, and with --target what the decoder reads. */
static void
read_ids(void)
{
	struct tool_file m, to = {0};
	size_t at = 0, target = 0;
	long long n, second;

	tool_slurp(&m, ids_file);
	if (target_file)
		tool_slurp(&to, target_file);
	for (uint64_t line = 0;; line++) {
		struct item *item = item_new();

		if (!item || line > UINT32_MAX)
			die(item ? "more lines than a seq counts" : "no memory");
		n = textin_ids(item, &m, &at, line, 0);
		second = target_file ? textin_ids(item, &to, &target, line, 1) : n;
		if ((n < 0) != (second < 0))
			die("%s ends before line %llu of %s", n < 0 ? m.name : to.name,
			    (unsigned long long)line + 1, n < 0 ? to.name : m.name);
		if (n < 0) {
			item_free(item);
			break;
		}
		texts += n > 0;
		item_encode(item, NULL, &O);
		done(NULL, item);
	}
	tool_unslurp(&m);
	if (target_file)
		tool_unslurp(&to);
}

int
main(int argc, char **argv)
{
	struct pool_ops ops = {next_frames, work, done, NULL};

	tool_start(&t, argc, argv);
	if (ids_file ? model || lines || t.nfiles : !model)
		die(ids_file ? "--ids takes no tokenizer and no other input"
			     : "no -m: a folder with tokenizer.json");
	if (target_file && (!ids_file || start != TR_NONE))
		die("--target is of --ids, without --decoder");
	O.most = (size_t)most;
	O.shifted = start != TR_NONE;
	O.start = (uint32_t)start;
	if (model)
		open_tokenizer();
	if (lines || ids_file)
		open_section();
	else
		t.in = tool_reader(&t, t.files, t.nfiles);
	if (lines)
		ops.next = next_lines;
	if (ids_file)
		read_ids();
	else if (pool_run(t.jobs, &ops, NULL) < 0)
		die("no threads");
	if (!texts)
		die("no text%s", lines || ids_file ? "" : " frame: prompt-fmt(1) makes them");
	while (tokenizer && nruns)
		token_run_free(runs[--nruns]);
	free(runs);
	tokenizer_free(tokenizer);
	free(name);
	return tool_end(&t);
}
