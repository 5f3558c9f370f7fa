/*
 * Why BH and HC chose what they chose: a table frame a row.  These functions die, as
 * those of tool.h do; they are for main and its helpers only.
 */
#ifndef DECIDE_H
#define DECIDE_H

#include "rules.h"
#include "tool.h"

struct decide {           /* {0} at first */
	uint64_t every;   /* rows of a batch whose number it divides; 0: none */
	const char *file; /* NULL: instead of the rows */

	struct tool *t; /* the rest is decide.c's own */
	struct tr_out *out;
};

void decide_start(struct decide *d, struct tool *t, const struct rules *r);
/* A section's trace line, as the tool puts it. */
void decide_section(struct decide *d, const struct tr_frame *trace);
/* The row of that number of f, which w has just routed by p [experts] to *to. */
void decide_row(struct decide *d, const struct tr_frame *f, uint64_t number, const struct rules *r,
		const struct rules_work *w, const double *p, const struct rules_row *to);
void decide_end(struct decide *d);

#endif
