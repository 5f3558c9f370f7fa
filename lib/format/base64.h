/* Base64 of RFC 4648: the plain alphabet, padded, no line ends. */
#ifndef BASE64_H
#define BASE64_H

#include <stddef.h>

/* Bytes that n bytes become. */
#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

/* Writes BASE64_LEN(n) characters at to, no NUL. */
void base64_put(char *to, const void *p, size_t n);
/* Decode the n characters at s into to (n / 4 * 3 bytes suffice): the number of
 * bytes, or -1 where it is not base64 as base64_put writes it. */
long base64_get(void *to, const char *s, size_t n);

#endif
