/* What a tokenizer is made of.  For tokenizer*.c alone. */
#ifndef TOKEN_PARTS_H
#define TOKEN_PARTS_H

#include "../format/json.h"
#include "added.h"
#include "normal.h"
#include "pieces.h"
#include "tokenizer.h"

enum decode_kind {
	DECODE_BYTES,
	DECODE_META,
	DECODE_REPLACE,
	DECODE_FALLBACK,
	DECODE_FUSE,
	DECODE_STRIP
};

struct decode_step {
	enum decode_kind kind;
	struct bytes from, to; /* DECODE_REPLACE; from of META and STRIP */
	int keep;              /* DECODE_META: of the first token, too */
	uint64_t left, right;  /* DECODE_STRIP: at most so many */
};

struct tokenizer {
	enum tokenizer_use use;
	struct normal *normal;
	struct pieces_step *step;
	struct decode_step *decode;
	struct added_token *token;
	size_t normals, steps, decodes, tokens;
	size_t capnormal, capstep, capdecode, captoken;
	struct added raw, normalized;
	struct subword model;
	struct ids before, behind;
	struct bytes mark; /* PIECES_META's, or "" : BPE pieces may be cut before it */
	int bare;          /* no decoder: pieces are joined by blanks */

	/* id to piece, for decoding: numbers + 1 of the vocabulary's entries, or of added tokens */
	uint32_t *entry, *added;
	size_t ids;
};

/* Components: 0 or TOKENIZER_... and j->err. */
int parts_normalizer(struct tokenizer *t, struct json *j, int v);
int parts_pieces(struct tokenizer *t, struct json *j, int v);
int parts_post(struct tokenizer *t, struct json *j, int v);
int parts_decoder(struct tokenizer *t, struct json *j, int v);
int parts_model(struct tokenizer *t, struct json *j, int v);
int parts_added(struct tokenizer *t, struct json *j, int v);

/* The string v, unescaped, appended: 0, TOKENIZER_NOMEM, or TOKENIZER_BAD and j->err. */
int parts_str(struct json *j, int v, struct bytes *to);
/* Member key of v, true or false, or dflt. */
int parts_flag(struct json *j, int v, const char *key, int dflt);
/* Set j->err: TOKENIZER_BAD. */
int parts_refuse(struct json *j, int v, const char *what);
/* The components of a Sequence in array member key, each by one(): 0 or TOKENIZER_.... */
int parts_each(struct tokenizer *t, struct json *j, int v, const char *key,
	       int (*one)(struct tokenizer *, struct json *, int));
/* A pattern {"String": ..} or {"Regex": ..}: NULL and *rc. */
struct match *parts_match(struct json *j, int v, int *rc);

/* The byte of a character of GPT-2's alphabet, or -1. */
int parts_byte(uint32_t c);

#endif
