/* Normalizers: a text to a text, in steps. */
#ifndef TOKEN_NORMAL_H
#define TOKEN_NORMAL_H

#include "chars.h"
#include "match.h"

enum normal_kind { NORMAL_FORM, NORMAL_PREPEND, NORMAL_REPLACE, NORMAL_CHARSMAP, NORMAL_STRIP };

struct normal {
	enum normal_kind kind;
	enum chars_form form;
	struct bytes text;        /* that is prepended, or replaces */
	struct match *match;      /* what is replaced */
	int left, right;          /* NORMAL_STRIP */
	struct bytes map;         /* NORMAL_CHARSMAP: as SentencePiece has it, checked */
	unsigned char plain[256]; /* of it: 1, ASCII that stays */
};

/* Check and take in a map, whose bytes become n's: 0, or -1 it is none. */
int normal_charsmap(struct normal *n, struct bytes *map);
/* Append what a step makes of n bytes: 0, -1 no memory, -2 a limit of PCRE2. */
int normal_step(const struct normal *s, struct match_run *r, const char *p, size_t n,
		struct bytes *to);
void normal_free(struct normal *n);

#endif
