/* Samples of traces: noted by place, chosen by lib/model/sampleset, read again where they lie. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/model/sampleset.h"
#include "samples.h"
#include "size.h"

enum what { SEQ, TEXT, TOK, OTHER, ROUTE };

struct place { /* of a frame; those of a batch are a list */
	uint64_t off, n, layer, seq;
	uint32_t next, what;
};

struct batch {
	uint64_t number;
	uint32_t input, dataset;
	uint32_t first, last; /* places; UINT32_MAX: none */
};

struct seq {          /* also a sample */
	uint64_t seq; /* TR_NONE: the whole batch */
	uint32_t batch, dataset;
	uint8_t told, synthetic, alone; /* told: by a seq frame; alone in its batch */
};

struct run { /* rows of one sequence */
	uint64_t lo, hi, seq;
	uint32_t batch;
};

struct input {
	struct spool *from;
	enum samples_kind kind;
};

#define LIST(type, name) \
	type *name;      \
	size_t n##name, cap##name

struct samples {
	LIST(struct place, place);
	LIST(struct batch, batch);
	LIST(struct seq, seq);
	LIST(struct run, run);
	LIST(struct input, input);
	LIST(char *, dataset);   /* names; 0 is "" */
	LIST(uint32_t, section); /* batches of this section, by number */
	LIST(uint32_t, sorted);  /* samples of all sets that are chosen from, set by set */
	LIST(uint32_t, at);      /* where a set begins there */
	LIST(uint32_t, frame);   /* places of the batch that is put */
	uint32_t *idx;           /* rows of a frame */
	size_t capidx;
	uint32_t section_dataset;  /* what the trace line says */
	uint64_t layers, sections; /* the fewest layers */
	int ended, decode;
	struct sampleset chosen;
	struct sample *order;
	struct rows_buf buf, cut;
	char err[160];
};

static int
room(void *p, size_t n, size_t *cap, size_t size)
{
	void **to = p, *q;

	if (n < *cap)
		return 0;
	if (n >= UINT32_MAX - 1)
		return TR_ELIMIT;
	if (!(q = realloc(*to, (2 * *cap + 64) * size)))
		return TR_ENOMEM;
	*to = q;
	*cap = 2 * *cap + 64;
	return 0;
}
#define ROOM(s, name) room(&(s)->name, (s)->n##name, &(s)->cap##name, sizeof *(s)->name)

struct samples *
samples_new(uint64_t seed, int decode)
{
	struct samples *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->chosen.seed = seed;
	s->decode = decode;
	if (ROOM(s, dataset) < 0 || !(s->dataset[0] = strdup(""))) {
		samples_free(s);
		return NULL;
	}
	s->ndataset = 1;
	return s;
}

void
samples_free(struct samples *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->ndataset; i++)
		free(s->dataset[i]);
	free(s->place);
	free(s->batch);
	free(s->seq);
	free(s->run);
	free(s->input);
	free(s->dataset);
	free(s->section);
	free(s->sorted);
	free(s->at);
	free(s->frame);
	free(s->idx);
	free(s->order);
	sampleset_free(&s->chosen);
	rows_free(&s->buf);
	rows_free(&s->cut);
	free(s);
}

const char *
samples_err(const struct samples *s)
{
	return s->err;
}

/* ---- first pass ---- */

static int
dataset(struct samples *s, const struct tr_frame *f, uint32_t *to)
{
	char name[TR_HEADER_MAX];
	size_t i = s->ndataset;
	int e;

	if (tr_text(f, "dataset", name, sizeof name) <= 0)
		return 0;
	while (i-- > 0)
		if (!strcmp(s->dataset[i], name)) {
			*to = (uint32_t)i;
			return 0;
		}
	if ((e = ROOM(s, dataset)) < 0)
		return e;
	if (!(s->dataset[s->ndataset] = strdup(name)))
		return TR_ENOMEM;
	*to = (uint32_t)s->ndataset++;
	return 0;
}

/* The batch of that number in this section, perhaps a new one. */
static int
batch_of(struct samples *s, uint64_t number, uint32_t *to)
{
	size_t lo = 0, hi = s->nsection, mid;
	int e;

	if (hi && s->batch[s->section[hi - 1]].number < number)
		lo = hi; /* the usual: they ascend */
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (s->batch[s->section[mid]].number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < s->nsection && s->batch[s->section[lo]].number == number) {
		*to = s->section[lo];
		return 0;
	}
	if ((e = ROOM(s, batch)) < 0 || (e = ROOM(s, section)) < 0)
		return e;
	memmove(s->section + lo + 1, s->section + lo, (s->nsection - lo) * sizeof *s->section);
	s->nsection++;
	*to = s->section[lo] = (uint32_t)s->nbatch;
	s->batch[s->nbatch++] = (struct batch){number, (uint32_t)s->ninput - 1, s->section_dataset,
					       UINT32_MAX, UINT32_MAX};
	return 0;
}

static int
add_seq(struct samples *s, const struct seq *q)
{
	int e = ROOM(s, seq);

	if (e == 0)
		s->seq[s->nseq++] = *q;
	return e;
}

