/*
 * Old numbers and new ones, as options give them.  These functions die, as those of
 * tool.h do; they are for main and its helpers only.  opt: the option's name.
 */
#ifndef PAIRS_H
#define PAIRS_H

#include <stddef.h>
#include <stdint.h>

struct pairs {               /* {0} at first; given once */
	uint64_t *from, *to; /* [n] from[i] becomes to[i]; both p's own */
	size_t n;
};

/* LIST=LIST, "0-3,9=4-8": first to first; no number twice on a side. */
void pairs_parse(struct pairs *p, const char *opt, const char *val);
/* The same the other way, 10-26=2-9: to=from, the sources in turn as often as there are targets. */
void pairs_turns(struct pairs *p, const char *opt, const char *val);
/* A file of experts, the new number of each from 0 on. */
void pairs_file(struct pairs *p, const char *opt, const char *file);
/* What becomes of a number: itself where no pair says else. */
uint64_t pairs_to(const struct pairs *p, uint64_t from);

#endif
