/*
 * Frames that are a line of numbers (count, topk, load) become rows of one map,
 * a row a layer; a frame that is a matrix is a map.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../plot/series.h"
#include "maps.h"
#include "size.h"

static struct map *
map_of(struct maps *m, const struct series *s, const struct tr_frame *f)
{
	char title[200];
	struct map *a;

	group_what(f, s->matrix, title, sizeof title);
	for (size_t i = 0; i < m->n && !s->matrix; i++)
		if (m->at[i].columns == s->rows && !strcmp(m->at[i].title, title))
			return &m->at[i];
	if (!(a = realloc(m->at, (m->n + 1) * sizeof *a)))
		return NULL;
	m->at = a;
	a = memset(&m->at[m->n++], 0, sizeof *a);
	memcpy(a->title, title, sizeof title);
	memcpy(a->x, s->x, sizeof a->x);
	memcpy(a->y, s->matrix ? s->y : "layer", 6);
	if (s->matrix)
		memcpy(a->y, s->y, sizeof a->y);
	a->columns = s->matrix ? s->columns : s->rows;
	return a;
}

static int
add(struct maps *m, const struct series *s, const struct tr_frame *f)
{
	struct map *a = map_of(m, s, f);
	size_t rows = s->matrix ? s->rows : 1, n;
	void *v, *t, *l;

	if (!a)
		return TR_ENOMEM;
	n = (a->rows + rows) * a->columns;
	if (!(v = realloc(a->v, (n + 1) * sizeof *a->v)))
		return TR_ENOMEM;
	a->v = v;
	memcpy(a->v + a->rows * a->columns, s->v, rows * a->columns * sizeof *a->v);
	for (size_t i = 0; s->diagonal && i < rows; i++)
		a->v[i * a->columns + i] = NAN;
	if (!s->matrix) {
		if ((t = realloc(a->tokens, (a->rows + 1) * sizeof *a->tokens)))
			a->tokens = t;
		if ((l = realloc(a->label, (a->rows + 1) * sizeof *a->label)))
			a->label = l;
		if (!t || !l)
			return TR_ENOMEM;
		a->tokens[a->rows] = (double)tr_get(f, "n_tokens", 0);
		a->label[a->rows] = s->layer == TR_NONE ? a->rows : s->layer;
		m->share &= a->tokens[a->rows] > 0;
	} else {
		m->share = 0;
	}
	a->rows += rows;
	memcpy(m->unit, s->unit, sizeof m->unit);
	return 0;
}

static void
range(struct maps *m)
{
	double sum = 0, n = 0;

	m->lo = m->hi = 0;
	for (size_t i = 0; i < m->n; i++) {
		const struct map *a = &m->at[i];

		m->room.all += a->rows * a->columns;
		for (size_t k = 0; k < a->rows * a->columns; k++) {
			double v = maps_shade(m, a, k / a->columns, a->v[k]);

			if (page_shows(v)) {
				m->lo = MIN(m->lo, v);
				m->hi = MAX(m->hi, v);
				sum += v;
				n++;
			}
		}
	}
	if (!(m->hi > m->lo))
		m->hi = m->lo + 1;
	m->root = m->lo == 0 && sum < m->hi * n / 8;
}

static int
knows(const struct tr_frame *f)
{
	return strcmp(f->kind, "hist") && strcmp(f->kind, "bench") && series_has(f);
}

/* The one column that a map is of: NULL what the kind says, else the first that is wide. */
static const char *
column(const struct tr_frame *f)
{
	for (int i = 0; i < f->ncols; i++)
		if (f->cols[i].width > 1 && f->cols[i].type != TR_OTHER)
			return f->cols[i].name;
	return NULL;
}

int
maps_take(struct maps *m, const struct group *g)
{
	int table = !strcmp(g->f[0]->kind, "table"), r = 1;
	const char *col = column(g->f[0]);

	if (!knows(g->f[0]) || (table && !col))
		return 0;
	m->share = 1;
	for (size_t i = 0; i < g->n && r >= 0; i++) {
		struct series s;

		r = series_read(&s, g->f[i], table ? col : NULL, 1);
		if (r > 0 && s.rows && s.columns)
			r = add(m, &s, g->f[i]);
		series_free(&s);
	}
	range(m);
	return r < 0 ? r : 0;
}

void
maps_free(struct maps *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->at[i].v);
		free(m->at[i].tokens);
		free(m->at[i].label);
	}
	free(m->at);
}
