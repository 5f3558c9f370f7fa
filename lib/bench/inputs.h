/*
 * Inputs of the router's benchmarks, drawn by counter: the same numbers on any machine.
 */
#ifndef INPUTS_H
#define INPUTS_H

#include "../core/moetrace.h"

struct inputs {
	uint64_t seed;
	uint64_t rows, d;
	uint32_t experts;
	enum tr_type type;
	int unscaled; /* the reference's: x and router both standard normal, so that logits have
		       * deviation sqrt(d); else the router's is 1 / sqrt(d), that of logits 1 */
	uint32_t hot; /* the first so many experts */
	double bias;  /* have this added to their logits */
	double zipf;  /* or expert i has -zipf ln(i + 1) added; 0: none */
};

/* All are the caller's to free; NULL: no memory.  Where logits have something added,
 * the first column of x is 1 and that of the router is what is added, so that it costs
 * the product nothing. */
void *inputs_x(const struct inputs *in);      /* [rows][d], normal */
void *inputs_router(const struct inputs *in); /* [experts][d] */
/* [n] of normal numbers of that deviation, of type, from the draws of stream. */
void *inputs_normal(uint64_t seed, uint64_t stream, uint64_t n, double deviation,
		    enum tr_type type);

#endif
