/* Frames in: one buffer, frames parsed where they lie.  moetrace(5). */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "frame.h"
#include "kind.h"
#include "num.h"
#include "size.h"

enum {
	BLOCK = 256 * 1024, /* a larger read falls out of the second-level cache */
	CAP = 1024 * 1024,
	PIPE = 1024 * 1024,
};

struct tr {
	char **files;
	int nfiles, at; /* at: next file to open */
	int fd, own;
	const char *name; /* of the open input */
	struct tr_limits lim;

	unsigned char *buf;           /* 64-aligned; a byte's place in buf and in its file
			     * agree mod 64, so aligned files give aligned columns */
	size_t cap, start, end, used; /* used: length of the frame lent last */
	int eof, begun;               /* begun: a section of this file was seen */
	uint64_t off;                 /* of buf[start] in its file */
	uint64_t done, total;

	int open;         /* inside a section */
	uint64_t nframes; /* of the section so far, without @trace */
	struct tr_sect sect;
	uint64_t lost, lost_sect;
	int closing; /* keep_going: 1 a note, 2 an @end is owed */

	unsigned char *dec; /* decoded payload of frame dec_of */
	size_t deccap;
	uint64_t dec_of, serial;
	uint16_t *ids;
	size_t idscap;
	char err[512];
};

struct tr *
tr_open(int fd, const struct tr_limits *lim)
{
	struct tr *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	if (lim)
		t->lim = *lim;
	if (!t->lim.max_bytes || t->lim.max_bytes > TR_BYTES_MAX)
		t->lim.max_bytes = TR_BYTES_MAX;
	t->fd = fd;
	t->name = "standard input";
	t->total = TR_NONE;
	t->serial = 1;
	fcntl(fd, F_SETPIPE_SZ, PIPE); /* refused where it is no pipe: fine */
	return t;
}

static uint64_t
file_size(const char *file)
{
	struct stat st;
	int r = strcmp(file, "-") ? stat(file, &st) : fstat(0, &st);

	return r == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : TR_NONE;
}

struct tr *
tr_openv(char **files, int n, const struct tr_limits *lim)
{
	static char *const dash[] = {"-"};
	struct tr *t = tr_open(-1, lim);

	if (!t)
		return NULL;
	t->files = n ? files : (char **)dash;
	t->nfiles = n ? n : 1;
	t->total = 0;
	for (int i = 0; i < t->nfiles && t->total != TR_NONE; i++) {
		uint64_t size = file_size(t->files[i]);

		t->total = size == TR_NONE ? TR_NONE : t->total + size;
	}
	return t;
}

void
tr_free(struct tr *t)
{
	if (!t)
		return;
	if (t->own)
		close(t->fd);
	tr_list_free(&t->sect.map);
	free(t->buf);
	free(t->dec);
	free(t->ids);
	free(t);
}

const struct tr_sect *
tr_section(const struct tr *t)
{
	return &t->sect;
}

const char *
tr_errstr(const struct tr *t)
{
	return t->err;
}

uint64_t
tr_lost(const struct tr *t)
{
	return t->lost;
}

uint64_t
tr_done(const struct tr *t)
{
	return t->done;
}

uint64_t
tr_total(const struct tr *t)
{
	return t->total;
}

int
tr_fail(struct tr *t, const struct tr_frame *f, int err, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	snprintf(t->err, sizeof t->err, "%s: frame %llu at byte %llu: %s", t->name,
		 (unsigned long long)f->number, (unsigned long long)f->offset, text);
	return err;
}

static int
fail_file(struct tr *t, int err, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	snprintf(t->err, sizeof t->err, "%s: %s", t->name, text);
	return err;
}

/* An error at the frame that starts at buf[start]. */
static int
fail_here(struct tr *t, int err, const char *text)
{
	snprintf(t->err, sizeof t->err, "%s: frame %llu at byte %llu: %s", t->name,
		 (unsigned long long)(t->open ? t->nframes + 1 : 0), (unsigned long long)t->off,
		 text);
	return err;
}

/* ---- bytes ---- */

/* Open the next file: 1, 0 there is none, <0. */
static int
next_file(struct tr *t)
{
	if (t->own)
		close(t->fd);
	t->own = 0;
	if (t->at >= t->nfiles)
		return 0;
	const char *file = t->files[t->at++];

	if (!strcmp(file, "-")) {
		t->fd = 0;
		t->name = "standard input";
	} else {
		t->name = file;
		t->fd = open(file, O_RDONLY | O_CLOEXEC);
		if (t->fd < 0)
			return fail_file(t, TR_EIO, "%s", strerror(errno));
		t->own = 1;
	}
	fcntl(t->fd, F_SETPIPE_SZ, PIPE);
	t->start = t->end = t->used = 0;
	t->off = 0;
	t->eof = t->begun = 0;
	return 1;
}

