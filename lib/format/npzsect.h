/*
 * A section of a trace out of NPZ files of serving engines (npzroute.h): a file is a
 * batch of one sequence, with the frames seq, tok and, for each layer, route.
 */
#ifndef NPZSECT_H
#define NPZSECT_H

#include "moetrace.h"
#include "npzroute.h"

enum { NPZSECT_FRAME = 16384, NPZSECT_GROUP = 32 << 20 }; /* rows; bytes of columns at once */
enum { NPZSECT_ERR = 9216 };                              /* two paths and a reason */
enum npzsect_part { NPZSECT_ALL, NPZSECT_PROMPT, NPZSECT_OUTPUT, NPZSECT_PART };
enum npzsect_origin { NPZSECT_NONE, NPZSECT_ROUND_ROBIN, NPZSECT_BLOCK, NPZSECT_RANDOM };

struct npzfile {
	/* the caller's */
	const char *path, *name; /* as given, and for messages */
	uint64_t index;          /* its place in the list */
	const unsigned char *p;  /* its n bytes */
	size_t n;

	struct npzroute r;
	int open, got;        /* npzroute_open was called, what it said */
	uint64_t limit;       /* greatest id + 1 */
	uint64_t first, rows; /* tokens taken */
	unsigned char *ids;   /* columns of all layers, or NULL: larger than NPZSECT_GROUP */
	char err[ARRAY_ERR];
};

struct npzsect {
	/* the caller's */
	struct array_opts o;
	struct tr_list want; /* layers of the model that are taken; empty: all */
	uint64_t offset;     /* model layer of the first on the axis */
	uint64_t experts;    /* 0: what npzsect_limit finds */
	int part;
	int64_t from, to; /* NPZSECT_PART: tokens, negative ones from the end */
	int origin;
	uint64_t mesh_rows, block, seed;
	int (*put)(void *arg, struct tr_frame *f); /* a negative value ends it */
	void *arg;

	uint64_t layers, k; /* of each file */
	uint64_t *layer, nlayer;
	uint32_t *axis;    /* [nlayer] places of those taken */
	uint64_t batch;    /* files put */
	const char *first; /* file that said the shape, lent; NULL: none yet */
	struct npzsect_buf *buf;
	char err[NPZSECT_ERR];
};

/* All of these: 0, or -1 and s->err, where nothing else is said. */

/* Take the tokens that --token-slice names: all, prompt, output or A:B. */
int npzsect_slice(struct npzsect *s, const char *text);
/* Read what of f is routing.  Any thread: s is only read, npzsect_check tells of errors. */
void npzsect_open(const struct npzsect *s, struct npzfile *f);
/* The same, and its f->limit; and its f->ids, once the shape is known. */
void npzsect_scan(const struct npzsect *s, struct npzfile *f);
void npzsect_load(const struct npzsect *s, struct npzfile *f);
/* 1: f has routing, of the shape of the others; 0: none, f->r.l.err says why. */
int npzsect_check(struct npzsect *s, struct npzfile *f);
/* Let s->experts be as many as f, scanned and checked, has. */
int npzsect_limit(struct npzsect *s, const struct npzfile *f);
/* The trace frame. */
int npzsect_head(struct npzsect *s, struct tr_frame *f);
/* The frames of f, loaded and checked, through put. */
int npzsect_put(struct npzsect *s, struct npzfile *f);
/* Bytes of ids that were inflated. */
size_t npzsect_inflated(const struct npzfile *f);
/* Forget what was read; f may be opened again. */
void npzsect_drop(struct npzfile *f);
void npzsect_free(struct npzsect *s); /* what it allocated, and want */

#endif
