#include <stdlib.h>
#include <string.h>

#include "info.h"
#include "size.h"

struct batch {
	uint64_t section, number;
	uint64_t samples, layers;
	size_t dataset; /* of its section */
};

struct sample {
	size_t batch, dataset;
	int synthetic;
};

struct pair { /* a layer has rows of a batch */
	uint64_t layer;
	size_t batch;
};

struct info_work {
	struct batch *batch;
	size_t nbatch, capbatch;
	size_t *slot; /* open addressing, index + 1 */
	size_t nslot;
	struct sample *sample;
	size_t nsample, capsample;
	struct pair *pair;
	size_t npair, cappair;
	size_t dataset; /* of the section */
};

/* p with room for one more than n: p itself, a larger one, or NULL and p stays. */
static void *
room(void *p, size_t n, size_t *cap, size_t size)
{
	void *q = p;

	if (n < *cap)
		return p;
	if ((q = realloc(p, (*cap ? 2 * *cap : 64) * size)))
		*cap = *cap ? 2 * *cap : 64;
	return q;
}

int
info_init(struct info *i)
{
	memset(i, 0, sizeof *i);
	return (i->work = calloc(1, sizeof *i->work)) ? 0 : TR_ENOMEM;
}

static size_t
hash(uint64_t section, uint64_t number)
{
	uint64_t h = section * UINT64_C(0x9e3779b97f4a7c15) ^ number;

	h *= UINT64_C(0xff51afd7ed558ccd);
	return h ^ h >> 32;
}

static int
rehash(struct info_work *w)
{
	size_t n = w->nslot ? 2 * w->nslot : 256, *slot = calloc(n, sizeof *slot);

	if (!slot)
		return TR_ENOMEM;
	free(w->slot);
	w->slot = slot;
	w->nslot = n;
	for (size_t i = 0; i < w->nbatch; i++) {
		size_t k = hash(w->batch[i].section, w->batch[i].number) & (n - 1);

		while (slot[k])
			k = (k + 1) & (n - 1);
		slot[k] = i + 1;
	}
	return 0;
}

/* Index of the batch in this section, SIZE_MAX: no memory. */
static size_t
batch_of(struct info *i, uint64_t number)
{
	struct info_work *w = i->work;
	size_t k;
	void *p;

	if (2 * w->nbatch >= w->nslot && rehash(w) < 0)
		return SIZE_MAX;
	for (k = hash(i->sections, number) & (w->nslot - 1); w->slot[k];
	     k = (k + 1) & (w->nslot - 1)) {
		struct batch *b = &w->batch[w->slot[k] - 1];

		if (b->section == i->sections && b->number == number)
			return w->slot[k] - 1;
	}
	if (!(p = room(w->batch, w->nbatch, &w->capbatch, sizeof *w->batch)))
		return SIZE_MAX;
	w->batch = p;
	w->batch[w->nbatch] = (struct batch){i->sections, number, 0, 0, w->dataset};
	w->slot[k] = ++w->nbatch;
	return w->nbatch - 1;
}

static size_t
dataset_of(struct info *i, const char *name)
{
	size_t k = 0;
	void *p;

	while (k < i->ndataset && strcmp(i->dataset[k].name, name) != 0)
		k++;
	if (k < i->ndataset)
		return k;
	if (!(p = realloc(i->dataset, (k + 1) * sizeof *i->dataset)))
		return SIZE_MAX;
	i->dataset = p;
	memset(&i->dataset[k], 0, sizeof *i->dataset);
	if (!(i->dataset[k].name = strdup(name)))
		return SIZE_MAX;
	i->ndataset++;
	return k;
}

int
info_section(struct info *i, const char *dataset)
{
	i->sections++;
	i->work->dataset = dataset_of(i, dataset);
	return i->work->dataset == SIZE_MAX ? TR_ENOMEM : 0;
}

static int
add_sample(struct info *i, size_t batch, size_t dataset, int synthetic)
{
	struct info_work *w = i->work;
	void *p;

	if (batch == SIZE_MAX || dataset == SIZE_MAX ||
	    !(p = room(w->sample, w->nsample, &w->capsample, sizeof *w->sample)))
		return TR_ENOMEM;
	w->sample = p;
	w->sample[w->nsample++] = (struct sample){batch, dataset, synthetic};
	w->batch[batch].samples++;
	return 0;
}

int
info_seq(struct info *i, const struct tr_frame *f)
{
	char name[256];
	size_t dataset = i->work->dataset;

	if (tr_text(f, "dataset", name, sizeof name) > 0)
		dataset = dataset_of(i, name);
	return add_sample(i, batch_of(i, tr_get(f, "batch", 0)), dataset,
			  tr_get(f, "synthetic", 0) != 0);
}

