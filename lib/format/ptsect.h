/*
 * A section of a trace out of routing files: layers x shards of gates (ptroute.h)
 * and a list of the rows that are taken, the same for all layers.
 *
 * Row r of a shard of B sequences is, in the gates, position r div B of
 * sequence r mod B; in the samples, position r mod S of sequence r div S
 * (trace-csv 2.4).  Raw rows take no notice of that, token rows do.
 */
#ifndef PTSECT_H
#define PTSECT_H

#include <stddef.h>
#include <stdint.h>

#include "moetrace.h"
#include "ptroute.h"

enum { PT_ERR = 4096, PT_PICKS = 512 }; /* picks of a row, at most */

struct pt_run { /* rows of one shard that follow each other in the output */
	size_t shard;
	uint64_t row, step, n;  /* of the gates: first, distance, number */
	uint64_t sample, sstep; /* of the samples */
	uint64_t seq, dseq, pos, dpos;
	uint64_t at; /* row of the section */
};

struct ptsect {
	/* the caller's: set before pt_agree, which reads them */
	size_t nlayer, nshard;
	const uint64_t *layer;            /* [nlayer] its number */
	const uint64_t *number;           /* [nshard] of the shard, from 0; NULL: 0 */
	const struct gate **gate;         /* [nlayer][nshard] */
	const char **file;                /* [nlayer][nshard], for messages */
	const struct array **samples;     /* [nshard] one integer a row, or NULL */
	const char **sample_file;         /* [nshard] */
	uint64_t want_topk, want_experts; /* 0: as the files say */
	uint64_t batch;                   /* B, 0 unknown */
	uint64_t seqlen; /* token: true length, 0 any; raw: distance of picked rows */
	int token;       /* rows are mapped to sequences and positions */

	uint64_t rows, experts, topk; /* of the section */
	struct pt_run *run;
	size_t nrun, caprun;
	char err[PT_ERR];
};

/* All of these: 0, or -1 and s->err. */

/* Experts and slots of the section; that its layers and samples agree in rows. */
int pt_agree(struct ptsect *s);
/* Forget the rows taken so far. */
void pt_reset(struct ptsect *s);
/* Take all rows of shard j; or of its first count sequences all, or position pos. */
int pt_all(struct ptsect *s, size_t j);
int pt_sequences(struct ptsect *s, size_t j, uint64_t count);
int pt_position(struct ptsect *s, size_t j, uint64_t count, uint64_t pos);
/* Only the first n rows of those taken. */
int pt_cut(struct ptsect *s, uint64_t n);
/* Sequence length of shard j, all of whose rows are dealt over B sequences. */
int pt_length(struct ptsect *s, size_t j, uint64_t *length);
/* The section through put, trace completed, in batch,layer order to its end frame;
 * a negative value of put ends it. */
int pt_put(struct ptsect *s, struct tr_frame *trace, int (*put)(void *arg, struct tr_frame *f),
	   void *arg);
/* shards=, first= and last= of names joined by commas. */
int pt_shard_keys(struct ptsect *s, struct tr_frame *f, const char *names);
/* The keys that the scalars of a generator's file say. */
int pt_file_keys(struct ptsect *s, struct tr_frame *f, const struct array_list *l);
void pt_free(struct ptsect *s); /* what it allocated, not what the caller set */

#endif
