/*
 * Rows are put in the order of their experts and worked on by groups: first what lies
 * between the products of a whole group, then what comes out, then the sums of the rows.
 * Each of these is cut into pieces of rows of one expert and of columns.
 */
#include <stdlib.h>
#include <string.h>

#include "../core/size.h"
#include "../core/vectors.h"
#include "../route/ffn.h"
#include "../route/index.h"
#include "dots.h"
#include "networks.h"

enum { NUMBERS = 1 << 23 }; /* that a group holds, about */

struct piece {
	uint64_t expert, row, rows; /* row: in the group */
};

struct group {
	const struct ffns *f;
	int bf16;
	const float *x, *w;
	const uint32_t *perm; /* of the group; NULL: rows are in order, and none is weighed */
	uint64_t k, rows;
	struct piece *piece;
	uint64_t pieces;
	float *mid, *out, *y; /* [rows][hidden], [rows][d], out y where perm is NULL */
};

/* Columns i / pieces of piece i % pieces of a product with w into y, rows ld apart. */
static struct dots
product_of(const struct group *g, uint64_t i, const struct weight *w, float *y, uint64_t ld)
{
	const struct piece *p = &g->piece[i % g->pieces];
	const struct tensor *t = &w->part[p->expert];
	const uint64_t col = i / g->pieces * DOTS_COLS;

	return (struct dots){.each = g->k,
			     .w = (const char *)t->data + col * w->cols * tr_size(t->type),
			     .wtype = t->type,
			     .ldw = w->cols,
			     .n = MIN(w->rows - col, (uint64_t)DOTS_COLS),
			     .d = w->cols,
			     .bf16 = g->bf16,
			     .y = y,
			     .ldy = ld};
}

/* NaN stays, so that it is seen. */
VECTORS static void
relu(float *x, uint64_t n)
{
	typedef float some __attribute__((vector_size(32), aligned(4), may_alias));
	typedef int32_t mask __attribute__((vector_size(32)));
	enum { LANES = 8 };
	uint64_t i = 0;

	for (; i + LANES <= n; i += LANES) {
		const some v = *(some *)(x + i);

		*(some *)(x + i) = (some)((mask)v & ~(v <= 0));
	}
	for (; i < n; i++)
		x[i] = x[i] <= 0 ? 0 : x[i];
}

static void
inner(void *arg, uint64_t i, void *room)
{
	const struct group *g = arg;
	const struct ffns *f = g->f;
	const struct piece *p = &g->piece[i % g->pieces];
	float *up = (float *)((char *)room + dots_room());
	float *to = g->mid + p->row * f->hidden + i / g->pieces * DOTS_COLS;
	struct dots a = product_of(g, i, f->w1, to, f->hidden);

	a.x = g->perm ? g->x : g->x + p->row * f->d;
	a.perm = g->perm ? g->perm + p->row : NULL;
	a.ldx = f->d;
	dots_piece(&a, 0, p->rows, 0, a.n, room);
	if (!f->relu) {
		struct dots b = product_of(g, i, f->w3, up, DOTS_COLS);

		b.x = a.x;
		b.perm = a.perm;
		b.ldx = f->d;
		dots_piece(&b, 0, p->rows, 0, a.n, room);
	}
	for (uint64_t r = 0; r < p->rows; r++, to += f->hidden)
		if (!f->relu)
			ffn_silu(to, up + r * DOTS_COLS, a.n);
		else
			relu(to, a.n);
}

static void
outer(void *arg, uint64_t i, void *room)
{
	const struct group *g = arg;
	const struct ffns *f = g->f;
	const struct piece *p = &g->piece[i % g->pieces];
	struct dots a =
		product_of(g, i, f->w2, g->out + p->row * f->d + i / g->pieces * DOTS_COLS, f->d);

	a.x = g->mid + p->row * f->hidden;
	a.ldx = f->hidden;
	dots_piece(&a, 0, p->rows, 0, a.n, room);
}

