/* What every main does: options, inputs, output, provenance, progress, exit. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "num.h"
#include "pool.h"
#include "progress.h"
#include "size.h"
#include "tool.h"
#include "writer.h"

#ifndef MOETRACE_VERSION
#define MOETRACE_VERSION "0"
#endif

/* The process has one tool; these are its, not the library's. */
static struct {
	struct opt_all all;
	struct progress progress;
	uint64_t jobs, max_bytes, lost;
	const char *zstd;
	int help, version, debug, head_done, wrote;
	char other[TR_NAME_MAX]; /* the first kind of table that is no trace's */
	int prompts;             /* texts or tokens that no model has seen */
} self;

int
tool_tty(int fd)
{
	const char *fake = getenv("TRACE_FAKE_TTY");

	return fake ? strchr(fake, '0' + fd) != NULL : isatty(fd);
}

static void
options(struct tool *t)
{
	static struct opt common[] = {
		{'o', "output", "FILE", OPT_STR, NULL, "write FILE, put in place when whole", 0, 0},
		{'t', "text", NULL, OPT_FLAG, NULL, "write tables of text instead of frames", 0, 0},
		{'z', "zstd", "N", OPT_STR, &self.zstd, "compress payloads, level N (3)", 0, 0},
		{'j', "jobs", "N", OPT_U64, &self.jobs, "work in N threads, 0: one a core (1)", 0,
		 1024},
		{'s', "seed", "N", OPT_U64, NULL, "seed of the random numbers (1)", 0, INT64_MAX},
		{'f', "force", NULL, OPT_FLAG, NULL, "fold sections of different models", 0, 0},
		{0, "progress", NULL, OPT_FLAG, NULL, "show progress on a terminal", 0, 0},
		{0, "keep-going", NULL, OPT_FLAG, NULL, "skip what is broken; the exit status is 2",
		 0, 0},
		{0, "max-bytes", "N", OPT_SIZE, &self.max_bytes, "refuse larger payloads (1G)", 1,
		 0},
		{0, "index", NULL, OPT_FLAG, NULL, "write an index frame before @end", 0, 0},
		{0, "line-buffered", NULL, OPT_FLAG, NULL, "flush after every frame", 0, 0},
		{0, "no-prog", NULL, OPT_FLAG, NULL, "leave no @prog line", 0, 0},
		{0, "resume", NULL, OPT_FLAG, NULL, "go on with FILE.part of -o FILE", 0, 0},
		{'q', "quiet", NULL, OPT_FLAG, NULL, "no warnings", 0, 0},
		{'v', "verbose", NULL, OPT_FLAG, NULL, "say more on stderr", 0, 0},
		{'h', "help", NULL, OPT_FLAG, &self.help, "print this", 0, 0},
		{0, "version", NULL, OPT_FLAG, &self.version, "print the version", 0, 0},
	};
	int frames = t->flags & (TOOL_TRACE | TOOL_RESULT), reads = !(t->flags & TOOL_NOIN);

	for (const struct opt *o = t->opts; o && o->name; o++)
		opt_add(&self.all, o);
	for (size_t i = 0; i < LEN(common); i++) {
		struct opt *o = &common[i];
		int has = 1;

		switch (o->letter) {
		case 'o':
			o->var = &t->output;
			has = !(t->flags & TOOL_NOFRAME);
			break;
		case 't':
			o->var = &t->text;
			has = frames;
			break;
		case 'z':
			has = frames;
			break;
		case 'j':
			has = t->flags & TOOL_JOBS;
			break;
		case 's':
			o->var = &t->seed;
			has = t->flags & TOOL_SEED;
			break;
		case 'f':
			o->var = &t->force;
			has = t->flags & TOOL_FORCE;
			break;
		case 'q':
			o->var = &t->quiet;
			break;
		case 'v':
			o->var = &t->verbose;
			break;
		}
		if (!strcmp(o->name, "progress")) {
			o->var = &t->progress;
			has = (reads && !(t->flags & TOOL_OWNIN)) || t->flags & TOOL_PROGRESS;
		} else if (!strcmp(o->name, "keep-going")) {
			o->var = &t->limits.keep_going;
			has = reads;
		} else if (!strcmp(o->name, "max-bytes")) {
			has = reads;
		} else if (!strcmp(o->name, "index")) {
			o->var = &t->index;
			has = t->flags & TOOL_TRACE;
		} else if (!strcmp(o->name, "resume")) {
			o->var = &t->resume;
			has = t->flags & TOOL_PART;
		} else if (!strcmp(o->name, "line-buffered")) {
			o->var = &t->flush;
			has = frames;
		} else if (!strcmp(o->name, "no-prog")) {
			o->var = &t->noprog;
			has = frames;
		}
		if (has)
			opt_add(&self.all, o);
	}
}

