/* Lines of curves, collected from frames; fewer points for them. */
#ifndef LINES_H
#define LINES_H

#include "group.h"
#include "page.h"

struct line {
	char figure[200], name[120];
	const char *xname, *yname;
	double *x, *y; /* owned, finite */
	size_t n;
	int step; /* a value holds until the next */
	int done; /* drawn */
};

struct lines {
	struct line *at;
	size_t n, cap;
	uint64_t odd; /* points that are no finite numbers */
};

/* All lines of a group, {0} at first: 0 or TR_E....  None where no curve is known of it. */
int lines_take(struct lines *l, const struct group *g);
void lines_free(struct lines *l);
/* The points to draw of l as idx: [n] ascending; their number.  keep: room for n. */
size_t lines_thin(const struct axes *a, const struct line *l, size_t *idx, unsigned char *keep);

#endif
