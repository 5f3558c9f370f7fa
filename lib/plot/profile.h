/*
 * Tables of one row and a layer: what each of their columns is, layer by layer.  The
 * functions die, as those of tool.h do.
 */
#ifndef PROFILE_H
#define PROFILE_H

#include "hists.h"
#include "picture.h"

enum { PROFILE_LINE = 80 };

/* f is such a table: a bar of its layer to the panel of each column of names, "a,b" (NULL:
 * all of numbers), in *p [*n], begun where it is the first.  1, or 0: it is none. */
int profile_take(struct picture *pic, struct tr_frame *f, const char *names, struct panel **p,
		 size_t *n);
/* Two lines that bars n [experts] may have in their corner: mean, std, CV; entropy in bits,
 * active, skewness (expertstats.h). */
void profile_note(const uint64_t *n, size_t experts, char line[2][PROFILE_LINE]);

#endif
