/*
 * The rows of a column of route frames, held by layer.  These functions die, as
 * those of tool.h do; they are for main and its helpers only.
 */
#ifndef COLLECT_H
#define COLLECT_H

#include "../core/tool.h"

struct collected { /* a layer */
	uint64_t layer;
	uint32_t width;
	size_t rows, cap;
	size_t bad; /* rows left out */
	double *v;  /* [rows][width] */
};

struct collect {
	const char *column;
	const struct tr_list *layers; /* that are taken */
	/* what a row of n values must be, which it may change: 0 leaves it out.  NULL: any */
	int (*take)(double *v, uint32_t n);
	struct collected *at; /* [n] */
	size_t n;
};

/* The rows of f, where it is a route frame with the column. */
void collect_add(struct collect *c, struct tool *t, const struct tr_frame *f);
/* Order layers by number; dies with none where nothing came, warns of rows left out for why. */
void collect_end(struct collect *c, struct tool *t, const char *none, const char *why);

#endif
