/*
 * Records of a data set, one at a time: JSON objects a line, CSV (RFC 4180) or TSV
 * (no quotes) with a line of names, or plain lines.
 */
#ifndef RECORD_H
#define RECORD_H

#include <stddef.h>
#include <stdint.h>

enum record_format { RECORD_JSONL, RECORD_CSV, RECORD_TSV, RECORD_LINES };

enum { RECORD_ERR = 320 };

/* Text that grows: zero it, free p. */
struct record_text {
	char *p; /* n bytes, no NUL */
	size_t n, cap;
};

struct record;

/* Where the ending of a file's name begins, ".csv" or "". */
const char *record_ending(const char *file);
/* The format that .csv, .tsv, .txt or another ending tells; -1: Parquet. */
int record_format_of(const char *file);

/* A reader of fd, which stays the caller's; max: bytes of a record.  NULL: no memory. */
struct record *record_open(int fd, enum record_format format, uint64_t max);

/* 1 and a record, 0 at the end, -1 and record_err.  *row counts records from 0;
 * of plain lines also the empty ones, of the others no blank line. */
int record_next(struct record *r, uint64_t *row);

/*
 * Append the text of a field of the current record: 1; 0, there is no text there; -1
 * and record_err.  "a.b" is member b of object a where no field has that name as it
 * stands.  Texts of an array are joined by a blank, and what is no text counts as
 * none.  A plain line is the text of every field.
 */
int record_field(struct record *r, const char *name, struct record_text *to);

/* Append n bytes: 0, or -1 no memory. */
int record_append(struct record_text *to, const char *p, size_t n);

/* "LINE: reason", or " reason". */
const char *record_err(const struct record *r);
void record_free(struct record *r); /* NULL is fine */

#endif
