/* A batch (npzbatch.h) as the NPZ file that a serving engine would have dumped: what
 * npzroute.h reads. */
#ifndef NPZOUT_H
#define NPZOUT_H

#include "npzbatch.h"

enum npzout_dtype { NPZOUT_I16, NPZOUT_U8, NPZOUT_U16, NPZOUT_I32, NPZOUT_I64 };

struct npzout {
	int dtype;      /* of routed_experts */
	uint64_t level; /* members are deflated; 0: stored */
	int (*put)(void *arg, const void *p, size_t n);
	void *arg;
};

/* The bytes of b, checked, through put: 0; -1 and s->err, or, where put failed or memory
 * is short, an empty s->err and errno. */
int npzout_write(struct npzbatches *s, const struct npzbatch *b, const struct npzout *o);

#endif
