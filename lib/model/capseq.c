/* Sequences of a tok frame, see capseq.h. */
#include "capseq.h"

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "rows.h"
#include "size.h"

struct place {
	uint64_t seq;
	uint32_t side, phase, row;
};

static int
by_seq(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->side != y->side)
		return x->side < y->side ? -1 : 1;
	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	if (x->phase != y->phase)
		return x->phase < y->phase ? -1 : 1;
	return (x->row > y->row) - (x->row < y->row);
}

void
capseq_free(struct capseq *s)
{
	for (int i = 0; i < 2; i++) {
		free(s->side[i].ids);
		free(s->side[i].at);
		free(s->side[i].to);
		free(s->side[i].number);
	}
	free(s->seq);
	free(s->added);
	memset(s, 0, sizeof *s);
}

/* Rows of the frame into places, and their numbers into the sides. */
static int
places(struct capseq *s, const struct tr_frame *f, int two, struct place *p, char *why)
{
	struct value seq, phase;
	struct rows number;
	int e;

	if ((e = value_open(&seq, f, "seq")) < 0 || (e = value_open(&phase, f, "phase")) < 0 ||
	    (e = rows_open(&number, f)) < 0)
		return model_why(why, "columns seq, phase or row are none"), e;
	for (uint64_t i = 0; i < f->rows; i++) {
		const uint64_t no = rows_at(&number, i);
		const uint32_t later = value_at(&phase, i) != 0;
		struct capseq_side *side = &s->side[two && later];

		if (no > UINT32_MAX)
			return model_why(why, "row %llu: its number is too large",
					 (unsigned long long)i),
			       TR_ELIMIT;
		p[i] = (struct place){value_at(&seq, i), two && later, later, (uint32_t)i};
		/* for now: of the row, not of the place */
		side->to[i] = (uint32_t)side->rows;
		side->number[side->rows++] = (uint32_t)no;
		s->next = MAX(s->next, no + 1);
	}
	return 0;
}

/* Sequences are those of the source. */
static int
sequences(struct capseq *s, const struct place *p, uint64_t n, char *why)
{
	const uint64_t m = s->side[CAPSEQ_SOURCE].rows;
	uint64_t i = 0, t = m;

	for (s->n = 0; i < m; s->n++) {
		const uint64_t seq = p[i].seq;

		if (t < n && p[t].seq < seq)
			break;
		s->seq[s->n] = seq;
		s->side[CAPSEQ_SOURCE].at[s->n] = i;
		s->side[CAPSEQ_TARGET].at[s->n] = t - m;
		while (i < m && p[i].seq == seq)
			i++;
		while (t < n && p[t].seq == seq)
			t++;
	}
	s->side[CAPSEQ_SOURCE].at[s->n] = i;
	s->side[CAPSEQ_TARGET].at[s->n] = t - m;
	if (t == n)
		return 0;
	model_why(why, "sequence %llu has no tokens of phase 0, which the encoder reads",
		  (unsigned long long)p[t].seq);
	return TR_EVALUE;
}

/* Token ids in the order of places, positions checked. */
static int
tokens(struct capseq *s, const struct tr_frame *f, const struct place *p, char *why)
{
	const uint64_t m = s->side[CAPSEQ_SOURCE].rows;
	struct value pos;
	struct tr_col tok;
	uint64_t id, first = 0;
	int e = tr_col(f, "tok", &tok);

	if (e == 0)
		return model_why(why, "no column tok"), TR_EVALUE;
	const int has_pos = value_open(&pos, f, "pos");

	if (e < 0 || has_pos < 0)
		return model_why(why, "columns tok or pos are none"), MIN(e, has_pos);
	for (uint64_t i = 0; i < f->rows; i++) {
		const struct place *q = &p[i];

		if (i == 0 || q->seq != q[-1].seq)
			first = i;
		if (has_pos && i < m && value_at(&pos, q->row) != i - first)
			return model_why(why, "row %u: pos %llu of sequence %llu, not %llu", q->row,
					 (unsigned long long)value_at(&pos, q->row),
					 (unsigned long long)q->seq,
					 (unsigned long long)(i - first)),
			       TR_EVALUE;
		if (col_u64(&tok, q->row, 1, &id) < 0 || id > UINT32_MAX)
			return model_why(why, "row %u: tok is no id", q->row), TR_EVALUE;
		s->side[i >= m].ids[i >= m ? i - m : i] = (uint32_t)id;
	}
	return 0;
}

