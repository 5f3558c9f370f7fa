/* The picks of a row: of its run, from the layer before, drawn. */
#include <string.h>

#include "genmodel.h"
#include "rng.h"

enum { TRIES = 32 };

/* Whether the row is in a run that shares its picks, and not its first. */
static int
follows(struct genmodel *m, uint64_t batch, uint64_t row)
{
	uint64_t run = row / m->burst_rows;
	uint32_t x[4];

	if (m->run_batch != batch || m->run != run) {
		rng_u32x4(m->gen->seed, genmodel_stream(GEN_BURST, 0, batch), run, x);
		m->run_batch = batch;
		m->run = run;
		m->hot = x[0] < m->bursts;
	}
	return m->hot && row % m->burst_rows;
}

struct picks {
	uint64_t seen[1024]; /* a bit an expert */
	uint8_t have[1024];  /* the place is taken */
	uint64_t batch;
	uint16_t *ids;
};

static int
take(struct picks *p, uint32_t n, uint16_t id)
{
	if (p->seen[id / 64] >> id % 64 & 1)
		return 0;
	p->seen[id / 64] |= UINT64_C(1) << id % 64;
	p->have[n] = 1;
	p->ids[n] = id;
	return 1;
}

/* The run's picks, but that one in eight is the row's own, in all layers. */
static void
take_run(struct genmodel *m, struct picks *p, uint64_t batch, uint64_t row)
{
	uint32_t x[4] = {0};

	for (uint32_t n = 0; n < m->gen->k; n++) {
		if (n % 32 == 0)
			rng_u32x4(m->gen->seed, genmodel_stream(GEN_REDRAW, 0, batch),
				  row << 8 | n / 32, x);
		if ((x[n % 32 / 8] >> n % 8 * 4 & 15) >= 2)
			take(p, n, m->lead[n]);
	}
}

static void
take_images(struct genmodel *m, const struct genlayer *l, struct picks *p, uint64_t batch,
	    uint64_t row)
{
	const uint16_t *prev = m->prev + row * m->gen->k;
	uint32_t x[4] = {0};

	for (uint32_t n = 0; n < m->gen->k; n++) {
		if (n % 4 == 0)
			rng_u32x4(m->gen->seed, genmodel_stream(GEN_COIN, l->number, batch),
				  row << 8 | n / 4, x);
		if (!p->have[n] && x[n % 4] < m->chained)
			take(p, n, l->image[prev[n]]);
	}
}

static int
any_left(const struct picks *p, const uint16_t *list, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (!(p->seen[list[i] / 64] >> list[i] % 64 & 1))
			return 1;
	return 0;
}

/*
 * The first two words of a draw are gen_row's; the others choose the list.  A
 * group that has no more to give is left; and in the end, what is free and
 * most popular is taken, so that no exponent makes a row last for ever.
 */
static void
take_drawn(const struct genmodel *m, const struct genlayer *l, const struct genrow *r,
	   struct picks *p, uint32_t n, uint64_t *index)
{
	const uint64_t *cum = r->decode ? m->decode->cum : m->gen->cum;
	uint32_t experts = m->gen->experts, start = 0, size = 0, x[4];
	uint64_t from = gen_stream(l->number, p->batch);

	if (m->affine && m->groups)
		start = genmodel_group(m, r->home, &size);
	for (uint32_t tries = 1; tries <= GEN_TRIES; tries++) {
		const uint16_t *list = l->rank;
		uint32_t len = experts;
		uint64_t table = 0, at;

		rng_u32x4(m->gen->seed, from, (*index)++, x);
		if (m->domains && x[3] < m->share)
			table = (uint64_t)experts * (r->domain + 1);
		if (size && x[2] < m->affine) {
			list = l->group + start;
			len = size;
		}
		at = (uint64_t)x[1] << 32 | x[0];
		at = (uint64_t)((unsigned __int128)at * cum[len - 1] >> 64);
		if (take(p, n, list[table + gen_rank(cum, len, at)]))
			return;
		if (tries % TRIES == 0 && len < experts && !any_left(p, list, len))
			size = 0;
	}
	for (uint32_t i = 0; i < experts; i++)
		if (take(p, n, l->rank[i]))
			return;
}

void
genmodel_row(struct genmodel *m, const struct genlayer *l, uint64_t batch, uint64_t row,
	     uint16_t *ids)
{
	uint32_t k = m->gen->k;
	uint64_t index = row << GEN_ATTEMPT_BITS;
	struct picks p;
	struct genrow r;

	if (m->plain) {
		gen_row(m->gen, l->rank, l->number, batch, row, ids);
		return;
	}
	p.batch = batch;
	p.ids = ids;
	memset(p.seen, 0, (m->gen->experts + 63) / 64 * sizeof *p.seen);
	memset(p.have, 0, k);
	genmodel_facts(m, batch, row, &r);
	if (m->bursts && follows(m, batch, row))
		take_run(m, &p, batch, row);
	if (m->chained && l->number)
		take_images(m, l, &p, batch, row);
	for (uint32_t n = 0; n < k; n++)
		if (!p.have[n])
			take_drawn(m, l, &r, &p, n, &index);
	if (m->chained)
		memcpy(m->prev + row * k, ids, k * sizeof *ids);
	if (m->bursts && row % m->burst_rows == 0)
		memcpy(m->lead, ids, k * sizeof *ids);
}
