/*
 * Dense routing as CSV.  A line is first tried as what nearly all are, plain
 * decimals with a comma behind each; whatever is not that goes a slow way that
 * accepts or tells the place.
 */
#include <csv.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/format/csv.h"
#include "kind.h"
#include "moetrace.h"
#include "num.h"
#include "size.h"

enum { BLOCK = 256 << 10, PAD = 16 };

struct cell {
	size_t at, n; /* in text */
	size_t col;   /* in the line, from 1 */
};

struct dcsv {
	int fd, eof;
	char *buf;
	size_t pos, len, cap;
	uint64_t line;
	uint32_t experts;
	uint16_t *id;
	float *w;

	const char *text; /* what the cells of a line point into */
	char *copy;
	size_t ncopy, capcopy;
	struct cell *cell;
	size_t ncell, capcell;
	int nomem, nrows;
	char err[DCSV_ERR];
};

static const double pow10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
			       1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

struct dcsv *
dcsv_open(int fd)
{
	struct dcsv *c = calloc(1, sizeof *c);

	if (!c || !(c->buf = malloc(BLOCK + PAD))) {
		free(c);
		return NULL;
	}
	c->cap = BLOCK;
	c->fd = fd;
	fcntl(fd, F_SETPIPE_SZ, 1 << 20);
	return c;
}

void
dcsv_free(struct dcsv *c)
{
	if (!c)
		return;
	free(c->buf);
	free(c->copy);
	free(c->cell);
	free(c->id);
	free(c->w);
	free(c);
}

const char *
dcsv_err(const struct dcsv *c)
{
	return c->err;
}

__attribute__((format(printf, 3, 4))) static int
fail(struct dcsv *c, size_t col, const char *fmt, ...)
{
	va_list ap;
	size_t n = 0;

	if (col)
		n = (size_t)snprintf(c->err, sizeof c->err,
				     "%llu:%zu:", (unsigned long long)c->line, col);
	n += (size_t)snprintf(c->err + n, sizeof c->err - n, " ");
	va_start(ap, fmt);
	vsnprintf(c->err + n, sizeof c->err - n, fmt, ap);
	va_end(ap);
	return -1;
}

/* The next line, without its end: 1, 0, -1.  *end may be written to. */
static int
next_line(struct dcsv *c, char **p, char **end)
{
	size_t seen = c->pos;
	char *lf;

	for (;;) {
		if ((lf = memchr(c->buf + seen, '\n', c->len - seen)))
			break;
		seen = c->len;
		if (c->eof) {
			if (c->pos == c->len)
				return 0;
			break;
		}
		memmove(c->buf, c->buf + c->pos, c->len - c->pos);
		seen -= c->pos;
		c->len -= c->pos;
		c->pos = 0;
		if (c->len == c->cap) {
			char *q = c->cap < DCSV_LINE_MAX ? realloc(c->buf, 2 * c->cap + PAD) : NULL;

			c->line++;
			if (!q && c->cap < DCSV_LINE_MAX)
				return fail(c, 0, "no memory");
			if (!q)
				return fail(c, 1, "a line longer than %d bytes", DCSV_LINE_MAX);
			c->line--;
			c->buf = q;
			c->cap *= 2;
		}
		ssize_t n = read(c->fd, c->buf + c->len, c->cap - c->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(c, 0, "%s", strerror(errno));
		c->eof = n == 0;
		c->len += (size_t)n;
		memset(c->buf + c->len, 0, PAD); /* stops the fast way */
	}
	c->line++;
	*p = c->buf + c->pos;
	*end = lf ? lf : c->buf + c->len;
	c->pos = (size_t)(*end - c->buf) + (lf != NULL);
	if (lf && *end > *p && (*end)[-1] == '\r')
		--*end;
	return 1;
}

/* ---- the slow way ---- */

static int
add_cell(struct dcsv *c, size_t at, size_t n, size_t col)
{
	if (c->ncell == c->capcell) {
		size_t cap = c->capcell ? 2 * c->capcell : 256;
		struct cell *q = realloc(c->cell, cap * sizeof *q);

		if (!q)
			return -1;
		c->cell = q;
		c->capcell = cap;
	}
	c->cell[c->ncell++] = (struct cell){at, n, col};
	return 0;
}

static void
on_field(void *p, size_t n, void *arg)
{
	struct dcsv *c = arg;

	/* A field is never longer than the line, and capcopy holds that. */
	memcpy(c->copy + c->ncopy, p ? p : "", n);
	if (add_cell(c, c->ncopy, n, 0) < 0)
		c->nomem = 1;
	c->ncopy += n;
}

static void
on_row(int ch, void *arg)
{
	struct dcsv *c = arg;

	c->nrows++;
}

/* Cells of a line with quotes in it. */
static int
split_quoted(struct dcsv *c, const char *p, const char *end)
{
	struct csv_parser parser;
	size_t n = (size_t)(end - p), got, i, k = 0;
	int quoted = 0, bad;

	for (i = 0; i < n; i++) /* libcsv would drop blanks, and take CR for an end */
		if (p[i] == ' ' || p[i] == '\t' || p[i] == '\r')
			return fail(c, i + 1, "a blank");
	if (n > c->capcopy) {
		char *q = realloc(c->copy, n);

		if (!q)
			return fail(c, 0, "no memory");
		c->copy = q;
		c->capcopy = n;
	}
	c->ncopy = 0;
	c->nomem = c->nrows = 0;
	if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI))
		return fail(c, 0, "no memory");
	got = csv_parse(&parser, p, n, on_field, on_row, c);
	bad = got != n || csv_fini(&parser, on_field, on_row, c);
	csv_free(&parser);
	if (c->nomem)
		return fail(c, 0, "no memory");
	if (bad || c->nrows != 1)
		return fail(c, got + 1, "a quote that is out of place");
	for (i = 0; i <= n && k < c->ncell; i++) { /* where each begins */
		if (i == 0 || (p[i - 1] == ',' && !quoted))
			c->cell[k++].col = i + 1;
		if (i < n && p[i] == '"')
			quoted = !quoted;
	}
	c->text = c->copy;
	return 0;
}

