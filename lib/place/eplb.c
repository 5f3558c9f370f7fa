#include <stdlib.h>
#include <string.h>

#include "eplb.h"
#include "replicate.h"

/* A load of num / den, compared exactly. */
struct item {
	uint64_t num;
	uint32_t den, at;
};

static int
by_load(const void *x, const void *y)
{
	const struct item *a = x, *b = y;
	if (replicate_heavier(a->num, a->den, b->num, b->den))
		return -1;
	if (replicate_heavier(b->num, b->den, a->num, a->den))
		return 1;
	return (a->at > b->at) - (a->at < b->at);
}

/* n items in packs of n / packs, some with one more where that leaves some, the heaviest first to the lightest pack with room:
 * pack and rank in it of each.  item is sorted. */
static int
pack(struct item *item, uint32_t n, uint32_t packs, uint32_t *where, uint32_t *rank)
{
	double *load = calloc(packs, sizeof *load);
	uint32_t *used = calloc(packs, sizeof *used), larger = n % packs;

	if (!load || !used) {
		free(load);
		free(used);
		return TR_ENOMEM;
	}
	if (n == packs) {
		for (uint32_t i = 0; i < n; i++) {
			where[i] = i;
			rank[i] = 0;
		}
	} else {
		qsort(item, n, sizeof *item, by_load);
		for (uint32_t i = 0; i < n; i++) {
			uint32_t best = UINT32_MAX;

			for (uint32_t k = 0; k < packs; k++)
				if (used[k] < n / packs + (larger > 0) &&
				    (best == UINT32_MAX || load[k] < load[best]))
					best = k;
			where[item[i].at] = best;
			larger -= used[best] == n / packs;
			rank[item[i].at] = used[best]++;
			load[best] += (double)item[i].num / item[i].den;
		}
	}
	free(load);
	free(used);
	return 0;
}

/* The expert whose copies have most to do: of those with less than most copies, where some has. */
static uint32_t
heaviest(const uint64_t *count, const uint32_t *log, uint32_t n, const uint32_t *copies,
	 uint32_t most)
{
	uint32_t best = n;

	for (uint32_t e = 0; e < n; e++)
		if (copies[e] < most &&
		    (best == n ||
		     replicate_heavier(count[log[e]], copies[e], count[log[best]], copies[best])))
			best = e;
	return best < n ? best : heaviest(count, log, n, copies, UINT32_MAX);
}

/* Slots of one node: experts log [n] on `devices` devices of `per` slots. */
static int
node(const uint64_t *count, const uint32_t *log, uint32_t n, uint32_t slots, uint32_t devices,
     uint32_t per, int bound, uint16_t *expert)
{
	uint32_t *copies = malloc((n + 1) * sizeof *copies);
	uint32_t *of = malloc((slots + 1) * sizeof *of),
		 *where = malloc((slots + 1) * sizeof *where);
	uint32_t *rank = malloc((slots + 1) * sizeof *rank);
	struct item *item = malloc((slots + 1) * sizeof *item);
	int r = TR_ENOMEM;

	if (!copies || !of || !where || !rank || !item)
		goto out;
	for (uint32_t i = 0; i < slots; i++) {
		uint32_t best = i;

		if (i < n) {
			copies[i] = 1;
		} else {
			best = heaviest(count, log, n, copies, bound ? devices : UINT32_MAX);
			copies[best]++;
		}
		of[i] = best;
	}
	for (uint32_t i = 0; i < slots; i++)
		item[i] = (struct item){count[log[of[i]]], copies[of[i]], i};
	if ((r = pack(item, slots, devices, where, rank)) == 0)
		for (uint32_t i = 0; i < slots; i++)
			expert[where[i] * per + rank[i]] = (uint16_t)log[of[i]];
out:
	free(copies);
	free(of);
	free(where);
	free(rank);
	free(item);
	return r;
}

int
eplb_plan(const uint64_t *count, uint32_t experts, uint32_t slots, uint32_t groups, uint32_t nodes,
	  uint32_t devices, int bound, uint16_t *expert)
{
	struct item *item;
	uint32_t *where, *rank, *log, size, per = (slots + devices - 1) / devices;
	int r = TR_ENOMEM;

	if (!nodes || !groups || groups % nodes || experts % groups)
		groups = nodes = 1;
	if (slots < experts || devices % nodes || slots % nodes)
		return TR_EVALUE;
	for (uint32_t i = 0; i < devices * per; i++)
		expert[i] = PLACE_NONE;
	size = experts / groups;
	item = calloc(groups, sizeof *item);
	where = malloc(groups * sizeof *where);
	rank = malloc(groups * sizeof *rank);
	log = malloc(experts * sizeof *log);
	if (!item || !where || !rank || !log)
		goto out;
	for (uint32_t g = 0; g < groups; g++) {
		item[g] = (struct item){0, 1, g};
		for (uint32_t e = g * size; e < (g + 1) * size; e++)
			item[g].num += count[e];
	}
	if ((r = pack(item, groups, nodes, where, rank)) < 0)
		goto out;
	for (uint32_t g = 0; g < groups; g++)
		for (uint32_t i = 0; i < size; i++)
			log[(where[g] * (groups / nodes) + rank[g]) * size + i] = g * size + i;
	for (uint32_t k = 0; k < nodes && !r; k++)
		r = node(count, log + k * (experts / nodes), experts / nodes, slots / nodes,
			 devices / nodes, per, bound, expert + k * (devices / nodes) * per);
out:
	free(item);
	free(where);
	free(rank);
	free(log);
	return r;
}

int
eplb_place(struct place *p, const uint64_t *count, uint32_t groups, uint32_t nodes, int bound)
{
	uint32_t devices = p->rows * p->cols, slots = p->n;
	uint32_t room = (slots + devices - 1) / devices * devices;
	uint16_t *expert = malloc((room + 1) * sizeof *expert);
	struct place q;
	int r = TR_ENOMEM;

	if (expert &&
	    (r = eplb_plan(count, p->experts, slots, groups, nodes, devices, bound, expert)) == 0)
		r = place_slots(&q, p->rows, p->cols, p->experts, expert, room);
	if (!r) {
		place_free(p);
		*p = q;
	}
	free(expert);
	return r;
}
