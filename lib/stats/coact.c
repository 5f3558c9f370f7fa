/*
 * Plain increments into the lower or upper triangle as the picks come (which
 * of the two does not matter: both are added in the end), 32 bits a counter,
 * emptied before they can overflow.  Two things are not counted at all: a row
 * that repeats an expert leaves a trace on the diagonal, so a block is looked
 * at once and counted again with care; and of rows that do not, each pick of
 * an expert has k - 1 partners, so its own number is a sum over its line.
 * Sorting the picks or counting by bit matrices was slower at every size.
 */
#include <stdlib.h>
#include <string.h>

#include "coact.h"
#include "num.h"
#include "size.h"

enum { CELLS = 8192, K_MAX = 1024 }; /* picks of a block */
#define FULL (UINT64_C(1) << 31)     /* rows that fit 32 bits for sure */

int
coact_init(struct coact *c, uint32_t experts)
{
	/* a spare line and column for empty slots, so that they cost no branch */
	c->experts = experts;
	c->stride = experts + 1;
	c->n_tokens = c->pending = 0;
	c->k = 0;
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
		uint64_t partners = 0;

		for (uint32_t j = 0; j <= E; j++) {
			uint64_t both = (uint64_t)c->n32[(size_t)i * c->stride + j] +
					c->n32[(size_t)j * c->stride + i];

			partners += both;
			if (j < E && j != i)
				c->n[(size_t)i * E + j] += both;
		}
		if (c->k > 1)
			c->n[(size_t)i * E + i] += partners / (c->k - 1);
	}
	memset(c->n32, 0, (size_t)c->stride * c->stride * sizeof *c->n32);
	c->pending = 0;
}

/* Every pair of each row; the step is 1, or -1 to take that back.  The callers
 * give k as a constant where they can. */
static inline __attribute__((always_inline)) void
pairs(uint32_t *n32, uint32_t stride, const uint16_t *e, uint64_t rows, uint32_t k, uint32_t step)
{
	for (uint64_t r = 0; r < rows; r++, e += k)
		for (uint32_t i = 1; i < k; i++) {
			uint32_t *line = n32 + (size_t)e[i] * stride;

			for (uint32_t j = 0; j < i; j++)
				line[e[j]] += step;
		}
}

static void
count_pairs(const struct coact *c, const uint16_t *e, uint64_t rows, uint32_t step)
{
	switch (c->k) {
	case 2:
		pairs(c->n32, c->stride, e, rows, 2, step);
		break;
	case 4:
		pairs(c->n32, c->stride, e, rows, 4, step);
		break;
	case 6:
		pairs(c->n32, c->stride, e, rows, 6, step);
		break;
	case 8:
		pairs(c->n32, c->stride, e, rows, 8, step);
		break;
	default:
		pairs(c->n32, c->stride, e, rows, c->k, step);
	}
}

/* Rows that may repeat an expert, which then counts once. */
static void
count_careful(struct coact *c, const uint16_t *e, uint64_t rows)
{
	uint16_t kept[K_MAX];

	for (uint64_t r = 0; r < rows; r++, e += c->k) {
		uint32_t n = 0;

		for (uint32_t i = 0; i < c->k; i++) {
			uint32_t j = 0;

			while (j < n && kept[j] != e[i])
				j++;
			if (j < n || e[i] == c->experts)
				continue;
			kept[n++] = e[i];
			for (j = 0; j + 1 < n; j++) {
				c->n[(size_t)e[i] * c->experts + kept[j]]++;
				c->n[(size_t)kept[j] * c->experts + e[i]]++;
			}
			c->n[(size_t)e[i] * c->experts + e[i]]++;
		}
	}
}

static void
count(struct coact *c, const uint16_t *e, uint64_t rows)
{
	uint32_t repeats = 0;

	if (c->k == 1) {
		count_careful(c, e, rows);
		return;
	}
	count_pairs(c, e, rows, 1);
	for (uint32_t i = 0; i < c->experts; i++)
		repeats |= c->n32[(size_t)i * c->stride + i];
	if (repeats) {
		count_pairs(c, e, rows, (uint32_t)-1);
		count_careful(c, e, rows);
		return;
	}
	c->pending += rows;
	if (c->pending >= FULL)
		coact_end(c);
}

/* Empty slots become the spare line.  Lengths that the compiler knows it makes vectors of. */
#define WIDEN(NAME, TYPE)                                                                      \
	static void NAME(uint16_t *restrict to, const TYPE *restrict from, size_t n,           \
			 uint16_t empty)                                                       \
	{                                                                                      \
		size_t i = 0;                                                                  \
                                                                                               \
		for (; i + 64 <= n; i += 64)                                                   \
			for (int j = 0; j < 64; j++)                                           \
				to[i + (size_t)j] = MIN((uint16_t)from[i + (size_t)j], empty); \
		for (; i < n; i++)                                                             \
			to[i] = MIN((uint16_t)from[i], empty);                                 \
	}
WIDEN(widen8, uint8_t)
WIDEN(widen16, uint16_t)

int
coact_count(struct coact *c, const struct tr_ids *ids)
{
	/* the diagonal is looked at once a block: it should be short beside it */
	uint64_t rows = MAX(CELLS, 4 * c->experts) / MAX(ids->k, 1u), n;
	uint16_t *e = malloc(rows * ids->k * sizeof *e + 1);

	if (!e)
		return TR_ENOMEM;
	if (ids->k != c->k)
		coact_end(c);
	c->k = ids->k;
	for (uint64_t r = 0; r < ids->rows && c->k; r += n) {
		size_t first = r * c->k;
		uint16_t empty = (uint16_t)c->experts;

		n = MIN(ids->rows - r, rows);
		if (ids->u8)
			widen8(e, ids->u8 + first, n * c->k, empty);
		else
			widen16(e, ids->u16 + first, n * c->k, empty);
		count(c, e, n);
	}
	free(e);
	c->n_tokens += ids->rows;
	return 0;
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

			/* log 0 is -inf; 0 of 0 is no number */
			to[(size_t)i * experts + j] =
				num_log((double)both * (double)n_tokens / (a * b)) * per_bit;
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
