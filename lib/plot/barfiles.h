/*
 * Which panels of bars stand in which file.  These functions die, as those of
 * tool.h do; they are for main and its helpers only.
 */
#ifndef BARFILES_H
#define BARFILES_H

#include "bars.h"
#include "hists.h"
#include "picture.h"

struct barfiles {
	/* the command line's */
	struct picture pic;
	struct bars_scale scale;
	int each;      /* a file a panel */
	uint64_t most; /* panels a file; 0: any number */
};

/* After tool_start of a tool with TOOL_OWNOUT. */
void barfiles_start(struct barfiles *b, struct tool *t);
/* Draw them, or write the table or the program; panels of one name share a file. */
void barfiles_put(struct barfiles *b, struct tool *t, struct panel *p, size_t n);

#endif