static int
split(struct dcsv *c, const char *p, const char *end)
{
	const char *q = p, *comma;

	c->ncell = 0;
	if (memchr(p, '"', (size_t)(end - p)))
		return split_quoted(c, p, end);
	c->text = p;
	do {
		if (!(comma = memchr(q, ',', (size_t)(end - q))))
			comma = end;
		if (add_cell(c, (size_t)(q - p), (size_t)(comma - q), (size_t)(q - p) + 1) < 0)
			return fail(c, 0, "no memory");
		q = comma + 1;
	} while (comma < end);
	return 0;
}

/* A cell for a message: cut, and nothing that a terminal obeys. */
static const char *
show(const struct dcsv *c, const struct cell *x, char buf[32])
{
	size_t n = MIN(x->n, (size_t)24), i;

	for (i = 0; i < n; i++) {
		char ch = c->text[x->at + i];

		buf[i] = ch < ' ' || ch > '~' ? '?' : ch;
	}
	memcpy(buf + n, x->n > n ? "..." : "", x->n > n ? 4 : 1);
	return buf;
}

/* Is the decimal zero as it is written?  It is well formed. */
static int
is_zero(const char *s, const char *end)
{
	for (; s < end && *s != 'e' && *s != 'E'; s++)
		if (*s >= '1' && *s <= '9')
			return 0;
	return 1;
}

static int
slow_row(struct dcsv *c, const char *p, const char *end, struct dcsv_row *r)
{
	char buf[32];

	if (split(c, p, end) < 0)
		return -1;
	if (c->ncell != c->experts + (size_t)2)
		return fail(c, (size_t)(end - p) + 1, "%zu cells, the header has %lu", c->ncell,
			    c->experts + 2UL);
	for (size_t i = 0; i < c->ncell; i++) {
		const struct cell *x = &c->cell[i];
		const char *s = c->text + x->at, *e = s + x->n;
		float w;

		if (i < 2) {
			if (num_u64n(s, e, 0, i ? INT64_MAX : UINT32_MAX - 1,
				     i ? &r->token : &r->layer) < 0)
				return fail(c, x->col, "%s \"%s\" is no number",
					    i ? "token_id" : "layer_id", show(c, x, buf));
			continue;
		}
		if (s < e && *s == '-')
			return fail(c, x->col, "expert_%zu: \"%s\" is negative", i - 2,
				    show(c, x, buf));
		if (num_f32(s, e, &w) < 0)
			return fail(c, x->col, "expert_%zu: \"%s\" is no number that fits f32",
				    i - 2, show(c, x, buf));
		/* Zero would mean: not routed. */
		if (w == 0 && !is_zero(s, e))
			return fail(c, x->col, "expert_%zu: \"%s\" is too small for f32", i - 2,
				    show(c, x, buf));
		if (w != 0) {
			c->id[r->n] = (uint16_t)(i - 2);
			c->w[r->n++] = w;
		}
	}
	return 1;
}

int
dcsv_head(struct dcsv *c)
{
	const char *told;
	char *p, *end, name[32], buf[32];
	int rc = next_line(c, &p, &end);

	if (rc < 0)
		return -1;
	if (!rc)
		return fail(c, 0, "no header: the file is empty");
	if (end - p >= 3 && !memcmp(p, "\xef\xbb\xbf", 3)) /* as spreadsheets begin UTF-8 */
		p += 3;
	if (*p != 'l' && (told = kind_told(p, (size_t)(end - p))))
		return fail(c, 1, "no CSV but %s", told);
	if (split(c, p, end) < 0)
		return -1;
	for (size_t i = 0; i < c->ncell; i++) {
		const struct cell *x = &c->cell[i];

		if (i < 2)
			strcpy(name, i ? "token_id" : "layer_id");
		else
			snprintf(name, sizeof name, "expert_%zu", i - 2);
		if (x->n != strlen(name) || memcmp(c->text + x->at, name, x->n))
			return fail(c, x->col, "\"%s\" in the header, not %s", show(c, x, buf),
				    name);
	}
	if (c->ncell < 3)
		return fail(c, (size_t)(end - p) + 1, "no experts in the header");
	if (c->ncell - 2 > TR_EXPERTS_MAX)
		return fail(c, 1, "%zu experts, more than %d", c->ncell - 2, TR_EXPERTS_MAX);
	c->experts = (uint32_t)(c->ncell - 2);
	c->id = malloc(c->experts * sizeof *c->id);
	c->w = malloc(c->experts * sizeof *c->w);
	if (!c->id || !c->w)
		return fail(c, 0, "no memory");
	return (int)c->experts;
}

