/*
 * moetrace.h: the trace stream, version 1; moetrace(5) describes the bytes,
 * moetrace(3) these functions.
 *
 * Nothing here exits or prints.  A function returns 0 or a count when it
 * did its work and a negative TR_E... when it did not.
 */
#ifndef MOETRACE_H
#define MOETRACE_H

#include <stddef.h>
#include <stdint.h>

enum {
	TR_HEADER_MAX = 4096, /* bytes of a header line, its LF included */
	TR_KEYS_MAX = 64,
	TR_COLS_MAX = 32,
	TR_NAME_MAX = 32, /* bytes of a kind, key or column name, NUL included */
	TR_ALIGN = 64,
	TR_EXPERTS_MAX = 65534, /* so that an id and the empty slot fit u16 */
};
#define TR_BYTES_MAX ((uint64_t)1 << 30) /* a payload, stored or decoded */
#define TR_ROWS_MAX ((uint64_t)1 << 28)
#define TR_WIDTH_MAX ((uint64_t)65536)
#define TR_NONE UINT64_MAX /* "no such number": all ones */

enum tr_err {
	TR_EIO = -1,      /* read or write failed, errno says why */
	TR_ENOMEM = -2,   /* no memory */
	TR_ETEXT = -3,    /* not a trace at all */
	TR_EVERSION = -4, /* v is not 1 */
	TR_EHEADER = -5,  /* a header line that breaks the grammar */
	TR_EORDER = -6,   /* @trace or @end missing, or frames miscounted */
	TR_ETRUNC = -7,   /* the input ends inside a section */
	TR_ECRC = -8,     /* checksum differs */
	TR_ECOLS = -9,    /* rows, cols and bytes do not agree */
	TR_ELIMIT = -10,  /* larger than the limits allow */
	TR_EENC = -11,    /* enc unknown, or its payload is broken */
	TR_EVALUE = -12,  /* a value that its key or column cannot have */
	TR_EUSE = -13,    /* the caller's mistake */
};

enum tr_type {
	TR_U8,
	TR_U16,
	TR_U32,
	TR_U64,
	TR_I8,
	TR_I16,
	TR_I32,
	TR_I64,
	TR_F16,
	TR_BF16,
	TR_F32,
	TR_F64,
	TR_OTHER, /* known by its size alone */
};

/* One column of a table: an array [rows][width], row-major. */
struct tr_col {
	char name[TR_NAME_MAX];
	char dtype[12]; /* as spelt in cols= */
	enum tr_type type;
	uint32_t size;  /* bytes of one element */
	uint32_t width; /* elements of a row */
	uint64_t rows;
	const void *data; /* lent; NULL until the payload is decoded */
};

/*
 * One frame.  rows, cols, bytes, enc and crc are not among its keys: they
 * stand in the fields, and tr_put writes them.  A frame holds no pointers of
 * its own but those to columns and payload, so it may be copied by assignment.
 */
struct tr_frame {
	char kind[TR_NAME_MAX];
	int nkeys;
	struct {
		uint16_t key, val;
	} keys[TR_KEYS_MAX]; /* offsets into text */
	uint16_t ntext;
	char text[2 * TR_HEADER_MAX]; /* keys and percent-coded values, NUL-ended */

	int has_rows; /* rows and cols are present */
	uint64_t rows;
	int ncols;
	struct tr_col cols[TR_COLS_MAX];
	uint64_t need; /* end of the last column in the raw payload */

	const void *payload; /* stored bytes (raw, or encoded if enc), lent */
	uint64_t bytes;      /* their number; 0: no payload */
	char enc[16];        /* "" raw, "zstd", or one that we do not know */
	int crc;             /* 1: carries a checksum */

	const void *raw; /* header and payload as read; NULL once changed */
	uint64_t nraw;
	struct tr *from; /* reader that lends the columns, or NULL */

	uint64_t number; /* place in its section, @trace is 0 */
	uint64_t offset; /* of the '@' in its file */
	int input;       /* number of the input, from 1 */
};

/* A set of numbers: "0-3,7".  No ranges: all numbers. */
struct tr_list {
	int n;
	struct {
		uint64_t lo, hi;
	} * range; /* ascending, apart */
};

/* What @trace says; 0 where it says nothing. */
struct tr_sect {
	uint64_t layers, experts, topk, shared;
	struct tr_list map; /* layer numbers that occur; owned by the reader */
	int crc;
};

