#include <stdio.h>

#include "again.h"
#include "plan.h"
#include "replan.h"

int
again_even(struct setup *s, struct tool *t, const char *counts, struct setup_place *place, size_t n,
	   uint64_t max_moves, double within)
{
	struct setup_layer *layer;
	size_t nlayer = setup_counts(s, t, counts, &layer);
	struct tr_frame f;

	setup_open(s, t, place, n);
	for (size_t i = 0; i < n; i++) {
		struct place *p = &place[i].place;
		char missed[64] = "";
		struct replan o = {.per_device = setup_per_device(s),
				   .maxmoved =
					   max_moves < PLACE_ALL ? (uint32_t)max_moves : PLACE_ALL,
				   .within = within,
				   .seed = t->seed};
		const struct tokens *tokens = setup_tokens(s, layer, nlayer, &place[i]);

		setup_check(&place[i], o.per_device);
		if (replan(p, tokens->count, &o) < 0)
			die("no memory");
		if (o.missed)
			snprintf(missed, sizeof missed, "; the goal of %.5f is missed",
				 o.best * (1 + within));
		if (t->verbose || (o.missed && !t->quiet))
			warn("layer %llu: max over mean %.5f, from nothing %.5f; %u of %u copies "
			     "moved, %u at least%s",
			     (unsigned long long)place[i].layer, o.reached, o.best, o.moved, p->n,
			     o.least, missed);
		place_frame(p, place[i].layer, &f);
		tool_put(t, &f);
	}
	return tool_end(t);
}
