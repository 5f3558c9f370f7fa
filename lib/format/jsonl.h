/* A trace as JSON Lines, one frame a line: moetrace(5), JSON. */
#ifndef JSONL_H
#define JSONL_H

#include "json.h"
#include "moetrace.h"

/* Append the line of f, whose columns are decoded.  0, or -1: o->bad, or a
 * payload whose enc is unknown. */
int jsonl_put(struct json_out *o, const struct tr_frame *f);

/* Lines back to frames: zero it, get, free once. */
struct jsonl {
	struct json j; /* j.line is set by the caller, j.err after a failure */
	struct tr_frame *f;
	char *buf[TR_COLS_MAX]; /* the columns' data */
	size_t cap[TR_COLS_MAX];
	int got[TR_COLS_MAX];
	char *payload;
	size_t cappayload;
};

/* The frame of the n bytes at p; it lends its data until the next call.  0 or -1. */
int jsonl_get(struct jsonl *x, const char *p, size_t n, struct tr_frame *f);
void jsonl_free(struct jsonl *x);

#endif
