#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "choices.h"
#include "rows.h"
#include "size.h"

static struct choices_batch *
batch_of(struct choices *c, uint64_t number)
{
	void *p;

	for (size_t i = c->nbatch; i-- > 0 && c->batch[i].section == c->section;)
		if (c->batch[i].batch == number)
			return &c->batch[i];
	if (!(c->nbatch & (c->nbatch - 1))) {
		p = realloc(c->batch, (2 * c->nbatch + 1) * sizeof *c->batch);
		if (!p)
			return NULL;
		c->batch = p;
	}
	c->batch[c->nbatch] = (struct choices_batch){.section = c->section, .batch = number};
	return &c->batch[c->nbatch++];
}

/* The layer's place, or -1: no memory. */
static int64_t
layer_of(struct choices *c, uint64_t number)
{
	int64_t at = choices_slot(c, number);
	void *p;

	if (at >= 0)
		return at;
	if (!(p = realloc(c->layer, (c->nlayer + 1) * sizeof *c->layer)))
		return -1;
	c->layer = p;
	c->layer[c->nlayer] = number;
	return (int64_t)c->nlayer++;
}

static int
grow(void **p, uint64_t old, uint64_t new, size_t size, int fill)
{
	void *to = realloc(*p, new *size);

	if (!to)
		return TR_ENOMEM;
	memset((char *)to + old * size, fill, (new - old) * size);
	*p = to;
	return 0;
}

/* Room for rows rows, in all that the batch has. */
static int
room(struct choices_batch *b, uint64_t rows)
{
	uint64_t cap = b->cap ? b->cap : 16;
	int r = 0;

	if (rows > b->cap) {
		if (b->cap || b->seq || b->nids) /* frame by frame: not each time anew */
			while (cap < rows)
				cap *= 2;
		else
			cap = rows;
		if (b->seq)
			r = grow((void **)&b->seq, b->cap, cap, sizeof *b->seq, 0);
		for (size_t i = 0; i < b->nids && r == 0; i++)
			if (b->ids[i])
				r = grow((void **)&b->ids[i], b->cap, cap, sizeof **b->ids, 0xff);
		if (r < 0)
			return r;
		b->cap = cap;
	}
	b->rows = MAX(b->rows, rows);
	return 0;
}

/* Numbers of the frame's rows; *end is one above the greatest. */
static int
numbers(struct choices *c, const struct tr_frame *f, struct rows *rows, uint64_t *end)
{
	int r = rows_open(rows, f);

	*end = 0;
	for (uint64_t i = 0; r == 0 && i < f->rows; i++)
		*end = MAX(*end, rows_at(rows, i) + 1);
	if (r == 0 && (*end > TR_ROWS_MAX || (f->rows && !*end))) {
		snprintf(c->err, sizeof c->err, "a row number above 2^28");
		r = TR_ELIMIT;
	}
	return r;
}

int
choices_route(struct choices *c, const struct tr_frame *f, const struct tr_ids *ids)
{
	struct choices_batch *b = batch_of(c, tr_get(f, "batch", 0));
	int64_t at = layer_of(c, tr_get(f, "layer", 0));
	struct rows rows;
	uint64_t end;
	int r;

	if (!b || at < 0)
		return TR_ENOMEM;
	if ((r = numbers(c, f, &rows, &end)) < 0)
		return r;
	if (f->rows && (size_t)at < b->nids && b->ids[at] && rows_at(&rows, 0) < b->rows &&
	    b->ids[at][rows_at(&rows, 0)] != CHOICES_NONE) { /* a row comes but once */
		c->section++;
		if (!(b = batch_of(c, tr_get(f, "batch", 0))))
			return TR_ENOMEM;
	}
	if ((r = room(b, end)) < 0)
		return r;
	if ((size_t)at >= b->nids) {
		r = grow((void **)&b->ids, b->nids, (uint64_t)at + 1, sizeof *b->ids, 0);
		if (r < 0)
			return r;
		b->nids = (size_t)at + 1;
	}
	if (!b->ids[at] && (r = grow((void **)&b->ids[at], 0, b->cap, sizeof **b->ids, 0xff)) < 0)
		return r;
	for (uint64_t i = 0; i < f->rows && ids->k; i++) {
		uint32_t id = tr_id(ids, i * ids->k);

		b->ids[at][rows_at(&rows, i)] = id == UINT32_MAX ? CHOICES_NONE : (uint16_t)id;
	}
	return 0;
}

