/*
 * The logits of a trace, for benchmarks.  These functions die, as those of tool.h do;
 * they are for main and its helpers only.
 */
#ifndef LOGITS_H
#define LOGITS_H

#include "../core/tool.h"

struct logits {
	void *p; /* [rows][experts] of type, the caller's to free */
	enum tr_type type;
	uint64_t rows, experts, topk; /* topk: what the trace says, 0: nothing */
};

/* Of the route frames of t's operands, these layers' alone, one after the other, at most
 * that many rows (0: all).  type < 0: that of the first frame. */
void logits_read(struct logits *l, struct tool *t, const struct tr_list *layers, uint64_t most,
		 int type);

#endif
