/*
 * Sequences by open addressing.  Rows as runs: a sequence's rows lie together
 * in nearly every trace, so a batch of many rows is a few runs.
 */
#include <stdlib.h>
#include <string.h>

#include "../core/rows.h"
#include "../core/size.h"
#include "datasets.h"

enum { MANY = -1 }; /* sequences of several data sets */

struct seq {
	uint64_t batch, seq; /* seq TR_NONE: the batch itself */
	int set, used;
};

struct run {
	uint64_t batch, first, n;
	int set;
};

struct datasets {
	char **name;
	int names;
	struct seq *seq;
	size_t nseq, cap;
	struct run *run;
	size_t nrun, runs;
	int sorted;
};

struct datasets *
datasets_new(void)
{
	struct datasets *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	d->name = malloc(sizeof *d->name);
	if (!d->name || !(d->name[0] = strdup(""))) {
		free(d->name);
		free(d);
		return NULL;
	}
	d->names = 1;
	return d;
}

void
datasets_free(struct datasets *d)
{
	if (!d)
		return;
	for (int i = 0; i < d->names; i++)
		free(d->name[i]);
	free(d->name);
	free(d->seq);
	free(d->run);
	free(d);
}

void
datasets_begin(struct datasets *d)
{
	if (d->nseq)
		memset(d->seq, 0, d->cap * sizeof *d->seq);
	d->nseq = d->nrun = 0;
}

int
datasets_count(const struct datasets *d)
{
	return d->names;
}

const char *
datasets_name(const struct datasets *d, int number)
{
	return d->name[number];
}

/* The number of a name, or TR_E.... */
static int
number(struct datasets *d, const char *name)
{
	char **p;

	for (int i = 0; i < d->names; i++)
		if (!strcmp(d->name[i], name))
			return i;
	if (d->names > UINT16_MAX)
		return TR_ELIMIT;
	if (!(p = realloc(d->name, ((size_t)d->names + 1) * sizeof *p)))
		return TR_ENOMEM;
	d->name = p;
	if (!(p[d->names] = strdup(name)))
		return TR_ENOMEM;
	return d->names++;
}

/* Its place, or the empty one for it; there is always one. */
static struct seq *
find(const struct datasets *d, uint64_t batch, uint64_t seq)
{
	uint64_t h = (batch * UINT64_C(0xff51afd7ed558ccd) ^ seq) * UINT64_C(0x9e3779b97f4a7c15);
	size_t i = (h >> 32) & (d->cap - 1);

	while (d->seq[i].used && (d->seq[i].batch != batch || d->seq[i].seq != seq))
		i = (i + 1) & (d->cap - 1);
	return &d->seq[i];
}

static int
put(struct datasets *d, uint64_t batch, uint64_t seq, int set)
{
	struct seq *old = d->seq, *s;
	size_t cap = d->cap;

	if (2 * (d->nseq + 1) > cap) {
		d->cap = cap ? 2 * cap : 64;
		if (!(d->seq = calloc(d->cap, sizeof *d->seq))) {
			d->seq = old;
			d->cap = cap;
			return TR_ENOMEM;
		}
		for (size_t i = 0; i < cap; i++)
			if (old[i].used)
				*find(d, old[i].batch, old[i].seq) = old[i];
		free(old);
	}
	s = find(d, batch, seq);
	if (s->used && s->set != set)
		set = MANY;
	d->nseq += !s->used;
	*s = (struct seq){batch, seq, set, 1};
	return 0;
}

static int
take_seq(struct datasets *d, const struct tr_frame *f)
{
	char name[TR_HEADER_MAX];
	uint64_t batch, seq;
	int set = 0, r;

	if (tr_num(f, "batch", &batch) <= 0 || tr_num(f, "seq", &seq) <= 0)
		return TR_EVALUE;
	if (tr_text(f, "dataset", name, sizeof name) > 0 && (set = number(d, name)) < 0)
		return set;
	r = put(d, batch, seq, set);
	return r < 0 ? r : put(d, batch, TR_NONE, set);
}

