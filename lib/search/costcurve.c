#include <stdlib.h>
#include <string.h>

#include "costcurve.h"
#include "die.h"

enum { COLS = 5 };

void
costcurve_add(struct costcurve *c, uint32_t chain, double seconds, uint64_t done, double cost,
	      double best)
{
	if (c->n == c->cap)
		c->v = xrealloc(c->v, c->cap = 2 * c->cap + 256, COLS * sizeof *c->v);
	memcpy(c->v + COLS * c->n++, (double[COLS]){chain, seconds, (double)done, cost, best},
	       COLS * sizeof *c->v);
}

int
costcurve_put(struct costcurve *c, uint64_t layer, struct tr_out *o)
{
	static const char *const name[COLS] = {"chain", "seconds", "changes", "cost", "best"};
	double *v = xcalloc(COLS * c->n + 1, sizeof *v);
	struct tr_frame f;
	int r;

	tr_new(&f, "table");
	tr_set(&f, "name", "search");
	tr_setu(&f, "layer", layer);
	tr_rows(&f, c->n);
	for (size_t k = 0; k < COLS; k++) {
		for (size_t i = 0; i < c->n; i++)
			v[k * c->n + i] = c->v[COLS * i + k];
		tr_addcol(&f, name[k], TR_F64, 1, v + k * c->n);
	}
	r = tr_put(o, &f);
	c->n = 0;
	free(v);
	return r;
}