/* Room behind end; the bytes from start on stay, their place mod 64 too. */
static int
room(struct tr *t, size_t need)
{
	size_t have = t->end - t->start, to = t->off % TR_ALIGN;

	if (!t->buf || to + need > t->cap) {
		size_t cap = t->cap ? t->cap : CAP;

		/* Doubled as bytes arrive: a header that lies costs nothing. */
		if (t->buf && to + have > cap / 2)
			cap *= 2;
		if (cap != t->cap) {
			unsigned char *p = aligned_alloc(TR_ALIGN, cap);

			if (!p)
				return fail_file(t, TR_ENOMEM, "no memory for a frame");
			if (have)
				memcpy(p + to, t->buf + t->start, have);
			free(t->buf);
			t->buf = p;
			t->cap = cap;
			t->start = to;
			t->end = to + have;
		}
	}
	if (t->cap - t->end < BLOCK / 4 && t->start > to) {
		memmove(t->buf + to, t->buf + t->start, have);
		t->start = to;
		t->end = to + have;
	}
	return 0;
}

/* Have n bytes from start on, or all there are: 0 or <0. */
static int
ensure(struct tr *t, size_t n)
{
	while (t->end - t->start < n && !t->eof) {
		int e = room(t, n);
		ssize_t r;

		if (e < 0)
			return e;
		r = read(t->fd, t->buf + t->end, MIN(t->cap - t->end, (size_t)BLOCK));
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return fail_file(t, TR_EIO, "%s", strerror(errno));
		if (r == 0)
			t->eof = 1;
		t->end += (size_t)r;
		t->done += (uint64_t)r;
	}
	return 0;
}

static void
skip(struct tr *t, size_t n)
{
	t->start += n;
	t->off += n;
}

/* ---- sections ---- */

static int
bad(struct tr *t, const struct tr_frame *f, int err, const char *what)
{
	return tr_fail(t, f, err, "@%s: %s", f->kind, what);
}

static int
number(struct tr *t, const struct tr_frame *f, const char *key, int must, uint64_t max, uint64_t *n)
{
	int r = tr_num(f, key, n);

	if (r < 0 || (r > 0 && *n > max))
		return tr_fail(t, f, TR_EVALUE, "@%s: %s is no number that it can be", f->kind,
			       key);
	if (r == 0 && must)
		return tr_fail(t, f, TR_EHEADER, "@%s without %s", f->kind, key);
	if (r == 0)
		*n = 0;
	return 0;
}

static int
open_section(struct tr *t, const struct tr_frame *f)
{
	struct tr_sect *s = &t->sect;
	const char *v, *map;

	if (!tr_key(f, "v", &v))
		return bad(t, f, TR_EHEADER, "no v");
	if (strcmp(v, "1"))
		return tr_fail(t, f, TR_EVERSION, "version %.20s of the framing is not known", v);
	tr_list_free(&s->map);
	if (number(t, f, "layers", 1, 1 << 20, &s->layers) < 0 ||
	    number(t, f, "experts", 1, TR_EXPERTS_MAX, &s->experts) < 0 ||
	    number(t, f, "topk", 1, TR_WIDTH_MAX, &s->topk) < 0 ||
	    number(t, f, "shared", 0, TR_EXPERTS_MAX, &s->shared) < 0)
		return TR_EVALUE;
	if (s->topk > s->experts)
		return tr_fail(t, f, TR_EVALUE, "@trace: topk=%llu of experts=%llu",
			       (unsigned long long)s->topk, (unsigned long long)s->experts);
	if (tr_key(f, "map", &map) &&
	    (tr_list_parse(&s->map, map) < 0 || tr_list_count(&s->map) != s->layers))
		return bad(t, f, TR_EVALUE, "map does not list as many layers as layers says");
	s->crc = f->crc;
	return 0;
}

