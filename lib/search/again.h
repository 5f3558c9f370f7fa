/*
 * Placements made even again for loads alone (replan.h).  It dies, as the functions of
 * tool.h do; it is for main and its helpers only.
 */
#ifndef AGAIN_H
#define AGAIN_H

#include "../place/setup.h"

/* The n placements under the count frames of file counts, out by t, a trace of its own; at most
 * max_moves copies of each may move (TR_NONE: any number), within as in struct replan.  The exit
 * status. */
int again_even(struct setup *s, struct tool *t, const char *counts, struct setup_place *place,
	       size_t n, uint64_t max_moves, double within);

#endif
