/* Tokens of a tok frame through a model: sequences apart, their rows together again. */
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "half.h"
#include "rows.h"
#include "size.h"

struct place {
	uint64_t seq;
	uint32_t phase, row;
};

/* One layer's columns of the batch. */
struct layer {
	float *logit, *w;
	uint8_t *ids, *dropped; /* ids: u8 or u16 */
	uint16_t *hidden;
	uint64_t rows;
};

struct capture {
	struct model *m;
	int flags, wide; /* wide: ids are u16 */
	uint64_t layers;
	struct layer *layer;

	struct tr_frame tok;
	struct rows number;
	uint64_t n;            /* rows of tok */
	struct place *place;   /* [n], by seq, phase, row */
	struct place *side[2]; /* [n]: of source and of target, the same order */
	uint32_t *ids[2];      /* [n], in that order */
	uint64_t *first[2];    /* [seqs + 1]: of each sequence in it */
	uint64_t seqs;
	uint32_t *at[2];  /* [n]: row of a layer's columns, of source and of target */
	uint32_t *row;    /* [n], numbers of a layer's rows */
	uint64_t rows[2]; /* of source and of target in all */
};

struct capture *
capture_new(struct model *m, int flags)
{
	struct capture *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->m = m;
	c->flags = flags;
	c->wide = m->info.experts > 255;
	c->layers = tr_list_count(&m->info.routed);
	if (!(c->layer = calloc(c->layers + 1, sizeof *c->layer))) {
		free(c);
		return NULL;
	}
	return c;
}

static void
layers_free(struct capture *c)
{
	for (uint64_t i = 0; i < c->layers; i++) {
		struct layer *l = &c->layer[i];

		free(l->logit);
		free(l->w);
		free(l->ids);
		free(l->dropped);
		free(l->hidden);
		memset(l, 0, sizeof *l);
	}
}

static void
rows_lists_free(struct capture *c)
{
	for (int i = 0; i < 2; i++) {
		free(c->side[i]);
		free(c->ids[i]);
		free(c->first[i]);
		free(c->at[i]);
		c->side[i] = NULL;
		c->first[i] = NULL;
		c->ids[i] = c->at[i] = NULL;
	}
	free(c->place);
	free(c->row);
	c->place = NULL;
	c->row = NULL;
}

void
capture_free(struct capture *c)
{
	if (!c)
		return;
	layers_free(c);
	rows_lists_free(c);
	free(c->layer);
	free(c);
}

/* A key whose number is 0 is none. */
static int
set_number(struct tr_frame *f, const char *key, uint64_t n)
{
	if (n)
		return tr_setu(f, key, n);
	tr_unset(f, key);
	return 0;
}

static int
set_word(struct tr_frame *f, const char *key, const char *word)
{
	if (word)
		return tr_set(f, key, word);
	tr_unset(f, key);
	return 0;
}

int
capture_trace(const struct capture *c, struct tr_frame *trace)
{
	const struct model_info *i = &c->m->info;
	const int drops = (i->flags & MODEL_DROPS) && i->capacity != MODEL_FREE;
	const char *score = i->score == RULES_NONE      ? NULL
			    : i->score == RULES_SIGMOID ? "sigmoid"
							: "softmax";
	int e = tr_set_layers(trace, &i->routed);

	if (e < 0 || (e = tr_setu(trace, "experts", i->experts)) < 0 ||
	    (e = tr_setu(trace, "topk", i->topk)) < 0 ||
	    (e = tr_set(trace, "model", c->m->name)) < 0 ||
	    (e = set_number(trace, "shared", i->shared)) < 0 ||
	    (e = set_word(trace, "score", score)) < 0 ||
	    (e = set_number(trace, "renorm", i->renorm || i->score == RULES_AFTER)) < 0 ||
	    (e = tr_set(trace, "order", "batch,layer")) < 0 ||
	    (e = set_number(trace, "capacity", drops ? i->capacity : 0)) < 0)
		return e;
	return set_word(trace, "dropped",
			!drops                ? NULL
			: c->m->opts.residual ? "residual"
					      : "zero");
}

/* n elements of size bytes in *p; what it held is freed. */
static int
room(void *p, uint64_t n, uint64_t size)
{
	void **to = p;
	size_t bytes;

	free(*to);
	*to = NULL;
	if (size_mul(n, size, &bytes) < 0 || !(*to = malloc(bytes + 1)))
		return TR_ENOMEM;
	return 0;
}