static struct info_layer *
layer_of(struct info *i, uint64_t number)
{
	size_t k = i->nlayer;
	void *p;

	while (k > 0 && i->layer[k - 1].layer > number)
		k--;
	if (k > 0 && i->layer[k - 1].layer == number)
		return &i->layer[k - 1];
	if (!(p = realloc(i->layer, (i->nlayer + 1) * sizeof *i->layer)))
		return NULL;
	i->layer = p;
	memmove(&i->layer[k + 1], &i->layer[k], (i->nlayer - k) * sizeof *i->layer);
	i->nlayer++;
	memset(&i->layer[k], 0, sizeof *i->layer);
	i->layer[k].layer = number;
	i->layer[k].best = calloc(i->experts + 1, sizeof(uint64_t));
	return i->layer[k].best ? &i->layer[k] : NULL;
}

int
info_route(struct info *i, const struct tr_frame *f, const struct tr_ids *ids, uint64_t experts)
{
	struct info_work *w = i->work;
	struct info_layer *l;
	size_t batch;
	void *p;

	i->experts = experts;
	if (!(l = layer_of(i, tr_get(f, "layer", 0))) ||
	    (batch = batch_of(i, tr_get(f, "batch", 0))) == SIZE_MAX ||
	    !(p = room(w->pair, w->npair, &w->cappair, sizeof *w->pair)))
		return TR_ENOMEM;
	w->pair = p;
	l->frames++;
	l->tokens += f->rows;
	if (!w->npair || w->pair[w->npair - 1].layer != l->layer ||
	    w->pair[w->npair - 1].batch != batch)
		w->pair[w->npair++] = (struct pair){l->layer, batch};
	for (uint64_t r = 0; ids && r < ids->rows; r++)
		for (uint32_t k = 0; k < ids->k; k++) {
			uint32_t id = tr_id(ids, r * ids->k + k);

			if (id == UINT32_MAX) {
				l->empty++;
				continue;
			}
			l->picks++;
			if (k == 0)
				l->best[id]++;
		}
	return 0;
}

static int
by_pair(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->layer != y->layer)
		return x->layer < y->layer ? -1 : 1;
	return (x->batch > y->batch) - (x->batch < y->batch);
}

static uint64_t
used(const uint64_t *best, uint64_t experts)
{
	uint64_t n = 0;

	for (uint64_t e = 0; e < experts; e++)
		n += best[e] > 0;
	return n;
}

int
info_end(struct info *i)
{
	struct info_work *w = i->work;

	/* a batch without seq frames is a sample of its section's data set */
	for (size_t b = 0; b < w->nbatch; b++)
		if (!w->batch[b].samples && add_sample(i, b, w->batch[b].dataset, 0) < 0)
			return TR_ENOMEM;
	if (w->npair)
		qsort(w->pair, w->npair, sizeof *w->pair, by_pair);
	for (size_t p = 0; p < w->npair; p++) {
		struct pair *x = &w->pair[p];

		if (p && !by_pair(x - 1, x))
			continue;
		w->batch[x->batch].layers++;
		layer_of(i, x->layer)->records += w->batch[x->batch].samples;
	}
	for (size_t s = 0; s < w->nsample; s++) {
		uint64_t records = w->batch[w->sample[s].batch].layers;
		struct info_dataset *d = &i->dataset[w->sample[s].dataset];

		d->samples++;
		d->records += records;
		d->synthetic += w->sample[s].synthetic ? records : 0;
		i->records += records;
		i->synthetic += w->sample[s].synthetic ? records : 0;
	}
	i->batches = w->nbatch;
	i->samples = w->nsample;
	if (!(i->best = calloc(i->experts + 1, sizeof *i->best)))
		return TR_ENOMEM;
	for (size_t l = 0; l < i->nlayer; l++) {
		i->tokens += i->layer[l].tokens;
		i->layer[l].used = used(i->layer[l].best, i->experts);
		for (uint64_t e = 0; e < i->experts; e++)
			i->best[e] += i->layer[l].best[e];
	}
	i->used = used(i->best, i->experts);
	return 0;
}

void
info_free(struct info *i)
{
	for (size_t l = 0; l < i->nlayer; l++)
		free(i->layer[l].best);
	for (size_t d = 0; d < i->ndataset; d++)
		free(i->dataset[d].name);
	free(i->layer);
	free(i->dataset);
	free(i->best);
	if (i->work) {
		free(i->work->batch);
		free(i->work->slot);
		free(i->work->sample);
		free(i->work->pair);
		free(i->work);
	}
	memset(i, 0, sizeof *i);
}
