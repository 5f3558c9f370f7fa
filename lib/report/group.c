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

/* What tells sections apart, and what it is called in a frame until groups_end. */
static const char *const tags[][2] = {
	{"dataset", "section.dataset"}, {"model", "section.model"}, {"part", "section.part"}};

static int
is_tag(const char *key)
{
	return !strncmp(key, "section.", 8);
}

int
group_tag(struct tr_frame *f, const struct tr_frame *trace)
{
	char val[TR_HEADER_MAX];
	const char *own;
	int r = 0;

	for (size_t i = 0; i < LEN(tags) && r >= 0; i++)
		if (!tr_key(f, tags[i][0], &own) &&
		    (r = tr_text(trace, tags[i][0], val, sizeof val)) > 0)
			r = tr_set(f, tags[i][1], val);
	return r < 0 ? r : 0;
}

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
	int i = 0, k = 0;

	if (strcmp(a->kind, b->kind) || a->ncols != b->ncols)
		return 0;
	for (;; i++, k++) {
		while (i < a->nkeys && is_tag(frame_key(a, i)))
			i++;
		while (k < b->nkeys && is_tag(frame_key(b, k)))
			k++;
		if (i == a->nkeys || k == b->nkeys)
			break;
		if (strcmp(frame_key(a, i), frame_key(b, k)))
			return 0;
	}
	if (i < a->nkeys || k < b->nkeys)
		return 0;
	for (i = 0; i < a->ncols; i++)
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

static int
differ(const struct group *g, const char *tag)
{
	const char *x, *y;

	for (size_t i = 1; i < g->n; i++) {
		int a = tr_key(g->f[0], tag, &x), b = tr_key(g->f[i], tag, &y);

		if (a != b || (a && strcmp(x, y)))
			return 1;
	}
	return 0;
}

int
groups_end(struct groups *g)
{
	char val[TR_HEADER_MAX];
	int r = 0;

	for (struct group *at = g->at; at < g->at + g->n; at++)
		for (size_t k = 0; k < LEN(tags); k++) {
			int differs = differ(at, tags[k][1]);

			for (size_t i = 0; i < at->n && r >= 0; i++) {
				r = tr_text(at->f[i], tags[k][1], val, sizeof val);
				tr_unset(at->f[i], tags[k][1]);
				if (r >= 0 && differs)
					r = tr_set(at->f[i], tags[k][0], r ? val : "-");
			}
		}
	return r < 0 ? r : 0;
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
		char val[TR_HEADER_MAX];

		for (size_t k = 0; k < LEN(not ); k++)
			skip |= !strcmp(key, not [k]);
		if (!skip && tr_text(f, key, val, sizeof val) > 0)
			n += (size_t)snprintf(to + n, size - n, "%s%s %s", n ? ", " : "", key, val);
	}
}
