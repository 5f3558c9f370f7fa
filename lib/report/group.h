/* Result frames that stand together on the page: of one kind, with the same keys and columns. */
#ifndef GROUP_H
#define GROUP_H

#include "moetrace.h"

struct group {
	char title[160];
	struct tr_frame **f; /* the array is owned, the frames are lent and decoded */
	size_t n;
};

struct groups {
	struct group *at;
	size_t n;
};

/* Is it a frame that a report shows? */
int group_has(const struct tr_frame *f);
/* Add f to its group: 0 or TR_ENOMEM. */
int group_add(struct groups *g, struct tr_frame *f);
void groups_free(struct groups *g);

/* "layer 3 k 6": the keys that tell f from others of its group, counters apart;
 * without the layer where layer is 0. */
void group_what(const struct tr_frame *f, int layer, char *to, size_t size);

#endif