struct tr_limits {
	uint64_t max_bytes; /* 0: TR_BYTES_MAX; larger is an error */
	int keep_going;     /* resync after an error (moetrace(5), RESYNC) */
};

struct tr;     /* a reader */
struct tr_out; /* a writer */

/* ---- reading ---- */

/* A reader of fd, which stays the caller's.  lim may be NULL.  NULL: no memory. */
struct tr *tr_open(int fd, const struct tr_limits *lim);

/* The same over n files one after the other ("-": standard input; n 0: that
 * alone).  files is kept, not copied.  Each file must end with a whole section. */
struct tr *tr_openv(char **files, int n, const struct tr_limits *lim);

/* Next frame: 1, and *f lends its payload until the next call; 0 at the clean
 * end; <0 an error, then tr_errstr says where.  With keep_going an error is
 * returned only for what cannot be read at all: tr_lost tells the rest. */
int tr_next(struct tr *t, struct tr_frame *f);

/* What the current section's @trace says, lent until the next one. */
const struct tr_sect *tr_section(const struct tr *t);

/* "a.trace: frame 12 at byte 4711: bytes=70 but cols need 76"; lent. */
const char *tr_errstr(const struct tr *t);

/* Set the error text of t as if it had found it at frame f; returns err. */
int tr_fail(struct tr *t, const struct tr_frame *f, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

uint64_t tr_lost(const struct tr *t);  /* bytes skipped by keep_going */
uint64_t tr_done(const struct tr *t);  /* bytes read so far, all files */
uint64_t tr_total(const struct tr *t); /* bytes of all files, TR_NONE: unknown */
void tr_free(struct tr *t);            /* NULL is fine */

/* ---- keys ---- */

/* 1 and *val (percent-coded, lent) if f has key, 0 if not. */
int tr_key(const struct tr_frame *f, const char *key, const char **val);

/* 1 and *n, 0 if absent, TR_EVALUE if it is no integer of moetrace(5). */
int tr_num(const struct tr_frame *f, const char *key, uint64_t *n);

/* The number, or dflt where the key is absent or no integer. */
uint64_t tr_get(const struct tr_frame *f, const char *key, uint64_t dflt);

/* Value decoded into buf; its length, 0 if absent, TR_ELIMIT if it does not fit. */
int tr_text(const struct tr_frame *f, const char *key, char *buf, size_t size);

/* ---- columns ---- */

/* 1 and *c with its data (decodes zstd), 0 if absent, <0 a broken payload. */
int tr_col(const struct tr_frame *f, const char *name, struct tr_col *c);

/* All columns decoded: every f->cols[i].data is set.  0 or <0. */
int tr_decode(struct tr_frame *f);

/* n elements of c from element first, converted; floats from integers are
 * exact up to 2^24 and 2^53.  TR_EUSE for a type that has no such numbers. */
int col_f32(const struct tr_col *c, uint64_t first, uint64_t n, float *to);
int col_f64(const struct tr_col *c, uint64_t first, uint64_t n, double *to);
int col_u64(const struct tr_col *c, uint64_t first, uint64_t n, uint64_t *to);

/* The picks of a route frame, checked: each is < experts or the empty slot. */
struct tr_ids {
	const uint8_t *u8;   /* one of u8 and u16 is set, the other NULL; */
	const uint16_t *u16; /* [rows][k], empty slots 0xff or 0xffff */
	uint64_t rows;
	uint32_t k;
};

/* 1 and *ids, lent like a column; 0 without an ids column; <0 out of range. */
int tr_ids(const struct tr_frame *f, struct tr_ids *ids);

static inline uint32_t
tr_id(const struct tr_ids *ids, uint64_t i) /* element i; UINT32_MAX: empty */
{
	if (ids->u8)
		return ids->u8[i] == 0xff ? UINT32_MAX : ids->u8[i];
	return ids->u16[i] == 0xffff ? UINT32_MAX : ids->u16[i];
}

/* ---- making frames ---- */

/* An empty frame of that kind, with crc. */
void tr_new(struct tr_frame *f, const char *kind);

/* An @trace of these layers, so far; layers as in tr_set_layers. */
int tr_new_trace(struct tr_frame *f, const struct tr_list *layers, uint64_t experts, uint64_t topk);
/* layers= and, where they are not 0, 1, 2 ..., map= of a trace frame: 0, or
 * TR_ELIMIT where the list does not fit a header. */
int tr_set_layers(struct tr_frame *trace, const struct tr_list *layers);

/* Set key to a value (percent-coded here where it must be); the place of an
 * old one is kept, a new one comes last.  0 or TR_ELIMIT, TR_EHEADER. */
int tr_set(struct tr_frame *f, const char *key, const char *val);
int tr_setu(struct tr_frame *f, const char *key, uint64_t n);
int tr_setf(struct tr_frame *f, const char *key, double x); /* shortest text */
void tr_unset(struct tr_frame *f, const char *key);

/* Add (or replace) a column of f->rows rows, lent until tr_put returns.
 * Set f->rows with tr_rows first.  0 or TR_E.... */
void tr_rows(struct tr_frame *f, uint64_t rows);
int tr_addcol(struct tr_frame *f, const char *name, enum tr_type type, uint64_t width,
	      const void *data);
void tr_dropcol(struct tr_frame *f, const char *name); /* tr_decode first */

/* A text or opaque payload instead of columns, lent; n 0: none. */
void tr_payload(struct tr_frame *f, const void *p, uint64_t n);

/* Bytes of one element, and the name of a type ("u8"). */
uint32_t tr_size(enum tr_type type);
const char *tr_typename(enum tr_type type);

/* ---- writing ---- */

enum tr_flags {
	TR_TEXT = 1,    /* render for eyes instead of framing (moetrace(5), TEXT) */
	TR_TTY = 2,     /* with TR_TEXT: aligned columns, cut after 40 rows */
	TR_ALL = 4,     /* with TR_TTY: do not cut */
	TR_FLUSH = 8,   /* flush after every frame */
	TR_NOPROG = 16, /* tr_prog registers nothing */
	TR_INDEX = 32,  /* write an index frame before each @end */
};

/* A writer on fd, which stays the caller's.  zstd 0: payloads raw, else the
 * level.  NULL: no memory. */
struct tr_out *tr_create(int fd, int flags, int zstd);

/* Say once who writes: the line is put before the first frame that is neither
 * trace nor prog, in every section.  argv[0]'s last part is the name. */
int tr_prog(struct tr_out *o, int argc, char **argv);
/* inputs=N of that line, for tools that fold N inputs. */
void tr_prog_inputs(struct tr_out *o, int n);

/* Write one frame.  trace opens a section, end closes it (frames counted
 * here).  Unchanged frames keep their bytes.  derived=1 frames are dropped. */
int tr_put(struct tr_out *o, const struct tr_frame *f);

/* @end of the open section, if any; then flush.  0 or TR_EIO. */
int tr_end(struct tr_out *o);
void tr_out_free(struct tr_out *o);

/* ---- sections folded into one ---- */

struct tr_head; /* the union of the @trace and @prog lines of many sections */

struct tr_head *tr_head_new(void);
/* 1: f was a trace, prog or end frame and is taken in; 0: it is content;
 * <0 sections disagree (tr_head_errstr).  force: model need not agree. */
int tr_head_add(struct tr_head *h, const struct tr_frame *f, int force);
/* Open the folded section on o: @trace, the copied @prog lines. */
int tr_head_put(struct tr_head *h, struct tr_out *o);
/* experts, topk, layers, map as united so far. */
const struct tr_sect *tr_head_section(const struct tr_head *h);
struct tr_frame *tr_head_trace(struct tr_head *h); /* to set or drop keys */
const char *tr_head_errstr(const struct tr_head *h);
void tr_head_free(struct tr_head *h);

/* ---- lists ---- */

/* Parse "0-3,7" into *l (allocated): 0, TR_EVALUE, TR_ENOMEM. */
int tr_list_parse(struct tr_list *l, const char *s);
int tr_list_has(const struct tr_list *l, uint64_t n); /* an empty list has all */
uint64_t tr_list_count(const struct tr_list *l);
uint64_t tr_list_at(const struct tr_list *l, uint64_t i);   /* i-th, TR_NONE past the end */
uint64_t tr_list_find(const struct tr_list *l, uint64_t n); /* place of n, or TR_NONE */
int tr_list_add(struct tr_list *l, uint64_t n);
/* Text form into buf: its length or TR_ELIMIT. */
int tr_list_text(const struct tr_list *l, char *buf, size_t size);
void tr_list_free(struct tr_list *l);

#endif
