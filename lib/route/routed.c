/* Results of the rules into columns; moetrace(5), route. */
#include <string.h>

#include "routed.h"
#include "size.h"

static void *
room(struct rows_buf *buf, uint64_t n, uint64_t width, size_t size)
{
	size_t need;

	if (size_mul(n, width, &need) || size_mul(need, size, &need) || size_add(need, 1, &need))
		return NULL;
	return rows_room(buf, need);
}

struct rules_row *
routed_rows(struct routed *m, const struct rules *r, uint64_t n)
{
	struct rules_row *to = room(&m->rows, n, 1, sizeof *to);
	uint32_t *ids = room(&m->ids, n, r->width, sizeof *ids);
	double *w = room(&m->w, n, r->width, sizeof *w);
	uint8_t *dropped = room(&m->dropped, n, r->width, 1);

	if (!to || !ids || !w || !dropped)
		return NULL;
	for (uint64_t i = 0; i < n; i++)
		to[i] = (struct rules_row){.ids = ids + i * r->width,
					   .w = w + i * r->width,
					   .dropped = dropped + i * r->width};
	return to;
}

void
routed_free(struct routed *m)
{
	rows_free(&m->rows);
	rows_free(&m->ids);
	rows_free(&m->w);
	rows_free(&m->dropped);
	rows_free(&m->col_ids);
	rows_free(&m->col_w);
	rows_free(&m->col_count);
	rows_free(&m->col_dropped);
	rows_free(&m->col_rank);
	rows_free(&m->col_hc);
}

int
routed_trace(const struct rules *r, struct tr_frame *f)
{
	int e = 0;

	tr_unset(f, "renorm");
	if (r->score == RULES_NONE)
		tr_unset(f, "score");
	else
		e = tr_set(f, "score", r->score == RULES_SIGMOID ? "sigmoid" : "softmax");
	if (e == 0)
		e = tr_setu(f, "topk", r->width);
	if (e == 0 && (r->renorm || r->kind == RULES_BH || r->score == RULES_AFTER))
		e = tr_setu(f, "renorm", 1);
	return e;
}

/* Old columns and constants of these names go. */
static void
forget(struct tr_frame *f, const char *name)
{
	tr_dropcol(f, name);
	tr_unset(f, name);
}

static int
best_cols(struct routed *m, const struct rules *r, const struct rules_row *rows, struct tr_frame *f)
{
	uint32_t *rank = room(&m->col_rank, f->rows, 1, sizeof *rank);
	double *hc = room(&m->col_hc, f->rows, 1, sizeof *hc);
	int e;

	if (!rank || !hc)
		return TR_ENOMEM;
	for (uint64_t i = 0; i < f->rows; i++) {
		rank[i] = rows[i].rank;
		hc[i] = rows[i].hc;
	}
	e = tr_addcol(f, "best_rank", TR_U32, 1, rank);
	return e == 0 && r->kind == RULES_HC ? tr_addcol(f, "hc_max", TR_F64, 1, hc) : e;
}

int
routed_cols(struct routed *m, const struct rules *r, const struct rules_row *rows,
	    struct tr_frame *f)
{
	const uint64_t n = f->rows, width = r->width;
	int wide = r->experts > 255, wcount = width > 255, e;
	uint8_t *ids = room(&m->col_ids, n, width, 2), *count = room(&m->col_count, n, 1, 2);
	uint8_t *dropped = room(&m->col_dropped, n, width, 1);
	uint16_t *ids16 = (uint16_t *)ids, *count16 = (uint16_t *)count;
	float *w = room(&m->col_w, n, width, sizeof *w);

	if (!ids || !count || !dropped || !w)
		return TR_ENOMEM;
	for (uint64_t i = 0; i < n; i++) {
		uint32_t kept = 0;

		for (uint32_t k = 0; k < width; k++) {
			uint64_t at = i * width + k;
			int has = k < rows[i].count;
			uint32_t id = has ? rows[i].ids[k] : UINT32_MAX;

			if (wide)
				ids16[at] = (uint16_t)id;
			else
				ids[at] = (uint8_t)id;
			w[at] = has ? (float)rows[i].w[k] : 0;
			dropped[at] = has && rows[i].dropped[k];
			kept += has && !dropped[at];
		}
		if (wcount)
			count16[i] = (uint16_t)kept;
		else
			count[i] = (uint8_t)kept;
	}
	forget(f, "ids");
	forget(f, "w");
	forget(f, "count");
	forget(f, "dropped");
	forget(f, "best_rank");
	forget(f, "hc_max");
	e = tr_addcol(f, "ids", wide ? TR_U16 : TR_U8, width, ids);
	if (e == 0)
		e = tr_addcol(f, "w", TR_F32, width, w);
	if (e == 0)
		e = tr_addcol(f, "count", wcount ? TR_U16 : TR_U8, 1, count);
	if (e == 0 && r->kind == RULES_CAPACITY)
		e = tr_addcol(f, "dropped", TR_U8, width, dropped);
	return e == 0 && m->best ? best_cols(m, r, rows, f) : e;
}
