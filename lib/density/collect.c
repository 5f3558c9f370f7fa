#include <stdlib.h>
#include <string.h>

#include "collect.h"

static struct collected *
layer_of(struct collect *c, uint64_t layer, uint32_t width)
{
	for (size_t i = c->n; i-- > 0;) {
		if (c->at[i].layer != layer)
			continue;
		if (c->at[i].width != width)
			die("layer %llu: rows of %u and of %u values in %s",
			    (unsigned long long)layer, c->at[i].width, width, c->column);
		return &c->at[i];
	}
	c->at = xrealloc(c->at, c->n + 1, sizeof *c->at);
	c->at[c->n] = (struct collected){.layer = layer, .width = width};
	return &c->at[c->n++];
}

void
collect_add(struct collect *c, struct tool *t, const struct tr_frame *f)
{
	uint64_t layer = tr_get(f, "layer", 0);
	struct collected *l;
	struct tr_col col;
	int r;

	if (strcmp(f->kind, "route") || !tr_list_has(c->layers, layer))
		return;
	if ((r = tr_col(f, c->column, &col)) < 0)
		tool_fail(t);
	if (!r)
		return;
	l = layer_of(c, layer, col.width);
	if (l->rows + f->rows > l->cap) {
		l->cap = 2 * l->cap + f->rows;
		l->v = xrealloc(l->v, l->cap * l->width, sizeof *l->v);
	}
	for (uint64_t i = 0; i < f->rows; i++) {
		double *v = l->v + l->rows * l->width;

		if (col_f64(&col, i * l->width, l->width, v) < 0)
			die("%s is no number", c->column);
		if (c->take && !c->take(v, l->width))
			l->bad++;
		else
			l->rows++;
	}
}

static int
by_layer(const void *a, const void *b)
{
	const struct collected *x = a, *y = b;

	return (x->layer > y->layer) - (x->layer < y->layer);
}

void
collect_end(struct collect *c, struct tool *t, const char *none, const char *why)
{
	if (!c->n)
		die("%s", none);
	qsort(c->at, c->n, sizeof *c->at, by_layer);
	for (size_t i = 0; i < c->n; i++)
		if (c->at[i].bad && !t->quiet)
			warn("layer %llu: %zu rows %s left out", (unsigned long long)c->at[i].layer,
			     c->at[i].bad, why);
}
