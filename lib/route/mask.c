#include <string.h>

#include "../core/pool.h"
#include "../core/size.h"
#include "select.h"

enum { CHUNK = 1024 };

struct mask {
	const struct select *s;
	const uint16_t *ids;
	const float *w;
	uint64_t rows;
	float *gates;
};

static void
chunk(void *arg, size_t i)
{
	const struct mask *m = arg;
	const uint32_t E = m->s->experts, k = m->s->k;
	uint64_t first = i * CHUNK, n = MIN(m->rows - first, (uint64_t)CHUNK);

	memset(m->gates + first * E, 0, n * E * sizeof *m->gates);
	for (uint64_t t = first; t < first + n; t++)
		for (uint32_t j = 0; j < k; j++)
			if (m->ids[t * k + j] < E)
				m->gates[t * E + m->ids[t * k + j]] = m->w[t * k + j];
}

void
select_mask(const struct select *s, const uint16_t *ids, const float *w, uint64_t rows,
	    float *gates, int jobs)
{
	struct mask m = {s, ids, w, rows, gates};

	pool_each(jobs, (rows + CHUNK - 1) / CHUNK, chunk, &m);
}
