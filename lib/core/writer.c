/* Frames out: padded, summed, compressed on request; @end counts them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "crc32c.h"
#include "frame.h"
#include "size.h"
#include "writer.h"

#ifndef MOETRACE_VERSION
#define MOETRACE_VERSION "0"
#endif

enum { ARGS_MAX = 1024, CRC_LEN = 13 /* " crc=xxxxxxxx" */ };

struct place { /* a frame of the section, for the index */
	uint64_t off, batch;
	uint32_t layer, rows;
};

struct tr_out {
	struct sink *s;
	int own, flags, zstd;
	struct text *text;

	int open, crc, prog_done;
	uint64_t nframes, off; /* off: bytes of this section so far */

	char *prog, *args; /* NULL: none registered */
	int inputs;

	struct place *index;
	size_t nindex, capindex;

	unsigned char *enc;
	size_t enccap;
};

struct tr_out *
tr_create_sink(struct sink *s, int flags, int zstd)
{
	struct tr_out *o = calloc(1, sizeof *o);

	if (!o)
		return NULL;
	o->s = s;
	o->flags = flags;
	o->zstd = zstd;
	if (flags & TR_TEXT && !(o->text = text_new(s, flags))) {
		free(o);
		return NULL;
	}
	return o;
}

struct sink *
tr_out_sink(struct tr_out *o)
{
	return o->s;
}

struct tr_out *
tr_create(int fd, int flags, int zstd)
{
	struct sink *s = sink_fd(fd);
	struct tr_out *o = s ? tr_create_sink(s, flags, zstd) : NULL;

	if (!o)
		sink_drop(s);
	else
		o->own = 1;
	return o;
}

void
tr_out_free(struct tr_out *o)
{
	if (!o)
		return;
	text_free(o->text);
	if (o->own)
		sink_drop(o->s);
	free(o->prog);
	free(o->args);
	free(o->index);
	free(o->enc);
	free(o);
}

int
tr_prog(struct tr_out *o, int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	size_t n = 1;
	char *p;

	if (o->flags & TR_NOPROG)
		return 0;
	for (int i = 1; i < argc; i++)
		n += strlen(argv[i]) + 1;
	free(o->prog);
	free(o->args);
	o->prog = strdup(name ? name + 1 : argv[0]);
	p = o->args = malloc(n);
	if (!o->prog || !o->args)
		return TR_ENOMEM;
	for (int i = 1; i < argc; i++) {
		if (i > 1)
			*p++ = ' ';
		p = stpcpy(p, argv[i]);
	}
	*p = 0;
	return 0;
}

void
tr_prog_inputs(struct tr_out *o, int n)
{
	o->inputs = n;
}

static int
put(struct tr_out *o, const void *p, size_t n)
{
	o->off += n;
	return sink_put(o->s, p, n) < 0 ? TR_EIO : 0;
}

static int
note_place(struct tr_out *o, const struct tr_frame *f)
{
	if (o->nindex == o->capindex) {
		size_t cap = o->capindex ? 2 * o->capindex : 256;
		void *p = realloc(o->index, cap * sizeof *o->index);

		if (!p)
			return TR_ENOMEM;
		o->index = p;
		o->capindex = cap;
	}
	o->index[o->nindex++] =
		(struct place){o->off, tr_get(f, "batch", TR_NONE),
			       (uint32_t)tr_get(f, "layer", UINT32_MAX), (uint32_t)f->rows};
	return 0;
}

/* Header of f with that payload, the sum over both, padding; then the payload
 * in n pieces. */
static int
put_frame(struct tr_out *o, const struct tr_frame *f, const char *enc, const struct iovec *piece,
	  int n)
{
	char line[TR_HEADER_MAX + 1];
	uint64_t bytes = 0;
	size_t len, full;
	int r;

	for (int i = 0; i < n; i++)
		bytes += piece[i].iov_len;
	r = frame_emit(f, enc, bytes, line, TR_HEADER_MAX - CRC_LEN);
	if (r < 0)
		return r;
	len = (size_t)r;
	if (o->crc) {
		uint32_t crc = crc32c(0, line, len);

		for (int i = 0; i < n; i++)
			crc = crc32c(crc, piece[i].iov_base, piece[i].iov_len);
		len += (size_t)snprintf(line + len, CRC_LEN + 1, " crc=%08x", crc);
	}
	full = MIN(size_align(len + 1, TR_ALIGN), (size_t)TR_HEADER_MAX);
	memset(line + len, ' ', full - len - 1);
	line[full - 1] = '\n';
	r = put(o, line, full);
	for (int i = 0; i < n && r == 0; i++)
		r = put(o, piece[i].iov_base, piece[i].iov_len);
	if (r == 0 && bytes)
		r = put(o, "\n", 1);
	return r;
}

/* Columns that lie anywhere, each padded to 64, the last one so that the
 * frame is a multiple of 64. */
static int
put_cols(struct tr_out *o, const struct tr_frame *f)
{
	static char zeros[TR_ALIGN];
	struct iovec piece[2 * TR_COLS_MAX];
	int n = 0;

	if (o->zstd && f->need) {
		size_t bound = codec_bound(f), len;

		if (bound > o->enccap) {
			free(o->enc);
			o->enccap = 0;
			if (!(o->enc = malloc(bound)))
				return TR_ENOMEM;
			o->enccap = bound;
		}
		if (!(len = codec_encode(f, o->zstd, o->enc, bound)))
			return TR_EENC;
		piece[0] = (struct iovec){o->enc, len};
		return put_frame(o, f, "zstd", piece, 1);
	}
	for (int i = 0; i < f->ncols && f->need; i++) {
		const struct tr_col *c = &f->cols[i];
		size_t bytes = f->rows * c->width * c->size;
		size_t pad = size_align(bytes, TR_ALIGN) - bytes;

		if (i + 1 == f->ncols)
			pad = size_align(bytes + 1, TR_ALIGN) - bytes - 1;
		piece[n++] = (struct iovec){(void *)c->data, bytes};
		if (pad)
			piece[n++] = (struct iovec){zeros, pad};
	}
	return put_frame(o, f, "", piece, n);
}