/* Keys that a kind cannot do without (moetrace(5), KINDS). */
static const struct {
	const char *kind, *keys[3];
	int table;
} kinds[] = {
	{"route", {"layer"}, 1},
	{"count", {"layer"}, 1},
	{"coact", {"layer"}, 1},
	{"topk", {"layer", "k", "n_tokens"}, 1},
	{"flow", {"layer", "to"}, 1},
	{"kde", {"layer"}, 1},
	{"tail", {"layer"}, 1},
	{"hist", {"of"}, 1},
	{"load", {"layer"}, 1},
	{"tok", {"batch"}, 1},
	{"place", {"layer", "mesh"}, 1},
	{"index", {"derived"}, 1},
	{"table", {"name"}, 1},
	{"bench", {"name"}, 0},
	{"prog", {"name", "ver", "args"}, 0},
	{"seq", {"batch", "seq"}, 0},
	{"text", {"batch", "seq"}, 0},
};

static int
check_ids(struct tr *t, const struct tr_frame *f)
{
	for (int i = 0; i < f->ncols; i++) {
		const struct tr_col *c = &f->cols[i];

		if (strcmp(c->name, "ids"))
			continue;
		if (c->type > TR_U64)
			return bad(t, f, TR_ECOLS, "ids are not unsigned");
		if (c->type < TR_U64 && t->sect.experts > (UINT64_C(1) << 8 * c->size) - 1)
			return tr_fail(t, f, TR_ECOLS,
				       "@route: ids:%s cannot hold %llu experts and the "
				       "empty slot",
				       c->dtype, (unsigned long long)t->sect.experts);
		if (t->sect.topk && c->width != t->sect.topk)
			return tr_fail(t, f, TR_ECOLS, "@route: ids of width %u but topk=%llu",
				       c->width, (unsigned long long)t->sect.topk);
	}
	return 0;
}

static int
check_frame(struct tr *t, const struct tr_frame *f)
{
	uint64_t layer, n;
	const char *val;
	int r;

	for (size_t i = 0; i < LEN(kinds); i++) {
		if (strcmp(f->kind, kinds[i].kind))
			continue;
		for (int k = 0; k < 3 && kinds[i].keys[k]; k++)
			if (!tr_key(f, kinds[i].keys[k], &val))
				return tr_fail(t, f, TR_EHEADER, "@%s without %s", f->kind,
					       kinds[i].keys[k]);
		if (kinds[i].table && !f->has_rows)
			return bad(t, f, TR_ECOLS, "no rows and cols");
		break;
	}
	if ((r = tr_num(f, "batch", &n)) < 0)
		return bad(t, f, TR_EVALUE, "batch is no number");
	if ((r = tr_num(f, "layer", &layer)) < 0)
		return bad(t, f, TR_EVALUE, "layer is no number");
	if (r > 0 && t->sect.layers &&
	    (t->sect.map.n ? !tr_list_has(&t->sect.map, layer) : layer >= t->sect.layers))
		return tr_fail(t, f, TR_EVALUE, "layer %llu is not among those of @trace",
			       (unsigned long long)layer);
	return strcmp(f->kind, "route") ? 0 : check_ids(t, f);
}

/* Order and count of frames: 0 or TR_E.... */
static int
check_order(struct tr *t, const struct tr_frame *f)
{
	uint64_t frames;

	if (!strcmp(f->kind, "trace")) {
		if (t->open)
			return bad(t, f, TR_EORDER, "the section before it has no @end");
		return open_section(t, f);
	}
	if (!t->open)
		return bad(t, f, TR_EORDER, "no @trace before it");
	if (f->crc != t->sect.crc)
		return bad(t, f, TR_ECRC,
			   f->crc ? "crc, but @trace has none" : "no crc, but @trace has one");
	if (!strcmp(f->kind, "end")) {
		if (number(t, f, "frames", 1, INT64_MAX, &frames) < 0)
			return TR_EVALUE;
		if (f->bytes)
			return bad(t, f, TR_EHEADER, "a payload");
		if (frames != t->nframes)
			return tr_fail(t, f, TR_EORDER, "@end: frames=%llu but %llu came",
				       (unsigned long long)frames, (unsigned long long)t->nframes);
		return 0;
	}
	return check_frame(t, f);
}

/* ---- frames ---- */

/* What stands there instead of a trace. */
static int
not_a_trace(struct tr *t)
{
	const char *what = kind_told(t->buf + t->start, t->end - t->start);

	if (what)
		return fail_file(t, TR_ETEXT, "not a trace but %s", what);
	return fail_file(t, TR_ETEXT, "not a trace");
}

/*
 * Parse the frame at start, whole and with its checksum right.  1; 0 at the
 * end of the file; <0.  It is not consumed.
 */