static int
layers_room(struct capture *c)
{
	const struct model_info *i = &c->m->info;

	for (uint64_t k = 0; k < c->layers; k++) {
		struct layer *l = &c->layer[k];
		const uint64_t n =
			c->rows[i->second.n && tr_list_has(&i->second, tr_list_at(&i->routed, k))];

		l->rows = n;
		if (room(&l->w, n, i->topk * sizeof *l->w) < 0 ||
		    room(&l->ids, n, i->topk * (c->wide ? 2 : 1)) < 0 ||
		    ((i->flags & MODEL_DROPS) && i->capacity != MODEL_FREE &&
		     room(&l->dropped, n, i->topk) < 0) ||
		    ((c->flags & CAPTURE_LOGIT) &&
		     room(&l->logit, n, i->experts * sizeof *l->logit) < 0) ||
		    ((c->flags & CAPTURE_HIDDEN) &&
		     room(&l->hidden, n, i->d * sizeof *l->hidden) < 0))
			return TR_ENOMEM;
	}
	return 0;
}

static int
by_seq(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	if (x->phase != y->phase)
		return x->phase < y->phase ? -1 : 1;
	return (x->row > y->row) - (x->row < y->row);
}

static int
sides(struct capture *c, uint64_t n)
{
	for (int i = 0; i < 2; i++)
		if (room(&c->side[i], n, sizeof **c->side) < 0 ||
		    room(&c->ids[i], n, sizeof **c->ids) < 0 ||
		    room(&c->first[i], n + 1, sizeof **c->first) < 0 ||
		    room(&c->at[i], n, sizeof **c->at) < 0)
			return TR_ENOMEM;
	return 0;
}

/* The columns of f into places and ids, by sequence. */
static int
places(struct capture *c, const struct tr_frame *f, char *why)
{
	const int two = (c->m->info.flags & MODEL_DECODER) != 0;
	struct value seq, phase, pos;
	struct tr_col tok;
	uint64_t id, first = 0, n[2] = {0};
	int e = tr_col(f, "tok", &tok);

	if (e == 0)
		return model_why(why, "no column tok"), TR_EVALUE;
	if (e < 0 || (e = value_open(&seq, f, "seq")) < 0 ||
	    (e = value_open(&phase, f, "phase")) < 0 || (e = rows_open(&c->number, f)) < 0)
		return model_why(why, "columns tok, seq, phase or row are none"), e;
	const int has_pos = value_open(&pos, f, "pos");

	if (has_pos < 0)
		return model_why(why, "column pos is none"), has_pos;
	rows_lists_free(c);
	if (room(&c->place, f->rows, sizeof *c->place) < 0 || sides(c, f->rows) < 0 ||
	    room(&c->row, f->rows, sizeof *c->row) < 0)
		return model_why(why, "no memory for %llu rows", (unsigned long long)f->rows),
		       TR_ENOMEM;
	c->n = f->rows;
	c->rows[0] = c->rows[1] = c->seqs = 0;
	for (uint64_t i = 0; i < c->n; i++) {
		const uint32_t second = value_at(&phase, i) != 0;

		c->place[i] = (struct place){value_at(&seq, i), second, (uint32_t)i};
		/* where only one of both is run, the other has no places */
		c->at[0][i] = (uint32_t)c->rows[0];
		c->at[1][i] = (uint32_t)c->rows[1];
		c->rows[two && second]++;
	}
	qsort(c->place, c->n, sizeof *c->place, by_seq);
	for (uint64_t i = 0; i < c->n; i++) {
		const struct place *p = &c->place[i];

		if (i == 0 || p->seq != p[-1].seq)
			first = i;
		if (has_pos && !(two && p->phase) && value_at(&pos, p->row) != i - first)
			return model_why(why, "row %u: pos %llu of sequence %llu, not %llu", p->row,
					 (unsigned long long)value_at(&pos, p->row),
					 (unsigned long long)p->seq,
					 (unsigned long long)(i - first)),
			       TR_EVALUE;
		if (col_u64(&tok, p->row, 1, &id) < 0 || id > UINT32_MAX)
			return model_why(why, "row %u: tok is no id", p->row), TR_EVALUE;
		const int second = two && p->phase;

		if (i == first) {
			c->first[0][c->seqs] = n[0];
			c->first[1][c->seqs++] = n[1];
		}
		c->side[second][n[second]] = *p;
		c->ids[second][n[second]++] = (uint32_t)id;
	}
	c->first[0][c->seqs] = n[0];
	c->first[1][c->seqs] = n[1];
	return 0;
}

