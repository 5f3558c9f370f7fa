/* Samples of traces: their frames noted by place, in one pass. */
#include <stdlib.h>
#include <string.h>

#include "samplesown.h"
#include "size.h"

int
samples_room(void *list, size_t n, size_t *cap, size_t size)
{
	void **to = list, *q;

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
	if ((e = tr_num(f, "batch", &number)) < 0)
		return TR_EVALUE;
	if (tr_get(f, "derived", 0) == 1 || (e == 0 && p.what == OTHER))
		return 0;
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
