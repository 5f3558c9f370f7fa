/* The trace summary of the placement simulator, as text (placement.md 10.2). */
#ifndef SUMMARY_H
#define SUMMARY_H

#include <stddef.h>

#include "moetrace.h"
#include "split.h"

struct summary;

struct summary *summary_new(void); /* NULL: no memory */
void summary_free(struct summary *s);
/* A new section begins. */
void summary_section(struct summary *s);
/* Take in a route frame with its ids; experts of its section.  0 or TR_ENOMEM. */
int summary_add(struct summary *s, const struct tr_frame *f, const struct tr_ids *ids,
		uint64_t experts);
/* The text, of the copies that o makes, NUL-ended, the caller's; NULL: no memory. */
char *summary_text(struct summary *s, const struct split *o);

#endif
