/* Which samples there are, once all frames are noted, and which are chosen. */
#include <stdio.h>
#include <stdlib.h>

#include "samplesown.h"

static int
by_batch(const void *a, const void *b)
{
	const struct seq *x = a, *y = b;

	if (x->batch != y->batch)
		return x->batch < y->batch ? -1 : 1;
	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return y->told - x->told;
}

static int
by_row(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	if (x->batch != y->batch)
		return x->batch < y->batch ? -1 : 1;
	return (x->lo > y->lo) - (x->lo < y->lo);
}

/* Each sequence once, those of a batch together; a batch of none is one. */
static int
end(struct samples *s)
{
	size_t n = 0, told = s->nseq, b = 0, r = 0;
	int e;

	if (s->ended)
		return 0;
	if (s->nrun)
		qsort(s->run, s->nrun, sizeof *s->run, by_row);
	if (told)
		qsort(s->seq, told, sizeof *s->seq, by_batch);
	for (size_t i = 0; i < told; i++)
		if (!n || s->seq[i].batch != s->seq[n - 1].batch ||
		    s->seq[i].seq != s->seq[n - 1].seq)
			s->seq[n++] = s->seq[i];
	s->nseq = told = n;
	for (size_t i = 0; i < told; i++) {
		struct seq *q = &s->seq[i];

		q->alone = (!i || q[-1].batch != q->batch) &&
			   (i + 1 == told || q[1].batch != q->batch);
		if (!q->told)
			q->dataset = s->batch[q->batch].dataset;
		while (r < s->nrun && s->run[r].batch < q->batch)
			r++;
		if (!q->alone && (r == s->nrun || s->run[r].batch != q->batch)) {
			snprintf(s->err, sizeof s->err,
				 "batch %llu has several sequences, and no tok frame tells whose "
				 "its rows are",
				 (unsigned long long)s->batch[q->batch].number);
			return TR_EVALUE;
		}
	}
	for (size_t i = 0; b < s->nbatch; b++) {
		while (i < told && s->seq[i].batch < b)
			i++;
		if (i < told && s->seq[i].batch == b)
			continue;
		if ((e = ROOM(s, seq)) < 0)
			return e;
		s->seq[s->nseq++] = (struct seq){.seq = TR_NONE,
						 .batch = (uint32_t)b,
						 .dataset = s->batch[b].dataset,
						 .alone = 1};
	}
	if (s->nseq)
		qsort(s->seq, s->nseq, sizeof *s->seq, by_batch);
	s->ended = 1;
	return 0;
}

static int
is_of(const struct samples *s, const struct seq *q, enum samples_kind kind)
{
	return s->input[s->batch[q->batch].input].kind == kind &&
	       !(kind == SAMPLES_REAL && q->synthetic);
}

/* Offer the samples of one data set; their number. */
static long long
offer(struct samples *s, struct sampleset *x, enum samples_kind kind, uint32_t set,
      uint64_t per_set)
{
	const size_t first = s->nsorted;
	int e;

	if ((e = ROOM(s, at)) < 0 || sampleset_open(x, s->dataset[set], per_set) < 0)
		return TR_ENOMEM;
	s->at[s->nat++] = (uint32_t)first;
	for (size_t i = 0; i < s->nseq; i++) {
		if (s->seq[i].dataset != set || !is_of(s, &s->seq[i], kind))
			continue;
		if ((e = ROOM(s, sorted)) < 0 || sampleset_offer(x, s->nsorted - first, "", 0) < 0)
			return TR_ENOMEM;
		s->sorted[s->nsorted++] = (uint32_t)i;
	}
	return (long long)(s->nsorted - first);
}

long long
samples_choose(struct samples *s, enum samples_kind kind, uint64_t total, uint64_t per_set)
{
	struct sampleset x = {.seed = s->chosen.seed}, *all = &s->chosen;
	long long n = 0;
	void *p;
	int e = end(s);

	if (e < 0)
		return e;
	for (uint32_t set = 0; set < s->ndataset; set++) {
		if ((n = offer(s, &x, kind, set, per_set)) < 0)
			goto out;
	}
	if (total != TR_NONE)
		sampleset_even(&x, total);
	n = TR_ENOMEM;
	if (!(p = realloc(all->set, (all->nset + x.nset) * sizeof *all->set)))
		goto out;
	all->set = p;
	n = 0;
	for (size_t i = 0; i < x.nset; i++) { /* now they are ours */
		for (size_t k = 0; k < x.set[i].n; k++)
			x.set[i].s[k].set = (uint32_t)all->nset;
		n += (long long)x.set[i].n;
		all->set[all->nset++] = x.set[i];
	}
	x.nset = 0;
out:
	sampleset_free(&x);
	return n;
}

int
samples_order(struct samples *s, int shuffle, struct tr_frame *trace)
{
	int e;

	if (sampleset_order(&s->chosen, shuffle, &s->order) < 0)
		return TR_ENOMEM;
	if ((e = tr_set(trace, "order", "batch,layer")) < 0 ||
	    (e = tr_set(trace, "prompts", shuffle ? "shuffle" : "round-robin")) < 0)
		return e;
	return tr_setu(trace, "prompts_seed", s->chosen.seed);
}