static int
frame_at(struct tr *t, struct tr_frame *f)
{
	unsigned char *line, *lf = NULL;
	size_t len, all, crc_at = 0;
	uint64_t bytes;
	uint32_t crc = 0, is;
	char err[FRAME_ERR];
	int e;

	/* The usual header is short: ask for no more than is there. */
	for (size_t want = 1, seen = 0; !lf; want = t->end - t->start + 1) {
		if ((e = ensure(t, MIN(want, (size_t)TR_HEADER_MAX))) < 0)
			return e;
		line = t->buf + t->start;
		len = MIN(t->end - t->start, (size_t)TR_HEADER_MAX);
		if (len > seen)
			lf = memchr(line + seen, '\n', len - seen);
		seen = len;
		if (lf)
			break;
		if (len == TR_HEADER_MAX) {
			if (!t->begun && memcmp(line, "@trace v=", 9))
				return not_a_trace(t);
			return fail_here(t, TR_EHEADER, "no line end within 4096 bytes");
		}
		if (t->eof) {
			if (len == 0)
				return 0;
			if (!t->begun && memcmp(line, "@trace v=", MIN(len, (size_t)9)))
				return not_a_trace(t);
			return fail_here(t, TR_ETRUNC, "cut off inside a header");
		}
	}
	len = (size_t)(lf - line) + 1;
	if (!t->begun && (len < 10 || memcmp(line, "@trace v=", 9)))
		return not_a_trace(t);
	e = frame_parse(f, (char *)line, len, &bytes, &crc, &crc_at, err);
	f->number = !strcmp(f->kind, "trace") && !t->open ? 0 : t->nframes + 1;
	f->offset = t->off;
	f->input = t->files ? t->at : 1;
	f->from = t;
	if (e < 0)
		return fail_here(t, e, err);
	if (bytes > t->lim.max_bytes || f->need > t->lim.max_bytes)
		return fail_here(t, TR_ELIMIT, "larger than --max-bytes");

	all = len + (bytes ? (size_t)bytes + 1 : 0);
	if ((e = ensure(t, all)) < 0)
		return e;
	if (t->end - t->start < all) {
		snprintf(err, sizeof err, "@%s is cut off: %zu of %zu bytes", f->kind,
			 t->end - t->start, all);
		return fail_here(t, TR_ETRUNC, err);
	}
	line = t->buf + t->start;
	if (f->crc) {
		is = crc32c(0, line, crc_at);
		if (bytes)
			is = crc32c(is, line + len, bytes);
		if (is != crc) {
			snprintf(err, sizeof err, "@%s: crc=%08x but its bytes give %08x", f->kind,
				 crc, is);
			return fail_here(t, TR_ECRC, err);
		}
	}
	if (bytes && line[all - 1] != '\n')
		return fail_here(t, TR_ETRUNC, "no line end after the payload");
	f->raw = line;
	f->nraw = all;
	f->payload = bytes ? line + len : NULL;
	f->bytes = bytes;
	if (!f->enc[0] && f->has_rows && bytes && ((uintptr_t)f->payload & (TR_ALIGN - 1)) == 0) {
		uint64_t off = 0;

		for (int i = 0; i < f->ncols; i++) {
			struct tr_col *c = &f->cols[i];

			off = size_align(off, TR_ALIGN);
			c->data = line + len + off;
			off += f->rows * c->width * c->size;
		}
	}
	return 1;
}

/* After an error at start: on to the next "\n@" behind it.  0, or <0. */
static int
resync(struct tr *t)
{
	size_t i = 1;

	for (;;) {
		int e = ensure(t, i + 2);
		unsigned char *p;

		if (e < 0)
			return e;
		if (t->end - t->start < i + 2) { /* nothing more */
			t->lost += t->end - t->start;
			t->lost_sect += t->end - t->start;
			skip(t, t->end - t->start);
			return 0;
		}
		p = memmem(t->buf + t->start + i - 1, t->end - t->start - i + 1, "\n@", 2);
		if (p) {
			size_t n = (size_t)(p + 1 - (t->buf + t->start));

			t->lost += n;
			t->lost_sect += n;
			skip(t, n);
			return 0;
		}
		/* keep one byte: it may be the LF */
		i = t->end - t->start - 1;
		t->lost += i;
		t->lost_sect += i;
		skip(t, i);
		i = 1;
	}
}

