/*
 * JSON, see json.h.  jsmn accepts much that is no JSON ("{"a" "b"}", "[1 2]",
 * "[thanx]") and takes quadratic time without parent links, so the grammar pass
 * goes first, and what jsmn gets is known to be valid.
 */
#define JSMN_STATIC
#define JSMN_PARENT_LINKS
#define JSMN_STRICT
#include <jsmn.h>

#include "json.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "num.h"

enum { TOKENS_MAX = 1 << 24 };

/* ---- errors ---- */

static void
where(struct json *j, size_t off, const char *fmt, va_list ap)
{
	uint64_t line = j->line ? j->line : 1;
	const char *nl, *start = j->src, *p;
	size_t i;
	int k;

	for (i = 0; i < j->ncut && j->cut[i].at < off; i++)
		off += j->cut[i].n;
	if (off > j->nsrc)
		off = j->nsrc;
	p = j->src ? j->src + off : NULL;
	while (p && (nl = memchr(start, '\n', (size_t)(p - start)))) {
		line++;
		start = nl + 1;
	}
	k = snprintf(j->err, sizeof j->err, "%llu:%zu: ", (unsigned long long)line,
		     p ? (size_t)(p - start) + 1 : (size_t)1);
	vsnprintf(j->err + k, sizeof j->err - (size_t)k, fmt, ap);
}

__attribute__((format(printf, 3, 4))) static int
fail_at(struct json *j, size_t off, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	where(j, off, fmt, ap);
	va_end(ap);
	return -1;
}

int
json_fail(struct json *j, int v, const char *fmt, ...)
{
	va_list ap;
	size_t n, off = 0;

	if (v >= 0 && (unsigned)v < j->ntok)
		off = (size_t)(json_raw(j, v, &n) - j->text);
	va_start(ap, fmt);
	where(j, off, fmt, ap);
	va_end(ap);
	return -1;
}

/* ---- grammar ---- */

static int
hex4(const unsigned char *p, const unsigned char *end, unsigned *u)
{
	int i, c;

	if (end - p < 4)
		return -1;
	for (*u = 0, i = 0; i < 4; i++) {
		c = p[i];
		if (c >= '0' && c <= '9')
			c -= '0';
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			c = (c | 32) - 'a' + 10;
		else
			return -1;
		*u = *u << 4 | (unsigned)c;
	}
	return 0;
}

/* Bytes of the UTF-8 character at p, 0 if it is none. */
static int
utf8(const unsigned char *p, const unsigned char *end)
{
	static const unsigned least[5] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned u;
	int i, n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (n < 2)
		return n;
	if (p[0] > 0xf4 || end - p < n)
		return 0;
	u = p[0] & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		u = u << 6 | (p[i] & 63u);
	}
	return u < least[n] || (u >= 0xd800 && u < 0xe000) || u > 0x10ffff ? 0 : n;
}

/* From the opening quote to past the closing one; NULL and *why. */
static const unsigned char *
string(const unsigned char *p, const unsigned char *end, const unsigned char **bad,
       const char **why)
{
	unsigned u, low;
	int n;

	for (p++; p < end && *p != '"';) {
		*bad = p;
		if (*p >= 0x20 && *p < 0x80 && *p != '\\') {
			p++;
		} else if (*p == '\\') {
			if (end - p < 2)
				break;
			if (p[1] != 'u') {
				*why = "unknown escape in a string";
				if (!strchr("\"\\/bfnrt", p[1]) || !p[1])
					return NULL;
				p += 2;
				continue;
			}
			*why = "\\u without four hex digits";
			if (hex4(p + 2, end, &u))
				return NULL;
			p += 6;
			if (u < 0xd800 || u > 0xdfff)
				continue;
			if (u < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u' &&
			    !hex4(p + 2, end, &low) && low >= 0xdc00 && low < 0xe000) {
				p += 6;
				continue;
			}
			*why = "half a surrogate pair";
			if (u < 0xdc80 || u > 0xdcff)
				return NULL;
		} else if (*p < 0x20) {
			*why = "a control character in a string";
			return NULL;
		} else {
			*why = "a string is not UTF-8";
			if (!(n = utf8(p, end)))
				return NULL;
			p += n;
		}
	}
	if (p >= end || *p != '"') {
		*bad = end;
		*why = "a string does not end";
		return NULL;
	}
	return p + 1;
}

