/* Frames with texts among them. */
#include "item.h"
#include "num.h"
#include "size.h"

struct text {
	size_t at, n; /* of item's bytes, then of its rows */
	uint64_t seq;
	struct item_from from;
	int ids;        /* they are ids already, from the first */
	size_t decoder; /* less 1, the first that the decoder reads; 0: none is its own */
};

/* A frame that stays, or the texts of a batch. */
struct unit {
	struct tr_frame *f; /* NULL: texts */
	void *bytes;
	uint64_t batch;
	size_t first, n; /* of texts, then of rows */
};

struct item {
	struct unit *unit;
	struct text *text;
	size_t units, texts, capunit, captext, next;
	struct bytes in;
	struct ids ids;
	/* columns */
	uint32_t *tok, *seq, *pos;
	uint8_t *phase;

	int failed;
	struct item_from from;
};

struct item *
item_new(void)
{
	return calloc(1, sizeof(struct item));
}

void
item_free(struct item *m)
{
	for (size_t i = 0; i < m->units; i++) {
		free(m->unit[i].f);
		free(m->unit[i].bytes);
	}
	free(m->unit);
	free(m->text);
	free(m->in.p);
	free(m->ids.v);
	free(m->tok);
	free(m->seq);
	free(m->pos);
	free(m->phase);
	free(m);
}

static struct unit *
unit_new(struct item *m)
{
	if (m->units == m->capunit &&
	    bytes_grow(&m->unit, &m->capunit, m->units, 1, sizeof *m->unit) < 0)
		return NULL;
	m->unit[m->units] = (struct unit){.first = m->texts};
	return &m->unit[m->units++];
}

int
item_keep(struct item *m, struct tr_frame *f, int decode)
{
	struct unit *u = unit_new(m);
	const void *from = f->raw ? f->raw : f->payload;
	size_t n = f->raw ? f->nraw : f->bytes, at = 0;
	int rc;

	if (!u || !(u->f = malloc(sizeof *u->f)))
		return TR_ENOMEM;
	*u->f = *f;
	u->f->from = NULL;
	if ((decode = f->need && (decode || !f->raw))) {
		if ((rc = tr_decode(f)) < 0)
			return rc;
		from = f->cols[0].data;
		n = f->need;
		u->f->enc[0] = 0;
		tr_rows(u->f, f->rows);
	}
	if (!(u->bytes = malloc(n + 1)))
		return TR_ENOMEM;
	if (n)
		memcpy(u->bytes, from, n);
	if (f->raw && !decode)
		u->f->raw = u->bytes;
	if (f->payload && !decode)
		u->f->payload = (char *)u->bytes + ((const char *)f->payload - (const char *)from);
	for (int i = 0; decode && i < f->ncols; i++) {
		u->f->cols[i].data = (char *)u->bytes + at;
		at = size_align(at + f->rows * f->cols[i].width * f->cols[i].size, TR_ALIGN);
	}
	return 0;
}

static int
text_add(struct item *m, const char *p, size_t n, uint64_t batch, struct text t)
{
	struct unit *u = NULL;

	t.at = m->in.n;
	t.n = n;
	/* behind the texts before it of the same batch, with what is known of this one between */
	for (size_t i = m->units; i-- > 0;) {
		u = &m->unit[i];
		if (!u->f || !strcmp(u->f->kind, "trace"))
			break;
	}
	if (!u || u->f || u->batch != batch) {
		if (!(u = unit_new(m)))
			return TR_ENOMEM;
		u->batch = batch;
	} else if (u != &m->unit[m->units - 1]) {
		struct unit last = *u;

		memmove(u, u + 1, (size_t)(&m->unit[m->units - 1] - u) * sizeof *u);
		u = &m->unit[m->units - 1];
		*u = last;
	}
	if ((m->texts == m->captext &&
	     bytes_grow(&m->text, &m->captext, m->texts, 1, sizeof *m->text) < 0) ||
	    bytes_put(&m->in, p, n) < 0)
		return TR_ENOMEM;
	m->text[m->texts++] = t;
	u->n++;
	return 0;
}

int
item_text(struct item *m, const char *p, size_t n, uint64_t batch, uint64_t seq,
	  struct item_from from)
{
	return text_add(m, p, n, batch, (struct text){.seq = seq, .from = from});
}