static int
write_frame(struct tr_out *o, const struct tr_frame *f)
{
	int recode = o->zstd && f->need && !f->enc[0];
	struct tr_frame g;
	struct iovec whole;
	int r;

	if (o->flags & TR_INDEX && (r = note_place(o, f)) < 0)
		return r;
	o->nframes++;
	if (o->text) {
		g = *f;
		if ((r = tr_decode(&g)) < 0)
			return r;
		return text_put(o->text, &g) < 0 ? TR_EIO : 0;
	}
	if (f->raw && f->crc == o->crc && !recode)
		return put(o, f->raw, f->nraw);
	if (f->payload && !recode) { /* the keys changed, the payload did not */
		whole = (struct iovec){(void *)f->payload, f->bytes};
		return put_frame(o, f, f->enc, &whole, 1);
	}
	if (f->payload && f->need) {
		g = *f;
		if ((r = tr_decode(&g)) < 0)
			return r;
		return put_cols(o, &g);
	}
	for (int i = 0; i < f->ncols && f->need; i++)
		if (!f->cols[i].data)
			return TR_EUSE;
	return put_cols(o, f);
}

static int
write_prog(struct tr_out *o)
{
	struct tr_frame f;
	size_t n;
	char *s;
	int r = 0;

	if (o->prog_done)
		return 0;
	o->prog_done = 1;
	if (!o->prog)
		return 0;
	tr_new(&f, "prog");
	tr_set(&f, "name", o->prog);
	tr_set(&f, "ver", MOETRACE_VERSION);
	if (o->inputs > 1)
		tr_setu(&f, "inputs", (uint64_t)o->inputs);
	/* percent-coded, then cut: never inside a code */
	s = strdup(*o->args ? o->args : "-");
	if (!s)
		return TR_ENOMEM;
	n = strlen(s);
	for (;;) {
		const char *val;

		s[n] = 0;
		r = tr_set(&f, "args", s);
		if (r == 0 && tr_key(&f, "args", &val) && strlen(val) <= ARGS_MAX)
			break;
		if (r < 0 && r != TR_ELIMIT)
			break;
		n = MIN(n - 1, (size_t)ARGS_MAX);
	}
	free(s);
	return r < 0 ? r : write_frame(o, &f);
}

static int
write_index(struct tr_out *o, uint64_t *at)
{
	struct tr_frame f;
	size_t n = o->nindex;
	uint64_t *off = malloc(2 * n * sizeof *off), *batch = off + n;
	uint32_t *layer = malloc(2 * n * sizeof *layer), *rows = layer + n;
	int r = TR_ENOMEM;

	if (off && layer) {
		for (size_t i = 0; i < n; i++) {
			off[i] = o->index[i].off;
			batch[i] = o->index[i].batch;
			layer[i] = o->index[i].layer;
			rows[i] = o->index[i].rows;
		}
		*at = o->off;
		tr_new(&f, "index");
		tr_set(&f, "derived", "1");
		tr_rows(&f, n);
		tr_addcol(&f, "off", TR_U64, 1, off);
		tr_addcol(&f, "batch", TR_U64, 1, batch);
		tr_addcol(&f, "layer", TR_U32, 1, layer);
		tr_addcol(&f, "rows", TR_U32, 1, rows);
		r = put_cols(o, &f);
		o->nframes++;
	}
	free(off);
	free(layer);
	return r;
}

static int
end_section(struct tr_out *o)
{
	struct tr_frame f;
	uint64_t at = 0;
	int r = write_prog(o);

	if (r < 0)
		return r;
	o->open = 0;
	if (o->text)
		return 0;
	if (o->flags & TR_INDEX && (r = write_index(o, &at)) < 0)
		return r;
	tr_new(&f, "end");
	tr_setu(&f, "frames", o->nframes);
	if (o->flags & TR_INDEX) {
		tr_setu(&f, "index", at);
		tr_setu(&f, "size", o->off);
	}
	return put_frame(o, &f, "", NULL, 0);
}

int
tr_put(struct tr_out *o, const struct tr_frame *f)
{
	const char *val;
	int r;

	if (tr_key(f, "derived", &val) && !strcmp(val, "1"))
		return 0;
	if (!strcmp(f->kind, "trace")) {
		if (o->open)
			return TR_EUSE;
		o->open = 1;
		o->crc = f->crc;
		o->prog_done = 0;
		o->nindex = 0;
		o->off = 0;
		r = write_frame(o, f);
		o->nframes = 0;
		o->nindex = 0;
		/* at once: the next program learns early what comes */
		if (r == 0 && sink_flush(o->s) < 0)
			r = TR_EIO;
		return r;
	}
	if (!o->open)
		return TR_EUSE;
	if (!strcmp(f->kind, "end"))
		r = end_section(o);
	else if (!strcmp(f->kind, "prog"))
		r = write_frame(o, f);
	else if ((r = write_prog(o)) == 0)
		r = write_frame(o, f);
	if (r == 0 && o->flags & TR_FLUSH && sink_flush(o->s) < 0)
		r = TR_EIO;
	return r;
}

int
tr_end(struct tr_out *o)
{
	int r = o->open ? end_section(o) : 0;

	if (r == 0 && o->text && text_end(o->text) < 0)
		r = TR_EIO;
	if (r == 0 && sink_flush(o->s) < 0)
		r = TR_EIO;
	return r;
}
