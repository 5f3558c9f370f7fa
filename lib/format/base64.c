/* Base64, see base64.h. */
#include "base64.h"

#include <stdint.h>

static const char abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_put(char *to, const void *p, size_t n)
{
	const unsigned char *s = p;
	uint32_t x;

	for (; n >= 3; n -= 3, s += 3) {
		x = (uint32_t)s[0] << 16 | (uint32_t)s[1] << 8 | s[2];
		*to++ = abc[x >> 18];
		*to++ = abc[x >> 12 & 63];
		*to++ = abc[x >> 6 & 63];
		*to++ = abc[x & 63];
	}
	if (!n)
		return;
	x = (uint32_t)s[0] << 16 | (n == 2 ? (uint32_t)s[1] << 8 : 0);
	*to++ = abc[x >> 18];
	*to++ = abc[x >> 12 & 63];
	*to++ = n == 2 ? abc[x >> 6 & 63] : '=';
	*to = '=';
}

static int
digit(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

long
base64_get(void *to, const char *s, size_t n)
{
	unsigned char *d = to;
	int a, b, c, e;

	if (n % 4)
		return -1;
	for (; n; n -= 4, s += 4) {
		a = digit((unsigned char)s[0]);
		b = digit((unsigned char)s[1]);
		c = digit((unsigned char)s[2]);
		e = digit((unsigned char)s[3]);
		if (a < 0 || b < 0)
			return -1;
		*d++ = (unsigned char)(a << 2 | b >> 4);
		if (e >= 0 && c >= 0) {
			*d++ = (unsigned char)(b << 4 | c >> 2);
			*d++ = (unsigned char)(c << 6 | e);
			continue;
		}
		/* padding: at the end only, and the bits that it leaves over are zero */
		if (n != 4 || s[3] != '=')
			return -1;
		if (c >= 0) {
			if (c & 3)
				return -1;
			*d++ = (unsigned char)(b << 4 | c >> 2);
		} else if (s[2] != '=' || b & 15) {
			return -1;
		}
	}
	return (long)(d - (unsigned char *)to);
}
