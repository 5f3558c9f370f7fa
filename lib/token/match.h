/*
 * Patterns that texts are split by, or in which they are replaced: the usual ones by scanners
 * of their own, others by PCRE2 where that was built in.
 */
#ifndef TOKEN_MATCH_H
#define TOKEN_MATCH_H

#include <stddef.h>

struct match;

enum { MATCH_BAD = -1, MATCH_ABSENT = -2, MATCH_NOMEM = -3 };

/* A literal, or a pattern: n bytes at p, UTF-8.  NULL: no memory. */
struct match *match_literal(const char *p, size_t n);
/* NULL and *rc: MATCH_BAD and why (NUL-ended, of size), MATCH_ABSENT: it takes PCRE2,
 * MATCH_NOMEM. */
struct match *match_pattern(const char *p, size_t n, int *rc, char *why, size_t size);
/* White space, \p{N} or \p{N}+. */
struct match *match_spaces(void);
struct match *match_digits(int one);
/* What GPT-2 splits by. */
struct match *match_gpt2(void);
int match_scans(const struct match *m); /* 1: without PCRE2 */
void match_free(struct match *m);       /* NULL is fine */

/* What one thread needs to search: NULL no memory. */
struct match_run;
struct match_run *match_run_new(void);
void match_run_free(struct match_run *r); /* NULL is fine */

/* The first match in the n bytes of UTF-8 at p from byte from: 1 and its place (never empty),
 * 0, or MATCH_BAD: PCRE2's limits. */
int match_next(const struct match *m, struct match_run *r, const char *p, size_t n, size_t from,
	       size_t *at, size_t *end);

#endif