/* With a standard descriptor closed, the next open would take its number. */
static void
hold_descriptors(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", (fd == 0 ? O_WRONLY : O_RDONLY));
}

static void
drop_sink(void *s)
{
	sink_drop(s);
}

static struct sink *
open_sink(const char *file)
{
	struct sink *s = sink_open(file);

	if (!s)
		die("%s:", file ? file : "standard output");
	die_undo(drop_sink, s);
	return s;
}

static struct sink *
open_part(const struct tool *t)
{
	struct sink *s;

	if (t->resume && (!t->output || !strcmp(t->output, "-") || t->text))
		die("--resume goes on with a trace: give -o FILE, and no -t");
	if (!(s = sink_part(t->output, t->resume))) {
		if (errno == EEXIST)
			die("%s.part is there: --resume goes on with it", t->output);
		if (errno == EWOULDBLOCK)
			die("%s.part: another process writes it", t->output);
		die("%s:", t->output ? t->output : "standard output");
	}
	die_undo(drop_sink, s);
	return s;
}

static int
out_flags(const struct tool *t, int to_tty)
{
	int flags = 0;

	if (t->text || (to_tty && t->flags & TOOL_RESULT))
		flags |= TR_TEXT;
	if (flags && to_tty)
		flags |= TR_TTY;
	if (flags && t->text)
		flags |= TR_ALL;
	if (t->flush)
		flags |= TR_FLUSH;
	if (t->noprog)
		flags |= TR_NOPROG;
	if (t->index)
		flags |= TR_INDEX;
	return flags;
}

static struct tr_out *
make_out(struct tool *t, struct sink *s, int to_tty)
{
	struct tr_out *o = tr_create_sink(s, out_flags(t, to_tty), t->zstd);

	if (!o || tr_prog(o, self.all.nargs, self.all.args) < 0)
		die("no memory");
	return o;
}

static void
open_output(struct tool *t)
{
	int to_tty = (!t->output || !strcmp(t->output, "-")) && tool_tty(1);

	if (t->flags & (TOOL_OWNOUT | TOOL_NOFRAME) && !(t->flags & TOOL_BYTES)) {
		if (t->flags & TOOL_NOFRAME)
			t->sink = open_sink(NULL);
		return;
	}
	if (t->flags & TOOL_TRACE && to_tty && !t->text)
		die("a trace is nothing for a terminal: give -o FILE, or -t for text");
	t->sink = t->flags & TOOL_PART ? open_part(t) : open_sink(t->output);
	if (t->flags & (TOOL_TRACE | TOOL_RESULT))
		t->out = make_out(t, t->sink, to_tty);
}

static void
refuse_terminal(const char *file)
{
	if (!strcmp(file, "-") && tool_tty(0))
		die("standard input is a terminal: give a FILE or a pipe");
}

struct tr *
tool_reader(struct tool *t, char **files, int n)
{
	struct tr *r;

	for (int i = 0; i < MAX(n, 1); i++)
		refuse_terminal(n ? files[i] : "-");
	if (!(r = tr_openv(files, n, &t->limits)))
		die("no memory");
	return r;
}

void
tool_reader_end(struct tool *t, struct tr *r)
{
	if (r)
		self.lost += tr_lost(r);
	tr_free(r);
}

void
tool_spool(struct spool *s, const char *file)
{
	refuse_terminal(file);
	if (spool_open(s, file) < 0)
		die("%s:", strcmp(file, "-") ? file : "standard input");
}

