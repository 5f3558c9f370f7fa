/* Header lines: what reader and writer share.  Not for tools. */
#ifndef FRAME_H
#define FRAME_H

#include "moetrace.h"

enum { FRAME_ERR = 160 };

/* Parse the n bytes of a header line, its LF included.  Fills f but for
 * payload, raw, from and place.  *bytes: the value of bytes=, 0 if absent;
 * *crc, *crc_at: checksum and the number of bytes before " crc=".
 * 0, or TR_E... with the reason in err. */
int frame_parse(struct tr_frame *f, const char *line, size_t n, uint64_t *bytes, uint32_t *crc,
		size_t *crc_at, char err[FRAME_ERR]);

/* The header of f with a payload of bytes (0: none) into line, without crc,
 * padding and LF.  Its length or TR_ELIMIT. */
int frame_emit(const struct tr_frame *f, const char *enc, uint64_t bytes, char *line, size_t size);

/* Column layout from f->cols: offset of column i, and f->need. */
void frame_layout(struct tr_frame *f);
uint64_t frame_offset(const struct tr_frame *f, int i);

/* A dtype word: its type and size in bytes, 0; -1 if it is none. */
int frame_dtype(const char *word, enum tr_type *type, uint32_t *size);

/* zstd payload of f decoded into to[f->need ... rounded up to 64]: 0 or
 * TR_EENC.  (codec.c) */
int codec_decode(const struct tr_frame *f, void *to);

/* A key that shows in text and counts as content. */
static inline const char *
frame_key(const struct tr_frame *f, int i)
{
	return f->text + f->keys[i].key;
}

static inline const char *
frame_val(const struct tr_frame *f, int i)
{
	return f->text + f->keys[i].val;
}

/* Reader's side of lending: raw payload of f decoded where it must be. */
int reader_decode(struct tr *t, const struct tr_frame *f, const void **raw);

#endif
