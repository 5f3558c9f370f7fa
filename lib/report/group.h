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
/* Give f the data set, model and part of its section, as far as f has none of its own;
 * they are identity, so that counters of two data sets are not added: 0 or TR_E.... */
int group_tag(struct tr_frame *f, const struct tr_frame *trace);
/* Add f to its group: 0 or TR_ENOMEM. */
int group_add(struct groups *g, struct tr_frame *f);
/* All are added: those of the sections' keys in which the frames of a group differ become
 * keys of the frames ("-": absent), the others go: 0 or TR_E.... */
int groups_end(struct groups *g);
void groups_free(struct groups *g);

/* "layer 3 k 6": the keys that tell f from others of its group, counters apart;
 * without the layer where layer is 0. */
void group_what(const struct tr_frame *f, int layer, char *to, size_t size);

#endif
