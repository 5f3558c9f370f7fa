/*
 * What routing rules read: logits and p-values of route frames.  These functions die,
 * as those of tool.h do; they are for main and its helpers only.
 */
#ifndef ROUTEIN_H
#define ROUTEIN_H

#include "../density/ptable.h"
#include "rows.h"
#include "tool.h"

/* Memory for n rows of width numbers, lent until the next call on buf. */
double *routein_room(struct rows_buf *buf, uint64_t n, uint64_t width);
/* The logits of f into to [f->rows][experts]: finite, experts of them a row. */
void routein_logits(struct tool *t, struct tr_frame *f, uint32_t experts, double *to);
/* Column p of f, from 0 to 1, likewise. */
void routein_p(struct tool *t, struct tr_frame *f, uint32_t experts, double *to);
/* The p-values of logits x of f out of the table of its layer; file: where tables came from. */
void routein_looked_up(struct tool *t, struct tr_frame *f, const struct ptables *tables,
		       const char *file, const double *x, uint32_t experts, double *to);
/* p-values of rows of logits among themselves: of each expert's rows, or, of one row, of its
 * experts, (1 + how many are no less) / (n + 1). */
void routein_counted(const double *x, uint64_t rows, uint32_t experts, double *to);
/* The kde frames of a file of that kernel (NULL: any) and trim, a table a layer. */
void routein_tables(struct tool *t, const char *file, const char *kernel, uint64_t trim, int interp,
		    struct ptables *tables);

#endif
