/*
 * JSON before there are tokens: records of a stream, and arrays of numbers, as
 * json.h says.  A record is found by quotes and brackets alone; whether it is
 * JSON, json_parse decides.
 */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"

/* ---- arrays of numbers ---- */

static int
more(struct json_ints *a)
{
	size_t cap = a->cap ? a->cap * 2 : 4096;
	int32_t *v = realloc(a->v, cap * sizeof *v);

	if (!v)
		return -1;
	a->v = v;
	a->cap = cap;
	return 0;
}

static int
more_rows(struct json_ints *a)
{
	size_t cap = a->caprows ? a->caprows * 2 : 1024;
	uint32_t *len = realloc(a->len, cap * sizeof *len);

	if (!len)
		return -1;
	a->len = len;
	a->caprows = cap;
	return 0;
}

#define BLANK(p) (*(p) == ' ' || *(p) == '\t' || *(p) == '\n' || *(p) == '\r')

/* Digits of a number of at most 6 that ", " or "]" follows, of the 8 bytes at p,
 * and *last tells which; 0: it is none.  Eight digits at a time, by
 * multiplication: the number stands at the top, zeros below it. */
static inline unsigned
short_number(const char *p, uint32_t *u, int *last)
{
	uint64_t w, t, end; /* end: a bit where there is no digit */
	unsigned n;

	memcpy(&w, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	w = __builtin_bswap64(w);
#endif
	t = w ^ 0x3030303030303030;
	end = ((t + 0x7676767676767676) | t) & 0x8080808080808080;
	n = end ? (unsigned)__builtin_ctzll(end) / 8 : 8;
	if (n - 1 > 5)
		return 0;
	w >>= 8 * n;
	*last = (w & 0xff) == ']';
	if ((!*last && (w & 0xffff) != 0x202c) || ((n > 1) & !(t & 0xff)))
		return 0;
	t <<= 64 - 8 * n;
	t = t * 10 + (t >> 8);
	*u = (uint32_t)(((t & 0x000000ff000000ff) * 0x000f424000000064 +
			 (t >> 16 & 0x000000ff000000ff) * 0x0000271000000001) >>
			32);
	return n;
}

/* Numbers up to ']' from p, which is past '['; appended to a. */
static const char *
row(struct json_ints *a, const char *p, const char *end)
{
	int32_t *v = a->v;
	size_t n = a->n, cap = a->cap;
	uint32_t u;
	unsigned digits;
	const char *q;
	int minus, last;

	while (p < end && BLANK(p))
		p++;
	if (p < end && *p == ']')
		return p + 1;
	for (;;) {
		if (n == cap) {
			a->n = n;
			if (more(a))
				return NULL;
			v = a->v;
			cap = a->cap;
		}
		/* one to three digits and ", ": guessing right breaks the chain from
		 * number to number, which the branchless way below must walk */
		if (end - p >= 8 && (u = (unsigned)(*p - '0')) < 10) {
			unsigned x = (unsigned)(p[1] - '0'), y = (unsigned)(p[2] - '0');
			int zero = !u; /* 0 may not lead */

			digits = 1;
			if (x < 10) {
				u = u * 10 + x;
				digits = 2;
				if (y < 10) {
					u = u * 10 + y;
					digits = 3;
				}
			}
			if (!(zero && digits > 1) && p[digits] == ',' && p[digits + 1] == ' ') {
				v[n++] = (int32_t)u;
				p += digits + 2;
				continue;
			}
		}
		/* as Python writes it, without a branch on the digits */
		if (end - p >= 8 && (digits = short_number(p, &u, &last))) {
			v[n++] = (int32_t)u;
			if (last) {
				p += digits + 1;
				break;
			}
			p += digits + 2;
			continue;
		}
		minus = p < end && *p == '-';
		p += minus;
		for (q = p, u = 0; p < end && (unsigned)(*p - '0') < 10; p++)
			u = u * 10 + (unsigned)(*p - '0');
		if (p == q || p - q > 9 || (*q == '0' && p - q > 1))
			return NULL;
		v[n++] = minus ? -(int32_t)u : (int32_t)u;
		while (p < end && BLANK(p))
			p++;
		if (p >= end || (*p != ',' && *p != ']'))
			return NULL;
		if (*p++ == ']')
			break;
		while (p < end && BLANK(p))
			p++;
	}
	a->n = n;
	return p;
}

static void
range(struct json_ints *a)
{
	int32_t least = INT32_MAX, most = INT32_MIN;
	size_t i;

	for (i = 0; i < a->n; i++) {
		least = a->v[i] < least ? a->v[i] : least;
		most = a->v[i] > most ? a->v[i] : most;
	}
	a->min = a->n ? least : 0;
	a->max = a->n ? most : -1;
}

const char *
json_ints(struct json_ints *a, const char *p, const char *end)
{
	a->n = a->rows = 0;
	a->least = a->most = 0;
	if (p >= end || *p != '[' || !(p = row(a, p + 1, end)))
		return NULL;
	range(a);
	return p;
}

const char *
json_ints2(struct json_ints *a, const char *p, const char *end)
{
	uint32_t least = UINT32_MAX, most = 0, k;
	size_t before;

	a->n = a->rows = 0;
	a->least = a->most = 0;
	if (p >= end || *p++ != '[')
		return NULL;
	while (p < end && BLANK(p))
		p++;
	if (p < end && *p == ']') {
		p++;
	} else {
		for (;;) {
			if (p >= end || *p != '[')
				return NULL;
			before = a->n;
			if (!(p = row(a, p + 1, end)) || a->n - before > UINT32_MAX / 2)
				return NULL;
			k = (uint32_t)(a->n - before);
			if (a->rows == a->caprows && more_rows(a))
				return NULL;
			a->len[a->rows++] = k;
			least = k < least ? k : least;
			most = k > most ? k : most;
			while (p < end && BLANK(p))
				p++;
			if (p >= end || (*p != ',' && *p != ']'))
				return NULL;
			if (*p++ == ']')
				break;
			while (p < end && BLANK(p))
				p++;
		}
		a->least = least;
		a->most = most;
	}
	range(a);
	return p;
}

void
json_ints_free(struct json_ints *a)
{
	free(a->v);
	free(a->len);
	memset(a, 0, sizeof *a);
}

/* ---- records ---- */

enum { BLOCK = 1 << 18 };

enum place { HEAD, INSIDE, TAIL };

struct json_split {
	int fd, eof;
	const char *array;
	uint64_t max, line; /* line: of buf[from] */
	char *buf;
	size_t from, to, cap;
	enum place place;
	int first; /* no element was handed out yet */
	char *rest;
	size_t nrest, caprest;
	char err[JSON_ERR];
};

struct json_split *
json_split_open(int fd, const char *array, uint64_t max)
{
	struct json_split *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->fd = fd;
	s->array = array;
	s->max = max;
	s->line = 1;
	s->first = 1;
	return s;
}

static int
bad(struct json_split *s, uint64_t line, const char *why)
{
	snprintf(s->err, sizeof s->err, "%llu: %s", (unsigned long long)line, why);
	return -1;
}

/* Read on behind buf[to]: 1, 0 at the end, -1.  What is before from goes. */
static int
fill(struct json_split *s)
{
	ssize_t n;
	char *p;

	if (s->eof)
		return 0;
	if (s->from && s->cap - s->to < BLOCK) {
		memmove(s->buf, s->buf + s->from, s->to - s->from);
		s->to -= s->from;
		s->from = 0;
	}
	if (s->to - s->from > s->max) {
		snprintf(s->err, sizeof s->err, "%llu: a record larger than %llu bytes",
			 (unsigned long long)s->line, (unsigned long long)s->max);
		return -1;
	}
	if (s->cap - s->to < BLOCK) {
		size_t cap = s->cap ? s->cap * 2 : (size_t)BLOCK * 4;

		if (!(p = realloc(s->buf, cap)))
			return bad(s, s->line, "no memory");
		s->buf = p;
		s->cap = cap;
	}
	while ((n = read(s->fd, s->buf + s->to, BLOCK)) < 0 && errno == EINTR)
		;
	if (n < 0) {
		snprintf(s->err, sizeof s->err, "%s", strerror(errno));
		return -1;
	}
	s->to += (size_t)n;
	s->eof = !n;
	return n > 0;
}

static int
lines(struct json_split *s, char **p, size_t *n, uint64_t *line)
{
	size_t seen, end;
	char *nl;
	int rc;

	for (;;) {
		for (seen = 0;; seen = end) {
			end = s->to - s->from;
			nl = end > seen ? memchr(s->buf + s->from + seen, '\n', end - seen) : NULL;
			if (nl)
				break;
			if ((rc = fill(s)) < 0)
				return -1;
			if (!rc) {
				if (!end)
					return 0;
				nl = s->buf + s->to; /* a last line without its LF */
				break;
			}
		}
		*p = s->buf + s->from;
		*n = (size_t)(nl - *p);
		*line = s->line++;
		s->from = (size_t)(nl - s->buf) + (nl < s->buf + s->to);
		if (*n > s->max) {
			s->line = *line;
			return bad(s, *line, "a record larger than the limit");
		}
		while (*n && (BLANK(*p + *n - 1)))
			--*n;
		while (*n && BLANK(*p))
			++*p, --*n;
		if (*n)
			return 1;
	}
}

/* ---- elements of one array ---- */

static int
remember(struct json_split *s, size_t n)
{
	const char *p = s->buf + s->from;
	size_t i;
	char *rest;

	if (s->nrest + n > s->max)
		return bad(s, s->line, "what stands beside the array is larger than the limit");
	if (s->caprest - s->nrest < n) {
		size_t cap = (s->nrest + n) * 2;

		if (!(rest = realloc(s->rest, cap)))
			return bad(s, s->line, "no memory");
		s->rest = rest;
		s->caprest = cap;
	}
	if (n)
		memcpy(s->rest + s->nrest, p, n);
	s->nrest += n;
	for (i = 0; i < n; i++)
		s->line += p[i] == '\n';
	s->from += n;
	return 0;
}

/* Byte i behind from, reading on for it; -1 at the end, -2 an error. */
static inline int
byte(struct json_split *s, size_t i)
{
	int rc;

	while (i >= s->to - s->from)
		if ((rc = fill(s)) <= 0)
			return rc ? -2 : -1;
	return (unsigned char)s->buf[s->from + i];
}

/* Length of the blanks, or of the value, that begins i behind from; -1. */
static long
blanks(struct json_split *s, size_t i)
{
	size_t n = i;
	int c;

	while ((c = byte(s, n)) == ' ' || c == '\t' || c == '\n' || c == '\r')
		n++;
	return c == -2 ? -1 : (long)(n - i);
}

static long
value(struct json_split *s, size_t i)
{
	size_t n = i;
	int depth = 0, c;

	for (;; n++) {
		if ((c = byte(s, n)) == -2)
			return -1;
		if (c == -1)
			return depth ? bad(s, s->line, "the text ends inside a value")
				     : (long)(n - i);
		if (c == '"') {
			while ((c = byte(s, ++n)) >= 0 && c != '"')
				if (c == '\\')
					n++;
			if (c < 0)
				return c == -2 ? -1 : bad(s, s->line, "a string does not end");
			if (!depth)
				return (long)(n + 1 - i);
		} else if (c == '[' || c == '{') {
			depth++;
		} else if (c == ']' || c == '}') {
			if (!depth)
				return (long)(n - i);
			if (!--depth)
				return (long)(n + 1 - i);
		} else if (!depth &&
			   (c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
			return (long)(n - i);
		}
	}
}

/* Go on in the object to the value of the wanted member, or to its end.  1: the
 * array begins; 0: no such member, all is in rest; -1. */
static int
seek(struct json_split *s)
{
	size_t nname = strlen(s->array);
	long n, m;
	int c, found;

	if ((n = blanks(s, 0)) < 0 || remember(s, (size_t)n))
		return -1;
	if (byte(s, 0) != '{')
		return bad(s, s->line, "not an object");
	do {
		if (remember(s, 1) || (n = blanks(s, 0)) < 0 || remember(s, (size_t)n))
			return -1;
		c = byte(s, 0);
		if (c != '"')
			break;
		if ((n = value(s, 0)) < 0)
			return -1;
		found = (size_t)n == nname + 2 && !memcmp(s->buf + s->from + 1, s->array, nname);
		if (remember(s, (size_t)n) || (m = blanks(s, 0)) < 0 || remember(s, (size_t)m))
			return -1;
		if (byte(s, 0) != ':')
			return bad(s, s->line, "':' expected");
		if (remember(s, 1) || (m = blanks(s, 0)) < 0 || remember(s, (size_t)m))
			return -1;
		if (found && byte(s, 0) == '[')
			return remember(s, 1) ? -1 : 1;
		if ((n = value(s, 0)) < 0 || remember(s, (size_t)n) || (m = blanks(s, 0)) < 0 ||
		    remember(s, (size_t)m))
			return -1;
	} while ((c = byte(s, 0)) == ',');
	return c == -2 ? -1 : 0;
}

static int
elements(struct json_split *s, char **p, size_t *n, uint64_t *line)
{
	size_t i;
	long m;
	int c;

	if (s->place == HEAD) {
		if ((c = seek(s)) < 0)
			return -1;
		if (!c)
			return bad(s, s->line, "the array is not there");
		s->place = INSIDE;
	}
	if (s->place == TAIL)
		return 0;
	for (;;) {
		if ((m = blanks(s, 0)) < 0)
			return -1;
		for (i = 0; i < (size_t)m; i++)
			s->line += s->buf[s->from + i] == '\n';
		s->from += (size_t)m;
		c = byte(s, 0);
		if (c == ']' && s->first != 2)
			break;
		if (s->first == 0) {
			if (c != ',')
				return c == -2 ? -1 : bad(s, s->line, "',' or ']' expected");
			s->from++;
			s->first = 2; /* an element must follow */
			continue;
		}
		if ((m = value(s, 0)) < 0)
			return -1;
		if (!m)
			return bad(s, s->line, "a value expected");
		s->first = 0;
		*p = s->buf + s->from;
		*n = (size_t)m;
		*line = s->line;
		for (i = 0; i < *n; i++)
			s->line += (*p)[i] == '\n';
		s->from += *n;
		return 1;
	}
	s->place = TAIL;
	while ((c = byte(s, 0)) >= 0)
		if (remember(s, s->to - s->from))
			return -1;
	return c == -2 ? -1 : 0;
}

int
json_split_next(struct json_split *s, char **p, size_t *n, uint64_t *line)
{
	return s->array ? elements(s, p, n, line) : lines(s, p, n, line);
}

const char *
json_split_err(const struct json_split *s)
{
	return s->err;
}

const char *
json_split_rest(const struct json_split *s, size_t *n)
{
	*n = s->nrest;
	return s->rest;
}

void
json_split_free(struct json_split *s)
{
	if (!s)
		return;
	free(s->buf);
	free(s->rest);
	free(s);
}