long long
item_ids(struct item *m, const char *p, size_t n, uint64_t batch, uint64_t seq, size_t *bad)
{
	struct text t = {.seq = seq, .ids = 1};
	struct bytes ids = {0};
	size_t count;
	uint64_t id;
	int rc = 0;

	for (size_t i = 0, from; i < n && rc == 0; i++) {
		for (from = i; i < n && !memchr(" \t\r|", p[i], 4);)
			i++;
		*bad = from;
		if (i > from && num_u64n(p + from, p + i, 0, UINT32_MAX - 1, &id) < 0)
			rc = TR_EVALUE;
		else if (i > from &&
			 bytes_put(&ids, (const char *)&(uint32_t){(uint32_t)id}, 4) < 0)
			rc = TR_ENOMEM;
		if (rc || i == n || p[i] != '|')
			continue;
		*bad = i;
		rc = t.decoder ? TR_EVALUE : 0;
		t.decoder = ids.n / 4 + 1;
	}
	count = ids.n / 4;
	if (rc == 0)
		rc = text_add(m, ids.p, ids.n, batch, t);
	free(ids.p);
	return rc < 0 ? rc : (long long)count;
}

size_t
item_size(const struct item *m)
{
	return m->in.n;
}

/* Rows of a text: its ids, and once more shifted, or the decoder's own. */
static size_t
rows(struct item *m, const struct text *t, const struct item_opts *o, size_t row)
{
	for (int phase = 0; phase <= (o->shifted || t->decoder); phase++) {
		const int shifted = phase && !t->decoder;
		const size_t from = phase && t->decoder ? t->decoder - 1 : 0;
		const size_t to = !phase && t->decoder ? t->decoder - 1 : t->n;

		for (size_t i = from; i < to; i++, row++) {
			m->tok[row] =
				shifted && !i ? o->start : m->ids.v[t->at + i - (size_t)shifted];
			m->seq[row] = (uint32_t)t->seq;
			m->pos[row] = (uint32_t)(i - from);
			m->phase[row] = (uint8_t)phase;
		}
	}
	return row;
}

static int
encode(struct item *m, struct token_run *r, const struct item_opts *o)
{
	size_t row = 0, all;
	int rc;

	for (size_t i = 0; i < m->texts; i++) {
		struct text *t = &m->text[i];
		size_t from = m->ids.n;

		for (size_t k = 0; t->ids && k < t->n; k += 4) {
			uint32_t id;

			memcpy(&id, m->in.p + t->at + k, 4);
			if (ids_put(&m->ids, id) < 0)
				return TOKENIZER_NOMEM;
		}
		m->from = t->from;
		if (!t->ids &&
		    (rc = tokenizer_encode(r, m->in.p + t->at, t->n, o->most, &m->ids)) < 0)
			return rc;
		t->at = from;
		t->n = m->ids.n - from;
	}
	if (size_mul(m->ids.n + 1, 4 * (size_t)(1 + o->shifted), &all) < 0 ||
	    !(m->tok = malloc(all)) || !(m->seq = malloc(all)) || !(m->pos = malloc(all)) ||
	    !(m->phase = malloc(all / 4)))
		return TOKENIZER_NOMEM;
	for (size_t i = 0; i < m->units; i++) {
		struct unit *u = &m->unit[i];
		size_t first = u->first, n = u->n;

		u->first = row;
		for (size_t k = 0; k < n; k++)
			row = rows(m, &m->text[first + k], o, row);
		u->n = row - u->first;
	}
	return 0;
}

void
item_encode(struct item *m, struct token_run *r, const struct item_opts *o)
{
	m->failed = encode(m, r, o);
}

int
item_failed(const struct item *m, struct item_from *from)
{
	*from = m->from;
	return m->failed;
}

int
item_next(struct item *m, struct tr_frame *f)
{
	const struct unit *u;
	int e;

	/* a text without a token has no rows */
	while (m->next < m->units && !m->unit[m->next].f && !m->unit[m->next].n)
		m->next++;
	if (m->next == m->units)
		return 0;
	u = &m->unit[m->next++];
	if (u->f) {
		*f = *u->f;
		return 1;
	}
	tr_new(f, "tok");
	tr_rows(f, u->n);
	if ((e = tr_setu(f, "batch", u->batch)) < 0 ||
	    (e = tr_addcol(f, "tok", TR_U32, 1, m->tok + u->first)) < 0 ||
	    (e = tr_addcol(f, "seq", TR_U32, 1, m->seq + u->first)) < 0 ||
	    (e = tr_addcol(f, "pos", TR_U32, 1, m->pos + u->first)) < 0 ||
	    (e = tr_addcol(f, "phase", TR_U8, 1, m->phase + u->first)) < 0)
		return e;
	return 1;
}
