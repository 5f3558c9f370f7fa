/*
 * Searches of several layers in a file, a trace: put in place when it is whole.
 * These functions die, as those of tool.h do; they are for main and its helpers
 * only.
 */
#ifndef PLACESTORE_H
#define PLACESTORE_H

#include "../core/tool.h"
#include "state.h"

struct store {
	struct tool *tool;
	const char *file;     /* what store_save writes */
	struct tr_frame head; /* its trace line */
	const struct plan *plan;
	struct state now; /* layer and sum of what is searched */
	struct state *at; /* [n] layers: those read, then those finished */
	size_t n;
};

/* plan->save: all layers; arg is the store. */
int store_save(void *arg, const struct plan_state *s);
/* Take in a file of the same plan. */
void store_read(struct store *o, const char *file);
/* plan_run of a layer, gone on with where its search was read; one that was finished is not run
 * again.  Where plan->save is, the result alone is stored from now on.  Dies where the search
 * that was read is not of a placement like p. */
int store_run(struct store *o, struct plan *plan, uint64_t layer, struct place *p,
	      const struct tokens *t, double *cost);

#endif
