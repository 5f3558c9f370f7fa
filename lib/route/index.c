/*
 * A counting sort of routes by expert: rows are cut into pieces, each counts its experts,
 * one scan over [expert][piece] gives every piece its places, and each puts its routes
 * there, in their order.  Pieces do not depend on jobs.
 */
#include <stdlib.h>
#include <string.h>

#include "index.h"
#include "pool.h"
#include "size.h"

enum { PIECE = 1 << 15 }; /* routes of a piece, about */

struct sort {
	struct index *x;
	const uint16_t *ids;
	uint64_t rows, piece; /* rows of a piece */
	uint32_t *at;         /* [pieces][experts]: counts, then places */
	int wrong;
};

uint64_t
index_room(const struct index *x, uint64_t rows)
{
	const uint64_t align = MAX(x->align, 1);
	const uint64_t routes = rows * x->k;
	uint64_t filled;

	if (rows && routes / rows != x->k)
		return UINT64_MAX;
	/* only experts with a row fill up, and each by less than align */
	filled = MIN(x->experts, routes) * (align - 1);
	return routes >= UINT32_MAX || filled >= UINT32_MAX - routes ? UINT64_MAX : routes + filled;
}

static void
count(void *arg, size_t piece)
{
	struct sort *s = arg;
	const uint32_t experts = s->x->experts, k = s->x->k;
	const uint64_t from = piece * s->piece * k, to = MIN((piece + 1) * s->piece, s->rows) * k;
	/* two, since an expert that comes again at once waits for its own count */
	uint32_t half[2][SELECT_EXPERTS_MAX + 1] = {{0}}, *at = s->at + piece * experts;

	for (uint64_t i = from; i < to; i++) {
		const uint16_t e = s->ids[i];

		if (e >= experts && e != SELECT_NONE) {
			__atomic_store_n(&s->wrong, 1, __ATOMIC_RELAXED);
			return;
		}
		half[i % 2][MIN(e, SELECT_EXPERTS_MAX)]++;
	}
	for (uint32_t e = 0; e < experts; e++)
		at[e] = half[0][e] + half[1][e];
}

static void
scan(struct sort *s, size_t pieces)
{
	struct index *x = s->x;
	const uint32_t align = MAX(x->align, 1);
	uint32_t sum = 0;

	for (uint32_t e = 0; e < x->experts; e++) {
		uint32_t end;

		x->offsets[e] = sum;
		for (size_t p = 0; p < pieces; p++) {
			uint32_t *at = s->at + p * x->experts + e, n = *at;

			*at = sum;
			sum += n;
		}
		x->counts[e] = sum - x->offsets[e];
		end = (sum + align - 1) / align * align;
		for (; sum < end; sum++)
			x->perm[sum] = UINT32_MAX;
	}
	x->offsets[x->experts] = sum;
}

static void
scatter(void *arg, size_t piece)
{
	struct sort *s = arg;
	struct index *x = s->x;
	const uint64_t from = piece * s->piece * x->k;
	const uint64_t to = MIN((piece + 1) * s->piece, s->rows) * x->k;
	uint32_t at[SELECT_EXPERTS_MAX];

	memcpy(at, s->at + piece * x->experts, x->experts * sizeof *at);
	for (uint64_t i = from; i < to; i++) {
		const uint16_t e = s->ids[i];

		if (e == SELECT_NONE) {
			x->place[i] = UINT32_MAX;
			continue;
		}
		x->perm[at[e]] = (uint32_t)i;
		x->place[i] = at[e]++;
	}
}

int
index_rows(struct index *x, const uint16_t *ids, uint64_t rows, int jobs)
{
	struct sort s = {x, ids, rows, PIECE / x->k, NULL, 0};
	const size_t pieces = (rows + s.piece - 1) / s.piece;
	size_t n;

	if (size_mul(pieces + 1, x->experts * sizeof *s.at, &n) || !(s.at = malloc(n)))
		return TR_ENOMEM;
	pool_each(jobs, pieces, count, &s);
	if (!s.wrong) {
		scan(&s, pieces);
		pool_each(jobs, pieces, scatter, &s);
	}
	free(s.at);
	return s.wrong ? TR_EVALUE : 0;
}
