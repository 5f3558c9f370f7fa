#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/format/json.h"
#include "../../lib/format/record.h"

enum { BLOCK = 1 << 16 };

struct record {
	int fd, eof;
	enum record_format format;
	uint64_t max, line, row; /* line: of the record, from 1 */
	uint64_t lines;          /* that were read */

	char *buf; /* what was read: from is the first byte that nobody took */
	size_t from, to, cap;
	char *p; /* the record, in buf */
	size_t n;

	struct json j;
	char **name; /* of columns, in head */
	char *head;
	size_t names;
	char **cell; /* in buf, NUL-ended, length beside it */
	size_t *size, cells, cap_cells;

	char err[RECORD_ERR];
};

static int fail(struct record *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int
fail(struct record *r, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(r->err, sizeof r->err, "%llu: ", (unsigned long long)r->line);

	va_start(ap, fmt);
	vsnprintf(r->err + n, sizeof r->err - (size_t)n, fmt, ap);
	va_end(ap);
	return -1;
}

static int
fail_errno(struct record *r, int e)
{
	snprintf(r->err, sizeof r->err, " %s", strerror(e));
	return -1;
}

int
record_append(struct record_text *to, const char *p, size_t n)
{
	if (to->cap - to->n < n) {
		size_t cap = 2 * to->cap + n;
		char *q = realloc(to->p, cap);

		if (!q)
			return -1;
		to->p = q;
		to->cap = cap;
	}
	if (n)
		memcpy(to->p + to->n, p, n);
	to->n += n;
	return 0;
}

const char *
record_ending(const char *file)
{
	const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file,
		   *dot = strrchr(base, '.');

	return dot && dot > base ? dot : base + strlen(base);
}

int
record_format_of(const char *file)
{
	const char *end = record_ending(file);

	return !strcmp(end, ".parquet") ? -1
	       : !strcmp(end, ".csv")   ? RECORD_CSV
	       : !strcmp(end, ".tsv")   ? RECORD_TSV
	       : !strcmp(end, ".txt")   ? RECORD_LINES
					: RECORD_JSONL;
}

struct record *
record_open(int fd, enum record_format format, uint64_t max)
{
	struct record *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->fd = fd;
	r->format = format;
	r->max = max;
	return r;
}

void
record_free(struct record *r)
{
	if (!r)
		return;
	json_free(&r->j);
	free(r->buf);
	free(r->name);
	free(r->head);
	free(r->cell);
	free(r->size);
	free(r);
}

const char *
record_err(const struct record *r)
{
	return r->err;
}

/* More bytes behind to: 1, 0 at the end, -1. */
static int
fill(struct record *r)
{
	ssize_t n;

	if (r->eof)
		return 0;
	if (r->from) {
		memmove(r->buf, r->buf + r->from, r->to - r->from);
		r->to -= r->from;
		r->from = 0;
	}
	if (r->cap - r->to < BLOCK + 1) {
		size_t cap = 2 * r->cap + 2 * BLOCK;
		char *q = realloc(r->buf, cap);

		if (!q)
			return fail_errno(r, ENOMEM);
		r->buf = q;
		r->cap = cap;
	}
	do
		n = read(r->fd, r->buf + r->to, BLOCK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail_errno(r, errno);
	r->to += (size_t)n;
	r->eof = !n;
	return n > 0;
}

/* The next line or, of CSV, lines until all quotes are closed. */
static int
take(struct record *r)
{
	int quoted = 0, csv = r->format == RECORD_CSV, rc;
	size_t at = 0;

	r->line = ++r->lines;
	for (;; at++) {
		char c;

		if (r->from + at == r->to && (rc = fill(r)) <= 0) {
			if (rc < 0 || !at)
				return rc;
			if (quoted)
				return fail(r, "a quote that is not closed");
			break;
		}
		if (at > r->max)
			return fail(r, "a record of more than %llu bytes",
				    (unsigned long long)r->max);
		c = r->buf[r->from + at];
		quoted ^= csv && c == '"';
		if (c == '\n' && !quoted)
			break;
		r->lines += c == '\n';
	}
	r->p = r->buf + r->from;
	r->n = at;
	r->from += at + (r->from + at < r->to);
	if (r->n && r->p[r->n - 1] == '\r')
		r->n--;
	if (r->lines == r->line && r->line == 1 && r->n >= 3 && !memcmp(r->p, "\xef\xbb\xbf", 3))
		r->p += 3, r->n -= 3;
	return 1;
}

static int
blank(const char *p, size_t n)
{
	while (n && (*p == ' ' || *p == '\t' || *p == '\r'))
		p++, n--;
	return !n;
}

static int
add_cell(struct record *r, char *p, size_t n)
{
	if (r->cells == r->cap_cells) {
		size_t cap = 2 * r->cap_cells + 16;
		char **cell = realloc(r->cell, cap * sizeof *cell);
		size_t *size;

		if (!cell)
			return fail_errno(r, ENOMEM);
		r->cell = cell;
		if (!(size = realloc(r->size, cap * sizeof *size)))
			return fail_errno(r, ENOMEM);
		r->size = size;
		r->cap_cells = cap;
	}
	r->cell[r->cells] = p;
	r->size[r->cells++] = n;
	return 0;
}

/* A quoted cell at p, undone in place: what is behind it, or NULL. */
static char *
unquote(char *p, const char *end, size_t *n)
{
	char *to = p++;

	for (*n = 0; p < end; to[(*n)++] = *p++)
		if (*p == '"' && (++p == end || *p != '"'))
			return p;
	return NULL;
}

static int
split(struct record *r)
{
	char mark = r->format == RECORD_CSV ? ',' : '\t', *p = r->p, *end = r->p + r->n, *stop;

	r->cells = 0;
	for (;; p = stop + 1) {
		size_t n;

		if (mark == ',' && p < end && *p == '"') {
			if (!(stop = unquote(p, end, &n)) || (stop < end && *stop != mark))
				return fail(r, "a quote that is out of place");
		} else {
			stop = p < end ? memchr(p, mark, (size_t)(end - p)) : NULL;
			stop = stop ? stop : end;
			n = (size_t)(stop - p);
			if (mark == ',' && n && memchr(p, '"', n))
				return fail(r, "a quote that is out of place");
		}
		if (add_cell(r, p, n) < 0)
			return -1;
		if (stop == end)
			return 0;
	}
}

/* The names of the columns, from the first record. */
static int
head(struct record *r)
{
	size_t all = 0;
	char *to;

	if (split(r) < 0)
		return -1;
	for (size_t i = 0; i < r->cells; i++)
		all += r->size[i] + 1;
	if (!(r->head = to = malloc(all)) || !(r->name = calloc(r->cells, sizeof *r->name)))
		return fail_errno(r, ENOMEM);
	for (size_t i = 0; i < r->cells; i++) {
		r->name[i] = to;
		memcpy(to, r->cell[i], r->size[i]);
		to += r->size[i];
		*to++ = 0;
	}
	r->names = r->cells;
	return 0;
}

static int
parse(struct record *r)
{
	if (r->format == RECORD_LINES)
		return 0;
	if (r->format == RECORD_JSONL) {
		r->j.line = r->line;
		if (json_parse(&r->j, r->p, r->n) < 0) {
			snprintf(r->err, sizeof r->err, "%s", r->j.err);
			return -1;
		}
		return json_type(&r->j, 0) == JSON_OBJ ? 0 : fail(r, "no JSON object");
	}
	if (split(r) < 0)
		return -1;
	if (r->cells > r->names)
		return fail(r, "%zu cells, but %zu columns", r->cells, r->names);
	return 0;
}

int
record_next(struct record *r, uint64_t *row)
{
	int rc;

	while ((rc = take(r)) > 0) {
		if (r->format != RECORD_LINES && blank(r->p, r->n))
			continue;
		if (!r->name && (r->format == RECORD_CSV || r->format == RECORD_TSV)) {
			if (head(r) < 0)
				return -1;
			continue;
		}
		*row = r->row++;
		return parse(r) < 0 ? -1 : 1;
	}
	return rc;
}

/* The texts of value v at path, which may be NULL, or have parts yet. */
static int
json_texts(struct record *r, int v, const char *path, struct record_text *to)
{
	enum json_type type = json_type(&r->j, v);
	int some = 0, rc, e;

	if (type == JSON_ARR) {
		for (e = json_first(&r->j, v); e >= 0; e = json_next(&r->j, v, e)) {
			if ((rc = json_texts(r, e, path, to)) < 0)
				return -1;
			some |= rc;
		}
		return some;
	}
	if (type == JSON_OBJ && path) {
		const char *dot = strchr(path, '.');
		char first[256];

		if ((e = json_find(&r->j, v, path)) >= 0)
			return json_texts(r, e, NULL, to);
		if (!dot || (size_t)(dot - path) >= sizeof first)
			return 0;
		memcpy(first, path, (size_t)(dot - path));
		first[dot - path] = 0;
		return json_texts(r, json_find(&r->j, v, first), dot + 1, to);
	}
	if (type == JSON_STR && !path) {
		size_t raw, at = to->n;
		long n;

		json_raw(&r->j, v, &raw);
		if (at && record_append(to, " ", 1) < 0)
			return fail_errno(r, ENOMEM);
		at = to->n;
		/* unescaped it is no longer, and a NUL fits in place of the quotes */
		if (to->cap - at < raw + 1) {
			char *q = realloc(to->p, at + raw + 1);

			if (!q)
				return fail_errno(r, ENOMEM);
			to->p = q;
			to->cap = at + raw + 1;
		}
		if ((n = json_str(&r->j, v, to->p + at, to->cap - at)) < 0)
			return fail(r, "a string that cannot be read");
		to->n += (size_t)n;
		return n > 0;
	}
	return 0;
}

int
record_field(struct record *r, const char *name, struct record_text *to)
{
	size_t i = 0, was = to->n;
	int rc;

	if (r->format == RECORD_JSONL) {
		if ((rc = json_texts(r, 0, name, to)) == 0)
			to->n = was;
		return rc;
	}
	if (r->format != RECORD_LINES) {
		while (i < r->cells && strcmp(r->name[i], name))
			i++;
		if (i == r->cells || !r->size[i])
			return 0;
	}
	if ((to->n && record_append(to, " ", 1) < 0) ||
	    record_append(to, r->format == RECORD_LINES ? r->p : r->cell[i],
			  r->format == RECORD_LINES ? r->n : r->size[i]) < 0)
		return fail_errno(r, ENOMEM);
	return to->n > was;
}
