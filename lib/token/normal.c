/* Normalizers. */
#include "normal.h"

/*
 * A map of SentencePiece: u32 bytes of the trie, units of a double array, texts that end in
 * NUL.  A unit: bit 8, a value follows below; the label with bit 31; the offset to the
 * children from bit 10, times 256 where bit 9 is set.
 */
static uint32_t
unit(const struct bytes *map, size_t i)
{
	const unsigned char *p = (const unsigned char *)map->p + 4 + 4 * i;

	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static size_t
trie_bytes(const struct bytes *map)
{
	const unsigned char *p = (const unsigned char *)map->p;

	return p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
}

static size_t
offset(uint32_t u)
{
	return (size_t)(u >> 10) << ((u & 1u << 9) >> 6);
}

/*
 * What the shortest key that the text begins with becomes: 1, or 0 there is none.  The rest
 * of a cluster goes with it, as the Tokenizers library has it.
 */
static int
look_up(const struct bytes *map, const char *p, size_t n, const char **text, size_t *len)
{
	const size_t units = trie_bytes(map) / 4;
	uint32_t u = unit(map, 0);
	size_t at = offset(u);

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (!c || (at ^= c) >= units)
			return 0;
		u = unit(map, at);
		if ((u & (1u << 31 | 0xff)) != c)
			return 0;
		at ^= offset(u);
		if (u & 1u << 8) {
			size_t value, texts = map->n - 4 - 4 * units;

			if (at >= units || (value = unit(map, at) & 0x7fffffff) >= texts)
				return 0;
			*text = map->p + 4 + 4 * units + value;
			if (((unsigned char)**text & 0xc0) == 0x80) /* no character begins there */
				return 0;
			*len = strnlen(*text, texts - value);
			return 1;
		}
	}
	return 0;
}

int
normal_charsmap(struct normal *n, struct bytes *map)
{
	size_t size;

	if (map->n < 8 || (size = trie_bytes(map)) < 4 || size % 4 || size > map->n - 4 ||
	    chars_valid(map->p + 4 + size, map->n - 4 - size) != map->n - 4 - size)
		return -1;
	n->map = *map;
	memset(map, 0, sizeof *map);
	for (int c = 1; c < 128; c++) {
		char b = (char)c;
		const char *text;
		size_t len;

		/* CR and LF are one cluster */
		n->plain[c] = c != '\r' && !look_up(&n->map, &b, 1, &text, &len);
	}
	return 0;
}

static int
charsmap(const struct normal *s, const char *p, size_t n, struct bytes *to)
{
	size_t i = 0;

	while (i < n) {
		size_t from = i, len, textlen;
		const char *text;
		uint32_t c;

		while (i < n && s->plain[(unsigned char)p[i]])
			i++;
		/* the last one may begin a cluster */
		if (i > from && i < n && (unsigned char)p[i] >= 0x80)
			i--;
		if (bytes_put(to, p + from, i - from) < 0)
			return -1;
		if (i == n)
			break;
		len = chars_cluster(p + i, n - i);
		if (len < 6 && look_up(&s->map, p + i, len, &text, &textlen)) {
			if (bytes_put(to, text, textlen) < 0)
				return -1;
			i += len;
			continue;
		}
		for (size_t end = i + len; i < end; i += len) {
			len = chars_get(p + i, &c);
			if (!look_up(&s->map, p + i, len, &text, &textlen)) {
				text = p + i;
				textlen = len;
			}
			if (bytes_put(to, text, textlen) < 0)
				return -1;
		}
	}
	return 0;
}

static int
replace(const struct normal *s, struct match_run *r, const char *p, size_t n, struct bytes *to)
{
	size_t done = 0, at, end;
	int rc;

	while ((rc = match_next(s->match, r, p, n, done, &at, &end)) > 0) {
		if (bytes_put(to, p + done, at - done) < 0 ||
		    bytes_put(to, s->text.p, s->text.n) < 0)
			return -1;
		done = end;
	}
	if (rc < 0)
		return -2;
	return bytes_put(to, p + done, n - done);
}

static int
strip(const struct normal *s, const char *p, size_t n, struct bytes *to)
{
	size_t from = 0, k, len;
	uint32_t c;

	while (s->left && from < n && (len = chars_get(p + from, &c), chars_space(c)))
		from += len;
	while (s->right && n > from) {
		for (k = n - 1; ((unsigned char)p[k] & 0xc0) == 0x80; k--)
			;
		chars_get(p + k, &c);
		if (!chars_space(c))
			break;
		n = k;
	}
	return bytes_put(to, p + from, n - from);
}

int
normal_step(const struct normal *s, struct match_run *r, const char *p, size_t n, struct bytes *to)
{
	switch (s->kind) {
	case NORMAL_FORM:
		return chars_normalize(s->form, p, n, to);
	case NORMAL_PREPEND:
		if (n && bytes_put(to, s->text.p, s->text.n) < 0)
			return -1;
		return bytes_put(to, p, n);
	case NORMAL_REPLACE:
		return replace(s, r, p, n, to);
	case NORMAL_CHARSMAP:
		return charsmap(s, p, n, to);
	case NORMAL_STRIP:
		return strip(s, p, n, to);
	}
	return -1;
}

void
normal_free(struct normal *n)
{
	free(n->text.p);
	free(n->map.p);
	match_free(n->match);
}
