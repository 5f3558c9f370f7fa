/*
 * A tokenizer.json as the Tokenizers library writes it: text to ids, and back.
 *
 *	struct tokenizer *t = tokenizer_read(json, n, TOKENIZER_ENCODE, &rc, why);
 *	struct token_run *r = token_run_new(t);
 *	struct ids ids = {0};
 *
 *	tokenizer_encode(r, text, n, 256, &ids);
 *
 * Encoding: normalizers Precompiled, NFC, NFD, NFKC, NFKD, Prepend, Replace, Strip;
 * pre-tokenizers WhitespaceSplit, Metaspace, Split, Digits, ByteLevel; models Unigram and BPE;
 * post-processors TemplateProcessing, ByteLevel, RobertaProcessing, BertProcessing.
 * Decoders: ByteLevel, Metaspace, Replace, ByteFallback, Fuse, Strip.  Each also in a Sequence.
 */
#ifndef TOKEN_TOKENIZER_H
#define TOKEN_TOKENIZER_H

#include "subword.h"

enum { TOKENIZER_WHY = 512 };
enum tokenizer_use { TOKENIZER_ENCODE, TOKENIZER_DECODE };
enum tokenizer_err {
	TOKENIZER_NOMEM = -1,
	TOKENIZER_BAD = -2,    /* no such file as this, or a component that is not known */
	TOKENIZER_ABSENT = -3, /* a library was not there when this was built */
	TOKENIZER_UTF8 = -4,   /* the text is no UTF-8 */
	TOKENIZER_UNK = -5,    /* a character without a token, and no unknown token */
	TOKENIZER_LIMIT = -6,  /* a pattern that takes PCRE2 too long */
	TOKENIZER_ID = -7,     /* an id without a token */
};

struct tokenizer;

/* The n bytes of a tokenizer.json, which may go then, for what use says.  NULL: *rc, and
 * why [TOKENIZER_WHY]: "LINE:COLUMN: reason". */
struct tokenizer *tokenizer_read(const char *json, size_t n, enum tokenizer_use use, int *rc,
				 char *why);
void tokenizer_free(struct tokenizer *t); /* NULL is fine */

/* Tokens that are put before and behind each text. */
size_t tokenizer_around(const struct tokenizer *t);

/* What one thread encodes with: buffers, a cache of words.  t stays.  NULL: no memory. */
struct token_run;
struct token_run *token_run_new(const struct tokenizer *t);
void token_run_free(struct token_run *r); /* NULL is fine */

/* Append the ids of a text, at most most (0: all), those put around it always among them:
 * 0 or TOKENIZER_.... */
int tokenizer_encode(struct token_run *r, const char *p, size_t n, size_t most, struct ids *to);
/* Append the text of n ids; without special tokens unless special: 0 or TOKENIZER_..., and
 * of TOKENIZER_ID *bad is the id. */
int tokenizer_decode(const struct tokenizer *t, const uint32_t *id, size_t n, int special,
		     struct bytes *to, uint32_t *bad);

const char *tokenizer_strerror(int rc); /* of encoding and decoding */

#endif