void
tool_start(struct tool *t, int argc, char **argv)
{
	uint64_t level = 3;

	hold_descriptors();
	die_name = t->name;
	self.all.name = t->name;
	self.all.operands = t->operands;
	self.all.what = t->what;
	self.jobs = 1;
	t->seed = t->seed ? t->seed : 1;
	options(t);
	opt_parse(&self.all, argc, argv);
	if (self.version) {
		char text[64];

		snprintf(text, sizeof text, "%s (moetrace) %s\n", t->name, MOETRACE_VERSION);
		die_help(text);
	}
	t->argc = argc;
	t->argv = argv;
	t->files = self.all.operand;
	t->nfiles = self.all.noperand;
	t->jobs = self.jobs ? (int)self.jobs : pool_cores();
	if (self.zstd) {
		if (*self.zstd && num_u64(self.zstd, 1, 19, &level) < 0)
			die("--zstd %s: not a level from 1 to 19", self.zstd);
		t->zstd = (int)level;
	}
	t->limits.max_bytes = self.max_bytes;
	self.debug = getenv("TRACE_DEBUG") != NULL;
	if (!(t->flags & (TOOL_NOIN | TOOL_OWNIN))) {
		t->in = tool_reader(t, t->files, t->nfiles);
		if (t->flags & TOOL_FOLD && !(t->head = tr_head_new()))
			die("no memory");
		progress_init(&self.progress, t->progress && !t->quiet && tool_tty(2));
	}
	open_output(t);
}

void
tool_fail(struct tool *t)
{
	progress_end(&self.progress);
	die("%s", tr_errstr(t->in));
}

void
tool_check(struct tool *t, int r)
{
	if (r == TR_ENOMEM)
		die("no memory");
	if (r < 0)
		tool_fail(t);
}

void
tool_refuse(struct tool *t, const struct tr_frame *f, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	tr_fail(t->in, f, TR_EVALUE, "@%s: %s", f->kind, text);
	tool_fail(t);
}

void
tool_broken(struct tool *t)
{
	if (errno == EPIPE)
		die_silent();
	if (errno == ESTALE)
		die("%s.part: not of this input and these options", t->output);
	die("%s:", t->output ? t->output : "standard output");
}

int
tool_next(struct tool *t, struct tr_frame *f)
{
	int r;

	for (;;) {
		r = tr_next(t->in, f);
		progress_tick(&self.progress, tr_done(t->in), tr_total(t->in));
		if (r < 0)
			tool_fail(t);
		if (r == 0) {
			progress_end(&self.progress);
			return 0;
		}
		if (self.debug)
			warn("frame %llu at byte %llu: @%s %llu bytes",
			     (unsigned long long)f->number, (unsigned long long)f->offset, f->kind,
			     (unsigned long long)f->bytes);
		if (!*self.other && f->has_rows && strcmp(f->kind, "route") &&
		    strcmp(f->kind, "tok"))
			snprintf(self.other, sizeof self.other, "%s", f->kind);
		if (!self.prompts && (!strcmp(f->kind, "text") || !strcmp(f->kind, "tok")))
			self.prompts = !tr_section(t->in)->experts;
		t->sections += !strcmp(f->kind, "trace");
		if (!t->head)
			return 1;
		r = tr_head_add(t->head, f, t->force);
		if (r < 0) {
			tr_fail(t->in, f, r, "%s", tr_head_errstr(t->head));
			tool_fail(t);
		}
		if (r == 0)
			return 1;
	}
}

int
tool_named(const struct tr_frame *f, const char *name)
{
	char val[TR_HEADER_MAX];

	return !name || !strcmp(f->kind, name) ||
	       (tr_text(f, "name", val, sizeof val) > 0 && !strcmp(val, name));
}

void
tool_layers(const struct tr_list *want, const struct tr_list *seen)
{
	uint64_t l;

	if (!want->n && !seen->n && self.prompts)
		die("no routing in the input, only prompts: router-capture(1) makes it");
	if (!want->n && !seen->n && *self.other)
		die("no routing in the input, only @%s frames: give it the trace", self.other);
	for (uint64_t i = 0; (l = tr_list_at(want, i)) != TR_NONE; i++)
		if (!seen->n || !tr_list_has(seen, l))
			die("--layer: no records for layer %llu in the input",
			    (unsigned long long)l);
}

/* What went wrong in writing a frame: the disk, its payload, or we. */
static void
check_put(struct tool *t, const struct tr_frame *f, int r)
{
	self.wrote = 1;
	if (r == 0)
		return;
	if (r == TR_EIO)
		tool_broken(t);
	if ((r == TR_EENC || r == TR_ENOMEM || r == TR_ECOLS) && f->from)
		die("%s", tr_errstr(f->from));
	if (r == TR_ELIMIT)
		die("@%s: its header or payload grows above the limits", f->kind);
	die("@%s: cannot be written (%d)", f->kind, r);
}

static void
put_head(struct tool *t)
{
	if (t->head && !self.head_done) {
		self.head_done = 1;
		check_put(t, tr_head_trace(t->head), tr_head_put(t->head, t->out));
	}
}

void
tool_put(struct tool *t, const struct tr_frame *f)
{
	put_head(t);
	check_put(t, f, tr_put(t->out, f));
}

