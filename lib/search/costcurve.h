/* Cost against time: what the chains of a search tell, kept as it comes. */
#ifndef COSTCURVE_H
#define COSTCURVE_H

#include "moetrace.h"

struct costcurve { /* {0} at first */
	double *v; /* [n][5]: chain, seconds, changes, cost and least cost (us); owned */
	size_t n, cap;
};

/* Dies where there is no memory. */
void costcurve_add(struct costcurve *c, uint32_t chain, double seconds, uint64_t done, double cost,
		   double best);
/* All of it as a table frame of that layer; it is empty then.  What tr_put says. */
int costcurve_put(struct costcurve *c, uint64_t layer, struct tr_out *o);

#endif