int
choices_tok(struct choices *c, const struct tr_frame *f)
{
	struct choices_batch *b;
	struct rows rows;
	struct value seq;
	uint64_t end;
	int r = value_open(&seq, f, "seq");

	if (r <= 0)
		return r;
	if ((b = batch_of(c, tr_get(f, "batch", 0))) && b->nids) { /* tok comes before route */
		c->section++;
		b = batch_of(c, tr_get(f, "batch", 0));
	}
	if (!b)
		return TR_ENOMEM;
	if ((r = numbers(c, f, &rows, &end)) < 0 || (r = room(b, end)) < 0)
		return r;
	if (!b->seq && (r = grow((void **)&b->seq, 0, b->cap, sizeof *b->seq, 0)) < 0)
		return r;
	for (uint64_t i = 0; i < f->rows; i++)
		b->seq[rows_at(&rows, i)] = value_at(&seq, i);
	return 0;
}

struct row {
	uint64_t seq, row;
};

static int
by_sample(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return (x->row > y->row) - (x->row < y->row);
}

/* Samples that take turns are set apart. */
static int
sort(struct choices_batch *b)
{
	struct row *row;
	uint16_t *old;
	uint64_t i = 1;

	while (i < b->rows && b->seq[i - 1] <= b->seq[i])
		i++;
	if (i >= b->rows)
		return 0;
	row = malloc(b->rows * sizeof *row);
	old = malloc(b->rows * sizeof *old);
	for (i = 0; row && old && i < b->rows; i++)
		row[i] = (struct row){b->seq[i], i};
	if (row && old)
		qsort(row, b->rows, sizeof *row, by_sample);
	for (size_t l = 0; row && old && l < b->nids; l++) {
		if (!b->ids[l])
			continue;
		memcpy(old, b->ids[l], b->rows * sizeof *old);
		for (i = 0; i < b->rows; i++)
			b->ids[l][i] = old[row[i].row];
	}
	for (i = 0; row && old && i < b->rows; i++)
		b->seq[i] = row[i].seq;
	i = row && old;
	free(row);
	free(old);
	return i ? 0 : TR_ENOMEM;
}

int
choices_end(struct choices *c)
{
	for (size_t k = 0; k < c->nbatch; k++) {
		struct choices_batch *b = &c->batch[k];
		int r = b->seq ? sort(b) : 0;

		if (r < 0)
			return r;
		for (uint64_t i = 0, n; i < b->rows; i += n) {
			for (n = 1; i + n < b->rows && (!b->seq || b->seq[i] == b->seq[i + n]);)
				n++;
			if (c->nrun == c->caprun) {
				r = grow((void **)&c->run, c->caprun, 2 * c->caprun + 16,
					 sizeof *c->run, 0);
				if (r < 0)
					return r;
				c->caprun = 2 * c->caprun + 16;
			}
			c->run[c->nrun++] = (struct choices_run){b, b->seq ? b->seq[i] : 0, i, n};
		}
	}
	return 0;
}

int64_t
choices_slot(const struct choices *c, uint64_t layer)
{
	for (size_t i = 0; i < c->nlayer; i++)
		if (c->layer[i] == layer)
			return (int64_t)i;
	return -1;
}

int
choices_columns(const struct choices_run *run, const int64_t *slot, uint32_t n,
		const uint16_t **col)
{
	for (uint32_t i = 0; i < n; i++) {
		if (slot[i] < 0 || (size_t)slot[i] >= run->batch->nids || !run->batch->ids[slot[i]])
			return 0;
		col[i] = run->batch->ids[slot[i]] + run->row0;
	}
	return 1;
}

void
choices_free(struct choices *c)
{
	for (size_t k = 0; k < c->nbatch; k++) {
		for (size_t i = 0; i < c->batch[k].nids; i++)
			free(c->batch[k].ids[i]);
		free(c->batch[k].ids);
		free(c->batch[k].seq);
	}
	free(c->batch);
	free(c->layer);
	free(c->run);
}
