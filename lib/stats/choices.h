/* The best pick of each row in each layer, rows of a sample side by side. */
#ifndef CHOICES_H
#define CHOICES_H

#include "moetrace.h"

enum { CHOICES_NONE = 0xffff };

struct choices_batch {
	uint64_t section, batch;
	uint64_t rows, cap;
	uint64_t *seq;  /* [rows] sample, or NULL: the batch is one; the struct's own */
	uint16_t **ids; /* [layer, as choices.layer][rows] best pick or CHOICES_NONE; NULL:
			   the batch lacks that layer; the struct's own */
	size_t nids;
};

/* A run of one sample's rows: all that it has, once choices_end was called. */
struct choices_run {
	const struct choices_batch *batch; /* lent */
	uint64_t seq, row0, rows;          /* seq 0 where the batch has none */
};

struct choices {
	uint64_t *layer; /* [nlayer] numbers, as they came first; own */
	size_t nlayer;
	struct choices_batch *batch; /* own */
	size_t nbatch;
	struct choices_run *run; /* by choices_end; own */
	size_t nrun, caprun;
	uint64_t section; /* batches of two are two; the caller may count up, a row that
			     comes again does */
	char err[96];
};

/* All functions return 0 or TR_E..., and err says what a frame does wrong. */
/* Take in a route frame: 2 bytes a row. */
int choices_route(struct choices *c, const struct tr_frame *f, const struct tr_ids *ids);
/* The samples of a tok frame: 8 bytes a row. */
int choices_tok(struct choices *c, const struct tr_frame *f);
/* All are in: rows are brought into the order of samples, and runs are made. */
int choices_end(struct choices *c);
/* The place of a layer among ids, -1: none. */
int64_t choices_slot(const struct choices *c, uint64_t layer);
/* col[i]: the picks [run->rows] of slot[i], lent.  1, or 0 where the run lacks one of the n. */
int choices_columns(const struct choices_run *run, const int64_t *slot, uint32_t n,
		    const uint16_t **col);
void choices_free(struct choices *c);

#endif
