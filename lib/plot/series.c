#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "series.h"
#include "size.h"

static const struct {
	const char *kind, *col, *x, *y, *unit;
	int share; /* of n_tokens */
} kinds[] = {
	{"count", "n", "expert", "layer", "picks", 1},
	{"topk", "n", "expert", "layer", "rows", 1},
	{"load", "n", "device", "layer", "picks", 1},
	{"coact", "n", "expert", "expert", "tokens", 0},
	{"flow", "n", "expert of the next layer", "expert", "tokens", 0},
	{"hist", "n", "bin", "row", "values", 0},
	{"table", NULL, "column", "row", "", 0},
	{"bench", NULL, "column", "row", "", 0},
};

static size_t
kind_of(const struct tr_frame *f)
{
	size_t i = 0;

	while (i < LEN(kinds) && strcmp(kinds[i].kind, f->kind) != 0)
		i++;
	return i;
}

int
series_has(const struct tr_frame *f)
{
	return f->has_rows && kind_of(f) < LEN(kinds) && tr_get(f, "derived", 0) != 1;
}

/* The first column of numbers. */
static const char *
numbers(const struct tr_frame *f)
{
	for (int i = 0; i < f->ncols; i++)
		if (f->cols[i].type != TR_OTHER)
			return f->cols[i].name;
	return NULL;
}

/* What tells f from its like, layer apart: the keys that are no totals. */
static void
identity(const struct tr_frame *f, char *to, size_t size)
{
	static const char *const not [] = {"layer", "derived", "lo", "hi", "of"};
	size_t n = 0;

	to[0] = 0;
	for (int i = 0; i < f->nkeys && n < size; i++) {
		const char *key = f->text + f->keys[i].key;
		char val[64];
		int skip = !strcmp(key, "n") || !strncmp(key, "n_", 2);

		for (size_t j = 0; j < LEN(not ); j++)
			skip |= !strcmp(key, not [j]);
		if (skip || tr_text(f, key, val, sizeof val) <= 0)
			continue;
		n += (size_t)snprintf(to + n, size - n, "%s%s%s%s", n ? " " : "",
				      strcmp(key, "name") ? key : "",
				      strcmp(key, "name") ? " " : "", val);
	}
}

static void
bins(struct series *s, const struct tr_frame *f)
{
	const char *lo, *hi;
	double a, b;
	char of[24];

	if (tr_key(f, "lo", &lo) <= 0 || tr_key(f, "hi", &hi) <= 0)
		return;
	a = strtod(lo, NULL);
	b = strtod(hi, NULL);
	if (!(a < b))
		return;
	s->from = a;
	s->width = (b - a) / (double)(s->matrix ? s->columns : s->rows);
	if (tr_text(f, "of", of, sizeof of) > 0)
		snprintf(s->x, sizeof s->x, "%s", of);
}

int
series_read(struct series *s, struct tr_frame *f, const char *col, int raw)
{
	uint64_t tokens = tr_get(f, "n_tokens", 0);
	struct tr_col c;
	size_t i = kind_of(f), n;
	int r;

	memset(s, 0, sizeof *s);
	if (i == LEN(kinds))
		return 0;
	if (!col && !(col = kinds[i].col))
		col = numbers(f);
	if (!col || (r = tr_col(f, col, &c)) == 0)
		return 0;
	if (r < 0)
		return r;
	if (size_mul(c.rows, c.width, &n) < 0 || !(s->v = malloc((n ? n : 1) * sizeof *s->v)))
		return TR_ENOMEM;
	if ((r = col_f64(&c, 0, n, s->v)) < 0)
		return r;
	s->layer = tr_get(f, "layer", TR_NONE);
	s->rows = c.rows;
	s->columns = c.width;
	s->matrix = c.width > 1;
	s->diagonal = c.rows == c.width && (!strcmp(f->kind, "coact") || !strncmp(col, "pmi", 4) ||
					    !strncmp(col, "jaccard", 8));
	identity(f, s->what, sizeof s->what);
	snprintf(s->x, sizeof s->x, "%s",
		 s->diagonal || tr_col(f, "expert", &(struct tr_col){0}) > 0 ? "expert"
									     : kinds[i].x);
	snprintf(s->y, sizeof s->y, "%s", s->diagonal ? "expert" : kinds[i].y);
	snprintf(s->unit, sizeof s->unit, "%s", *kinds[i].unit ? kinds[i].unit : col);
	if (!strcmp(f->kind, "hist"))
		bins(s, f);
	if (kinds[i].share && !raw && tokens) {
		for (size_t j = 0; j < n; j++)
			s->v[j] = 100 * s->v[j] / (double)tokens;
		snprintf(s->unit, sizeof s->unit, "%% of tokens");
	}
	return 1;
}

void
series_free(struct series *s)
{
	free(s->v);
	s->v = NULL;
}
