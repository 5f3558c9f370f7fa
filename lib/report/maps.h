/* Maps of cells, collected from frames. */
#ifndef MAPS_H
#define MAPS_H

#include "group.h"
#include "page.h"

struct map {
	char title[200], x[32], y[32];
	size_t rows, columns;
	double *v;       /* [rows][columns] as counted; NaN: no cell */
	double *tokens;  /* [rows], 0: not known; NULL: shares are not asked for */
	uint64_t *label; /* [rows], or NULL: rows are 0, 1, 2 ... */
};

struct maps {
	struct map *at;
	size_t n;
	char unit[48];
	int share; /* of the tokens, which all rows know */
	int root;  /* most are far below the greatest: colours by the square root */
	double lo, hi;
	struct room room;
};

/* All maps of a group, {0} at first: 0 or TR_E....  None where none is known of it. */
int maps_take(struct maps *m, const struct group *g);
void maps_free(struct maps *m);

/* What the colour of a cell says, of v as counted. */
static inline double
maps_shade(const struct maps *m, const struct map *a, size_t row, double v)
{
	return m->share ? 100 * v / a->tokens[row] : v;
}

#endif
