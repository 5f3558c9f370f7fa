/* Frames held by copy, and their rows in the order of the batch. */
#include <stdlib.h>
#include <string.h>

#include "held.h"
#include "size.h"

struct held {
	struct tr_frame *f;
	struct rows_buf *buf; /* what the columns of f lie in */
	size_t n, cap;
	uint64_t layer, batch; /* of those held */
	struct {
		uint64_t layer;
		struct tr_list batches;
	} * done;
	size_t ndone;
	struct rows_buf sorted; /* logits in the order of the batch */
};

struct held *
held_new(void)
{
	return calloc(1, sizeof(struct held));
}

void
held_section(struct held *g)
{
	for (size_t i = 0; i < g->ndone; i++)
		tr_list_free(&g->done[i].batches);
	g->ndone = 0;
}

void
held_free(struct held *g)
{
	if (!g)
		return;
	held_section(g);
	for (size_t i = 0; i < g->cap; i++)
		rows_free(&g->buf[i]);
	rows_free(&g->sorted);
	free(g->done);
	free(g->buf);
	free(g->f);
	free(g);
}

int
held_same(const struct held *g, const struct tr_frame *f)
{
	return !g->n || (tr_get(f, "layer", 0) == g->layer && tr_get(f, "batch", 0) == g->batch);
}

/* 1 the first time, 0 then. */
static int
first(struct held *g)
{
	size_t i = 0;

	while (i < g->ndone && g->done[i].layer != g->layer)
		i++;
	if (i == g->ndone) {
		void *p = realloc(g->done, (i + 1) * sizeof *g->done);

		if (!p)
			return TR_ENOMEM;
		g->done = p;
		memset(&g->done[i], 0, sizeof *g->done);
		g->done[i].layer = g->layer;
		g->ndone++;
	}
	/* an empty list has all */
	if (g->done[i].batches.n && tr_list_has(&g->done[i].batches, g->batch))
		return 0;
	return tr_list_add(&g->done[i].batches, g->batch) < 0 ? TR_ENOMEM : 1;
}

static int
grow(struct held *g)
{
	size_t more = g->cap ? 2 * g->cap : 1;
	void *f, *buf;

	if (!(f = realloc(g->f, more * sizeof *g->f)))
		return TR_ENOMEM;
	g->f = f;
	if (!(buf = realloc(g->buf, more * sizeof *g->buf)))
		return TR_ENOMEM;
	g->buf = buf;
	memset(g->buf + g->cap, 0, (more - g->cap) * sizeof *g->buf);
	g->cap = more;
	return 0;
}

int
held_add(struct held *g, const struct tr_frame *f)
{
	struct tr_frame *to;
	unsigned char *p;
	uint64_t need = 1;
	int r;

	if (!g->n) {
		g->layer = tr_get(f, "layer", 0);
		g->batch = tr_get(f, "batch", 0);
		if ((r = first(g)) <= 0)
			return r;
	}
	if (g->n == g->cap && grow(g) < 0)
		return TR_ENOMEM;
	for (int i = 0; i < f->ncols; i++)
		need += size_align(f->rows * f->cols[i].width * f->cols[i].size, TR_ALIGN);
	if (!(p = rows_room(&g->buf[g->n], need)))
		return TR_ENOMEM;
	to = &g->f[g->n++];
	*to = *f;
	to->from = NULL;
	to->raw = to->payload = NULL;
	to->bytes = 0;
	to->enc[0] = 0;
	for (int i = 0; i < to->ncols; i++) {
		uint64_t bytes = to->rows * to->cols[i].width * to->cols[i].size;

		if (bytes)
			memcpy(p, to->cols[i].data, bytes);
		to->cols[i].data = p;
		p += size_align(bytes, TR_ALIGN);
	}
	return 1;
}

void
held_clear(struct held *g)
{
	g->n = 0;
}

size_t
held_frames(const struct held *g)
{
	return g->n;
}

struct tr_frame *
held_frame(struct held *g, size_t i)
{
	return &g->f[i];
}

uint64_t
held_rows(const struct held *g)
{
	uint64_t n = 0;

	for (size_t i = 0; i < g->n; i++)
		n += g->f[i].rows;
	return n;
}

struct numbered {
	uint64_t row, at;
};

static int
by_row(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

/* at[i]: which row, counted through all frames, is the i-th by its number in the batch. */
static int
order(struct held *g, uint64_t *at, struct tr_frame **f)
{
	uint64_t n = held_rows(g), k = 0;
	struct numbered *no = malloc((n + 1) * sizeof *no);
	int e = no ? 0 : TR_ENOMEM;

	for (size_t i = 0; e == 0 && i < g->n; i++) {
		struct rows r;

		*f = &g->f[i];
		e = rows_open(&r, *f);
		for (uint64_t j = 0; e == 0 && j < g->f[i].rows; j++, k++)
			no[k] = (struct numbered){rows_at(&r, j), k};
	}
	if (e == 0) {
		qsort(no, n, sizeof *no, by_row);
		for (uint64_t i = 0; i < n; i++)
			at[i] = no[i].at;
	}
	free(no);
	return e;
}

int
held_route(struct held *g, struct rules_work *w, const double *x, size_t experts,
	   struct rules_row *to, struct tr_frame **f)
{
	uint64_t n = held_rows(g), *at = malloc((n + 1) * sizeof *at);
	struct rules_row *in_order = malloc((n + 1) * sizeof *in_order);
	double *y = rows_room(&g->sorted, (n + 1) * experts * sizeof *y);
	int r = at && in_order && y ? order(g, at, f) : TR_ENOMEM;

	for (uint64_t i = 0; i < n && r == 0; i++) {
		memcpy(y + i * experts, x + at[i] * experts, experts * sizeof *y);
		in_order[i] = to[at[i]];
	}
	if (r == 0 && rules_all(w, y, n, in_order) < 0)
		r = TR_ENOMEM;
	for (uint64_t i = 0; i < n && r == 0; i++)
		to[at[i]] = in_order[i];
	free(in_order);
	free(at);
	return r;
}
