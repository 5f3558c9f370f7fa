/*
 * An output that was not finished, read again by the tool that wrote it and goes on: batches
 * that it holds need not be made again.  A batch is a tok frame, and the route frames behind
 * it.
 */
#ifndef PART_H
#define PART_H

#include "moetrace.h"

struct part {
	uint64_t end; /* bytes up to the end of the last whole batch; 0: there is none */

	char *file;
	struct tr *in;
	struct tr_frame f; /* the next one, if has */
	int has;
};

/* What file.part holds; nothing where there is none.  What is broken ends it.  0, TR_ENOMEM, or
 * TR_EVALUE: it is no trace. */
int part_open(struct part *p, const char *file);
/* The frames of the next batch to put, NULL: to nobody: without the first skip of those before
 * its tok frame; trace, prog and end are never.  tok is the input's, decoded.  0; TR_EORDER:
 * there is no batch more, or it is not of these tokens; or what put returned. */
int part_batch(struct part *p, const struct tr_frame *tok, uint64_t skip,
	       int (*put)(void *arg, const struct tr_frame *f), void *arg);
void part_close(struct part *p);

#endif