void
tool_open(struct tool *t, struct tr_frame *trace)
{
	check_put(t, trace, tr_put(t->out, trace));
}

void
tool_col(struct tool *t, const struct tr_frame *f, const char *name, struct tr_col *c)
{
	int r = tr_col(f, name, c);

	if (r == 0)
		tr_fail(t->in, f, TR_ECOLS, "@%s has no column %s%s", f->kind, name,
			strcmp(name, "logit")
				? ""
				: ": log2trace, pt2trace --logits and trace-gen --logits write it");
	if (r <= 0)
		tool_fail(t);
}

void
tool_ids(struct tool *t, const struct tr_frame *f, struct tr_ids *ids)
{
	int r = tr_ids(f, ids);

	if (r == 0)
		tr_fail(t->in, f, TR_ECOLS, "@%s has no column ids", f->kind);
	if (r <= 0)
		tool_fail(t);
}

const uint8_t *
tool_dropped(struct tool *t, const struct tr_frame *f, const struct tr_ids *ids)
{
	struct tr_col c;
	int r = tr_col(f, "dropped", &c);

	tool_check(t, r);
	if (r > 0 && (c.type != TR_U8 || c.width != ids->k))
		tool_refuse(t, f, "column dropped is not u8:%u, one number a pick", ids->k);
	return r > 0 ? c.data : NULL;
}

uint64_t
tool_key(struct tool *t, const struct tr_frame *f, const char *key)
{
	uint64_t n = 0;
	int r = tr_num(f, key, &n);

	if (r <= 0) {
		tr_fail(t->in, f, TR_EHEADER, "@%s: %s %s", f->kind, key,
			r ? "is no number" : "is missing");
		tool_fail(t);
	}
	return n;
}

const struct tr_sect *
tool_section(struct tool *t)
{
	return t->head ? tr_head_section(t->head) : tr_section(t->in);
}

struct tr_out *
tool_output(struct tool *t, const char *file)
{
	return make_out(t, open_sink(file), 0);
}

void
tool_output_end(struct tool *t, struct tr_out *o)
{
	int r = tr_end(o);

	if (r < 0)
		tool_broken(t);
	struct sink *s = tr_out_sink(o);

	die_keep(s);
	if (sink_close(s) < 0)
		tool_broken(t);
	tr_out_free(o);
}

int
tool_end(struct tool *t)
{
	progress_end(&self.progress);
	if (t->out) {
		put_head(t);
		if (tr_end(t->out) < 0)
			tool_broken(t);
	}
	if (t->sink) {
		die_keep(t->sink);
		if (sink_close(t->sink) < 0)
			tool_broken(t);
	}
	tr_out_free(t->out);
	tr_head_free(t->head);
	tool_reader_end(t, t->in);
	if (self.lost)
		warn("%llu bytes were broken and are left out", (unsigned long long)self.lost);
	return self.lost ? 2 : 0;
}

int
tool_drop(struct tool *t)
{
	if (t->sink) {
		die_keep(t->sink);
		sink_drop(t->sink);
	}
	return 0;
}

/* ---- whole files ---- */

int
tool_fd(const char **file)
{
	int fd = 0;

	refuse_terminal(*file);
	if (!strcmp(*file, "-"))
		*file = "standard input";
	else if ((fd = open(*file, O_RDONLY | O_CLOEXEC)) < 0)
		die("%s:", *file);
	return fd;
}

void
tool_slurp(struct tool_file *m, const char *file)
{
	struct spool s;
	struct stat st;

	memset(m, 0, sizeof *m);
	m->p = (const unsigned char *)"";
	tool_spool(&s, file ? file : "-");
	m->name = strcmp(s.file, "-") ? s.file : "standard input";
	if (fstat(s.fd, &st) < 0)
		die("%s:", m->name);
	m->skip = s.base;
	m->n = (uint64_t)st.st_size > s.base ? (size_t)st.st_size - s.base : 0;
	if (m->n) {
		void *p = mmap(NULL, m->n + m->skip, PROT_READ, MAP_PRIVATE, s.fd, 0);

		if (p == MAP_FAILED)
			die("%s:", m->name);
		m->p = (unsigned char *)p + m->skip;
		m->mapped = 1;
	}
	spool_close(&s);
}

void
tool_unslurp(struct tool_file *m)
{
	if (m->mapped)
		munmap((void *)(m->p - m->skip), m->n + m->skip);
	m->mapped = 0;
}
