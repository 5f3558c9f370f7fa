/*
 * A random sample of each of several sets, read once, and the order of the whole
 * (collection.md 4).  A draw is that of the seed, the set's name and the row: other
 * sets change nothing, and the sample of 50 is part of that of 100.
 */
#ifndef SAMPLESET_H
#define SAMPLESET_H

#include <stddef.h>
#include <stdint.h>

struct sample {
	uint64_t key, row;
	uint32_t set;
	char *text; /* owned by the sets, n bytes */
	size_t n;
};

/* Zero it, set seed; free it once. */
struct sampleset {
	uint64_t seed;
	struct {
		struct sample *s; /* a heap, the greatest key first */
		size_t n, cap;
		uint64_t stream, most;
	} * set;
	size_t nset;
};

/* One more set, which has at most most samples: 0, or -1 no memory. */
int sampleset_open(struct sampleset *x, const char *name, uint64_t most);
/* Offer a row of the last set; text is copied where it is taken.  0 or -1. */
int sampleset_offer(struct sampleset *x, uint64_t row, const char *text, size_t n);

/* Take total of all sets, evenly: what one lacks goes to the others, and of a
 * remainder the first sets have one more.  What can no longer be taken is let go,
 * so that it may be called after each set. */
void sampleset_even(struct sampleset *x, uint64_t total);

/* All samples, in turn by set and then by draw, or, with shuffle, by draws that the
 * sets share.  Their number; -1 no memory.  *all is the caller's, its texts are not. */
long long sampleset_order(struct sampleset *x, int shuffle, struct sample **all);
void sampleset_free(struct sampleset *x);

#endif
