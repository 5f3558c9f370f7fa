/* Characters of Unicode, by utf8proc. */
#include <string.h>

#include "chars.h"

#ifdef HAVE_UTF8PROC
#include <utf8proc.h>
#endif

/* Bytes of the character at s; 0 it is none, and *bad those that begin one. */
static size_t
sequence(const unsigned char *s, size_t n, size_t *bad)
{
	unsigned c = s[0], lo = 0x80, hi = 0xbf;
	size_t len = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

	*bad = 1;
	if (c == 0xe0)
		lo = 0xa0;
	if (c == 0xed)
		hi = 0x9f;
	if (c == 0xf0)
		lo = 0x90;
	if (c == 0xf4)
		hi = 0x8f;
	for (size_t k = 1; k < len; k++, lo = 0x80, hi = 0xbf) {
		*bad = k;
		if (k == n || s[k] < lo || s[k] > hi)
			return 0;
	}
	return len;
}

size_t
chars_valid(const char *p, size_t n)
{
	const unsigned char *s = (const unsigned char *)p;
	size_t i = 0, len, bad;
	uint64_t eight;

	while (i < n) {
		if (n - i >= 8 && (memcpy(&eight, s + i, 8), !(eight & 0x8080808080808080u))) {
			i += 8;
			continue;
		}
		if (!(len = sequence(s + i, n - i, &bad)))
			return i;
		i += len;
	}
	return n;
}

int
chars_repair(struct bytes *to, const char *p, size_t n)
{
	while (n) {
		size_t good = chars_valid(p, n), bad = 0;

		if (bytes_put(to, p, good) < 0)
			return -1;
		if (good < n) {
			sequence((const unsigned char *)p + good, n - good, &bad);
			if (bytes_put(to, "\xef\xbf\xbd", 3) < 0)
				return -1;
		}
		p += good + bad;
		n -= good + bad;
	}
	return 0;
}

size_t
chars_get(const char *p, uint32_t *c)
{
	const unsigned char *s = (const unsigned char *)p;

	if (s[0] < 0x80) {
		*c = s[0];
		return 1;
	}
	if (s[0] < 0xe0) {
		*c = (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
		return 2;
	}
	if (s[0] < 0xf0) {
		*c = (s[0] & 0xfu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
		return 3;
	}
	*c = (s[0] & 7u) << 18 | (s[1] & 0x3fu) << 12 | (s[2] & 0x3fu) << 6 | (s[3] & 0x3fu);
	return 4;
}

size_t
chars_put(char *to, uint32_t c)
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = n; --i > 0; c >>= 6)
		to[i] = (char)(0x80 | (c & 0x3f));
	to[0] = (char)(first[n] | c);
	return n;
}

int
chars_space(uint32_t c)
{
	return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
	       c == 0x205f || c == 0x3000;
}

enum chars_class
chars_class(uint32_t c)
{
	char g;

	if (chars_space(c))
		return CHARS_SPACE;
	g = chars_category(c);
	return g == 'L' ? CHARS_LETTER : g == 'N' ? CHARS_NUMBER : CHARS_OTHER;
}

#ifdef HAVE_UTF8PROC

int
chars_built(void)
{
	return 1;
}

char
chars_category(uint32_t c)
{
	return utf8proc_category_string((utf8proc_int32_t)c)[0];
}

size_t
chars_cluster(const char *p, size_t n)
{
	utf8proc_int32_t state = 0;
	uint32_t c, next;
	size_t i = chars_get(p, &c), len;

	for (; i < n; i += len, c = next) {
		len = chars_get(p + i, &next);
		if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)c, (utf8proc_int32_t)next,
						     &state))
			break;
	}
	return i;
}

static int
form_part(int options, const char *p, size_t n, struct bytes *to)
{
	utf8proc_uint8_t *q = NULL;
	utf8proc_ssize_t m = utf8proc_map((const utf8proc_uint8_t *)p, (utf8proc_ssize_t)n, &q,
					  (utf8proc_option_t)options);
	int rc = m < 0 ? -1 : bytes_put(to, (const char *)q, (size_t)m);

	free(q);
	return rc;
}

/* utf8proc 2.8 drops U+11A7, which nothing combines with, behind a Hangul syllable. */
static int
form(int options, const char *p, size_t n, struct bytes *to)
{
	static const char base[] = "\xe1\x86\xa7";
	const size_t len = sizeof base - 1;
	const char *at;

	for (; (at = memmem(p, n, base, len)); n -= (size_t)(at - p) + len, p = at + len)
		if (form_part(options, p, (size_t)(at - p), to) < 0 || bytes_put(to, base, len) < 0)
			return -1;
	return form_part(options, p, n, to);
}

/*
 * No character below U+0300 changes in NFC or combines with one before it, and below U+00A0
 * none changes at all.  So runs of others are normalized alone, with the character before
 * them, which they may combine with.
 */
int
chars_normalize(enum chars_form f, const char *p, size_t n, struct bytes *to)
{
	static const int options[] = {
		[CHARS_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
		[CHARS_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
		[CHARS_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
		[CHARS_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
	};
	const uint32_t safe = f == CHARS_NFC ? 0x300 : 0xa0;
	size_t done = 0, i = 0, last = 0, len;
	uint32_t c;

	while (i < n) {
		len = chars_get(p + i, &c);
		if (c < safe) {
			last = i;
			i += len;
			continue;
		}
		if (bytes_put(to, p + done, last - done) < 0)
			return -1;
		do
			i += len;
		while (i < n && (len = chars_get(p + i, &c), c >= safe));
		if (form(options[f], p + last, i - last, to) < 0)
			return -1;
		done = last = i;
	}
	return bytes_put(to, p + done, n - done);
}

#else

int
chars_built(void)
{
	return 0;
}

char
chars_category(uint32_t c)
{
	return (c | 32) - 'a' < 26 ? 'L' : c - '0' < 10 ? 'N' : 'S';
}

size_t
chars_cluster(const char *p, size_t n)
{
	uint32_t c;

	return chars_get(p, &c);
}

int
chars_normalize(enum chars_form f, const char *p, size_t n, struct bytes *to)
{
	return bytes_put(to, p, n);
}

#endif