/* side->to, by row of the frame, becomes by place. */
static int
order(struct capseq *s, const struct place *p)
{
	for (int k = 0; k < 2; k++) {
		struct capseq_side *side = &s->side[k];
		const struct place *q = p + (k ? s->side[CAPSEQ_SOURCE].rows : 0);
		uint32_t *to = malloc((side->rows + 1) * sizeof *to);

		if (!to)
			return TR_ENOMEM;
		for (uint64_t i = 0; i < side->rows; i++)
			to[i] = side->to[q[i].row];
		free(side->to);
		side->to = to;
	}
	return 0;
}

/* Start tokens of sequences that have no target. */
static int
begin(struct capseq *s, const struct capseq_rule *rule, char *why)
{
	struct capseq_side *t = &s->side[CAPSEQ_TARGET];
	const uint64_t n = t->rows;
	uint32_t *ids = calloc(n + s->n + 1, sizeof *ids), *to = calloc(n + s->n + 1, sizeof *to);
	uint64_t k = 0, from = 0;
	int r = ids && to ? 0 : TR_ENOMEM;

	for (uint64_t i = 0; i < s->n && r == 0; i++) {
		const uint64_t end = t->at[i + 1];

		t->at[i] = k;
		if (from == end && rule->start == UINT32_MAX) {
			model_why(why,
				  "sequence %llu has no tokens of phase 1, which the decoder reads",
				  (unsigned long long)s->seq[i]);
			r = TR_EVALUE;
		} else if (from == end) {
			ids[k] = rule->start;
			r = capseq_add(s, CAPSEQ_TARGET, i, rule->start, 0, &to[k++]);
		}
		for (; from < end; from++, k++) {
			ids[k] = t->ids[from];
			to[k] = t->to[from];
		}
	}
	t->at[s->n] = k;
	free(t->ids);
	free(t->to);
	t->ids = ids;
	t->to = to;
	return r;
}

int
capseq_read(struct capseq *s, const struct tr_frame *tok, const struct capseq_rule *rule, char *why)
{
	const uint64_t n = tok->rows;
	struct place *p = calloc(n + 1, sizeof *p);
	int r = p ? 0 : TR_ENOMEM;

	capseq_free(s);
	if (!(s->seq = calloc(n + 1, sizeof *s->seq)))
		r = TR_ENOMEM;
	for (int k = 0; k < 2; k++) {
		struct capseq_side *side = &s->side[k];

		side->cap = n + 1;
		side->ids = calloc(n + 1, sizeof *side->ids);
		side->at = calloc(n + 2, sizeof *side->at);
		side->to = calloc(n + 1, sizeof *side->to);
		side->number = calloc(n + 1, sizeof *side->number);
		if (!side->ids || !side->at || !side->to || !side->number)
			r = TR_ENOMEM;
	}
	*why = 0;
	if (r == 0 && (r = places(s, tok, rule->two, p, why)) == 0) {
		qsort(p, n, sizeof *p, by_seq);
		if ((r = sequences(s, p, n, why)) == 0 && (r = tokens(s, tok, p, why)) == 0 &&
		    (r = order(s, p)) == 0 && rule->two && rule->target)
			r = begin(s, rule, why);
	}
	free(p);
	if (r == TR_ENOMEM)
		model_why(why, "no memory for %llu rows", (unsigned long long)n);
	return r;
}

int
capseq_add(struct capseq *s, int side, uint64_t i, uint32_t id, uint64_t pos, uint32_t *to)
{
	struct capseq_side *x = &s->side[side];

	if (s->next > UINT32_MAX || s->next >= TR_ROWS_MAX)
		return TR_ELIMIT;
	if (x->rows == x->cap) {
		uint32_t *p = realloc(x->number, 2 * x->cap * sizeof *p);

		if (!p)
			return TR_ENOMEM;
		x->number = p;
		x->cap *= 2;
	}
	if (s->nadded == s->cap) {
		const uint64_t cap = s->cap ? 2 * s->cap : 64;
		struct capseq_new *p = realloc(s->added, cap * sizeof *p);

		if (!p)
			return TR_ENOMEM;
		s->added = p;
		s->cap = cap;
	}
	s->added[s->nadded++] = (struct capseq_new){i, pos, id, (uint32_t)s->next};
	*to = (uint32_t)x->rows;
	x->number[x->rows++] = (uint32_t)s->next++;
	return 0;
}
