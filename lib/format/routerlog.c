/*
 * Logs of router logits, see routerlog.h.  A number is at most NUMBER bytes, and
 * the block always holds that much or the end; a NUL stands behind its last byte,
 * so that scanning needs no other bound.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "kind.h"
#include "moetrace.h"
#include "num.h"
#include "routerlog.h"

enum { BLOCK = 1 << 18, NUMBER = 512, ELEMENTS = 1 << 28 };
enum { START, TOP, SAMPLES, SAMPLE, LAYERS, DONE };

struct rlog *
rlog_open(int fd)
{
	struct rlog *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	if (!(r->buf = calloc(1, BLOCK + NUMBER + 16))) {
		free(r);
		return NULL;
	}
	r->fd = fd;
	r->p = r->end = r->buf;
	*r->end = 0;
	r->line = 1;
	r->num_experts = r->top_k = r->max_samples = TR_NONE;
	r->index = TR_NONE;
	return r;
}

void
rlog_free(struct rlog *r)
{
	struct rlog_mat *m[] = {&r->logit, &r->w, &r->id};

	for (int i = 0; i < 3; i++) {
		free(m[i]->f);
		free(m[i]->bad);
	}
	free(r->buf);
	free(r);
}

__attribute__((format(printf, 2, 3))) static int
fail(struct rlog *r, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (*r->err)
		return -1;
	n = snprintf(r->err, sizeof r->err, "%llu:%llu: ", (unsigned long long)r->line,
		     (unsigned long long)(r->base + (uint64_t)(r->p - r->buf) - r->bol + 1));
	va_start(ap, fmt);
	vsnprintf(r->err + n, sizeof r->err - (size_t)n, fmt, ap);
	va_end(ap);
	return -1;
}

void
rlog_where(const struct rlog *r, char *buf, size_t size)
{
	int n = r->sample_id != TR_NONE
			? snprintf(buf, size, "sample %llu", (unsigned long long)r->sample_id)
			: snprintf(buf, size, "sample [%llu]", (unsigned long long)r->index);

	if (r->layer != TR_NONE)
		snprintf(buf + n, size - (size_t)n, ", layer %llu", (unsigned long long)r->layer);
	else
		snprintf(buf + n, size - (size_t)n, ", layer [%llu]", (unsigned long long)r->at);
}

/* Read on until NUMBER bytes are there, or the end is: 0, or -1. */
static int
fill(struct rlog *r)
{
	ssize_t n;

	if (r->eof || r->end - r->p >= NUMBER)
		return 0;
	r->base += (uint64_t)(r->p - r->buf);
	memmove(r->buf, r->p, (size_t)(r->end - r->p));
	r->end = r->buf + (r->end - r->p);
	r->p = r->buf;
	while (!r->eof && r->end - r->p < NUMBER) {
		if ((n = read(r->fd, r->end, (size_t)(r->buf + BLOCK + NUMBER - r->end))) < 0) {
			if (errno == EINTR)
				continue;
			snprintf(r->err, sizeof r->err, "%s", strerror(errno));
			return -1;
		}
		r->eof = !n;
		r->end += n;
	}
	*r->end = 0;
	return 0;
}

/* Past blanks, with NUMBER bytes behind them where the log has them. */
static inline int
blanks(struct rlog *r)
{
	char *p = r->p;
	uint64_t w;

	for (;;) {
		if (r->end - p >= 8) { /* indents */
			memcpy(&w, p, 8);
			if (w == 0x2020202020202020) {
				p += 8;
				continue;
			}
		}
		if (*p == ' ' || *p == '\t' || *p == '\r') {
			p++;
		} else if (*p == '\n') {
			p++;
			r->line++;
			r->bol = r->base + (uint64_t)(p - r->buf);
		} else if (p == r->end && !r->eof) {
			r->p = p;
			if (fill(r) < 0)
				return -1;
			p = r->p;
		} else {
			break;
		}
	}
	r->p = p;
	return r->end - p < NUMBER ? fill(r) : 0;
}

static int
expect(struct rlog *r, char c)
{
	const char *told;

	if (blanks(r) < 0)
		return -1;
	if (*r->p == c) {
		r->p++;
		return 0;
	}
	if (r->p == r->end)
		return fail(r, "the log is cut short");
	if (!r->base && r->p == r->buf && (told = kind_told(r->p, (size_t)(r->end - r->p))))
		return fail(r, "no JSON but %s", told);
	return fail(r, "'%c' expected", c);
}

