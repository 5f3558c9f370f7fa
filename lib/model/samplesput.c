/* Samples read again where their frames lie, those of a shared batch cut out of it. */
#include <stdio.h>
#include <stdlib.h>

#include "samplesown.h"

/* The sequence of a row of a batch; TR_NONE where none is told. */
static uint64_t
seq_of(const struct samples *s, uint32_t batch, uint64_t row)
{
	size_t lo = 0, hi = s->nrun;

	while (lo < hi) { /* the first that is not before it */
		const size_t mid = lo + (hi - lo) / 2;

		if (s->run[mid].batch < batch ||
		    (s->run[mid].batch == batch && s->run[mid].hi < row))
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == s->nrun || s->run[lo].batch != batch || s->run[lo].lo > row)
		return TR_NONE;
	return s->run[lo].seq;
}

/* The rows of f that are of q, in *g; their number, or TR_E.... */
static long long
cut(struct samples *s, const struct seq *q, struct tr_frame *f, struct tr_frame *g)
{
	uint64_t n = 0, seq;
	struct rows r;
	int e = rows_open(&r, f);

	if (e < 0)
		return e;
	if (f->rows > s->capidx) {
		free(s->idx);
		s->capidx = 0;
		if (!(s->idx = malloc(f->rows * sizeof *s->idx)))
			return TR_ENOMEM;
		s->capidx = f->rows;
	}
	for (uint64_t i = 0; i < f->rows; i++) {
		if ((seq = seq_of(s, q->batch, rows_at(&r, i))) == TR_NONE) {
			snprintf(s->err, sizeof s->err, "batch %llu: row %llu is of no sequence",
				 (unsigned long long)s->batch[q->batch].number,
				 (unsigned long long)rows_at(&r, i));
			return TR_EVALUE;
		}
		if (seq == q->seq)
			s->idx[n++] = (uint32_t)i;
	}
	if (n && (e = rows_take(g, f, s->idx, n, &s->cut)) < 0)
		return e;
	return (long long)n;
}

/* Places of a batch into s->frame, in the order in which they are put. */
static int
frames(struct samples *s, const struct seq *q)
{
	int e;

	s->nframe = 0;
	for (uint32_t p = s->batch[q->batch].first; p != UINT32_MAX; p = s->place[p].next) {
		const struct place *x = &s->place[p], *y;
		size_t k;

		if (q->alone || x->what == TOK || x->what == ROUTE || x->seq == q->seq) {
			if ((e = ROOM(s, frame)) < 0)
				return e;
			for (k = s->nframe++; k; k--) { /* nearly sorted as it is */
				y = &s->place[s->frame[k - 1]];
				if (y->what < x->what ||
				    (y->what == x->what && y->layer <= x->layer))
					break;
				s->frame[k] = s->frame[k - 1];
			}
			s->frame[k] = p;
		}
	}
	return 0;
}

static int
is_synthetic(const struct samples *s, const struct seq *q)
{
	return s->input[s->batch[q->batch].input].kind == SAMPLES_SYNTHETIC;
}

/* The frame at a place, as sequence number: 1, 0 where nothing of it is, or TR_E.... */
static int
frame_at(struct samples *s, const struct seq *q, const struct place *p, uint64_t number,
	 struct tr_frame *f)
{
	const int split = !q->alone && (p->what == TOK || p->what == ROUTE);
	struct tr_frame g;
	struct tr_col c;
	const char *val;
	long long n;
	int e = spool_frame(s->input[s->batch[q->batch].input].from, p->off, p->n,
			    s->decode || split || p->what == TOK, f, &s->buf);

	if (e < 0)
		return e;
	if (split) {
		if ((n = cut(s, q, f, &g)) <= 0)
			return (int)n;
		*f = g;
	}
	if (p->what == TOK && f->ncols > 1 && tr_col(f, "seq", &c) > 0)
		tr_dropcol(f, "seq");
	if ((e = tr_setu(f, "batch", number)) < 0 ||
	    ((p->what == TOK || tr_key(f, "seq", &val)) && (e = tr_setu(f, "seq", number)) < 0))
		return e;
	if (p->what == SEQ && is_synthetic(s, q) && (e = tr_set(f, "synthetic", "1")) < 0)
		return e;
	if (p->what == SEQ && q->dataset && (e = tr_set(f, "dataset", s->dataset[q->dataset])) < 0)
		return e;
	return 1;
}

int
samples_put(struct samples *s, uint64_t i, int (*put)(void *arg, struct tr_frame *f), void *arg)
{
	const struct sample *x = &s->order[i];
	const struct seq *q = &s->seq[s->sorted[s->at[x->set] + x->row]];
	struct tr_frame f;
	int e = 0;

	if (!q->told) {
		tr_new(&f, "seq");
		tr_setu(&f, "batch", i);
		tr_setu(&f, "seq", i);
		if (q->dataset && (e = tr_set(&f, "dataset", s->dataset[q->dataset])) < 0)
			return e;
		if (is_synthetic(s, q))
			tr_set(&f, "synthetic", "1");
		if ((e = put(arg, &f)) != 0)
			return e;
	}
	if ((e = frames(s, q)) < 0)
		return e;
	for (size_t k = 0; k < s->nframe; k++) {
		if ((e = frame_at(s, q, &s->place[s->frame[k]], i, &f)) < 0)
			return e;
		if (e && (e = put(arg, &f)) != 0)
			return e;
	}
	return 0;
}
