/* Rows of tok and route frames: their numbers in the batch, and taking some out. */
#ifndef ROWS_H
#define ROWS_H

#include "moetrace.h"

/* Which row of the batch the i-th row of a frame is. */
struct rows {
	struct tr_col col; /* column row, data NULL if there is none */
	uint64_t row0;
	int fixed; /* a key row stands for all */
};

/* 0 or TR_E... where column or keys are not what they must be. */
int rows_open(struct rows *r, const struct tr_frame *f);
uint64_t rows_at(const struct rows *r, uint64_t i);

/* One unsigned number a row: a column, or the scalar key that stands for it. */
struct value {
	struct tr_col col; /* data NULL: key */
	uint64_t key;
};

/* 1, 0 where f has neither, which reads as 0, or TR_E.... */
int value_open(struct value *v, const struct tr_frame *f, const char *name);
uint64_t value_at(const struct value *v, uint64_t i);

/* Memory for the frames made here; {0} at first, used again by each call. */
struct rows_buf {
	unsigned char *p;
	size_t cap;
};

void *rows_room(struct rows_buf *buf, size_t n); /* 64-aligned, NULL: no memory */
void rows_free(struct rows_buf *buf);

/* *dst is src with its rows idx[0 .. n-1] only, ascending; its columns lie in
 * buf.  All columns are taken, unknown dtypes too, and column row is added
 * where there was none.  src is decoded.  0 or TR_E.... */
int rows_take(struct tr_frame *dst, struct tr_frame *src, const uint32_t *idx, uint64_t n,
	      struct rows_buf *buf);

/* Take the columns "NAME,NAME..." out of f, those it has, which is decoded for it.  0 or
 * TR_E...: TR_EUSE names are none, TR_EVALUE row is one, which tells what rows the others
 * are of, TR_ECOLS no column would be left. */
int rows_dropcols(struct tr_frame *f, const char *names);

#endif
