/* What rules chose, as columns of a route frame. */
#ifndef ROUTED_H
#define ROUTED_H

#include "rows.h"
#include "rules.h"

/* Memory for results and columns; {0} at first, used again by each call. */
struct routed {
	struct rows_buf rows, ids, w, dropped;                  /* results */
	struct rows_buf col_ids, col_w, col_count, col_dropped; /* columns */
	struct rows_buf col_rank, col_hc;
	int best; /* of BH and HC: the rank found, and its HC, too */
};

/* Places for n rows of r->width picks, lent until the next call; NULL: no memory. */
struct rules_row *routed_rows(struct routed *m, const struct rules *r, uint64_t n);
void routed_free(struct routed *m);

/* What the trace line says of rules: topk, score, renorm.  0 or TR_E.... */
int routed_trace(const struct rules *r, struct tr_frame *trace);

/* Columns ids, w, count and, of capacity, dropped, of best best_rank and hc_max of f (decoded) say what rows,
 * f->rows of them, do; they lie in m until the next call.  0 or TR_E.... */
int routed_cols(struct routed *m, const struct rules *r, const struct rules_row *rows,
		struct tr_frame *f);

#endif
