/* Measurements of a run by what was measured: bench frames, found again by their keys. */
#ifndef RUNS_H
#define RUNS_H

#include "../core/moetrace.h"

/* Is a key of a bench frame a measurement, or a fact about the machine, and so no part of
 * what was measured?  Those of measured.h; gibs, plain_gbs, ratio, mhz, celsius, device and
 * their like; and all that begin with pct_ or end with _us. */
int runs_measured(const char *key);

struct run {
	int nkeys;         /* identity: all other keys, by name */
	char **key, **val; /* decoded */
	double *us;        /* [n] samples, of all frames that have these keys */
	int n;
	double moved; /* bytes a call, of the last of them; 0: not told */
	int place;    /* 0, 1, 2 ... as they came */
};

struct runs;

struct runs *runs_new(void); /* NULL: no memory */
void runs_free(struct runs *r);
/* Take the samples of a bench frame in: 1, 0 where it is no bench frame with column us,
 * TR_EVALUE where a sample is not above 0 or infinite, TR_E.... */
int runs_add(struct runs *r, struct tr_frame *f);
int runs_count(const struct runs *r);
const struct run *runs_at(const struct runs *r, int i); /* lent until the next runs_add */
/* That of the same identity, or NULL. */
const struct run *runs_find(const struct runs *r, const struct run *like);
const char *run_get(const struct run *r, const char *key); /* its value, NULL: absent */

#endif
