/*
 * Characters of Unicode: UTF-8, classes, normal forms, clusters.  Tables are utf8proc's;
 * where that was not built in, chars_built says so and all beyond ASCII is CHARS_OTHER.
 */
#ifndef TOKEN_CHARS_H
#define TOKEN_CHARS_H

#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

enum chars_class { CHARS_OTHER, CHARS_LETTER, CHARS_NUMBER, CHARS_SPACE };
enum chars_form { CHARS_NFC, CHARS_NFD, CHARS_NFKC, CHARS_NFKD };

int chars_built(void); /* 1, or 0 without utf8proc */

/* Bytes before the first that is no UTF-8 (no surrogates, none above U+10FFFF); n: none. */
size_t chars_valid(const char *p, size_t n);
/* Append n bytes, U+FFFD for what is no UTF-8: one for bytes that begin a character, or for one that
 * does not.  0, or -1 no memory. */
int chars_repair(struct bytes *to, const char *p, size_t n);
/* The character at p of valid UTF-8: its bytes. */
size_t chars_get(const char *p, uint32_t *c);
size_t chars_put(char *to, uint32_t c); /* at most 4 */

int chars_space(uint32_t c); /* property White_Space */
/* \p{L}, \p{N}, White_Space, or what is left. */
enum chars_class chars_class(uint32_t c);
/* General category, its first letter: L M N P S Z C. */
char chars_category(uint32_t c);

/* Bytes of the grapheme cluster that begins at p; n >= 1. */
size_t chars_cluster(const char *p, size_t n);
/* Append the n bytes at p in that form: 0, or -1 no memory. */
int chars_normalize(enum chars_form form, const char *p, size_t n, struct bytes *to);

#endif
