/* p-values of one layer's logits, looked up in a table: a kde frame. */
#ifndef PTABLE_H
#define PTABLE_H

#include "moetrace.h"

struct ptable {
	uint64_t n; /* grid points, at least 2 */
	int interp; /* y is cdf, else the survival */
	double *x;  /* ascending */
	double *y;
	double *ln;   /* ln y, of the survival only */
	double *fall; /* -d ln y / dx, where the frame has the density; else NULL */
	/* [n - 1] ln y in a cell as a cubic of 0 .. 1 in it, NaN where an end is 0; of the
	 * survival only */
	double (*cubic)[4];
	uint64_t trim;
	double h;    /* of a gaussian table of the survival, else 0 */
	double bend; /* beyond the ends: -d2 ln y / dx2 of a gaussian tail; 0: constant */
	const struct ptail *tail; /* how it falls there, lent, or NULL: as such do */
	double scale;             /* cells per unit of x of an even grid, else 0 */
	int even;                 /* the cell is a product away, to 1e-9 of a cell */
};

/* Columns x and sf of a kde frame copied (interp: x and cdf) and checked: 0, and
 * *t is the caller's to free; or TR_ENOMEM, TR_ECOLS (a column is missing),
 * TR_EVALUE, a broken payload's error; *why then says what is wrong. */
int ptable_open(struct ptable *t, struct tr_frame *f, int interp, const char **why);
void ptable_free(struct ptable *t);

/* P(X > x): ln sf is interpolated between grid points, by cubics where the table has a density,
 * else linearly, and beyond the ends of a gaussian one by its tail, where it has one, and as such
 * fall on, where it has none or that ends; or, of interp, 1 - cdf with cdf linear and constant beyond the ends.  NaN of NaN. */
double ptable_p(const struct ptable *t, double x);
/* The same of a whole row of n. */
void ptable_row(const struct ptable *t, const double *x, uint64_t n, double *p);

/* The tables of many layers. */
struct ptables {
	struct {
		uint64_t layer;
		struct ptable p;
	} * a; /* in the order they came */
	size_t n;
	struct ptail *tails; /* a list of all that came */
};

/* Take frame f in if it is the first kde frame of its layer with that trim (absent: 0;
 * TR_NONE: any) and kernel (absent: gaussian; NULL: any): 1, 0 if it is not, or <0 and *why, as ptable_open.  A
 * tail frame, 0 too, is kept for the table of its layer, trim and bandwidth, before it or after. */
int ptables_add(struct ptables *s, struct tr_frame *f, const char *kernel, uint64_t trim,
		int interp, const char **why);
/* The table of a layer, or NULL. */
const struct ptable *ptables_find(const struct ptables *s, uint64_t layer);
void ptables_free(struct ptables *s);

#endif
