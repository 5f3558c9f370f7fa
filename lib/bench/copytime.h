/* Copies measured: by a GPU, or within the host's memory. */
#ifndef COPYTIME_H
#define COPYTIME_H

#include "../../kernels/copy.h"

struct copytime {
	int devices;        /* GPUs that there are */
	int jobs;           /* threads of copies within the host */
	int n;              /* samples */
	double *us, *plain; /* [n], the caller's: microseconds a copy, and of copy_plain */
};

/* Is there an engine copy between events to compare with, so that plain is filled? */
int copytime_plain(const struct copy *c);
/* n samples of c, after three to warm up, contents checked.  0; 1 and *why: this machine has
 * no such copy, "absent" or "no-access"; -1 and *why: it failed.  *why is lent. */
int copytime(const struct copytime *t, const struct copy *c, const char **why);

#endif
