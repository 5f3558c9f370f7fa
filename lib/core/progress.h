/* One line on a terminal: how much is done, how fast, how long still. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdint.h>

struct progress {
	int draw;             /* stderr is a terminal and the user asked */
	uint64_t start, last; /* nanoseconds; 0: not begun */
	unsigned calls;
	int shown;
};

/* SIGUSR1 prints a line even where nothing is drawn. */
void progress_init(struct progress *p, int draw);
/* Cheap enough for every frame; total UINT64_MAX: unknown, then only SIGUSR1. */
void progress_tick(struct progress *p, uint64_t done, uint64_t total);
void progress_end(struct progress *p); /* wipe the line */

#endif
