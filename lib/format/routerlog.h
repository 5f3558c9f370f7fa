/*
 * The JSON logs of router logits, in the dialects of three writers, as a stream:
 * a layer of a sample at a time, keys in any order, unknown ones skipped.  Numbers
 * are read where they lie; memory is a block and the largest layer.
 */
#ifndef ROUTERLOG_H
#define ROUTERLOG_H

#include <stddef.h>
#include <stdint.h>

enum { RLOG_TEXT = 512 };

/* [T][E], [1][T][E] or, flat, [N]. */
struct rlog_mat {
	int there;      /* the key was */
	int dims;       /* as written: 1 to 3; 0: empty */
	uint64_t rows;  /* a flat list is one row */
	uint32_t width; /* of each of them */
	union {         /* one after the other */
		float *f;
		int32_t *i;
	};
	unsigned char *bad; /* a row: 1 where NaN or Infinity stand */
	uint64_t nbad;

	size_t n, cap, capbad; /* routerlog.c's own */
};

/* What was read; RLOG_SAMPLE and RLOG_END promise the keys of theirs. */
struct rlog {
	/* the log; numbers that are not there are TR_NONE, texts "" */
	char config[RLOG_TEXT], strategy[RLOG_TEXT], dataset[RLOG_TEXT], timestamp[RLOG_TEXT];
	uint64_t num_experts, top_k, max_samples;
	int samples; /* the array was there */

	/* the sample */
	uint64_t index; /* from 0 */
	uint64_t sample_id, num_tokens;
	double loss; /* NaN: none */

	/* the layer, lent until the next call */
	uint64_t layer, at; /* at: its place in the sample, from 0 */
	struct rlog_mat logit, w, id;

	char err[512]; /* "LINE:COLUMN: reason", or errno's text */

	/* the rest is routerlog.c's own */
	int fd, eof, place, first;
	char *buf, *p, *end;
	uint64_t base, line, bol;
};

enum rlog_event { RLOG_END, RLOG_LAYER, RLOG_SAMPLE };

/* A reader of fd, which stays the caller's.  NULL: no memory. */
struct rlog *rlog_open(int fd);
/* The next event: RLOG_LAYER for each layer, RLOG_SAMPLE behind the last of a
 * sample, RLOG_END at the end of the log; -1 and r->err. */
int rlog_next(struct rlog *r);
/* "sample 17, layer 3" of what is being read, as far as the log has told. */
void rlog_where(const struct rlog *r, char *buf, size_t size);
void rlog_free(struct rlog *r);

#endif
