#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/frame.h"
#include "group.h"
#include "size.h"

static const struct {
	const char *kind, *title, *key;
} titles[] = {
	{"count", "Picks of each expert", NULL},
	{"topk", "Experts among the k best", NULL},
	{"load", "Load of devices", NULL},
	{"coact", "Experts picked together", NULL},
	{"flow", "Transitions between experts", NULL},
	{"hist", "Histograms of", "of"},
	{"kde", "Density estimates", NULL},
	{"place", "Placement", NULL},
	{"bench", "Measurements:", "name"},
	{"table", "Table:", "name"},
};

int
group_has(const struct tr_frame *f)
{
	static const char *const not [] = {"trace", "prog",  "note", "text",  "seq",
					   "tok",   "route", "tail", "index", "end"};

	for (size_t i = 0; i < LEN(not ); i++)
		if (!strcmp(f->kind, not [i]))
			return 0;
	return f->has_rows && tr_get(f, "derived", 0) != 1;
}

static int
alike(const struct tr_frame *a, const struct tr_frame *b)
{
	static const char *const same[] = {"name", "of"};
	const char *x, *y;

	if (strcmp(a->kind, b->kind) || a->nkeys != b->nkeys || a->ncols != b->ncols)
		return 0;
	for (int i = 0; i < a->nkeys; i++)
		if (strcmp(frame_key(a, i), frame_key(b, i)))
			return 0;
	for (int i = 0; i < a->ncols; i++)
		if (strcmp(a->cols[i].name, b->cols[i].name) ||
		    a->cols[i].width != b->cols[i].width)
			return 0;
	for (size_t i = 0; i < LEN(same); i++)
		if (tr_key(a, same[i], &x) && tr_key(b, same[i], &y) && strcmp(x, y))
			return 0;
	return 1;
}

static void
name(struct group *g, const struct tr_frame *f)
{
	char val[96] = "";
	size_t i = 0;

	while (i < LEN(titles) && strcmp(titles[i].kind, f->kind))
		i++;
	if (i < LEN(titles) && titles[i].key)
		tr_text(f, titles[i].key, val, sizeof val);
	snprintf(g->title, sizeof g->title, "%s%s%s%s", i < LEN(titles) ? titles[i].title : f->kind,
		 *val ? " " : "", val,
		 !strcmp(f->kind, "hist") && f->ncols && f->cols[0].width > 1 ? ", a row each"
									      : "");
}

int
group_add(struct groups *g, struct tr_frame *f)
{
	struct tr_frame **to;
	struct group *at;
	size_t i = 0;

	while (i < g->n && !alike(g->at[i].f[0], f))
		i++;
	if (i == g->n) {
		if (!(at = realloc(g->at, (g->n + 1) * sizeof *at)))
			return TR_ENOMEM;
		g->at = at;
		memset(&at[g->n++], 0, sizeof *at);
		name(&at[i], f);
	}
	at = &g->at[i];
	if ((at->n & (at->n - 1)) == 0) { /* full at each power of two */
		if (!(to = realloc(at->f, (at->n ? 2 * at->n : 1) * sizeof(struct tr_frame *))))
			return TR_ENOMEM;
		at->f = to;
	}
	at->f[at->n++] = f;
	return 0;
}

void
groups_free(struct groups *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->at[i].f);
	free(g->at);
	memset(g, 0, sizeof *g);
}

void
group_what(const struct tr_frame *f, int layer, char *to, size_t size)
{
	static const char *const not [] = {"name", "of", "lo", "hi", "bandwidth", "values"};
	size_t n = 0;

	*to = 0;
	for (int i = 0; i < f->nkeys && n < size; i++) {
		const char *key = frame_key(f, i);
		int skip = !strcmp(key, "n") || !strncmp(key, "n_", 2) ||
			   !strncmp(key, "min_", 4) || !strncmp(key, "max_", 4) ||
			   (!layer && !strcmp(key, "layer"));
		char val[96];

		for (size_t k = 0; k < LEN(not ); k++)
			skip |= !strcmp(key, not [k]);
		if (!skip && tr_text(f, key, val, sizeof val) > 0)
			n += (size_t)snprintf(to + n, size - n, "%s%s %s", n ? ", " : "", key, val);
	}
}