static const unsigned char *
digits(const unsigned char *p, const unsigned char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

static const unsigned char *
number(const unsigned char *p, const unsigned char *end)
{
	const unsigned char *q;

	if (p < end && *p == '-')
		p++;
	q = digits(p, end);
	if (q == p || (*p == '0' && q > p + 1))
		return NULL;
	p = q;
	if (p < end && *p == '.') {
		q = digits(p + 1, end);
		if (q == p + 1)
			return NULL;
		p = q;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		q = digits(p, end);
		if (q == p)
			return NULL;
		p = q;
	}
	return p;
}

static const unsigned char *
blank(const unsigned char *p, const unsigned char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

/* A word or a number; NULL if it is neither. */
static const unsigned char *
scalar(const unsigned char *p, const unsigned char *end)
{
	static const char word[3][6] = {"true", "false", "null"};
	size_t n;
	int i;

	for (i = 0; i < 3; i++) {
		n = strlen(word[i]);
		if ((size_t)(end - p) >= n && !memcmp(p, word[i], n))
			return p + n;
	}
	return number(p, end);
}

static int
grammar(struct json *j, const char *text, size_t ntext)
{
	const unsigned char *start = (const unsigned char *)text, *p = start, *end = start + ntext;
	const unsigned char *q, *bad = NULL;
	const char *why = "";
	unsigned char object[JSON_DEPTH];
	int depth = 0, fresh = 0; /* fresh: right after an opening bracket */

	for (;;) {
		p = blank(p, end);
		if (depth && object[depth - 1] && !(fresh && p < end && *p == '}')) {
			if (p >= end || *p != '"')
				return fail_at(j, (size_t)(p - start),
					       "a member's name in quotes expected");
			if (!(q = string(p, end, &bad, &why)))
				return fail_at(j, (size_t)(bad - start), "%s", why);
			p = blank(q, end);
			if (p >= end || *p != ':')
				return fail_at(j, (size_t)(p - start), "':' expected");
			p = blank(p + 1, end);
			fresh = 0;
		}
		if (p >= end)
			return fail_at(j, (size_t)(p - start),
				       depth ? "the text ends inside a value" : "no value");
		if (*p == '{' || *p == '[') {
			if (depth == JSON_DEPTH)
				return fail_at(j, (size_t)(p - start), "nested deeper than %d",
					       JSON_DEPTH);
			object[depth++] = *p++ == '{';
			fresh = 1;
			continue;
		}
		if (*p == '"') {
			if (!(q = string(p, end, &bad, &why)))
				return fail_at(j, (size_t)(bad - start), "%s", why);
			p = q;
			fresh = 0;
		} else if (!(fresh && *p == (object[depth - 1] ? '}' : ']'))) {
			if (!(q = scalar(p, end)))
				return fail_at(j, (size_t)(p - start), "a value expected");
			p = q;
			fresh = 0;
		}
		for (;;) { /* what may follow a value */
			p = blank(p, end);
			if (!depth) {
				if (p < end)
					return fail_at(j, (size_t)(p - start),
						       "text after the value");
				return 0;
			}
			if (p < end && *p == (object[depth - 1] ? '}' : ']')) {
				depth--;
				p++;
				fresh = 0;
				continue;
			}
			if (p >= end || *p != ',')
				return fail_at(j, (size_t)(p - start), "',' or '%c' expected",
					       object[depth - 1] ? '}' : ']');
			p++;
			break;
		}
	}
}

/* ---- tokens ---- */

static int
tokens(struct json *j)
{
	jsmn_parser parser;
	jsmntok_t *tok = j->tok;
	unsigned cap;
	int n;

	jsmn_init(&parser);
	for (;;) {
		if (!j->captok)
			n = JSMN_ERROR_NOMEM;
		else
			n = jsmn_parse(&parser, j->text, j->ntext, tok, j->captok);
		if (n != JSMN_ERROR_NOMEM)
			break;
		if (j->captok >= TOKENS_MAX)
			return fail_at(j, parser.pos, "more than %d values", TOKENS_MAX);
		cap = j->captok ? j->captok * 2 : 64;
		if (!(tok = realloc(j->tok, cap * sizeof *tok)))
			return fail_at(j, 0, "no memory");
		j->tok = tok;
		j->captok = cap;
	}
	if (n < 1)
		return fail_at(j, parser.pos, "not JSON");
	j->ntok = (unsigned)n;
	return 0;
}

/* jsmn in strict mode wants a bracket at the root; a scalar is one token. */
static int
lone(struct json *j)
{
	const unsigned char *s = (const unsigned char *)j->text, *end = s + j->ntext, *p;
	jsmntok_t *tok;

	p = blank(s, end);
	while (blank(end - 1, end) == end)
		end--;
	if (!(tok = realloc(j->tok, 64 * sizeof *tok)))
		return fail_at(j, 0, "no memory");
	j->tok = tok;
	j->captok = 64;
	j->ntok = 1;
	tok->type = *p == '"' ? JSMN_STRING : JSMN_PRIMITIVE;
	tok->start = (int)(p - s) + (*p == '"');
	tok->end = (int)(end - s) - (*p == '"');
	tok->size = 0;
	tok->parent = -1;
	return 0;
}

/* The next byte of an escaped string at *p; the bytes of one character are
 * handed out over several calls by way of *left (the last in the low byte). */
static int
unescape(const unsigned char **p, const unsigned char *end, uint32_t *left)
{
	const unsigned char *s = *p;
	unsigned u, low;
	int c;

	if (*left) {
		c = (int)(*left & 0xff);
		*left >>= 8;
		return c;
	}
	if (s >= end)
		return -1;
	if (*s != '\\') {
		*p = s + 1;
		return *s;
	}
	if (s[1] != 'u') {
		static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
		*p = s + 2;
		return to[strchr(from, s[1]) - from];
	}
	hex4(s + 2, end, &u);
	*p = s + 6;
	if (u >= 0xd800 && u < 0xdc00) {
		hex4(s + 8, end, &low);
		*p = s + 12;
		u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
	} else if (u >= 0xdc80 && u <= 0xdcff) {
		return (int)(u - 0xdc00);
	}
	if (u < 0x80)
		return (int)u;
	if (u < 0x800) {
		*left = 0x80 | (u & 63);
		return (int)(0xc0 | u >> 6);
	}
	if (u < 0x10000) {
		*left = 0x80 | (u >> 6 & 63) | (0x80 | (u & 63)) << 8;
		return (int)(0xe0 | u >> 12);
	}
	*left = 0x80 | (u >> 12 & 63) | (0x80 | (u >> 6 & 63)) << 8 | (0x80 | (u & 63)) << 16;
	return (int)(0xf0 | u >> 18);
}

struct name {
	const char *p;
	int n, parent, tok;
};

static int
name_cmp(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	const unsigned char *p, *q, *pe, *qe;
	uint32_t l = 0, m = 0;
	int c, d;

	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	p = (const unsigned char *)x->p;
	q = (const unsigned char *)y->p;
	pe = p + x->n;
	qe = q + y->n;
	do {
		c = unescape(&p, pe, &l);
		d = unescape(&q, qe, &m);
	} while (c == d && c >= 0);
	return c - d;
}

static int
duplicates(struct json *j)
{
	const jsmntok_t *tok = j->tok;
	struct name few[64], *name = few;
	size_t n = 0, i;
	int rc = 0;

	for (i = 1; i < j->ntok; i++)
		n += tok[tok[i].parent].type == JSMN_OBJECT;
	if (n > 64 && !(name = malloc(n * sizeof *name)))
		return fail_at(j, 0, "no memory");
	for (n = 0, i = 1; i < j->ntok; i++) {
		if (tok[tok[i].parent].type != JSMN_OBJECT)
			continue;
		name[n].p = j->text + tok[i].start;
		name[n].n = tok[i].end - tok[i].start;
		name[n].parent = tok[i].parent;
		name[n++].tok = (int)i;
	}
	if (n)
		qsort(name, n, sizeof *name, name_cmp);
	for (i = 1; i < n && !rc; i++)
		if (!name_cmp(&name[i - 1], &name[i]))
			rc = json_fail(
				j, name[i - 1].tok > name[i].tok ? name[i - 1].tok : name[i].tok,
				"\"%.*s\" appears twice", name[i].n > 80 ? 80 : name[i].n,
				name[i].p);
	if (name != few)
		free(name);
	return rc;
}

/* next[i]: the token after i and all that is in it. */
static int
link_up(struct json *j)
{
	const jsmntok_t *tok = j->tok;
	unsigned i;
	int *next;

	if (j->capnext < j->captok) {
		if (!(next = realloc(j->next, j->captok * sizeof *next)))
			return fail_at(j, 0, "no memory");
		j->next = next;
		j->capnext = j->captok;
	}
	for (i = 0; i < j->ntok; i++)
		j->next[i] = (int)i + 1;
	for (i = j->ntok; --i > 0;)
		if (j->next[tok[i].parent] < j->next[i])
			j->next[tok[i].parent] = j->next[i];
	return 0;
}

static int
parse(struct json *j)
{
	const unsigned char *p = (const unsigned char *)j->text;

	j->ntok = 0;
	j->err[0] = '\0';
	if (j->nsrc >= INT_MAX)
		return fail_at(j, 0, "larger than 2 GiB");
	if (grammar(j, j->text, j->ntext))
		return -1;
	p = blank(p, p + j->ntext);
	if ((*p == '{' || *p == '[' ? tokens(j) : lone(j)) || link_up(j) || duplicates(j)) {
		j->ntok = 0;
		return -1;
	}
	return 0;
}

int
json_parse(struct json *j, const char *p, size_t n)
{
	j->src = j->text = p;
	j->nsrc = j->ntext = n;
	j->ncut = 0;
	return parse(j);
}

/* Blank comments. */
int
json_parse_c(struct json *j, char *p, size_t n)
{
	char *s = p, *end = p + n, *close;
	const unsigned char *q, *bad;
	const char *why;

	j->src = j->text = p;
	j->nsrc = j->ntext = n;
	j->ncut = j->ntok = 0;
	while (s < end) {
		if (*s == '"') {
			q = string((unsigned char *)s, (unsigned char *)end, &bad, &why);
			if (!q) /* the grammar pass says it with its place */
				break;
			s += q - (unsigned char *)s;
		} else if (*s == '/' && end - s > 1 && s[1] == '/') {
			while (s < end && *s != '\n')
				*s++ = ' ';
		} else if (*s == '/' && end - s > 1 && s[1] == '*') {
			for (close = s + 2;
			     end - close > 1 && (close[0] != '*' || close[1] != '/');)
				close++;
			if (end - close < 2)
				return fail_at(j, (size_t)(s - p), "a comment does not end");
			for (; s < close + 2; s++)
				if (*s != '\n')
					*s = ' ';
		} else {
			s++;
		}
	}
	return parse(j);
}

/* ---- taking values out ---- */

/* Past the value at p, judged by brackets and quotes alone; NULL: no end. */
static const char *
skip(const char *p, const char *end)
{
	int depth = 0;

	for (; p < end; p++) {
		switch (*p) {
		case '"':
			for (p++; p < end && *p != '"'; p++)
				if (*p == '\\')
					p++;
			if (p >= end)
				return NULL;
			if (!depth)
				return p + 1;
			break;
		case '[':
		case '{':
			depth++;
			break;
		case ']':
		case '}':
			if (!depth)
				return p;
			if (!--depth)
				return p + 1;
			break;
		case ',':
			if (!depth)
				return p;
		}
	}
	return NULL;
}

static int
keep(struct json *j, const char *p, size_t n)
{
	char *rest;

	if (j->caprest - j->ntext < n) {
		size_t cap = j->ntext + n < 2048 ? 4096 : (j->ntext + n) * 2;

		if (!(rest = realloc(j->rest, cap)))
			return -1;
		j->rest = rest;
		j->caprest = cap;
	}
	memcpy(j->rest + j->ntext, p, n);
	j->ntext += n;
	return 0;
}

/* Instead of the n bytes that were taken stands null. */
static int
cut(struct json *j, size_t n)
{
	struct json_cut *c;

	if (j->ncut == j->capcut) {
		size_t cap = j->capcut ? j->capcut * 2 : 8;

		if (!(c = realloc(j->cut, cap * sizeof *c)))
			return -1;
		j->cut = c;
		j->capcut = cap;
	}
	/* errors are placed at bytes of the rest: four of n are still there */
	j->cut[j->ncut].at = j->ntext;
	j->cut[j->ncut++].n = n - 4;
	return keep(j, "null", 4);
}

int
json_parse_take(struct json *j, const char *p, size_t n, json_take *take, void *arg)
{
	const char *end = p + n, *done = p, *s = p, *key, *q;
	size_t nkey;

	j->src = p;
	j->nsrc = n;
	j->ntext = j->ncut = j->ntok = 0;
#define BLANK(x) ((const char *)blank((const unsigned char *)(x), (const unsigned char *)end))
	s = BLANK(s);
	if (s < end && *s == '{') {
		do {
			s = BLANK(s + 1);
			if (s >= end || *s != '"' || !(q = skip(s, end)))
				break;
			key = s + 1;
			nkey = (size_t)(q - key) - 1;
			s = BLANK(q);
			if (s >= end || *s != ':')
				break;
			s = BLANK(s + 1);
			q = take(arg, key, nkey, s, end);
			if (q && q - s >= 4) {
				if (keep(j, done, (size_t)(s - done)) || cut(j, (size_t)(q - s)))
					return fail_at(j, 0, "no memory");
				done = q;
			} else if (!q && !(q = skip(s, end))) {
				break;
			}
			s = BLANK(q);
		} while (s < end && *s == ',');
	}
#undef BLANK
	if (keep(j, done, (size_t)(end - done)))
		return fail_at(j, 0, "no memory");
	j->text = j->rest;
	return parse(j);
}

void
json_free(struct json *j)
{
	free(j->tok);
	free(j->next);
	free(j->rest);
	free(j->cut);
	memset(j, 0, sizeof *j);
}

/* ---- access ---- */

static const jsmntok_t *
at(const struct json *j, int v)
{
	return v >= 0 && (unsigned)v < j->ntok ? (const jsmntok_t *)j->tok + v : NULL;
}

enum json_type
json_type(const struct json *j, int v)
{
	const jsmntok_t *t = at(j, v);

	if (!t)
		return JSON_NONE;
	switch (t->type) {
	case JSMN_OBJECT:
		return JSON_OBJ;
	case JSMN_ARRAY:
		return JSON_ARR;
	case JSMN_STRING:
		return JSON_STR;
	default:
		break;
	}
	switch (j->text[t->start]) {
	case 'n':
		return JSON_NULL;
	case 't':
		return JSON_TRUE;
	case 'f':
		return JSON_FALSE;
	default:
		return JSON_NUM;
	}
}

int
json_size(const struct json *j, int v)
{
	const jsmntok_t *t = at(j, v);

	return t && (t->type == JSMN_OBJECT || t->type == JSMN_ARRAY) ? t->size : -1;
}

int
json_first(const struct json *j, int v)
{
	return json_size(j, v) > 0 ? v + 1 : -1;
}

int
json_next(const struct json *j, int parent, int v)
{
	if (!at(j, parent) || !at(j, v))
		return -1;
	return j->next[v] < j->next[parent] ? j->next[v] : -1;
}

int
json_is(const struct json *j, int v, const char *s)
{
	const jsmntok_t *t = at(j, v);
	const unsigned char *p, *end;
	uint32_t left = 0;
	int c;

	if (!t || t->type != JSMN_STRING)
		return 0;
	p = (const unsigned char *)j->text + t->start;
	end = (const unsigned char *)j->text + t->end;
	while ((c = unescape(&p, end, &left)) >= 0)
		if (!c || (unsigned char)*s++ != c)
			return 0;
	return !*s;
}

int
json_find(const struct json *j, int v, const char *key)
{
	int i;

	if (json_type(j, v) != JSON_OBJ)
		return -1;
	for (i = json_first(j, v); i >= 0; i = json_next(j, v, i))
		if (json_is(j, i, key))
			return i + 1;
	return -1;
}

const char *
json_raw(const struct json *j, int v, size_t *n)
{
	const jsmntok_t *t = at(j, v);

	*n = 0;
	if (!t)
		return NULL;
	*n = (size_t)(t->end - t->start) + (t->type == JSMN_STRING ? 2 : 0);
	return j->text + t->start - (t->type == JSMN_STRING);
}

long
json_str(const struct json *j, int v, char *buf, size_t size)
{
	const jsmntok_t *t = at(j, v);
	const unsigned char *p, *end;
	uint32_t left = 0;
	size_t n = 0;
	int c;

	if (!t || t->type != JSMN_STRING)
		return -1;
	p = (const unsigned char *)j->text + t->start;
	end = (const unsigned char *)j->text + t->end;
	while ((c = unescape(&p, end, &left)) >= 0) {
		if (n + 1 >= size)
			return -1;
		buf[n++] = (char)c;
	}
	if (n >= size)
		return -1;
	buf[n] = '\0';
	return (long)n;
}

int
json_u64(const struct json *j, int v, uint64_t *n)
{
	const jsmntok_t *t = at(j, v);

	if (json_type(j, v) != JSON_NUM)
		return -1;
	return num_u64n(j->text + t->start, j->text + t->end, 0, UINT64_MAX, n);
}

int
json_i64(const struct json *j, int v, int64_t *n)
{
	const jsmntok_t *t = at(j, v);
	uint64_t u;
	int minus;

	if (json_type(j, v) != JSON_NUM)
		return -1;
	minus = j->text[t->start] == '-';
	if (num_u64n(j->text + t->start + minus, j->text + t->end, 0,
		     (uint64_t)INT64_MAX + (uint64_t)minus, &u))
		return -1;
	*n = minus ? (int64_t)-u : (int64_t)u;
	return 0;
}

int
json_f64(const struct json *j, int v, double *x)
{
	const jsmntok_t *t = at(j, v);

	return json_type(j, v) == JSON_NUM ? num_f64(j->text + t->start, j->text + t->end, x) : -1;
}