/* Behind an element: 1 if there is one more, 0 behind the closing bracket. */
static inline int
more(struct rlog *r, char close)
{
	if (blanks(r) < 0)
		return -1;
	if (*r->p == ',') {
		r->p++;
		return 1;
	}
	if (*r->p == close) {
		r->p++;
		return 0;
	}
	return r->p == r->end ? fail(r, "the log is cut short")
			      : fail(r, "',' or '%c' expected", close);
}

/* Before the first element: 1, or 0 and the closing bracket is gone. */
static int
any(struct rlog *r, char close)
{
	if (blanks(r) < 0)
		return -1;
	if (*r->p != close)
		return 1;
	r->p++;
	return 0;
}

/* A string into buf, decoded, or past it with buf NULL. */
static int
string(struct rlog *r, char *buf, size_t size)
{
	char raw[2 * RLOG_TEXT + 2];
	size_t n = 0;
	int escape = 0, plain = 1, rc = 0;
	struct json j = {0};

	if (blanks(r) < 0)
		return -1;
	if (*r->p != '"')
		return fail(r, "a string expected");
	do {
		if (r->p == r->end && fill(r) < 0)
			return -1;
		if (r->p == r->end)
			return fail(r, "a string does not end");
		if ((unsigned char)*r->p < 0x20)
			return fail(r, "a control character in a string");
		if (buf && n == sizeof raw)
			return fail(r, "a string of more than %d bytes", RLOG_TEXT - 1);
		if (buf)
			raw[n] = *r->p;
		plain &= *r->p != '\\' && (unsigned char)*r->p < 0x80;
		if (n && *r->p == '"' && !escape)
			break;
		escape = !escape && *r->p == '\\';
		n = buf ? n + 1 : 1;
		r->p++;
	} while (1);
	r->p++;
	if (!buf)
		return 0;
	if (plain) {
		if (n > size)
			return fail(r, "a string of more than %zu bytes", size - 1);
		memcpy(buf, raw + 1, n - 1);
		buf[n - 1] = 0;
		return 0;
	}
	if (json_parse(&j, raw, n + 1) || json_str(&j, 0, buf, size) < 0)
		rc = fail(r, "a string that is broken or longer than %zu bytes", size - 1);
	json_free(&j);
	return rc;
}

