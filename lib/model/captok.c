/* The tok frame of a batch that has grown, see capseq.h. */
#include <stdlib.h>
#include <string.h>

#include "capseq.h"
#include "rows.h"
#include "size.h"

/* One of the columns that have a meaning here: the number of row i of the frame. */
static int
known(const struct capseq *s, const struct tr_frame *tok, struct tr_frame *f, const char *name,
      enum tr_type type, unsigned char *p)
{
	const size_t size = tr_size(type);
	const int is_row = !strcmp(name, "row");
	struct rows number;
	struct value v = {0};
	struct tr_col col;
	uint64_t x;
	int e = is_row                ? rows_open(&number, tok)
		: strcmp(name, "tok") ? value_open(&v, tok, name)
				      : tr_col(tok, name, &col);

	if (e < 0)
		return e;
	for (uint64_t i = 0; i < tok->rows + s->nadded; i++) {
		const struct capseq_new *a = s->added + (i - tok->rows);

		if (i >= tok->rows)
			x = is_row                   ? a->number
			    : !strcmp(name, "tok")   ? a->id
			    : !strcmp(name, "seq")   ? s->seq[a->seq]
			    : !strcmp(name, "phase") ? 1
						     : a->pos;
		else if (is_row)
			x = rows_at(&number, i);
		else if (strcmp(name, "tok"))
			x = value_at(&v, i);
		else if ((e = col_u64(&col, i, 1, &x)) < 0)
			return e;
		if (size < 8 && x >> 8 * size)
			return TR_ELIMIT;
		memcpy(p + i * size, &x, size); /* little-endian */
	}
	tr_unset(f, name);
	return tr_addcol(f, name, type, 1, p);
}

/* The column's memory of rows of that many bytes, out of what is left at *p. */
static unsigned char *
cut(unsigned char **p, uint64_t rows, size_t bytes)
{
	unsigned char *to = *p;

	*p += size_align(rows * bytes, TR_ALIGN);
	return to;
}

int
capseq_tok(const struct capseq *s, const struct tr_frame *tok, struct tr_frame *f, void **mem)
{
	static const struct {
		const char *name;
		enum tr_type type;
	} own[] = {{"tok", TR_U32},
		   {"seq", TR_U32},
		   {"pos", TR_U32},
		   {"phase", TR_U8},
		   {"row", TR_U32}};
	const uint64_t rows = tok->rows + s->nadded;
	size_t need = 0, bytes;
	unsigned char *p, *to;
	int e = 0, numbered = s->next != tr_get(tok, "row0", 0) + rows;

	for (int i = 0; i < tok->ncols; i++) {
		numbered |= !strcmp(tok->cols[i].name, "row");
		if (size_mul(rows, (size_t)tok->cols[i].width * tok->cols[i].size, &bytes) < 0 ||
		    size_add(need, size_align(bytes, TR_ALIGN), &need) < 0)
			return TR_ENOMEM;
	}
	free(*mem);
	if (size_add(need, LEN(own) * size_align(4 * rows, TR_ALIGN), &need) < 0 ||
	    !(*mem = p = calloc(need + 1, 1))) {
		*mem = NULL;
		return TR_ENOMEM;
	}
	*f = *tok;
	f->from = NULL;
	tr_rows(f, rows);
	/* what is not known here is 0 in the rows that are added */
	for (int i = 0; i < tok->ncols; i++) {
		const struct tr_col *c = &tok->cols[i];

		bytes = (size_t)c->width * c->size;
		to = cut(&p, rows, bytes);
		if (tok->rows)
			memcpy(to, c->data, tok->rows * bytes);
		f->cols[i].rows = rows;
		f->cols[i].data = to;
	}
	for (size_t i = 0; i < LEN(own) - !numbered && e == 0; i++)
		e = known(s, tok, f, own[i].name, own[i].type, cut(&p, rows, tr_size(own[i].type)));
	return e;
}
