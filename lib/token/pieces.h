/* Pre-tokenizers: a text to pieces, in steps. */
#ifndef TOKEN_PIECES_H
#define TOKEN_PIECES_H

#include "chars.h"
#include "match.h"

enum pieces_kind {
	PIECES_SPLIT, /* by a pattern */
	PIECES_META,  /* Metaspace: blanks become a character that words begin with */
	PIECES_BYTES, /* ByteLevel: perhaps a blank before, split by a pattern where there is one */
};

enum pieces_keep { KEEP_ISOLATED, KEEP_REMOVED, KEEP_PREVIOUS, KEEP_NEXT, KEEP_CONTIGUOUS };

struct pieces_step {
	enum pieces_kind kind;
	struct match *match;
	enum pieces_keep keep; /* what becomes of matches */
	int invert;            /* matches are what lies between them */
	enum { FIRST, ALWAYS, NEVER } prepend;
	int split;          /* PIECES_META: before each such character */
	struct bytes blank; /* that character */
};

/* Room of one thread: pieces are spans of text. */
struct pieces {
	struct bytes buf[2];
	struct spans span[2];
	const char *text; /* the caller's, or one of buf */
	int at;           /* of span; and of buf that may be written next */
	struct match_run *match;
};

/* Cut the n bytes at p, first where nothing of the sample is before them: 0, and p->text with
 * p->span[p->at], lent; -1 no memory, -2 a limit of PCRE2. */
int pieces_cut(struct pieces *p, const struct pieces_step *step, size_t steps, const char *text,
	       size_t n, int first);
void pieces_free(struct pieces *p);
void pieces_step_free(struct pieces_step *s);

#endif
