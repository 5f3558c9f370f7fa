/*
 * The generator of the placement simulator, draw for draw: CPython's Mersenne
 * Twister (Matsumoto and Nishimura 1998, seeded by init_by_array), experts by
 * inverse walk of one Zipf law that each layer disturbs by up to a tenth.
 */
#ifndef REFGEN_H
#define REFGEN_H

#include <stdint.h>

struct refgen {
	uint32_t mt[624], at;
	uint32_t experts, k, rows;
	double zipf, coact, *p; /* p: of the layer, cumulated */
};

/* rows: mesh rows.  0 or -1 without memory. */
int refgen_init(struct refgen *g, uint64_t seed, uint32_t experts, uint32_t k, uint32_t rows,
		double zipf, double coact);
void refgen_free(struct refgen *g);
/* Call in the order of the output: a layer, then all its rows. */
void refgen_layer(struct refgen *g);
void refgen_row(struct refgen *g, uint16_t *origin, uint16_t *ids);

#endif
