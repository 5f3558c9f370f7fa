/*
 * JSON (RFC 8259) and JSONC.  A grammar pass over the bytes refuses what is
 * not JSON, with line and column; jsmn then makes the tokens.  Large arrays of
 * numbers are taken out before, so that jsmn sees only the rest.
 *
 *	struct json j = {0};
 *	int v;
 *
 *	if (json_parse(&j, p, n))
 *		die("%s:%s", file, j.err);
 *	v = json_find(&j, 0, "layer");
 *	if (json_u64(&j, v, &layer))
 *		json_fail(&j, v, "layer is no number"), die("%s:%s", file, j.err);
 *	json_free(&j);
 */
#ifndef JSON_H
#define JSON_H

#include <stddef.h>
#include <stdint.h>

enum json_type {
	JSON_NONE, /* no such value */
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUM,
	JSON_STR,
	JSON_ARR,
	JSON_OBJ,
};

enum { JSON_ERR = 256, JSON_DEPTH = 512 };

/* A value that was taken out: where, and how much. */
struct json_cut {
	size_t at, n;
};

/* A document: zero it, parse with it as often as you like, free it once. */
struct json {
	uint64_t line;      /* set by the caller: line of the first byte; 0 is 1 */
	char err[JSON_ERR]; /* "LINE:COLUMN: reason" after a failure */

	/* the rest is json.c's own */
	const char *src, *text; /* as given; what the tokens point into */
	size_t nsrc, ntext;
	void *tok;
	int *next;
	unsigned ntok, captok, capnext;
	char *rest;
	size_t caprest;
	struct json_cut *cut;
	size_t ncut, capcut;
};

/* Parse the n bytes at p (kept, not copied).  Values are numbers from 0, the
 * root.  0, or -1 and j->err. */
int json_parse(struct json *j, const char *p, size_t n);

/* The same for JSON with comments, which become
 * spaces in place. */
int json_parse_c(struct json *j, char *p, size_t n);

/*
 * Parse an object, offering each of its values to take() first: p is the
 * first byte of the value, key is as written, without quotes.  take returns the
 * end of the value, which becomes null for jsmn, or NULL to leave it there
 * (also where the value is not as it should be: the grammar pass will say).
 */
typedef const char *json_take(void *arg, const char *key, size_t nkey, const char *p,
			      const char *end);
int json_parse_take(struct json *j, const char *p, size_t n, json_take *take, void *arg);

void json_free(struct json *j);

/* Set j->err to "LINE:COLUMN: text" of the value v; returns -1. */
int json_fail(struct json *j, int v, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* All of these take v -1 ("no value") and answer JSON_NONE, -1. */
enum json_type json_type(const struct json *j, int v);
int json_size(const struct json *j, int v); /* members or elements */
/* Value of a member of object v, or -1. */
int json_find(const struct json *j, int v, const char *key);
/* First element of an array, first key of an object, or -1; then the next
 * element or key.  The value of key v is v + 1. */
int json_first(const struct json *j, int v);
int json_next(const struct json *j, int parent, int v);
/* The text as it stands in the input, strings with their quotes; lent. */
const char *json_raw(const struct json *j, int v, size_t *n);
/* String (or key) unescaped, NUL-ended; its length, or -1: no string, or it
 * does not fit.  \udc80-\udcff alone stand for the bytes 80-ff, as Python has it. */
long json_str(const struct json *j, int v, char *buf, size_t size);
int json_is(const struct json *j, int v, const char *s); /* the string equals s */
/* 0, or -1: no number, or out of range. */
int json_u64(const struct json *j, int v, uint64_t *n);
int json_i64(const struct json *j, int v, int64_t *n);
int json_f64(const struct json *j, int v, double *x);

/*
 * Arrays of numbers without tokens, [1, 2] or [[1, 2], [3]], from p up to end.
 * They return the byte past the array, or NULL: it is not that (or no memory).
 */
struct json_ints {
	int32_t *v; /* all numbers, one after the other; beyond int32: NULL */
	size_t n, cap;
	uint32_t *len; /* numbers of a row, two levels only */
	size_t rows, caprows;
	int32_t min, max;     /* of all numbers; 0 and -1 where there are none */
	uint32_t least, most; /* of the lengths */
};
const char *json_ints(struct json_ints *a, const char *p, const char *end);  /* [1, 2] */
const char *json_ints2(struct json_ints *a, const char *p, const char *end); /* [[1, 2], [3]] */
void json_ints_free(struct json_ints *a);

/* ---- records of a stream ---- */

struct json_split;

/* Records of fd: lines that are not blank, or, with array, the elements of that
 * member of the one object on fd.  max: bytes of a record.  NULL: no memory. */
struct json_split *json_split_open(int fd, const char *array, uint64_t max);
/* 1 and the record (lent until the next call, changeable) with the line on which
 * it begins; 0 at the end; -1 and json_split_err ("LINE: reason", or errno's
 * text alone). */
int json_split_next(struct json_split *s, char **p, size_t *n, uint64_t *line);
const char *json_split_err(const struct json_split *s);
/* With array, after the end: the object without the elements. */
const char *json_split_rest(const struct json_split *s, size_t *n);
void json_split_free(struct json_split *s);

/* ---- writing ---- */

enum json_style {
	JSON_COMPACT, /* {"a":1,"b":[2,3]} */
	JSON_PYTHON,  /* {"a": 1, "b": [2, 3]}, \u escapes beyond ASCII */
	JSON_PRETTY,  /* two spaces a level */
};

/* Zero it, set style, put; p holds n bytes.  bad: no memory, misuse, or drain failed. */
struct json_out {
	enum json_style style;
	/* Where full blocks go, 0 or -1 (sink_put fits); NULL: all is kept in p. */
	int (*drain)(void *arg, const void *p, size_t n);
	void *arg;
	char *p;
	size_t n, cap;
	int bad;
	int depth;
	int after_key;
	uint64_t some; /* a bit a level: a comma is due */
	uint64_t object;
};

void json_put_open(struct json_out *o, char bracket); /* '{' or '[' */
void json_put_close(struct json_out *o);
void json_put_key(struct json_out *o, const char *key);
void json_put_str(struct json_out *o, const char *s, size_t n);
void json_put_u64(struct json_out *o, uint64_t n);
void json_put_i64(struct json_out *o, int64_t n);
void json_put_f64(struct json_out *o, double x);                /* "nan" "inf" "-inf" */
void json_put_word(struct json_out *o, const char *word);       /* true, false, null */
void json_put_raw(struct json_out *o, const char *p, size_t n); /* a value that is JSON */
/* Bytes as they are, without comma or quote; room for n to be written in place. */
void json_put_bytes(struct json_out *o, const char *p, size_t n);
char *json_put_room(struct json_out *o, size_t n); /* NULL: no memory; then o->n += used */
int json_put_flush(struct json_out *o);            /* drain what is left: 0, or -1 if bad */
void json_out_free(struct json_out *o);

#endif