/* The digits at p, eight at most, behind those of *m: how many.  Eight bytes are read. */
static inline unsigned
digits8(const char *p, uint64_t *m)
{
	static const uint32_t pow10[] = {1,      10,      100,      1000,     10000,
					 100000, 1000000, 10000000, 100000000};
	uint64_t w, t, other;
	unsigned n = 8;

	memcpy(&w, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	w = __builtin_bswap64(w);
#endif
	t = w ^ 0x3030303030303030;
	/* a byte above 9 sets its top bit, and may carry only into those behind it */
	if ((other = ((t + 0x7676767676767676) | t) & 0x8080808080808080)) {
		n = (unsigned)__builtin_ctzll(other) / 8;
		t = t << 1 << (63 - 8 * n); /* zeros before them */
	}
	t = t * 10 + (t >> 8);
	t = ((t & 0x000000ff000000ff) * 0x000f424000000064 +
	     (t >> 16 & 0x000000ff000000ff) * 0x0000271000000001) >>
	    32;
	*m = *m * pow10[n] + (uint32_t)t;
	return n;
}

/* Past a number of JSON's grammar; NULL: it is none.  Its digits as m 10^e, where
 * they are at most 19; else *digits says more. */
static inline const char *
scan(const char *p, uint64_t *mant, int *ex, int *digits)
{
	const char *q, *lead;
	uint64_t m = 0;
	unsigned n;
	int e = 0, x = 0, minus;

	p += *p == '-';
	lead = p;
	while ((unsigned char)(*p - '0') < 10)
		m = 10 * m + (unsigned)(*p++ - '0');
	if (p == lead || (*lead == '0' && p > lead + 1))
		return NULL;
	*digits = *lead == '0' ? 0 : (int)(p - lead);
	if (*p == '.') {
		q = ++p;
		if (!m) { /* zeros that lead are no digits */
			while (*p == '0')
				p++;
		}
		lead = p;
		do /* the NUL and NUMBER bound it */
			p += n = digits8(p, &m);
		while (n == 8);
		if (p == q)
			return NULL;
		*digits += (int)(p - lead);
		e = (int)(q - p);
	}
	if ((*p | 32) == 'e') {
		minus = p[1] == '-';
		p += 1 + (p[1] == '-' || p[1] == '+');
		for (q = p; (unsigned char)(*p - '0') < 10; p++)
			x = x < 10000 ? 10 * x + (*p - '0') : x;
		if (p == q)
			return NULL;
		e += minus ? -x : x;
	}
	*mant = m;
	*ex = e;
	return p;
}

static const double ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
			     1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/*
 * A number at p as f32, correctly rounded: its end, or NULL.  m and 10^22 round at
 * most thrice in double, so the cast is right unless the double lies within a few
 * of its last digits of a tie.
 */
static inline const char *
number(const char *p, float *x)
{
	const char *end;
	uint64_t m, u;
	int e, digits;
	double d;

	if (!(end = scan(p, &m, &e, &digits)))
		return NULL;
	if (digits <= 19 && e >= -44 && e <= 0) {
		d = e < -22 ? (double)m / 1e22 / ten[-e - 22] : (double)m / ten[-e];
		memcpy(&u, &d, 8);
		u &= 0x1fffffff;
		if (!m || (d > 1.2e-38 && (u < 0x0ffffff0 || u > 0x10000010))) {
			*x = *p == '-' ? -(float)d : (float)d;
			return end;
		}
	}
	return num_f32(p, end, x) ? NULL : end;
}

/* NaN, Infinity or -Infinity at p: its length. */
static size_t
odd(const char *p)
{
	return !strncmp(p, "NaN", 3)         ? 3
	       : !strncmp(p, "Infinity", 8)  ? 8
	       : !strncmp(p, "-Infinity", 9) ? 9
					     : 0;
}

static int
skip(struct rlog *r, int depth)
{
	static const char *word[] = {"true", "false", "null"};
	uint64_t m;
	int e, digits, rc;
	char close;
	const char *q;

	if (blanks(r) < 0)
		return -1;
	if (*r->p == '"')
		return string(r, NULL, 0);
	if (*r->p == '[' || *r->p == '{') {
		close = *r->p++ == '[' ? ']' : '}';
		if (depth == JSON_DEPTH)
			return fail(r, "nested deeper than %d", JSON_DEPTH);
		for (rc = any(r, close); rc > 0; rc = more(r, close))
			if ((close == '}' && (string(r, NULL, 0) < 0 || expect(r, ':') < 0)) ||
			    skip(r, depth + 1) < 0)
				return -1;
		return rc;
	}
	for (int i = 0; i < 3; i++)
		if (!strncmp(r->p, word[i], strlen(word[i]))) {
			r->p += strlen(word[i]);
			return 0;
		}
	if (odd(r->p)) {
		r->p += odd(r->p);
		return 0;
	}
	if (!(q = scan(r->p, &m, &e, &digits)) || (q == r->end && !r->eof))
		return r->p == r->end ? fail(r, "the log is cut short")
				      : fail(r, "a value expected");
	r->p += q - r->p;
	return 0;
}

static int
null(struct rlog *r)
{
	if (strncmp(r->p, "null", 4) != 0)
		return 0;
	r->p += 4;
	return 1;
}

/* A number of a key, an integer n or else x, *n TR_NONE and *x NaN where it is null, which is as
 * good as no key, or (of x) NaN or Infinity. */
static int
scalar(struct rlog *r, const char *key, uint64_t *n, double *x)
{
	const char *q;
	uint64_t m;
	int e, digits;

	if (n)
		*n = TR_NONE;
	else
		*x = NAN;
	if (blanks(r) < 0)
		return -1;
	if (null(r))
		return 0;
	if (!n && odd(r->p)) {
		r->p += odd(r->p);
		return 0;
	}
	q = scan(r->p, &m, &e, &digits);
	if (!q || (n ? num_u64n(r->p, q, 0, INT64_MAX, n) : num_f64(r->p, q, x)))
		return fail(r, n ? "%s is no integer" : "%s is no number", key);
	r->p += q - r->p;
	return 0;
}

static int
count(struct rlog *r, const char *key, uint64_t *n)
{
	return scalar(r, key, n, NULL);
}

static int
text(struct rlog *r, char *buf)
{
	if (blanks(r) < 0)
		return -1;
	*buf = 0;
	return null(r) ? 0 : string(r, buf, RLOG_TEXT);
}

/* ---- matrices ---- */

static int
grow(struct rlog *r, struct rlog_mat *m)
{
	size_t cap = m->cap ? m->cap * 2 : 4096;
	void *v;

	if (m->n >= ELEMENTS)
		return fail(r, "more than %d numbers in a layer", ELEMENTS);
	if (!(v = realloc(m->f, cap * sizeof *m->f)))
		return fail(r, "no memory");
	m->f = v;
	m->cap = cap;
	return 0;
}

/* Numbers that a comma follows, as long as each lies whole in the block. */
static void
plain(struct rlog *r, struct rlog_mat *m)
{
	const char *p = r->p, *q;
	size_t n = m->n;

	while (r->end - p > NUMBER && n < m->cap && (q = number(p, m->f + n)) && *q == ',') {
		p = q + 1 + (q[1] == ' ');
		n++;
	}
	r->p += p - r->p;
	m->n = n;
}

/* Numbers up to ']'; 1 where one is not finite. */
static int
floats(struct rlog *r, struct rlog_mat *m)
{
	int rc, bad = 0;
	const char *q;
	size_t n;

	for (rc = any(r, ']'); rc > 0; rc = more(r, ']')) {
		plain(r, m);
		if (blanks(r) < 0 || (m->n == m->cap && grow(r, m) < 0))
			return -1;
		if ((q = number(r->p, m->f + m->n))) {
			if (q == r->end && !r->eof)
				return fail(r, "a number of more than %d bytes", NUMBER);
			r->p += q - r->p;
		} else if ((n = odd(r->p))) {
			m->f[m->n] = 0;
			r->p += n;
			bad = 1;
		} else {
			return fail(r, r->p == r->end ? "the log is cut short"
						      : "a number expected, that fits f32");
		}
		m->n++;
	}
	return rc < 0 ? -1 : bad;
}

static int
ints(struct rlog *r, struct rlog_mat *m)
{
	uint64_t u;
	const char *q;
	int rc, minus;

	for (rc = any(r, ']'); rc > 0; rc = more(r, ']')) {
		if (blanks(r) < 0 || (m->n == m->cap && grow(r, m) < 0))
			return -1;
		minus = *r->p == '-';
		for (q = r->p + minus; (unsigned char)(*q - '0') < 10; q++)
			;
		if (num_u64n(r->p + minus, q, 0, INT32_MAX, &u) || *q == '.' || (*q | 32) == 'e')
			return fail(r, r->p == r->end ? "the log is cut short"
						      : "an expert's number expected");
		m->i[m->n++] = minus ? -(int32_t)u : (int32_t)u;
		r->p += q - r->p;
	}
	return rc;
}

static int
row(struct rlog *r, struct rlog_mat *m, int whole)
{
	size_t before = m->n;
	char where[128];
	void *v;
	int bad = whole ? ints(r, m) : floats(r, m);

	if (bad < 0)
		return -1;
	if (m->rows == m->capbad) {
		size_t cap = m->capbad ? 2 * m->capbad : 256;

		if (!(v = realloc(m->bad, cap)))
			return fail(r, "no memory");
		m->bad = v;
		m->capbad = cap;
	}
	if (!m->rows)
		m->width = (uint32_t)m->n;
	if (m->n - before != m->width) {
		rlog_where(r, where, sizeof where);
		return fail(r, "%s, row %llu: %zu numbers, the row before has %u", where,
			    (unsigned long long)m->rows, m->n - before, m->width);
	}
	m->bad[m->rows++] = (unsigned char)bad;
	m->nbad += (uint64_t)bad;
	return 0;
}

static int
rows(struct rlog *r, struct rlog_mat *m, int whole)
{
	int rc = 1; /* the first '[' is still there */

	for (; rc > 0; rc = more(r, ']'))
		if (expect(r, '[') < 0 || row(r, m, whole) < 0)
			return -1;
	return rc;
}

static void
forget(struct rlog_mat *m)
{
	m->n = m->rows = m->nbad = m->width = 0;
	m->there = m->dims = 0;
}

static int
matrix(struct rlog *r, struct rlog_mat *m, int whole)
{
	int rc;

	forget(m);
	if (blanks(r) < 0)
		return -1;
	if (null(r))
		return 0;
	m->there = 1;
	if (expect(r, '[') < 0 || (rc = any(r, ']')) <= 0)
		return *r->err ? -1 : 0;
	if (*r->p != '[') {
		m->dims = 1;
		return row(r, m, whole);
	}
	/* is a bracket behind this one, is it one of [1][T][E] */
	r->p++;
	if (blanks(r) < 0)
		return -1;
	m->dims = *r->p == '[' ? 3 : 2;
	if (m->dims == 3) {
		if (rows(r, m, whole) < 0 || (rc = more(r, ']')) < 0)
			return -1;
		return rc ? fail(r, "a batch of more than one sequence") : 0;
	}
	if (row(r, m, whole) < 0 || (rc = more(r, ']')) < 0)
		return -1;
	if (rc && (blanks(r) < 0 || rows(r, m, whole) < 0))
		return -1;
	if (!m->width)
		m->rows = m->dims = 0; /* [[]] */
	return 0;
}

/* ---- objects ---- */

/* The next key of an object: 1, 0 behind '}', -1. */
static int
member(struct rlog *r, int first, char *key)
{
	int rc = first ? any(r, '}') : more(r, '}');

	if (rc <= 0)
		return rc;
	if (blanks(r) < 0)
		return -1;
	if (*r->p != '"')
		return fail(r, r->p == r->end ? "the log is cut short"
					      : "a member's name in quotes expected");
	return string(r, key, RLOG_TEXT) < 0 || expect(r, ':') < 0 ? -1 : 1;
}

#define IS(s) (!strcmp(key, s))

static int
layer(struct rlog *r)
{
	char key[RLOG_TEXT];
	int rc, first = 1;

	r->layer = TR_NONE;
	forget(&r->logit);
	forget(&r->w);
	forget(&r->id);
	if (expect(r, '{') < 0)
		return -1;
	while ((rc = member(r, first, key)) > 0) {
		first = 0;
		rc = IS("layer")                  ? count(r, key, &r->layer)
		     : IS("router_logits_sample") ? matrix(r, &r->logit, 0)
		     : IS("expert_weights")       ? matrix(r, &r->w, 0)
		     : IS("selected_experts")     ? matrix(r, &r->id, 1)
						  : skip(r, 0);
		if (rc < 0)
			return -1;
	}
	return rc < 0 ? -1 : RLOG_LAYER;
}

static int
member_of_sample(struct rlog *r, const char *key)
{
	if (IS("layers")) {
		if (blanks(r) < 0)
			return -1;
		if (null(r))
			return 0;
		r->place = LAYERS;
		r->first = 1;
		return expect(r, '[');
	}
	return IS("sample_id")    ? count(r, key, &r->sample_id)
	       : IS("num_tokens") ? count(r, key, &r->num_tokens)
	       : IS("loss")       ? scalar(r, key, NULL, &r->loss)
				  : skip(r, 0);
}

static int
member_of_log(struct rlog *r, const char *key)
{
	if (IS("samples")) {
		if (r->samples)
			return fail(r, "\"samples\" appears twice");
		r->place = SAMPLES;
		r->first = r->samples = 1;
		return expect(r, '[');
	}
	return IS("config")        ? text(r, r->config)
	       : IS("strategy")    ? text(r, r->strategy)
	       : IS("dataset")     ? text(r, r->dataset)
	       : IS("timestamp")   ? text(r, r->timestamp)
	       : IS("num_experts") ? count(r, key, &r->num_experts)
	       : IS("top_k")       ? count(r, key, &r->top_k)
	       : IS("max_samples") ? count(r, key, &r->max_samples)
				   : skip(r, 0);
}

/* One step down, along or up: an event, -1, or RLOG_STEP. */
enum { RLOG_STEP = 99 };

static int
step(struct rlog *r)
{
	char key[RLOG_TEXT];
	int rc, first = r->first;

	r->first = 0;
	switch (r->place) {
	case START:
		r->place = TOP;
		r->first = 1;
		return expect(r, '{') < 0 ? -1 : RLOG_STEP;
	case TOP:
		if ((rc = member(r, first, key)) > 0)
			return member_of_log(r, key) < 0 ? -1 : RLOG_STEP;
		r->place = DONE;
		if (!rc && blanks(r) == 0 && r->p != r->end)
			return fail(r, r->samples ? "text after the log"
						  : "no log but JSON Lines: jsonl2trace reads it");
		return *r->err ? -1 : RLOG_STEP;
	case SAMPLES:
		if ((rc = first ? any(r, ']') : more(r, ']')) < 0)
			return -1;
		r->place = rc ? SAMPLE : TOP;
		if (!rc)
			return RLOG_STEP;
		r->index++;
		r->at = TR_NONE;
		r->sample_id = r->num_tokens = r->layer = TR_NONE;
		r->loss = NAN;
		r->first = 1;
		return expect(r, '{') < 0 ? -1 : RLOG_STEP;
	case SAMPLE:
		if ((rc = member(r, first, key)) > 0)
			return member_of_sample(r, key) < 0 ? -1 : RLOG_STEP;
		r->place = SAMPLES;
		return rc < 0 ? -1 : RLOG_SAMPLE;
	case LAYERS:
		if ((rc = first ? any(r, ']') : more(r, ']')) > 0) {
			r->at++;
			return layer(r);
		}
		r->place = SAMPLE;
		return rc < 0 ? -1 : RLOG_STEP;
	default:
		return RLOG_END;
	}
}

int
rlog_next(struct rlog *r)
{
	int rc;

	while ((rc = step(r)) == RLOG_STEP)
		;
	return rc;
}
