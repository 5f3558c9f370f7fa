/* Rows that come twice, and what order= on the trace line promises. */
#ifndef DUPS_H
#define DUPS_H

#include "moetrace.h"

enum { DUPS_ERR = 160 };

struct dups; /* the rows seen of each (batch, layer) of a section, as ranges */

struct dups *dups_new(void); /* NULL: no memory */
void dups_free(struct dups *d);

/* Begin a section.  order: the value of its key, or NULL.  A promised order
 * is checked, and lets what lies behind be forgotten. */
void dups_section(struct dups *d, const char *order);

/* Take in the rows of a route or tok frame: 0, or TR_E... and err. */
int dups_add(struct dups *d, const struct tr_frame *f, char err[DUPS_ERR]);

#endif
