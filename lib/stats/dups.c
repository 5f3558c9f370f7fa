/* Ranges of rows, merged where they touch; a whole batch is one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dups.h"
#include "rows.h"

struct range {
	uint64_t lo, hi; /* hi is not in it */
};

struct set {
	uint64_t batch, layer; /* layer TR_NONE: tok frames */
	struct range *r;       /* ascending, apart */
	size_t n, cap;
	int used;
};

struct dups {
	struct set *set; /* open addressing */
	size_t n, cap;   /* cap: a power of two */
	struct range *frame, *merged;
	size_t capframe, capmerged;
	int major; /* 'b' or 'l' leads the promised order, 0: none */
	int begun;
	uint64_t batch, layer; /* of the last route frame */
};

struct dups *
dups_new(void)
{
	return calloc(1, sizeof(struct dups));
}

/* Forget the route frames, or all. */
static void
forget(struct dups *d, int all)
{
	struct set *old = d->set;
	size_t cap = d->cap;

	d->set = NULL;
	d->n = d->cap = 0;
	for (size_t i = 0; i < cap; i++)
		if (all || old[i].layer != TR_NONE)
			free(old[i].r);
		else if (old[i].used)
			all = 2; /* keep the table: a tok set is in it */
	if (all != 2) {
		free(old);
		return;
	}
	d->set = old;
	d->cap = cap;
	for (size_t i = 0; i < cap; i++)
		if (old[i].used && old[i].layer != TR_NONE) {
			old[i].r = NULL; /* the slot stays, so that probing goes on */
			old[i].n = old[i].cap = 0;
		}
	for (size_t i = 0; i < cap; i++)
		d->n += (size_t)old[i].used;
}

void
dups_free(struct dups *d)
{
	if (!d)
		return;
	forget(d, 1);
	free(d->frame);
	free(d->merged);
	free(d);
}
