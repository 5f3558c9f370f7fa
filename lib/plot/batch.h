/*
 * Many pictures, a file each, by as many gnuplot processes as there are jobs.
 * The function dies, as those of tool.h do.
 */
#ifndef BATCH_H
#define BATCH_H

#include "../core/tool.h"
#include "gnuplot.h"

struct batch {
	char **name; /* [n] files, no two alike */
	size_t n;
	int script;                                      /* write the program instead */
	void (*draw)(void *arg, size_t i, struct gp *g); /* what draws file i; any thread */
	void *arg;
};

/* All files are drawn beside the first of them, and get their names when the
 * last is whole. */
void batch_run(const struct batch *b, struct tool *t);

#endif
