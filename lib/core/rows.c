/* Rows of tok and route frames.  moetrace(5), KINDS: row and row0. */
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "size.h"

int
rows_open(struct rows *r, const struct tr_frame *f)
{
	int e;

	memset(r, 0, sizeof *r);
	if ((e = tr_col(f, "row", &r->col)) < 0)
		return e;
	if (e > 0)
		return r->col.type > TR_U64 || r->col.width != 1 ? TR_ECOLS : 0;
	if ((e = tr_num(f, "row", &r->row0)) != 0) {
		r->fixed = 1;
		return e < 0 ? e : 0;
	}
	e = tr_num(f, "row0", &r->row0);
	if (e == 0)
		r->row0 = 0;
	if (e < 0 || r->row0 > INT64_MAX - TR_ROWS_MAX)
		return TR_EVALUE;
	return 0;
}

uint64_t
rows_at(const struct rows *r, uint64_t i)
{
	uint64_t n = 0;

	if (!r->col.data)
		return r->fixed ? r->row0 : r->row0 + i;
	if (r->col.type == TR_U32)
		return ((const uint32_t *)r->col.data)[i];
	col_u64(&r->col, i, 1, &n);
	return n;
}

int
value_open(struct value *v, const struct tr_frame *f, const char *name)
{
	int r = tr_col(f, name, &v->col);

	if (r > 0)
		return v->col.type > TR_U64 || v->col.width != 1 ? TR_ECOLS : 1;
	v->col.data = NULL;
	v->key = 0;
	return r < 0 ? r : tr_num(f, name, &v->key);
}

uint64_t
value_at(const struct value *v, uint64_t i)
{
	uint64_t n = v->key;

	if (v->col.data)
		col_u64(&v->col, i, 1, &n);
	return n;
}

void *
rows_room(struct rows_buf *buf, size_t n)
{
	if (n > buf->cap || !buf->p) {
		size_t cap = size_align(n + n / 4 + 1, TR_ALIGN);

		free(buf->p);
		buf->cap = 0;
		if (!(buf->p = aligned_alloc(TR_ALIGN, cap)))
			return NULL;
		buf->cap = cap;
	}
	return buf->p;
}

void
rows_free(struct rows_buf *buf)
{
	free(buf->p);
	buf->p = NULL;
	buf->cap = 0;
}

/* Rows of bytes bytes; neighbours are copied together. */
static void
gather(unsigned char *to, const unsigned char *from, size_t bytes, const uint32_t *idx, uint64_t n)
{
	for (uint64_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && idx[end] == idx[end - 1] + 1; end++)
			;
		memcpy(to, from + idx[i] * bytes, (end - i) * bytes);
		to += (end - i) * bytes;
	}
}

int
rows_take(struct tr_frame *dst, struct tr_frame *src, const uint32_t *idx, uint64_t n,
	  struct rows_buf *buf)
{
	struct rows r;
	uint64_t need = 0;
	unsigned char *p;
	const char *val;
	int e;

	if ((e = tr_decode(src)) < 0 || (e = rows_open(&r, src)) < 0)
		return e;
	for (int i = 0; i < src->ncols; i++)
		need += size_align(n * src->cols[i].width * src->cols[i].size, TR_ALIGN);
	need += n * sizeof(uint64_t);
	if (!(p = rows_room(buf, need)))
		return TR_ENOMEM;
	*dst = *src;
	dst->from = NULL;
	dst->enc[0] = 0;
	tr_rows(dst, n);
	for (int i = 0; i < dst->ncols; i++) {
		struct tr_col *c = &dst->cols[i];
		size_t bytes = (size_t)c->width * c->size;

		if (n)
			gather(p, c->data, bytes, idx, n);
		c->rows = n;
		c->data = p;
		p += size_align(n * bytes, TR_ALIGN);
	}
	if (r.fixed || tr_col(dst, "row", &r.col) > 0)
		return 0;
	if (n && r.row0 + idx[n - 1] > UINT32_MAX) {
		uint64_t *row = (uint64_t *)p;

		for (uint64_t i = 0; i < n; i++)
			row[i] = r.row0 + idx[i];
		e = tr_addcol(dst, "row", TR_U64, 1, row);
	} else {
		uint32_t *row = (uint32_t *)p;

		for (uint64_t i = 0; i < n; i++)
			row[i] = (uint32_t)r.row0 + idx[i];
		e = tr_addcol(dst, "row", TR_U32, 1, row);
	}
	if (tr_key(dst, "row0", &val))
		tr_unset(dst, "row0");
	return e;
}

int
rows_dropcols(struct tr_frame *f, const char *names)
{
	char name[TR_NAME_MAX];
	struct tr_col c;
	size_t n;
	int r;

	for (const char *s = names; *s; s += n + !!s[n]) {
		n = strcspn(s, ",");
		if (n == 0 || n >= sizeof name)
			return TR_EUSE;
		memcpy(name, s, n);
		name[n] = 0;
		if (!strcmp(name, "row"))
			return TR_EVALUE;
		if (tr_col(f, name, &c) == 0)
			continue;
		if ((r = tr_decode(f)) < 0)
			return r;
		if (f->ncols == 1)
			return TR_ECOLS;
		tr_dropcol(f, name);
	}
	return 0;
}
