/*
 * The frames of a trace gathered by batch, as NPZ files want them (npzout.h): the ids of
 * each layer and its logits, the token ids, and with all the other columns of both.
 */
#ifndef NPZBATCH_H
#define NPZBATCH_H

#include <stddef.h>
#include <stdint.h>

#include "array.h"
#include "moetrace.h"

enum { NPZBATCH_COLUMNS = 16, NPZBATCH_TEXT = 1024 };

struct npzcol { /* a column of a table, all its frames */
	char name[TR_NAME_MAX];
	enum array_type type;
	uint32_t size, width; /* bytes of an element, elements of a row */
	unsigned char *p;
	size_t n, cap; /* bytes */
};

struct npztable { /* route frames of a layer, or tok frames */
	int n;
	struct npzcol col[NPZBATCH_COLUMNS];
	uint64_t rows, cap;
	uint64_t *row; /* their numbers */
};

struct npzbatch {
	uint64_t number;
	char *request, *source;
	struct npztable tok, *layer; /* [layers] */
	uint64_t rows, *row;         /* npzbatch_check: those that any layer has, by number */
	int written;
};

struct npzbatches { /* {0} but for what the caller says */
	int all;    /* take all columns */
	int single; /* refuse a second batch */

	struct npzbatch *b;
	size_t n;
	struct tr_list map; /* layers of the model */
	uint64_t layers;
	char err[256];
};

/* All of these: 0, or a negative value and s->err, which npzbatch_take leaves empty where
 * the reader of f has the text. */

/* A section begins; there may be one. */
int npzbatch_begin(struct npzbatches *s, const struct tr_sect *sect);
/* The batch of f, a new one or one that is there. */
int npzbatch_of(struct npzbatches *s, const struct tr_frame *f, struct npzbatch **b);
/* Take what a frame route (its ids and layer are checked), tok or seq says of b. */
int npzbatch_take(struct npzbatches *s, struct npzbatch *b, struct tr_frame *f);
/* All layers of b are there, with the same rows; or, as the decoder behind an encoder has
 * others, with rows of tok, in its order, of which two layers share all or none.  Then
 * b->row is set. */
int npzbatch_check(struct npzbatches *s, struct npzbatch *b);
/* b is written to path (kept, freed as b->source; or NULL): forget its tables. */
void npzbatch_done(struct npzbatches *s, struct npzbatch *b, char *path);
void npzbatch_free(struct npzbatches *s);

const struct npzcol *npztable_col(const struct npztable *tb, const char *name); /* or NULL */

#endif
