/* Frames that outlive the reader's next one. */
#ifndef KEPT_H
#define KEPT_H

#include "moetrace.h"

struct kept { /* {0} at first */
	struct kept_frame {
		struct tr_frame f; /* header and payload as read, no columns */
		void *raw;
	} * of;
	size_t n, cap;
};

/* A copy of f, as it was read.  0; TR_EUSE: it was changed; or TR_ENOMEM. */
int kept_add(struct kept *k, const struct tr_frame *f);
void kept_clear(struct kept *k);
void kept_free(struct kept *k);

#endif
