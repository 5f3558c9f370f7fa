/*
 * What all tools share: options, inputs, output, provenance, progress.  These
 * functions die; they are for main and its helpers only.
 *
 *	int
 *	main(int argc, char **argv)
 *	{
 *		static struct tool t = {"trace-x", "[FILE ...]", "says x", opts, TOOL_TRACE};
 *		struct tr_frame f;
 *
 *		tool_start(&t, argc, argv);
 *		while (tool_next(&t, &f))
 *			tool_put(&t, &f);
 *		return tool_end(&t);
 *	}
 */
#ifndef TOOL_H
#define TOOL_H

#include "die.h"
#include "moetrace.h"
#include "opt.h"
#include "sink.h"
#include "spool.h"

enum tool_flags {
	TOOL_TRACE = 1,       /* writes a trace: refuses a terminal without -t */
	TOOL_RESULT = 2,      /* writes result frames: text on a terminal */
	TOOL_BYTES = 4,       /* writes something else, through t->sink */
	TOOL_NOIN = 8,        /* reads no trace: operands are the tool's own affair */
	TOOL_OWNIN = 1024,    /* reads traces, but opens them itself by tool_reader */
	TOOL_FOLD = 16,       /* folds all sections of all inputs into one */
	TOOL_JOBS = 32,       /* has -j */
	TOOL_SEED = 64,       /* has -s */
	TOOL_FORCE = 128,     /* has -f */
	TOOL_OWNOUT = 256,    /* has -o, but opens its outputs itself */
	TOOL_PROGRESS = 2048, /* has --progress where it reads by tool_reader: shows its own */
	TOOL_PART = 4096,     /* -o FILE is FILE.part until it is whole; has --resume */
	TOOL_NOFRAME = 512,   /* no output at all but what it prints to t->sink */
};

struct tool {
	const char *name;
	const char *operands; /* "[FILE ...]" */
	const char *what;     /* its .Nd line */
	const struct opt *opts;
	int flags;

	/* filled by tool_start */
	int argc;
	char **argv;
	char **files; /* operands */
	int nfiles;
	struct tr *in;        /* unless TOOL_NOIN, TOOL_OWNIN */
	struct tr_out *out;   /* TOOL_TRACE, TOOL_RESULT */
	struct sink *sink;    /* TOOL_BYTES, and under out */
	struct tr_head *head; /* TOOL_FOLD: what tool_next has folded */
	uint64_t sections;    /* that tool_next has begun */
	const char *output;   /* -o */
	struct tr_limits limits;
	int jobs; /* -j, 1 by default, 0 became the cores */
	int text, quiet, verbose, force, zstd, progress, noprog, flush, index, resume;
	uint64_t seed; /* -s, 1 by default */
};

/* Parse options (dies on wrong ones; serves --help and --version), open inputs
 * and output, register provenance. */
void tool_start(struct tool *t, int argc, char **argv);

/* A reader over n operands (0: standard input) with the tool's limits; refuses
 * a terminal.  tool_reader_end frees it and adds what it lost to what tool_end tells. */
struct tr *tool_reader(struct tool *t, char **files, int n);
void tool_reader_end(struct tool *t, struct tr *r);
/* The same for an operand that is read twice. */
void tool_spool(struct spool *s, const char *file);

/* Next frame: 1, or 0 at the end.  Under TOOL_FOLD trace, prog and end frames
 * are folded away and only content is handed out. */
int tool_next(struct tool *t, struct tr_frame *f);

/* What --frame NAME asks for: frames of that kind, or whose name key it is; NULL: all. */
int tool_named(const struct tr_frame *f, const char *name);
/* Die where a layer that -l names is none of those seen; and where none is, but
 * tables of another kind came. */
void tool_layers(const struct tr_list *want, const struct tr_list *seen);

/* Put a frame, dying if that fails.  Under TOOL_FOLD the folded head goes first. */
void tool_put(struct tool *t, const struct tr_frame *f);

/* Begin a section of one's own (converters): the trace frame, then provenance. */
void tool_open(struct tool *t, struct tr_frame *trace);

/* Die of an error of the reader, or of a library call on frame f. */
_Noreturn void tool_fail(struct tool *t);
/* The same where r is negative; TR_ENOMEM says so. */
void tool_check(struct tool *t, int r);
/* Die of what frame f says: "@kind: text", with its number and place. */
_Noreturn void tool_refuse(struct tool *t, const struct tr_frame *f, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Die of a failed write to t->sink; without a word if its reader has gone. */
_Noreturn void tool_broken(struct tool *t);

/* A column or key that the tool cannot do without: dies, naming frame and it. */
void tool_col(struct tool *t, const struct tr_frame *f, const char *name, struct tr_col *c);
void tool_ids(struct tool *t, const struct tr_frame *f, struct tr_ids *ids);
/* Column dropped [rows][ids->k] of the frame that ids are of, lent; NULL: it has none.  Dies
 * where it is of another shape. */
const uint8_t *tool_dropped(struct tool *t, const struct tr_frame *f, const struct tr_ids *ids);
uint64_t tool_key(struct tool *t, const struct tr_frame *f, const char *key);

/* One more output with the tool's flags and provenance, for tools that write
 * several: FILE is put in place by tool_output_end. */
struct tr_out *tool_output(struct tool *t, const char *file);
void tool_output_end(struct tool *t, struct tr_out *o);

/* What the current (or folded) @trace says. */
const struct tr_sect *tool_section(struct tool *t);

/* End section and file, check that all was written; the exit status, 2 if
 * keep_going lost anything. */
int tool_end(struct tool *t);

/* Instead, in a process of several of which another writes: its output is given up.  0. */
int tool_drop(struct tool *t);

int tool_tty(int fd); /* isatty, or what TRACE_FAKE_TTY says */

/* Open an operand for a reader of text; it becomes "standard input" where it is "-". */
int tool_fd(const char **file);

/* Read all of a file or stdin ("-") for a reader of foreign formats: mapped
 * where possible.  Dies naming the file.  An empty file has p "" and n 0. */
struct tool_file {
	const char *name;
	const unsigned char *p;
	size_t n, skip;
	int mapped;
};
void tool_slurp(struct tool_file *m, const char *file);
void tool_unslurp(struct tool_file *m);

#endif
