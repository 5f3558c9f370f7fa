/* Writing JSON, see json.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "num.h"

enum { DRAIN = 1 << 17 };

int
json_put_flush(struct json_out *o)
{
	if (!o->bad && o->n && o->drain && o->drain(o->arg, o->p, o->n))
		o->bad = 1;
	o->n = 0;
	return o->bad ? -1 : 0;
}

char *
json_put_room(struct json_out *o, size_t n)
{
	size_t cap;
	char *p;

	if (o->drain && o->n >= DRAIN && json_put_flush(o))
		return NULL;
	if (o->cap - o->n < n) {
		cap = o->n + n < 2048 ? 4096 : (o->n + n) * 2;
		if (!(p = realloc(o->p, cap))) {
			o->bad = 1;
			return NULL;
		}
		o->p = p;
		o->cap = cap;
	}
	return o->p + o->n;
}

void
json_put_bytes(struct json_out *o, const char *p, size_t n)
{
	char *to = json_put_room(o, n);

	if (!to || !n)
		return;
	memcpy(to, p, n);
	o->n += n;
}

static void
line(struct json_out *o)
{
	int i;

	json_put_bytes(o, "\n", 1);
	for (i = 0; i < o->depth; i++)
		json_put_bytes(o, "  ", 2);
}

/* What stands between the last value and the next, or its name. */
static void
next(struct json_out *o)
{
	uint64_t bit = (uint64_t)1 << o->depth;

	if (o->after_key) {
		o->after_key = 0;
		return;
	}
	if (o->some & bit)
		json_put_bytes(o, ", ", o->style == JSON_PYTHON ? 2 : 1);
	if (o->depth && o->style == JSON_PRETTY)
		line(o);
	if (o->depth)
		o->some |= bit;
}

void
json_put_open(struct json_out *o, char bracket)
{
	next(o);
	json_put_bytes(o, &bracket, 1);
	if (o->depth == 63) {
		o->bad = 1;
		return;
	}
	o->depth++;
	o->some &= ~((uint64_t)1 << o->depth);
	o->object &= ~((uint64_t)1 << o->depth);
	if (bracket == '{')
		o->object |= (uint64_t)1 << o->depth;
}

void
json_put_close(struct json_out *o)
{
	uint64_t bit = (uint64_t)1 << o->depth;

	if (!o->depth) {
		o->bad = 1;
		return;
	}
	o->depth--;
	if (o->some & bit && o->style == JSON_PRETTY)
		line(o);
	json_put_bytes(o, o->object & bit ? "}" : "]", 1);
}

static size_t
escape16(char *to, unsigned u)
{
	static const char hex[] = "0123456789abcdef";

	to[0] = '\\';
	to[1] = 'u';
	to[2] = hex[u >> 12 & 15];
	to[3] = hex[u >> 8 & 15];
	to[4] = hex[u >> 4 & 15];
	to[5] = hex[u & 15];
	return 6;
}

/* The UTF-8 character at p: its bytes and *u; 0 if it is none. */
static int
character(const unsigned char *p, size_t n, unsigned *u)
{
	static const unsigned least[5] = {0, 0, 0x80, 0x800, 0x10000};
	int i, k = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (!k || n < (size_t)k)
		return 0;
	*u = p[0] & (0x7fu >> k);
	for (i = 1; i < k; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*u = *u << 6 | (p[i] & 63u);
	}
	return *u < least[k] || (*u >= 0xd800 && *u < 0xe000) || *u > 0x10ffff ? 0 : k;
}

static void
quoted(struct json_out *o, const char *s, size_t n)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const unsigned char *p = (const unsigned char *)s;
	const char *c;
	unsigned u;
	char *q;
	size_t i, k;
	int len;

	json_put_bytes(o, "\"", 1);
	for (i = 0; i < n;) {
		if (!(q = json_put_room(o, 16)))
			return;
		k = 0;
		if (p[i] < 0x80 && p[i] && (c = strchr(from, p[i]))) {
			q[k++] = '\\';
			q[k++] = to[c - from];
			i++;
		} else if (p[i] < 0x20) {
			k = escape16(q, p[i++]);
		} else if (p[i] < 0x80) {
			q[k++] = (char)p[i++];
		} else if (!(len = character(p + i, n - i, &u))) {
			k = escape16(q, 0xdc00 + p[i++]); /* surrogateescape */
		} else if (o->style != JSON_PYTHON) {
			memcpy(q, p + i, (size_t)len);
			k = (size_t)len;
			i += (size_t)len;
		} else {
			if (u >= 0x10000) {
				u -= 0x10000;
				k = escape16(q, 0xd800 + (u >> 10));
				u = 0xdc00 + (u & 0x3ff);
			}
			k += escape16(q + k, u);
			i += (size_t)len;
		}
		o->n += k;
	}
	json_put_bytes(o, "\"", 1);
}

void
json_put_str(struct json_out *o, const char *s, size_t n)
{
	next(o);
	quoted(o, s, n);
}

void
json_put_key(struct json_out *o, const char *key)
{
	next(o);
	quoted(o, key, strlen(key));
	json_put_bytes(o, ": ", o->style == JSON_COMPACT ? 1 : 2);
	o->after_key = 1;
}

void
json_put_u64(struct json_out *o, uint64_t n)
{
	char *p;

	next(o);
	if ((p = json_put_room(o, NUM_MAX)))
		o->n += num_put_u64(p, n);
}

void
json_put_i64(struct json_out *o, int64_t n)
{
	char *p;

	next(o);
	if ((p = json_put_room(o, NUM_MAX)))
		o->n += num_put_i64(p, n);
}

void
json_put_f64(struct json_out *o, double x)
{
	char *p;

	if (isnan(x)) {
		json_put_str(o, "nan", 3);
	} else if (isinf(x)) {
		json_put_str(o, x < 0 ? "-inf" : "inf", x < 0 ? 4 : 3);
	} else {
		next(o);
		if ((p = json_put_room(o, NUM_MAX)))
			o->n += num_put_f64(p, x);
	}
}

void
json_put_word(struct json_out *o, const char *word)
{
	json_put_raw(o, word, strlen(word));
}

void
json_put_raw(struct json_out *o, const char *p, size_t n)
{
	next(o);
	json_put_bytes(o, p, n);
}

void
json_out_free(struct json_out *o)
{
	free(o->p);
	memset(o, 0, sizeof *o);
}
