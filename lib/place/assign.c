/*
 * Rows join one by one, each by the shortest augmenting path under dual prices, n^3 in all
 * (Jonker and Volgenant, A shortest augmenting path algorithm, 1987).
 */
#include <stdlib.h>

#include "assign.h"
#include "moetrace.h"
#include "size.h"

enum { NONE = -1 };

struct match {
	const int32_t *gain;
	int32_t n;
	int64_t *row, *col; /* prices: cost - row - col >= 0, and 0 where matched */
	int64_t *dist;      /* [columns] from the row that joins, reduced */
	int32_t *of, *to;   /* [columns] its row, [rows] its column */
	int32_t *from;      /* [columns] the row by which it was reached */
	uint8_t *done;      /* [columns] */
};

static int64_t
reduced(const struct match *m, int32_t r, int32_t c)
{
	return -(int64_t)m->gain[(size_t)r * (size_t)m->n + (size_t)c] - m->row[r] - m->col[c];
}

static void
join(struct match *m, int32_t root)
{
	int32_t r = root, end = NONE;
	int64_t far = 0;

	for (int32_t c = 0; c < m->n; c++) {
		m->dist[c] = INT64_MAX;
		m->done[c] = 0;
	}
	while (end == NONE) {
		int32_t next = NONE;

		for (int32_t c = 0; c < m->n; c++) {
			int64_t d;

			if (m->done[c])
				continue;
			d = far + reduced(m, r, c);
			if (d < m->dist[c]) {
				m->dist[c] = d;
				m->from[c] = r;
			}
			if (next == NONE || m->dist[c] < m->dist[next])
				next = c;
		}
		far = m->dist[next];
		m->done[next] = 1;
		r = m->of[next];
		end = r == NONE ? next : NONE;
	}
	m->row[root] += far;
	for (int32_t c = 0; c < m->n; c++)
		if (m->done[c] && c != end) {
			m->row[m->of[c]] += far - m->dist[c];
			m->col[c] -= far - m->dist[c];
		}
	for (int32_t c = end; r != root;) { /* back: each column takes the row that reached it */
		int32_t was;

		r = m->from[c];
		was = m->to[r];
		m->of[c] = r;
		m->to[r] = c;
		c = was;
	}
}

int
assign_most(const int32_t *gain, uint32_t n, uint32_t *to)
{
	struct match m = {.gain = gain, .n = (int32_t)n};
	int r = TR_ENOMEM;

	m.row = calloc(n + 1, sizeof *m.row);
	m.col = calloc(n + 1, sizeof *m.col);
	m.dist = malloc((n + 1) * sizeof *m.dist);
	m.of = malloc((n + 1) * sizeof *m.of);
	m.to = malloc((n + 1) * sizeof *m.to);
	m.from = malloc((n + 1) * sizeof *m.from);
	m.done = malloc(n + 1);
	if (m.row && m.col && m.dist && m.of && m.to && m.from && m.done) {
		for (uint32_t c = 0; c < n; c++)
			m.of[c] = NONE;
		for (int32_t k = 0; k < m.n; k++)
			join(&m, k);
		for (uint32_t k = 0; k < n; k++)
			to[k] = (uint32_t)m.to[k];
		r = 0;
	}
	free(m.row);
	free(m.col);
	free(m.dist);
	free(m.of);
	free(m.to);
	free(m.from);
	free(m.done);
	return r;
}
