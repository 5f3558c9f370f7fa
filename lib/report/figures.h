/* The pictures of a group; each draws what it knows of and returns how many, or TR_E.... */
#ifndef FIGURES_H
#define FIGURES_H

#include "group.h"
#include "page.h"

int heatmaps_put(struct page *p, const struct group *g);
int curves_put(struct page *p, const struct group *g);
int bins_put(struct page *p, const struct group *g);
/* Their rows as a table. */
int rows_put(struct page *p, const struct group *g);

#endif