/* Rows of a layer to where they stand in the batch. */
static int
take(void *arg, const struct model_route *r)
{
	struct capture *c = arg;
	const struct model_info *i = &c->m->info;
	const int second = i->second.n && tr_list_has(&i->second, r->layer);
	const struct place *p = c->side[second];
	const struct layer *l = &c->layer[tr_list_find(&i->routed, r->layer)];
	const uint64_t k = i->topk;

	for (uint64_t n = 0; n < r->rows; n++) {
		const uint64_t at = c->at[second][p[n].row];

		memcpy(l->w + at * k, r->w + n * k, k * sizeof *l->w);
		for (uint64_t s = 0; s < k; s++)
			if (c->wide)
				memcpy(l->ids + 2 * (at * k + s), &r->ids[n * k + s], 2);
			else
				l->ids[at * k + s] = (uint8_t)r->ids[n * k + s];
		if (l->dropped)
			memcpy(l->dropped + at * k, r->dropped + n * k, k);
		if (l->logit)
			memcpy(l->logit + at * i->experts, r->logit + n * i->experts,
			       i->experts * sizeof *l->logit);
		if (l->hidden)
			half_fromn(l->hidden + at * i->d, r->hidden + n * i->d, i->d);
	}
	return 0;
}

int
capture_run(struct capture *c, const struct tr_frame *tok, char *why)
{
	const int two = (c->m->info.flags & MODEL_DECODER) != 0, both = two && c->m->opts.decoder;
	int e = places(c, tok, why);

	if (e < 0)
		return e;
	c->tok = *tok;
	if (layers_room(c) < 0)
		return model_why(why, "no memory for %llu rows", (unsigned long long)c->n),
		       TR_ENOMEM;
	for (uint64_t i = 0; i < c->seqs && two; i++) {
		const int source = c->first[0][i] < c->first[0][i + 1];

		if (!source || (both && c->first[1][i] == c->first[1][i + 1]))
			return model_why(why,
					 "sequence %llu has no tokens of phase %d, which the %s "
					 "reads",
					 (unsigned long long)c->side[!source][c->first[!source][i]]
						 .seq,
					 source, source ? "decoder" : "encoder"),
			       TR_EVALUE;
	}
	const struct model_batch b = {.n = c->seqs,
				      .source = {c->ids[0], c->first[0]},
				      .target = {c->ids[1], both ? c->first[1] : NULL}};

	return model_run(c->m, &b, take, c, why);
}

/* Row numbers of a frame that has not all rows of tok, or whose rows have numbers. */
static int
numbered(struct capture *c, struct tr_frame *f, int second)
{
	const int two = (c->m->info.flags & MODEL_DECODER) != 0;
	uint64_t first = 0;
	int gaps = 0;
	struct value phase;

	if (value_open(&phase, &c->tok, "phase") < 0)
		return TR_ECOLS;
	for (uint64_t i = 0, n = 0; i < c->n; i++) {
		const uint64_t number = rows_at(&c->number, i);

		if (two && (value_at(&phase, i) != 0) != second)
			continue;
		if (number > UINT32_MAX)
			return TR_ELIMIT;
		if (n == 0)
			first = number;
		gaps |= number != first + n;
		c->row[n++] = (uint32_t)number;
	}
	if (gaps)
		return tr_addcol(f, "row", TR_U32, 1, c->row);
	return first ? tr_setu(f, "row0", first) : 0;
}

int
capture_route(struct capture *c, uint64_t i, struct tr_frame *f)
{
	const struct model_info *m = &c->m->info;
	const struct layer *l = &c->layer[i];
	const uint64_t number = tr_list_at(&m->routed, i);
	const char *batch;
	int e;

	if (!l->rows)
		return 0;
	tr_new(f, "route");
	if ((e = tr_setu(f, "layer", number)) < 0 ||
	    (tr_key(&c->tok, "batch", &batch) && (e = tr_set(f, "batch", batch)) < 0))
		return e;
	tr_rows(f, l->rows);
	if ((e = tr_addcol(f, "ids", c->wide ? TR_U16 : TR_U8, m->topk, l->ids)) < 0 ||
	    (e = tr_addcol(f, "w", TR_F32, m->topk, l->w)) < 0 ||
	    (l->logit && (e = tr_addcol(f, "logit", TR_F32, m->experts, l->logit)) < 0) ||
	    (l->dropped && (e = tr_addcol(f, "dropped", TR_U8, m->topk, l->dropped)) < 0) ||
	    (l->hidden && (e = tr_addcol(f, "hidden", TR_F16, m->d, l->hidden)) < 0) ||
	    (e = numbered(c, f, m->second.n && tr_list_has(&m->second, number))) < 0)
		return e;
	return 1;
}
