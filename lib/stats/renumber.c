#include <string.h>

#include "renumber.h"
#include "size.h"

int
renumber_open(struct renumber *r, uint64_t experts, const uint64_t *old, const uint64_t *new,
	      size_t n, uint64_t *twice)
{
	r->experts = experts;
	for (size_t e = 0; e < 1 << 16; e++) {
		r->to[e] = (uint16_t)e;
		r->from[e] = UINT16_MAX;
	}
	for (size_t i = 0; i < n; i++) {
		if (old[i] >= experts || new[i] >= experts)
			return 1;
		r->to[old[i]] = (uint16_t) new[i];
	}
	for (uint64_t e = 0; e < experts; e++) {
		if (r->from[r->to[e]] != UINT16_MAX) {
			*twice = r->to[e];
			return 2;
		}
		r->from[r->to[e]] = (uint16_t)e;
	}
	return 0;
}

static void
picks(const struct renumber *r, const struct tr_ids *ids, uint64_t n, uint32_t size,
      unsigned char *to)
{
	memset(to, 0xff, n * size);
	for (uint64_t k = 0; k < n; k++) {
		uint32_t e = tr_id(ids, k);
		uint64_t id = e == UINT32_MAX ? TR_NONE : r->to[e];

		memcpy(to + k * size, &id, size); /* little-endian */
	}
}

/* A column by expert: element e of each row is what its old one was. */
static void
permute(const struct renumber *r, const struct tr_col *c, unsigned char *to)
{
	const unsigned char *from = c->data;

	for (uint64_t i = 0; i < c->rows; i++)
		for (uint32_t e = 0; e < c->width; e++)
			memcpy(to + (i * c->width + e) * c->size,
			       from + (i * c->width + r->from[e]) * c->size, c->size);
}

int
renumber_route(const struct renumber *r, struct tr_frame *f, struct rows_buf *buf)
{
	struct tr_ids ids;
	uint64_t need = 0;
	unsigned char *p;
	int e = tr_ids(f, &ids);

	if (e < 0 || (e = tr_decode(f)) < 0)
		return e;
	for (int i = 0; i < f->ncols; i++)
		need += size_align(f->rows * f->cols[i].width * f->cols[i].size, TR_ALIGN);
	if (!(p = rows_room(buf, need)))
		return TR_ENOMEM;
	for (int i = 0; i < f->ncols; i++) {
		struct tr_col *c = &f->cols[i];
		uint64_t n = f->rows * c->width;
		int by_expert = !strcmp(c->name, "logit") || !strcmp(c->name, "p");

		c->rows = f->rows;
		if (!f->rows || (!by_expert && strcmp(c->name, "ids") != 0))
			continue;
		if (by_expert && c->width != r->experts)
			return TR_ECOLS;
		if (by_expert)
			permute(r, c, p);
		else
			picks(r, &ids, n, c->size, p);
		c->data = p;
		p += size_align(n * c->size, TR_ALIGN);
	}
	f->enc[0] = 0;
	tr_rows(f, f->rows);
	return 0;
}
