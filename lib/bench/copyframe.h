/* Bench frames of copies, their latency, and what joins the places that they go between. */
#ifndef COPYFRAME_H
#define COPYFRAME_H

#include "../../kernels/copy.h"
#include "../core/moetrace.h"

struct copyframe {
	const struct copy *c;
	int latency;         /* us is of a step, or of 4 bytes */
	int jobs;            /* threads that copied, in the host; 0: not told */
	const double *us;    /* [n], lent until the frame is put */
	const double *plain; /* [n] of copy_plain, or NULL */
	int n;
	const char *check; /* what measured.h says, or why there are no samples (n 0) */
};

const char *copyframe_place(int place, char buf[16]); /* "h", "g0"; buf */
int copyframe_host(const struct copy *c);             /* 1: within the host's memory */
/* Bytes that a copy moves: within one memory both those read and those written. */
double copyframe_moved(const struct copy *c);
/* 0 or TR_E.... */
int copyframe_of(const struct copyframe *s, struct tr_frame *f);
/* Of a device b, as seen from the host or (p not NULL) from device a. */
void copyframe_link(int a, int b, const struct copy_link *l, const struct copy_peer *p,
		    struct tr_frame *f);

#endif