/* A frame of ours in place of what was lost. */
static int
invent(struct tr *t, struct tr_frame *f, const char *kind)
{
	tr_new(f, kind);
	f->crc = t->sect.crc;
	f->number = t->nframes + 1;
	f->offset = t->off;
	f->from = t;
	f->input = t->files ? t->at : 1;
	t->used = 0;
	return 1;
}

static int
is_kind(const struct tr_frame *f, const char *kind)
{
	return !strcmp(f->kind, kind);
}

/* keep_going: what is owed before the frame at hand, if anything. */
static int
close_lost(struct tr *t, struct tr_frame *f)
{
	if (t->closing == 1) {
		t->closing = 2;
		invent(t, f, "note");
		tr_setu(f, "lost", t->lost_sect);
		t->nframes++;
		return 1;
	}
	invent(t, f, "end");
	tr_setu(f, "frames", t->nframes);
	t->closing = 0;
	t->open = 0;
	t->lost_sect = 0;
	return 1;
}

int
tr_next(struct tr *t, struct tr_frame *f)
{
	int r;

	skip(t, t->used);
	t->used = 0;
	t->serial++;
	if (t->files && !t->at && (r = next_file(t)) <= 0)
		return r;
	for (;;) {
		if (t->closing)
			return close_lost(t, f);
		r = frame_at(t, f);
		if (r == 0) {
			if (t->open && t->lim.keep_going) {
				t->closing = 1;
				continue;
			}
			if (t->open)
				return fail_here(t, TR_ETRUNC, "the stream is cut off: no @end");
			if (!t->begun)
				return fail_file(t, TR_ETRUNC, "empty, not a trace");
			if (!t->files || (r = next_file(t)) == 0)
				return 0;
			if (r < 0)
				return r;
			continue;
		}
		if (r < 0 && (r == TR_EIO || r == TR_ENOMEM || !t->lim.keep_going))
			return r;
		if (r > 0 && t->lim.keep_going) {
			/* what was lost may have been an @end or an @trace */
			if (t->open &&
			    (is_kind(f, "trace") || (is_kind(f, "end") && t->lost_sect))) {
				if (is_kind(f, "end"))
					t->used = f->nraw;
				skip(t, t->used);
				t->closing = 1;
				continue;
			}
			if (!t->open && !is_kind(f, "trace") && t->lost_sect) {
				if (is_kind(f, "end")) {
					t->lost += f->nraw;
					skip(t, f->nraw);
					t->lost_sect = 0;
					continue;
				}
				tr_list_free(&t->sect.map);
				memset(&t->sect, 0, sizeof t->sect);
				t->sect.crc = f->crc;
				t->open = 1;
				t->nframes = 0;
				invent(t, f, "trace");
				tr_setu(f, "v", 1);
				tr_setu(f, "layers", 0);
				tr_setu(f, "experts", 0);
				tr_setu(f, "topk", 0);
				return 1;
			}
		}
		if (r > 0 && (r = check_order(t, f)) == 0)
			break;
		if (!t->lim.keep_going)
			return r;
		t->begun = 1; /* what follows is searched, not guessed */
		if ((r = resync(t)) < 0)
			return r;
	}
	t->used = f->nraw;
	if (is_kind(f, "trace")) {
		t->open = t->begun = 1;
		t->nframes = 0;
		t->lost_sect = 0;
	} else if (is_kind(f, "end")) {
		t->open = 0;
	} else {
		t->nframes++;
	}
	return 1;
}

/* ---- lending columns ---- */

static int
grow(unsigned char **p, size_t *cap, size_t need)
{
	if (need <= *cap)
		return 0;
	size_t n = size_align(need + need / 4, TR_ALIGN);

	free(*p);
	*cap = 0;
	if (!(*p = aligned_alloc(TR_ALIGN, n)))
		return TR_ENOMEM;
	*cap = n;
	return 0;
}

int
reader_decode(struct tr *t, const struct tr_frame *f, const void **raw)
{
	if (!f->enc[0] && ((uintptr_t)f->payload & (TR_ALIGN - 1)) == 0) {
		*raw = f->payload;
		return 0;
	}
	if (t->dec_of != t->serial) {
		int r = grow(&t->dec, &t->deccap, size_align(f->need + 1, TR_ALIGN));

		if (r < 0)
			return tr_fail(t, f, r, "no memory for the payload");
		if (f->enc[0])
			r = codec_decode(f, t->dec);
		else
			memcpy(t->dec, f->payload, f->need);
		if (r < 0)
			return tr_fail(t, f, r,
				       strcmp(f->enc, "zstd") ? "enc=%s is unknown"
							      : "enc=%s: broken payload",
				       f->enc);
		t->dec_of = t->serial;
	}
	*raw = t->dec;
	return 0;
}