/* Some columns of all rows of a group to their sums, in order. */
static void
sum(void *arg, size_t i, int thread)
{
	const struct group *g = arg;
	const uint64_t d = g->f->d, col = i * DOTS_COLS, n = MIN(d - col, (uint64_t)DOTS_COLS);

	for (uint64_t r = 0; r < g->rows; r++) {
		const float w = g->w[g->perm[r]], *from = g->out + r * d + col;
		float *to = g->y + g->perm[r] / g->k * d + col;

		for (uint64_t c = 0; c < n; c++)
			to[c] += w * from[c];
	}
}

static uint64_t
parts(uint64_t n)
{
	return (n + DOTS_COLS - 1) / DOTS_COLS;
}

static int
run(struct group *g, struct team *t)
{
	const struct ffns *f = g->f;
	const uint64_t up = f->relu ? 0 : DOTS_ROWS * DOTS_COLS * sizeof(float);

	if (team_each(t, g->pieces * parts(f->hidden), up, inner, g) < 0 ||
	    team_each(t, g->pieces * parts(f->d), 0, outer, g) < 0)
		return TR_ENOMEM;
	if (g->perm)
		crew_each(t->crew, parts(f->d), sum, g);
	return 0;
}

/* Rows [at, at + g->rows), of which each expert's end at offsets[1], [2] ... */
static void
cut(struct group *g, const uint32_t *offsets, uint64_t at)
{
	uint64_t e = 0;

	g->pieces = 0;
	for (uint64_t row = 0, n; row < g->rows; row += n) {
		while (offsets[e + 1] <= at + row)
			e++;
		/* of the same size, so that threads end together */
		const uint64_t left = MIN(offsets[e + 1] - at, g->rows) - row;

		n = left / ((left + DOTS_ROWS - 1) / DOTS_ROWS);
		g->piece[g->pieces++] = (struct piece){e, row, n};
	}
}

/* All rows, by groups; offsets [f->experts + 1], or without perm of the one network. */
static int
groups(struct group *g, const uint32_t *offsets, const uint32_t *perm, struct team *t)
{
	const struct ffns *f = g->f;
	const uint64_t experts = perm ? f->experts : 1, n = offsets[experts];
	const uint64_t whole = DOTS_ROWS * 4;
	const uint64_t each = MAX(NUMBERS / (f->hidden + f->d) / whole, 1) * whole;
	const uint64_t most = MIN(n, each);
	const float *x = g->x;
	float *y = g->y;
	int r = 0;

	g->mid = malloc((most * f->hidden + 1) * sizeof *g->mid);
	g->out = perm ? malloc((most * f->d + 1) * sizeof *g->out) : y;
	g->piece = malloc((most / DOTS_ROWS + experts + 1) * sizeof *g->piece);
	if (!g->mid || !g->out || !g->piece)
		r = TR_ENOMEM;
	for (uint64_t at = 0; at < n && r == 0; at += g->rows) {
		g->rows = MIN(n - at, each);
		g->perm = perm ? perm + at : NULL;
		g->x = perm ? x : x + at * f->d;
		g->out = perm ? g->out : y + at * f->d;
		cut(g, offsets, at);
		r = run(g, t);
	}
	free(g->mid);
	free(perm ? g->out : NULL);
	free(g->piece);
	return r;
}

int
networks(const struct ffns *f, int bf16, const float *x, const uint16_t *ids, const float *w,
	 uint64_t rows, uint64_t k, float *y, struct team *t)
{
	struct group g = {.f = f, .bf16 = bf16, .x = x, .w = w, .k = k, .y = y};
	struct index index = {.experts = (uint32_t)f->experts, .k = (uint32_t)k};
	const uint32_t all[2] = {0, (uint32_t)rows};
	uint32_t *p;
	int r;

	if (rows * k > UINT32_MAX)
		return TR_ENOMEM;
	if (!ids)
		return groups(&g, all, NULL, t);
	if (!(p = malloc((2 * f->experts + 1 + 2 * rows * k) * sizeof *p)))
		return TR_ENOMEM;
	index.counts = p;
	index.offsets = p + f->experts;
	index.perm = index.offsets + f->experts + 1;
	index.place = index.perm + rows * k;
	memset(y, 0, rows * f->d * sizeof *y);
	if ((r = index_rows(&index, ids, rows, crew_jobs(t->crew))) == 0)
		r = groups(&g, index.offsets, index.perm, t);
	free(p);
	return r;
}
