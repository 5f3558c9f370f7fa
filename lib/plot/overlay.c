#include <stdlib.h>
#include <string.h>

#include "../core/tool.h"
#include "overlay.h"

static size_t
place_of(const struct overlay *o, const char *name)
{
	size_t i = 0;

	while (i < o->n && strcmp(o->set[i], name) != 0)
		i++;
	return i;
}

void
overlay_arrived(struct overlay *o, const struct tr_frame *f)
{
	char name[sizeof *o->set] = "";

	hists_set(f, name, sizeof name);
	if (place_of(o, name) < o->n)
		return;
	o->set = xrealloc(o->set, o->n + 1, sizeof *o->set);
	memcpy(o->set[o->n++], name, sizeof name);
}

struct group {
	size_t n, panel[BARS_SETS]; /* in the order their sets came in */
};

static void
join(const struct overlay *o, struct group *g, const struct panel *panel, size_t i)
{
	const struct bars *a = &panel[g->panel[0]].bars, *b = &panel[i].bars;
	size_t at = g->n;

	if (g->n && (a->n != b->n || a->from != b->from || a->width != b->width))
		die("--overlay: %s: bins differ: logit-hist --common makes them alike",
		    panel[i].title);
	if (g->n == BARS_SETS)
		die("--overlay: %s: more than %d data sets", panel[i].title, BARS_SETS);
	for (; at && place_of(o, panel[g->panel[at - 1]].set) > place_of(o, panel[i].set); at--)
		g->panel[at] = g->panel[at - 1];
	g->panel[at] = i;
	g->n++;
}

/* The panel of a group: the first, the others over it. */
static struct panel
stack(const struct overlay *o, const struct group *g, struct panel *panel)
{
	struct bars *over = NULL;

	for (size_t k = g->n; k-- > 0;) {
		struct panel *p = &panel[g->panel[k]];

		/* a set has one colour in all panels, while there are colours */
		p->bars.hue = o->n <= BARS_SETS ? place_of(o, p->set) : k;
		p->bars.set = g->n > 1 ? xstrdup(p->set) : NULL;
		p->bars.behind = over;
		over = xmalloc(sizeof *over);
		*over = p->bars;
	}
	free(over);
	return panel[g->panel[0]];
}

size_t
overlay_put(const struct overlay *o, struct panel *panel, size_t npanel)
{
	struct group *group = xcalloc(npanel + 1, sizeof *group);
	size_t n = 0;

	for (size_t i = 0; i < npanel; i++) {
		size_t j = panel[i].bars.width > 0 ? n : 0;

		while (j > 0 && !hists_alike(&panel[group[j - 1].panel[0]], &panel[i]))
			j--;
		join(o, &group[j ? j - 1 : n++], panel, i);
	}
	/* no group has a panel before its own place */
	for (size_t i = 0; i < n; i++)
		panel[i] = stack(o, &group[i], panel);
	free(group);
	return n;
}
