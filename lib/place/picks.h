/*
 * How often each expert of one layer is picked, without the tokens themselves.
 * This function dies, as those of tool.h do; it is for main and its helpers only.
 */
#ifndef PICKS_H
#define PICKS_H

#include "setup.h"

struct picks {
	uint64_t layer; /* TR_NONE: the only one that s and the file have */
	uint64_t experts, tokens;
	double *n, all; /* [experts], the caller's to free; and of all together */
};

/* Add up the count frames of a file, or count in its route frames: kind says which. */
void picks_read(struct picks *p, struct setup *s, struct tool *t, const char *file,
		const char *kind);

#endif
