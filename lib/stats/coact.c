/*
 * Plain increments into the lower or upper triangle as the picks come (which
 * of the two does not matter: both are added in the end), 32 bits a counter,
 * emptied before they can overflow.  Sorting the picks or counting by bit
 * matrices was slower at every size measured.
 */
#include <stdlib.h>
#include <string.h>

#include "coact.h"
#include "num.h"
#include "size.h"

#define FULL (UINT64_C(1) << 31) /* rows that fit 32 bits for sure */

int
coact_init(struct coact *c, uint32_t experts)
{
	/* a spare line and column for empty slots, so that they cost no branch */
	c->experts = experts;
	c->stride = experts + 1;
	c->n_tokens = c->pending = 0;
	c->n = calloc((size_t)experts * experts + 1, sizeof *c->n);
	c->n32 = calloc((size_t)c->stride * c->stride, sizeof *c->n32);
	if (c->n && c->n32)
		return 0;
	coact_free(c);
	return TR_ENOMEM;
}

void
coact_free(struct coact *c)
{
	free(c->n);
	free(c->n32);
	c->n = NULL;
	c->n32 = NULL;
}

void
coact_end(struct coact *c)
{
	uint32_t E = c->experts;

	for (uint32_t i = 0; i < E; i++) {
		c->n[(size_t)i * E + i] += c->n32[(size_t)i * c->stride + i];
		for (uint32_t j = 0; j < i; j++) {
			uint64_t both = (uint64_t)c->n32[(size_t)i * c->stride + j] +
					c->n32[(size_t)j * c->stride + i];

			c->n[(size_t)i * E + j] += both;
			c->n[(size_t)j * E + i] += both;
		}
	}
	memset(c->n32, 0, (size_t)c->stride * c->stride * sizeof *c->n32);
	c->pending = 0;
}

/* One row of k picks in e: each pair, each pick; repeats go to the spare. */
static inline void
row(uint32_t *n32, uint32_t stride, uint32_t *e, uint32_t k)
{
	uint32_t repeats = 0;

	for (uint32_t i = 0; i < k; i++) {
		uint32_t *line = n32 + (size_t)e[i] * stride;

		for (uint32_t j = 0; j < i; j++) {
			repeats |= e[i] == e[j];
			line[e[j]]++;
		}
		line[e[i]]++;
	}
	if (!repeats)
		return;
	/* take it all back and count the picks that differ */
	for (uint32_t i = 0; i < k; i++)
		for (uint32_t j = 0; j <= i; j++)
			n32[(size_t)e[i] * stride + e[j]]--;
	for (uint32_t i = 0, kept = 0; i < k; i++) {
		uint32_t j = 0;

		while (j < kept && e[j] != e[i])
			j++;
		if (j < kept)
			continue;
		e[kept++] = e[i];
		for (j = 0; j < kept; j++)
			n32[(size_t)e[kept - 1] * stride + e[j]]++;
	}
}

#define ROWS(K)                                                                       \
	case K:                                                                       \
		for (uint64_t r = 0; r < rows; r++) {                                 \
			for (uint32_t i = 0; i < (K); i++)                            \
				e[i] = MIN(ids->u8 ? ids->u8[(first + r) * (K) + i]   \
						   : ids->u16[(first + r) * (K) + i], \
					   c->experts);                               \
			row(c->n32, c->stride, e, K);                                 \
		}                                                                     \
		break;

static void
count(struct coact *c, const struct tr_ids *ids, uint64_t first, uint64_t rows, uint32_t *e)
{
	switch (ids->k) {
		ROWS(2)
		ROWS(4)
		ROWS(6)
		ROWS(8)
	default:
		for (uint64_t r = 0; r < rows; r++) {
			for (uint32_t i = 0; i < ids->k; i++)
				e[i] = MIN(tr_id(ids, (first + r) * ids->k + i), c->experts);
			row(c->n32, c->stride, e, ids->k);
		}
	}
}

void
coact_count(struct coact *c, const struct tr_ids *ids)
{
	uint32_t e[1024];

	for (uint64_t r = 0; r < ids->rows && ids->k <= LEN(e);) {
		uint64_t n = MIN(ids->rows - r, FULL - c->pending);

		count(c, ids, r, n, e);
		r += n;
		c->pending += n;
		if (c->pending >= FULL)
			coact_end(c);
	}
	c->n_tokens += ids->rows;
}

void
coact_pmi(const uint64_t *n, uint64_t n_tokens, uint32_t experts, double *to)
{
	double per_bit = 1 / num_log(2);

	for (uint32_t i = 0; i < experts; i++)
		for (uint32_t j = 0; j < experts; j++) {
			uint64_t both = n[(size_t)i * experts + j];
			double a = (double)n[(size_t)i * experts + i],
			       b = (double)n[(size_t)j * experts + j];

			to[(size_t)i * experts + j] =
				both ? num_log((double)both * (double)n_tokens / (a * b)) * per_bit
				     : 0;
		}
}

void
coact_jaccard(const uint64_t *n, uint32_t experts, double *to)
{
	for (uint32_t i = 0; i < experts; i++)
		for (uint32_t j = 0; j < experts; j++) {
			uint64_t both = n[(size_t)i * experts + j];
			uint64_t any =
				n[(size_t)i * experts + i] + n[(size_t)j * experts + j] - both;

			to[(size_t)i * experts + j] = any ? (double)both / (double)any : 0;
		}
}
