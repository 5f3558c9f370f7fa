/*
 * Result frames into curves: which frames, which columns, what their curves are
 * called.  These functions die, as those of tool.h do; they are for main and
 * its helpers only.
 */
#ifndef GATHER_H
#define GATHER_H

#include "../core/tool.h"
#include "curve.h"

enum { GATHER_COLUMNS = 16 };

struct gather {
	/* the command line's; NULL: what the page says */
	const char *x, *y, *by, *frame;
	struct tr_list layers;
	int pool;
	int outlines; /* set: hist frames came, whose curves are outlines in steps */
	/* what came, curves ordered by gather_end */
	struct curve *curve;
	size_t n;
	char kind[TR_NAME_MAX], column[TR_NAME_MAX]; /* "" where they are several */

	size_t ngroup, group, cap, nseen;
	int ncol, input;
	char *col[GATHER_COLUMNS];
	char value[CURVE_TAG]; /* of the key by, of this frame; "": by is no key of it */
	char model[CURVE_TAG], part[CURVE_TAG], missing[1024];
};

/* After tool_start. */
void gather_start(struct gather *g);
/* A frame of t's input, whichever it is. */
void gather_take(struct gather *g, struct tool *t, struct tr_frame *f);
/* Order and name the curves; dies where there are none, saying why. */
void gather_end(struct gather *g);

#endif