/* ---- the fast way ---- */

static const char *
number(const char *p, uint64_t *n)
{
	const char *s = p;
	uint64_t x = 0;

	while ((unsigned char)(*s - '0') < 10 && s - p < 18)
		x = 10 * x + (uint64_t)(*s++ - '0');
	*n = x;
	return s == p || (*p == '0' && s - p > 1) || *s != ',' ? NULL : s + 1;
}

static inline uint64_t
eight(const char *p)
{
	uint64_t x;

	memcpy(&x, p, 8);
	return x;
}

/* 1, or 0: the slow way.  A comma stands at end; bytes after it lead at worst to
 * a 0, and the zeros that follow the buffer stop all loops. */
static int
fast_row(struct dcsv *c, const char *p, const char *end, struct dcsv_row *r)
{
	const uint64_t six = eight("0.000000"), four = eight("0,0,0,0,");
	uint32_t n = 0, e = 0, experts = c->experts;

	if (!(p = number(p, &r->layer)) || r->layer >= UINT32_MAX || !(p = number(p, &r->token)))
		return 0;
	while (e < experts) {
		const char *s = p, *dot = NULL;
		uint64_t m = 0, low;
		double d;

		if (eight(p) == six && p[8] == ',') {
			p += 9;
			e++;
			continue;
		}
		if (p[0] == '0' && p[1] == ',') {
			int run = experts - e >= 4 && eight(p) == four ? 4 : 1;

			p += 2 * run;
			e += (uint32_t)run;
			continue;
		}
		for (; (unsigned char)(*s - '0') < 10 && s - p < 19; s++)
			m = 10 * m + (uint64_t)(*s - '0');
		if (*s == '.')
			for (dot = s++; (unsigned char)(*s - '0') < 10 && s - p < 19; s++)
				m = 10 * m + (uint64_t)(*s - '0');
		if (*s != ',' || s - p < 1 + 2 * (dot != NULL)) {
			float w;

			/* An exponent, or nonsense. */
			if (!(s = memchr(p, ',', (size_t)(end + 1 - MIN(p, end)))) || *p == '-' ||
			    num_f32(p, s, &w) < 0 || w == 0)
				return 0;
			c->id[n] = (uint16_t)e++;
			c->w[n++] = w;
			p = s + 1;
			continue;
		}
		if (m) {
			d = dot ? (double)m / pow10[s - dot - 1] : (double)m;
			memcpy(&low, &d, 8);
			low &= 0x1fffffff; /* what the cast to f32 rounds away */
			if (m >> 53 || (low > 0x0ffffff0 && low < 0x10000010)) {
				if (num_f32(p, s, &c->w[n]) < 0)
					return 0;
			} else {
				c->w[n] = (float)d;
			}
			c->id[n++] = (uint16_t)e;
		}
		e++;
		p = s + 1;
	}
	r->n = n;
	return p == end + 1;
}

int
dcsv_next(struct dcsv *c, struct dcsv_row *r)
{
	char *p, *end, was;
	uint64_t blank = 0;
	int rc;

	while ((rc = next_line(c, &p, &end)) > 0 && p == end) /* fine behind all rows */
		blank = blank ? blank : c->line;
	if (rc <= 0)
		return rc;
	if (blank) {
		c->line = blank;
		return fail(c, 1, "an empty line");
	}
	was = *end;
	*end = ',';
	r->n = 0;
	r->id = c->id;
	r->w = c->w;
	r->line = c->line;
	if (fast_row(c, p, end, r))
		return 1;
	*end = was;
	r->n = 0;
	return slow_row(c, p, end, r);
}

void
dcsv_best(struct dcsv_row *r, uint32_t k, int high)
{
	uint32_t n = 0;

	/* The best so far lie in front, in order; most rows have few cells. */
	for (uint32_t i = 0; i < r->n; i++) {
		uint16_t id = r->id[i];
		float w = r->w[i];
		uint32_t at = n;

		if (n == k && (high ? w < r->w[n - 1] : w <= r->w[n - 1]))
			continue;
		at = n == k ? n - 1 : n;
		for (; at > 0 && (high ? r->w[at - 1] <= w : r->w[at - 1] < w); at--) {
			r->w[at] = r->w[at - 1];
			r->id[at] = r->id[at - 1];
		}
		r->w[at] = w;
		r->id[at] = id;
		n = MIN(n + 1, k);
	}
	r->n = n;
}