/* Which rows of its batch a tok frame gives to which sequence. */
static int
note_tok(struct samples *s, const struct tr_frame *f, uint32_t batch)
{
	struct value seq;
	struct rows r;
	int e = value_open(&seq, f, "seq");

	if (e <= 0 || (e = rows_open(&r, f)) < 0)
		return e;
	for (uint64_t i = 0; i < f->rows; i++) {
		struct run *last = s->nrun ? &s->run[s->nrun - 1] : NULL;
		const uint64_t n = value_at(&seq, i), row = rows_at(&r, i);

		if (last && last->batch == batch && last->seq == n && last->hi + 1 == row) {
			last->hi = row;
			continue;
		}
		if ((e = ROOM(s, run)) < 0)
			return e;
		s->run[s->nrun++] = (struct run){row, row, n, batch};
		if ((e = add_seq(s, &(struct seq){.seq = n, .batch = batch})) < 0)
			return e;
	}
	return 0;
}

static int
note(struct samples *s, const struct tr_frame *f)
{
	static const char *const kinds[] = {"seq", "text", "tok", [ROUTE] = "route"};
	struct place p = {f->offset, f->nraw, 0, TR_NONE, UINT32_MAX, OTHER};
	struct batch *b;
	uint64_t number = 0;
	uint32_t at;
	int e;

	if (!strcmp(f->kind, "trace")) {
		s->nsection = 0;
		s->section_dataset = 0;
		return dataset(s, f, &s->section_dataset);
	}
	for (uint32_t i = 0; i < LEN(kinds); i++)
		if (kinds[i] && !strcmp(f->kind, kinds[i]))
			p.what = i;
	if (tr_get(f, "derived", 0) == 1 || (e = tr_num(f, "batch", &number)) < 0 ||
	    (e == 0 && p.what == OTHER))
		return tr_num(f, "batch", &number) < 0 ? TR_EVALUE : 0;
	if (tr_num(f, "seq", &p.seq) < 0 || tr_num(f, "layer", &p.layer) < 0)
		return TR_EVALUE;
	if (p.what <= TEXT && p.seq == TR_NONE)
		return TR_EVALUE;
	if ((e = batch_of(s, number, &at)) < 0 || (e = ROOM(s, place)) < 0)
		return e;
	b = &s->batch[at];
	if (b->first == UINT32_MAX)
		b->first = (uint32_t)s->nplace;
	else
		s->place[b->last].next = (uint32_t)s->nplace;
	b->last = (uint32_t)s->nplace;
	s->place[s->nplace++] = p;
	if (p.what == TOK)
		return note_tok(s, f, at);
	if (p.what == SEQ) {
		struct seq q = {.seq = p.seq, .batch = at, .dataset = b->dataset, .told = 1};

		q.synthetic = tr_get(f, "synthetic", 0) == 1;
		if ((e = dataset(s, f, &q.dataset)) < 0)
			return e;
		return add_seq(s, &q);
	}
	return 0;
}

int
samples_read(struct samples *s, struct tr *in, struct spool *from, enum samples_kind kind,
	     struct tr_head *head, int force)
{
	struct tr_frame f;
	int e = ROOM(s, input);

	if (e < 0)
		return e;
	s->input[s->ninput++] = (struct input){from, kind};
	while ((e = tr_next(in, &f)) > 0) {
		if ((e = tr_head_add(head, &f, force)) < 0)
			return tr_fail(in, &f, e, "%s", tr_head_errstr(head));
		if (!strcmp(f.kind, "trace") &&
		    (!s->sections++ || tr_section(in)->layers < s->layers))
			s->layers = tr_section(in)->layers;
		if ((e = note(s, &f)) < 0)
			return tr_fail(in, &f, e,
				       e == TR_ENOMEM   ? "no memory"
				       : e == TR_ELIMIT ? "too many frames or sequences"
							: "@%s: batch, seq, row or layer "
							  "is no number",
				       f.kind);
	}
	return e;
}

uint64_t
samples_layers(const struct samples *s)
{
	return s->layers;
}

/* ---- the choice ---- */

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
				 "its "
				 "rows are",
				 (unsigned long long)s->batch[q->batch].number);
			return TR_EVALUE;
		}
	}
	for (size_t i = 0; b < s->nbatch; b++) {
		while (i < told && s->seq[i].batch < b)
			i++;
		if ((i == told || s->seq[i].batch != b) &&
		    (e = add_seq(s, &(struct seq){TR_NONE, (uint32_t)b, s->batch[b].dataset, 0, 0,
						  1})) < 0)
			return e;
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

/* ---- second pass ---- */

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

/* Places of a batch in the order in which they are written; their number, or TR_E.... */
static long long
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
	return (long long)s->nframe;
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
	if (frames(s, q) < 0)
		return TR_ENOMEM;
	for (size_t k = 0; k < s->nframe; k++) {
		if ((e = frame_at(s, q, &s->place[s->frame[k]], i, &f)) < 0)
			return e;
		if (e && (e = put(arg, &f)) != 0)
			return e;
	}
	return 0;
}