int
tr_decode(struct tr_frame *f)
{
	const void *raw = NULL;
	int r;

	if (!f->ncols || !f->rows || !f->payload)
		return 0; /* nothing stored, or the columns are the caller's */
	if (f->from) {
		if ((r = reader_decode(f->from, f, &raw)) < 0)
			return r;
	} else {
		return TR_EUSE;
	}
	for (int i = 0; i < f->ncols; i++)
		f->cols[i].data = (const unsigned char *)raw + frame_offset(f, i);
	return 0;
}

int
tr_col(const struct tr_frame *f, const char *name, struct tr_col *c)
{
	const void *raw;
	int r;

	for (int i = 0; i < f->ncols; i++) {
		if (strcmp(f->cols[i].name, name))
			continue;
		*c = f->cols[i];
		c->rows = f->rows;
		if (c->data || !f->rows)
			return 1;
		if (!f->from || !f->payload)
			return TR_EUSE;
		if ((r = reader_decode(f->from, f, &raw)) < 0)
			return r;
		c->data = (const unsigned char *)raw + frame_offset(f, i);
		return 1;
	}
	return 0;
}

/* The first element outside 0 .. experts-1 and not all ones, or TR_NONE.  One
 * more than all ones is 0, so the greatest of id + 1 tells of a block; the
 * compiler makes vectors of a loop whose length it knows. */
#define FIND_BAD(NAME, TYPE)                                              \
	static uint64_t NAME(const TYPE *p, uint64_t n, uint64_t experts) \
	{                                                                 \
		uint64_t i = 0;                                           \
                                                                          \
		for (; i + 1024 <= n; i += 1024) {                        \
			TYPE top = 0;                                     \
                                                                          \
			for (int k = 0; k < 1024; k++) {                  \
				TYPE x = (TYPE)(p[i + (uint64_t)k] + 1);  \
                                                                          \
				top = x > top ? x : top;                  \
			}                                                 \
			if (top > experts)                                \
				break;                                    \
		}                                                         \
		for (; i < n; i++)                                        \
			if ((TYPE)(p[i] + 1) > experts)                   \
				return i;                                 \
		return TR_NONE;                                           \
	}
FIND_BAD(find8, uint8_t)
FIND_BAD(find16, uint16_t)
FIND_BAD(find32, uint32_t)
FIND_BAD(find64, uint64_t)

int
tr_ids(const struct tr_frame *f, struct tr_ids *ids)
{
	struct tr *t = f->from;
	struct tr_col c;
	uint64_t n, badat;
	int r = tr_col(f, "ids", &c);

	memset(ids, 0, sizeof *ids);
	if (r <= 0)
		return r;
	if (!t)
		return TR_EUSE;
	n = c.rows * c.width;
	ids->rows = c.rows;
	ids->k = c.width;
	if (!t->sect.experts)
		return tr_fail(t, f, TR_EVALUE, "@trace does not say how many experts there are");
	switch (c.size) {
	case 1:
		badat = find8(c.data, n, t->sect.experts);
		break;
	case 2:
		badat = find16(c.data, n, t->sect.experts);
		break;
	case 4:
		badat = find32(c.data, n, t->sect.experts);
		break;
	default:
		badat = find64(c.data, n, t->sect.experts);
	}
	if (badat != TR_NONE)
		return tr_fail(
			t, f, TR_EVALUE, "row %llu slot %llu: expert out of range, experts=%llu",
			(unsigned long long)(badat / c.width),
			(unsigned long long)(badat % c.width), (unsigned long long)t->sect.experts);
	if (c.size == 1) {
		ids->u8 = c.data;
	} else if (c.size == 2) {
		ids->u16 = c.data;
	} else {
		if (n > t->idscap) {
			free(t->ids);
			t->idscap = 0;
			if (!(t->ids = malloc(n * sizeof *t->ids)))
				return tr_fail(t, f, TR_ENOMEM, "no memory for the ids");
			t->idscap = n;
		}
		/* all ones stay all ones when they are cut to 16 bits */
		for (uint64_t i = 0; i < n; i++)
			t->ids[i] = (uint16_t)(c.size == 4 ? ((const uint32_t *)c.data)[i]
							   : ((const uint64_t *)c.data)[i]);
		ids->u16 = t->ids;
	}
	return 1;
}
