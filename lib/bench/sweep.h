/* Packing of random routes, without an index and with one, over batch sizes. */
#ifndef SWEEP_H
#define SWEEP_H

#include "dev.h"
#include "naive.h"

enum { SWEEP_SAMPLES = 200 };

struct sweep {
	const struct dev *dev;
	uint32_t experts, k;
	uint64_t d, seed;
	enum tr_type type;
	enum naive how;
	int samples; /* <= SWEEP_SAMPLES */
};

struct sweep_row {
	double naive[SWEEP_SAMPLES], sorted[SWEEP_SAMPLES]; /* microseconds a call */
	double bytes; /* of the reference's model: 2 rows k d elements */
	double moved; /* that must be read and written: each row is read once */
	int same;     /* both ways put the same rows to the same experts */
};

/* Of that many tokens: x normal, experts uniform (a token may draw one twice), weights
 * uniform and divided by their sum.  0, or negative and dev_errstr. */
int sweep_tokens(const struct sweep *s, uint64_t tokens, struct sweep_row *to);

#endif
