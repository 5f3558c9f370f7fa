#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/tool.h"
#include "../stats/expertstats.h"
#include "profile.h"
#include "size.h"

static struct panel *
panel_of(struct panel **p, size_t *n, const char *title)
{
	for (size_t i = 0; i < *n; i++)
		if (!strcmp((*p)[i].title, title))
			return &(*p)[i];
	*p = xrealloc(*p, *n + 1, sizeof **p);
	struct panel *to = memset(&(*p)[(*n)++], 0, sizeof *to);

	to->facts = (struct facts){TR_NONE, TR_NONE, TR_NONE, TR_NONE, TR_NONE};
	snprintf(to->title, sizeof to->title, "%s", title);
	snprintf(to->x, sizeof to->x, "layer");
	return to;
}

static void
take(struct picture *pic, struct tr_frame *f, const char *name, struct panel **p, size_t *n)
{
	char title[sizeof(struct panel){0}.title], set[64];
	struct series s;

	if (picture_series(pic, &s, f, name, 1)) {
		const int more = tr_text(f, "dataset", set, sizeof set) > 0;

		snprintf(title, sizeof title, "%s%s%s", name, more ? " of " : "", more ? set : "");
		struct panel *to = panel_of(p, n, title);

		to->v = xrealloc(to->v, to->bars.n + 1, sizeof *to->v);
		to->label = xrealloc(to->label, to->bars.n + 1, sizeof *to->label);
		to->v[to->bars.n] = s.v[0];
		to->label[to->bars.n++] = s.layer;
		to->bars.v = to->v;
		to->bars.label = to->label;
	}
	series_free(&s);
}

int
profile_take(struct picture *pic, struct tr_frame *f, const char *names, struct panel **p,
	     size_t *n)
{
	char *save = NULL, *copy;

	if (strcmp(f->kind, "table") != 0 || f->rows != 1 || tr_get(f, "layer", TR_NONE) == TR_NONE)
		return 0;
	for (int i = 0; i < f->ncols; i++)
		if (f->cols[i].width != 1)
			return 0;
	for (int i = 0; !names && i < f->ncols; i++)
		if (f->cols[i].type != TR_OTHER)
			take(pic, f, f->cols[i].name, p, n);
	copy = xstrdup(names ? names : "");
	for (char *c = copy; (c = strtok_r(c, ",", &save)); c = NULL)
		take(pic, f, c, p, n);
	free(copy);
	return 1;
}

void
profile_note(const uint64_t *n, size_t experts, char line[2][PROFILE_LINE])
{
	static const struct {
		const char *name, *said;
	} part[] = {{"mean", "mean"},
		    {"std", "std"},
		    {"coefficient_of_variation", "CV"},
		    {"entropy_bits", "entropy"},
		    {"active_experts", "active"},
		    {"skewness", "skewness"}};
	struct expertstats st;
	struct tr_frame f;
	size_t at[2] = {0};

	tr_new(&f, "table");
	tr_rows(&f, 1);
	if (expertstats_put(&st, &f, n, (uint32_t)experts) < 0)
		die("no memory");
	for (size_t i = 0; i < LEN(part); i++) {
		const size_t l = i >= LEN(part) / 2;
		int c = 0;

		while (strcmp(f.cols[c].name, part[i].name) != 0)
			c++;
		at[l] += (size_t)snprintf(line[l] + at[l], PROFILE_LINE - at[l], "%s%s %.4g",
					  at[l] ? "   " : "", part[i].said,
					  f.cols[c].type == TR_F64 ? st.f64[c] : (double)st.u64[c]);
	}
}