static int
put_rows(struct datasets *d, uint64_t batch, uint64_t row, uint64_t n, int set)
{
	struct run *l = d->nrun ? &d->run[d->nrun - 1] : NULL;

	if (l && l->batch == batch && l->set == set && l->first + l->n == row) {
		l->n += n;
		return 0;
	}
	if (d->nrun == d->runs) {
		size_t cap = d->runs ? 2 * d->runs : 64;
		void *p = realloc(d->run, cap * sizeof *d->run);

		if (!p)
			return TR_ENOMEM;
		d->run = p;
		d->runs = cap;
	}
	d->run[d->nrun++] = (struct run){batch, row, n, set};
	d->sorted = 0;
	return 0;
}

/* How many rows from i on follow one another, those before end. */
static uint64_t
straight(const struct rows *r, uint64_t i, uint64_t end)
{
	uint64_t n = 1;

	if (!r->col.data && !r->fixed)
		return end - i;
	while (i + n < end && rows_at(r, i + n) == rows_at(r, i) + n)
		n++;
	return n;
}

static int
take_tok(struct datasets *d, const struct tr_frame *f)
{
	uint64_t batch = tr_get(f, "batch", 0), n, same;
	struct value seq;
	struct rows rows;
	int r;

	if (!d->nseq || (r = value_open(&seq, f, "seq")) == 0)
		return 0;
	if (r < 0 || (r = rows_open(&rows, f)) < 0)
		return r;
	for (uint64_t i = 0; i < f->rows && r >= 0; i += n) {
		const uint64_t s = value_at(&seq, i);
		const struct seq *q = find(d, batch, s);

		for (same = 1; i + same < f->rows && value_at(&seq, i + same) == s; same++)
			;
		n = straight(&rows, i, i + same);
		r = put_rows(d, batch, rows_at(&rows, i), n, q->used && q->set > 0 ? q->set : 0);
	}
	return r < 0 ? r : 0;
}

int
datasets_take(struct datasets *d, const struct tr_frame *f)
{
	if (!strcmp(f->kind, "seq"))
		return take_seq(d, f);
	return strcmp(f->kind, "tok") ? 0 : take_tok(d, f);
}

static int
by_row(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	if (x->batch != y->batch)
		return x->batch < y->batch ? -1 : 1;
	return (x->first > y->first) - (x->first < y->first);
}

/* The last run that begins at or before the row; NULL: none does. */
static const struct run *
run_at(struct datasets *d, uint64_t batch, uint64_t row)
{
	struct run key = {batch, row, 0, 0};
	size_t lo = 0, hi = d->nrun;

	if (!d->sorted && d->nrun)
		qsort(d->run, d->nrun, sizeof *d->run, by_row);
	d->sorted = 1;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (by_row(&d->run[mid], &key) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && d->run[lo - 1].batch == batch ? &d->run[lo - 1] : NULL;
}

int
datasets_at(struct datasets *d, const struct tr_frame *route, uint64_t i, uint64_t *n)
{
	uint64_t batch = tr_get(route, "batch", 0), first, end = i + 1, row, stop;
	const struct run *run;
	const struct seq *s;
	struct rows rows;
	int r;

	*n = route->rows - i;
	if (!d->nseq)
		return 0;
	s = find(d, batch, TR_NONE);
	if (!s->used || s->set != MANY)
		return s->used ? s->set : 0;
	if ((r = rows_open(&rows, route)) < 0)
		return r;
	row = first = rows_at(&rows, i);
	run = run_at(d, batch, row);
	if (run && row - run->first >= run->n)
		run = NULL;
	stop = run ? run->first + run->n : row + 1;
	if (!rows.col.data && !rows.fixed)
		end = i + MIN(stop - first, route->rows - i);
	while (end < route->rows && (row = rows_at(&rows, end)) > first && row < stop)
		end++;
	*n = end - i;
	return run ? run->set : 0;
}
