/*
 * A section of a trace out of a JSON log of router logits (routerlog.h).  A log's layers
 * and widths stand nowhere before them, so a layer is spooled as it is read, to an unlinked file,
 * and 48 bytes of it are held; then frames are made, a seq and its routes for each sample.
 */
#ifndef LOGSECT_H
#define LOGSECT_H

#include "moetrace.h"
#include "routerlog.h"

enum { LOGSECT_ERR = 4096 };

struct logsect {
	/* the caller's */
	const char *file;            /* its name, for messages */
	const char *model, *dataset; /* NULL: what the log says */
	uint64_t topk;               /* recompute: experts of a row; 0: as logged */
	int recompute, renorm;       /* ids and w from the logits; weights divided by their sum */
	int verify, strict; /* compare logits with what is logged; NaN and Infinity are errors */
	double tolerance;   /* verify: of a weight */

	/* told by logsect_read */
	size_t nsamples;
	uint64_t empty, dropped; /* samples without layers; rows with NaN or Infinity, left out */
	uint64_t bare;           /* picks without a weight */
	uint32_t logits;         /* of a row; 0: none were there */
	uint32_t experts, widest;
	struct rlog *r; /* what the log says of itself */
	char err[LOGSECT_ERR];

	/* the rest is logsect.c's own */
	struct logpart *part;
	struct logsample *sample;
	size_t nparts, capparts, capsamples;
	struct sink *spool;
	int spool_file;
	uint64_t spooled;
	int32_t greatest;
	uint16_t *ids, *best,
		*own; /* what a layer becomes; of a row: those that should, those logged */
	float *w;
	double *p;
	uint32_t *number;
};

/* Read a log from fd: 0, 1 where verify found a difference, or -1; and s->err. */
int logsect_read(struct logsect *s, int fd);
/* The section through put, to its end frame; a negative value of put ends it.  0, or -1 and
 * s->err, which is "" where put was it. */
int logsect_put(struct logsect *s, int (*put)(void *arg, struct tr_frame *f), void *arg);
void logsect_free(struct logsect *s); /* what it allocated, not what the caller set */

#endif
