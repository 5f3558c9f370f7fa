#include <stdlib.h>
#include <string.h>

#include "moetrace.h"
#include "told.h"

struct batch {
	uint64_t number, *row; /* row << 1 | yes, ascending */
	size_t n, cap, at;
	int unsorted;
};

struct seq {
	uint64_t batch, seq;
	int yes;
};

struct told {
	struct batch *batch, *b; /* b: the one chosen */
	size_t nbatch, capbatch;
	struct seq *seq;
	size_t nseq, capseq;
	int unsorted;
};

struct told *
told_new(void)
{
	return calloc(1, sizeof(struct told));
}

void
told_forget(struct told *t)
{
	for (size_t i = 0; i < t->nbatch; i++)
		free(t->batch[i].row);
	t->nbatch = t->nseq = 0;
	t->b = NULL;
}

void
told_free(struct told *t)
{
	if (!t)
		return;
	told_forget(t);
	free(t->batch);
	free(t->seq);
	free(t);
}

/* ---- sequences ---- */

static int
by_seq(const void *a, const void *b)
{
	const struct seq *x = a, *y = b;

	if (x->batch != y->batch)
		return x->batch < y->batch ? -1 : 1;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

int
told_put_seq(struct told *t, uint64_t batch, uint64_t seq, int yes)
{
	if (t->nseq == t->capseq) {
		size_t cap = t->capseq ? 2 * t->capseq : 64;
		void *p = realloc(t->seq, cap * sizeof *t->seq);

		if (!p)
			return TR_ENOMEM;
		t->seq = p;
		t->capseq = cap;
	}
	t->seq[t->nseq++] = (struct seq){batch, seq, yes};
	t->unsorted = 1;
	return 0;
}

int
told_seq(struct told *t, uint64_t batch, uint64_t seq)
{
	struct seq key = {batch, seq, 0}, *s;

	if (!t->nseq)
		return -1;
	if (t->unsorted)
		qsort(t->seq, t->nseq, sizeof *t->seq, by_seq);
	t->unsorted = 0;
	s = bsearch(&key, t->seq, t->nseq, sizeof *t->seq, by_seq);
	return s ? s->yes : -1;
}

size_t
told_seqs(const struct told *t)
{
	return t->nseq;
}

/* ---- rows ---- */

int
told_batch(struct told *t, uint64_t number, uint64_t n)
{
	size_t i = t->nbatch;
	void *p;

	while (i > 0 && t->batch[i - 1].number != number)
		i--;
	if (!i && t->nbatch == t->capbatch) {
		size_t cap = t->capbatch ? 2 * t->capbatch : 16;

		if (!(p = realloc(t->batch, cap * sizeof *t->batch)))
			return TR_ENOMEM;
		t->batch = p;
		t->capbatch = cap;
	}
	if (!i) {
		t->batch[t->nbatch] = (struct batch){.number = number};
		i = ++t->nbatch;
	}
	t->b = &t->batch[i - 1];
	t->b->at = 0;
	if (n && t->b->n + n > t->b->cap) {
		if (!(p = realloc(t->b->row, (t->b->n + n) * sizeof *t->b->row)))
			return TR_ENOMEM;
		t->b->row = p;
		t->b->cap = t->b->n + n;
	}
	return 0;
}

void
told_put_row(struct told *t, uint64_t row, int yes)
{
	struct batch *b = t->b;

	b->unsorted |= b->n && b->row[b->n - 1] >> 1 > row;
	b->row[b->n++] = row << 1 | (uint64_t)yes;
}

static int
by_row(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void
told_rows_end(struct told *t)
{
	if (t->b->unsorted)
		qsort(t->b->row, t->b->n, sizeof *t->b->row, by_row);
	t->b->unsorted = 0;
}

int
told_row(struct told *t, uint64_t row)
{
	struct batch *b = t->b;
	size_t lo = 0, hi = b->n;

	if (b->at < b->n && b->row[b->at] >> 1 == row)
		return (int)(b->row[b->at++] & 1);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (b->row[mid] >> 1 < row)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == b->n || b->row[lo] >> 1 != row)
		return -1;
	b->at = lo + 1;
	return (int)(b->row[lo] & 1);
}

void
told_pass(struct told *t, uint64_t number)
{
	size_t n = 0;

	for (size_t i = 0; i < t->nbatch; i++)
		if (t->batch[i].number < number)
			free(t->batch[i].row);
		else
			t->batch[n++] = t->batch[i];
	t->nbatch = n;
	t->b = NULL;
}
