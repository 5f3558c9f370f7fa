/* Routing as serving engines dump it: routed_experts [tokens, layers, k] in an
 * NPZ, or alone in an NPY; token ids and a request id beside it. */
#ifndef NPZROUTE_H
#define NPZROUTE_H

#include "array.h"

struct npzroute {
	struct array_list l;        /* with err after a failure */
	const struct array *ids;    /* [tokens][layers][k], integers */
	const struct array *tok[2]; /* prompt and output token ids [n], or NULL */
	uint64_t tokens, layers, k;
	uint64_t ntok[2];
	char request[256]; /* decimal, or a name; "": none */
	int named;         /* it is a name */
	int fast;          /* values lie as the processor has them */
};

/* Read what of the n bytes at p is routing, no more: 1; 0 where there is none, with
 * the reason in l.err; -1 and l.err.  p must outlive r.  Close r in any case. */
int npzroute_open(struct npzroute *r, const unsigned char *p, size_t n, const struct array_opts *o);
void npzroute_close(struct npzroute *r);

/* Greatest id + 1; 0 if all slots are empty. */
uint64_t npzroute_limit(const struct npzroute *r);

/*
 * Picks of the n tokens from first, of layers layer[0 .. nlayer - 1] (places on the
 * axis, ascending), as columns ids: layer i to to + i * step bytes, u8 if experts <= 255,
 * else u16, negative ids all ones.  0; -1 and err where an id is >= experts.
 */
int npzroute_ids(const struct npzroute *r, uint64_t first, uint64_t n, const uint32_t *layer,
		 uint32_t nlayer, uint64_t experts, void *to, size_t step, char err[ARRAY_ERR]);

#endif
