/* Which copies there are between places, of those asked for. */
#ifndef COPIES_H
#define COPIES_H

#include "../../kernels/copy.h"
#include "sizes.h"

enum { COPIES_PLACES = 65 };

/* Of two ways of doing it, the first, the second, or each. */
enum copies_ways { WAYS_FIRST = 1, WAYS_SECOND = 2, WAYS_BOTH = 3 };

struct copies {
	int from[COPIES_PLACES], to[COPIES_PLACES], nfrom, nto; /* devices, COPY_HOST */
	uint64_t size[SIZES_MAX];
	int nsize;
	int host;                                           /* from the host to the host, too */
	int latency;                                        /* COPY_GRAPH and COPY_CHASE instead */
	enum copies_ways direction, engine, memory, access; /* one way or both at once, copy or
							     * kernel, pinned or pageable, on or
							     * off */
};

/* "h,g0" or "all", which is the host and that many devices, into to[COPIES_PLACES]: how
 * many, or -1. */
int copies_places(const char *s, int devices, int *to);

/* Is a copy from a to b among them, or (a and b the same) any from or to it? */
int copies_has(const struct copies *w, int a, int b);

/* All that there are, pair by pair, the sizes of each together, to the caller's to free; of
 * a graph but one.  From the host to the host there are memcpy and chase of pageable memory.
 * How many (0: *list is NULL), or -1: no memory. */
int copies_list(const struct copies *w, struct copy **list);

#endif
