/* What a model is made of: its layers, and what holds of a row in all of them. */
#include <stdlib.h>
#include <string.h>

#include "genmodel.h"
#include "rng.h"
#include "size.h"

enum { FLOOR = 1024, PEAK = 32768 };

int
genmodel_init(struct genmodel *m)
{
	uint32_t k = m->gen->k;
	size_t n;

	m->affine = (uint64_t)(m->affinity * 0x1p32);
	m->share = (uint64_t)(m->domain_share * 0x1p32);
	m->bursts = (uint64_t)(m->burst * 0x1p32);
	m->chained = (uint64_t)(m->chain * 0x1p32);
	m->plain = !m->groups && !m->domains && m->prefill == GENMODEL_NEVER && !m->bursts &&
		   !m->chained;
	m->mix_batch = m->request_batch = m->run_batch = GENMODEL_NEVER;
	if (size_mul(m->rows, k, &n) < 0 || (m->chained && !(m->prev = calloc(n, sizeof *m->prev))))
		return -1;
	if (!(m->lead = calloc(k, sizeof *m->lead)))
		return -1;
	m->mix = calloc(m->domains + 1, sizeof *m->mix);
	return m->mix ? 0 : -1;
}

void
genmodel_free(struct genmodel *m)
{
	for (uint64_t i = 0; i < m->nlayers; i++) {
		free(m->layer[i].rank);
		free(m->layer[i].group);
		free(m->layer[i].image);
	}
	free(m->layer);
	m->layer = NULL;
	m->nlayers = 0;
	free(m->prev);
	free(m->lead);
	free(m->mix);
	m->prev = m->lead = NULL;
	m->mix = NULL;
}

/* The experts are dealt: group g has those at g, g + groups, ... of the deal. */
uint32_t
genmodel_group(const struct genmodel *m, uint32_t g, uint32_t *n)
{
	uint32_t groups = (uint32_t)m->groups, experts = m->gen->experts;

	*n = experts / groups + (g < experts % groups);
	return experts / groups * g + MIN(g, experts % groups);
}

/* Each group's experts, in the order of one popularity. */
static void
sort_groups(const struct genmodel *m, const uint32_t *group_of, const uint16_t *rank, uint16_t *to,
	    uint32_t *end)
{
	uint32_t n;

	for (uint32_t g = 0; g < m->groups; g++)
		end[g] = genmodel_group(m, g, &n);
	for (uint32_t r = 0; r < m->gen->experts; r++)
		to[end[group_of[rank[r]]]++] = rank[r];
}

static int
make_groups(const struct genmodel *m, struct genlayer *l)
{
	uint32_t experts = m->gen->experts;
	uint32_t *of = calloc((size_t)experts * 2, sizeof *of); /* and the groups' ends */

	if (!of)
		return -1;
	gen_shuffle(m->gen->seed, genmodel_stream(GEN_DEAL, 0, l->number), experts, l->group);
	for (uint32_t i = 0; i < experts; i++)
		of[l->group[i]] = i % (uint32_t)m->groups;
	for (uint64_t t = 0; t <= m->domains; t++)
		sort_groups(m, of, l->rank + experts * t, l->group + experts * t, of + experts);
	free(of);
	return 0;
}

/* Tables of what is on only. */
static int
make_layer(const struct genmodel *m, struct genlayer *l)
{
	uint32_t experts = m->gen->experts;
	uint64_t seed = m->gen->seed;

	if (!(l->rank = calloc(experts * (m->domains + 1), sizeof *l->rank)))
		return -1;
	gen_layer(m->gen, l->number, l->rank);
	for (uint64_t d = 0; d < m->domains; d++)
		gen_shuffle(seed, genmodel_stream(GEN_DOMAIN, l->number, d), experts,
			    l->rank + experts * (d + 1));
	if (m->chained) {
		if (!(l->image = calloc(experts, sizeof *l->image)))
			return -1;
		gen_shuffle(seed, genmodel_stream(GEN_IMAGE, 0, l->number), experts, l->image);
	}
	if (!m->groups)
		return 0;
	l->group = calloc(experts * (m->domains + 1), sizeof *l->group);
	return l->group ? make_groups(m, l) : -1;
}

int
genmodel_layers(struct genmodel *m, uint64_t layers, const struct tr_list *map)
{
	uint64_t last = map->n ? tr_list_at(map, layers - 1) : layers - 1;

	m->nlayers = m->chained ? last + 1 : layers;
	if (!(m->layer = calloc(m->nlayers, sizeof *m->layer)))
		return -1;
	for (uint64_t i = 0; i < m->nlayers; i++) {
		struct genlayer *l = m->layer + i;

		l->number = map->n && !m->chained ? tr_list_at(map, i) : i;
		l->wanted = !map->n || tr_list_has(map, l->number);
		if (make_layer(m, l) < 0)
			return -1;
	}
	return 0;
}

/* Integers, so that no machine's cosine decides: 3t^2 - 2t^3 up and down again. */
static uint64_t
domain_weight(const struct genmodel *m, uint64_t batch, uint32_t d)
{
	uint64_t x, t;

	if (!m->drift)
		return 1;
	x = batch % m->drift * 2 * PEAK / m->drift + 2 * PEAK;
	x = (x - d * UINT64_C(2) * PEAK / m->domains) % (2 * PEAK);
	t = x < PEAK ? PEAK - x : x - PEAK;
	return FLOOR + t * t * (3 * PEAK - 2 * t) / PEAK / PEAK;
}

static uint32_t
domain_of(struct genmodel *m, uint64_t batch, uint64_t request)
{
	uint64_t sum = 0;

	if (m->request_batch == batch && m->request == request)
		return m->domain;
	for (uint32_t d = 0; m->mix_batch != batch && d < m->domains; d++)
		m->mix[d] = sum += domain_weight(m, batch, d);
	m->mix_batch = m->request_batch = batch;
	m->request = request;
	sum = rng_below(m->gen->seed, genmodel_stream(GEN_REQUEST, 0, batch), request,
			m->mix[m->domains - 1]);
	return m->domain = gen_rank(m->mix, (uint32_t)m->domains, sum);
}

void
genmodel_facts(struct genmodel *m, uint64_t batch, uint64_t row, struct genrow *r)
{
	uint32_t x[4];

	memset(r, 0, sizeof *r);
	r->decode = m->prefill != GENMODEL_NEVER && row % m->request_rows >= m->prefill;
	if (m->domains)
		r->domain = domain_of(m, batch, row / m->request_rows);
	if (!m->groups && !m->origin_rows)
		return;
	rng_u32x4(m->gen->seed, genmodel_stream(GEN_ROW, 0, batch), row, x);
	r->origin = (uint16_t)((uint64_t)x[0] * m->origin_rows >> 32);
	if (m->groups && m->domains && x[1] < m->share)
		r->home = r->domain % (uint32_t)m->groups;
	else
		r->home = (uint32_t)((uint64_t)x[2] * m->groups >> 32);
}
