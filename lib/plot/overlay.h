/*
 * Panels of several data sets, laid over each other.  These functions die, as
 * those of tool.h do; they are for main and its helpers only.
 */
#ifndef OVERLAY_H
#define OVERLAY_H

#include "hists.h"

struct overlay {
	char (*set)[64]; /* data sets in the order they came in */
	size_t n;
};

/* Frame f came: note its data set. */
void overlay_arrived(struct overlay *o, const struct tr_frame *f);
/* Panels that differ in the data set alone become one, the first to come behind
 * and each set in one colour: how many are left of n. */
size_t overlay_put(const struct overlay *o, struct panel *panel, size_t n);

#endif
