/*
 * Dense routing as CSV: a header layer_id,token_id,expert_0,... and a line a
 * row.  Lines of plain decimals are read in place; what is quoted goes through
 * libcsv.  (dcsv, since libcsv has taken csv.)
 */
#ifndef DCSV_H
#define DCSV_H

#include <stdint.h>

enum { DCSV_ERR = 256, DCSV_LINE_MAX = 1 << 24 };

struct dcsv;

/* The cells of a line that are not zero, by expert. */
struct dcsv_row {
	uint64_t layer, token, line;
	uint32_t n;
	uint16_t *id; /* lent until the next call, like w */
	float *w;     /* nearest to the text */
};

struct dcsv *dcsv_open(int fd); /* NULL: no memory; fd stays the caller's */
/* Read the header: the number of experts, or -1 and dcsv_err. */
int dcsv_head(struct dcsv *c);
/* After dcsv_head: 1 and the row, 0 at the end, -1 and dcsv_err. */
int dcsv_next(struct dcsv *c, struct dcsv_row *r);
/* Put the k best in front (all, where there are no more) in falling order; of equals
 * the lower expert first, or with high the higher.  r->n becomes their number. */
void dcsv_best(struct dcsv_row *r, uint32_t k, int high);
/* "LINE:COLUMN: reason", or " reason". */
const char *dcsv_err(const struct dcsv *c);
void dcsv_free(struct dcsv *c); /* NULL is fine */

#endif
