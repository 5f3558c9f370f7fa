#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* To the last bit. */
static void
set_f64(struct tr_frame *f, const char *key, double x)
{
	char text[32];

	snprintf(text, sizeof text, "%a", x);
	tr_set(f, key, text);
}

static double
get_f64(const struct tr_frame *f, const char *key)
{
	char text[32], *end;
	double x;

	if (tr_text(f, key, text, sizeof text) <= 0)
		return NAN;
	x = strtod(text, &end);
	return *end ? NAN : x;
}

void
state_frame(const struct plan *plan, const struct state *of, const struct plan_state *s,
	    const struct plan_chain *c, int best, struct tr_frame *f)
{
	place_frame(best ? c->best : c->now, of->layer, f);
	tr_set(f, "state", of->finished ? "done" : best ? "best" : "now");
	tr_setu(f, "sum", of->sum);
	tr_setu(f, "seed", plan->seed);
	tr_setu(f, "chains", plan->chains);
	tr_setu(f, "temper", (uint64_t)plan->temper);
	tr_setu(f, "chain", c->number);
	tr_setu(f, "rung", c->rung);
	tr_setu(f, "done", c->done);
	tr_setu(f, "draws", c->draws);
	set_f64(f, "least", c->least);
	set_f64(f, "t0", c->t0);
	set_f64(f, "t1", c->t1);
	set_f64(f, "seconds", s->seconds);
}

int
state_take(struct state *s, const struct plan *plan, struct tr_frame *f)
{
	uint64_t chain = tr_get(f, "chain", 0), rung = tr_get(f, "rung", 0);
	uint32_t i = 0;
	char state[8] = "", err[PLACE_ERR];
	struct plan_chain *c;
	int best, r;

	if (tr_text(f, "state", state, sizeof state) <= 0)
		return TR_EVALUE;
	if (tr_get(f, "seed", 0) != plan->seed || tr_get(f, "chains", 0) != plan->chains ||
	    tr_get(f, "temper", 0) != (uint64_t)plan->temper)
		return 1;
	if (chain >= plan->chains || rung >= plan->chains)
		return TR_EVALUE;
	while (i < s->s.n && s->s.chain[i].number != chain)
		i++;
	if (i == s->s.n) {
		void *p = realloc(s->s.chain, (i + 1) * sizeof *s->s.chain);
		void *q = p ? realloc(s->place, 2 * (i + 1) * sizeof *s->place) : NULL;

		s->s.chain = p ? p : s->s.chain;
		s->place = q ? q : s->place;
		if (!p || !q)
			return TR_ENOMEM;
		memset(&s->s.chain[i], 0, sizeof *s->s.chain);
		memset(&s->place[2 * i], 0, 2 * sizeof *s->place);
		s->s.n++;
	}
	best = strcmp(state, "now") != 0;
	s->finished |= !strcmp(state, "done");
	s->sum = (uint32_t)tr_get(f, "sum", 0);
	place_free(&s->place[2 * i + (uint32_t)best]);
	if ((r = place_read(&s->place[2 * i + (uint32_t)best], f, TR_NONE, err)) < 0)
		return r;
	c = &s->s.chain[i];
	*c = (struct plan_chain){.number = (uint32_t)chain,
				 .rung = (uint32_t)rung,
				 .done = tr_get(f, "done", 0),
				 .draws = tr_get(f, "draws", 0),
				 .least = get_f64(f, "least"),
				 .t0 = get_f64(f, "t0"),
				 .t1 = get_f64(f, "t1")};
	s->s.seconds = get_f64(f, "seconds");
	if (!(c->least >= 0) || !isfinite(c->least) || !isfinite(c->t0) || !isfinite(c->t1) ||
	    !(s->s.seconds >= 0) || !isfinite(s->s.seconds))
		return TR_EVALUE;
	for (i = 0; i < s->s.n; i++) { /* the array may have moved */
		s->s.chain[i].now = &s->place[2 * i];
		s->s.chain[i].best = &s->place[2 * i + 1];
	}
	return 0;
}

void
state_free(struct state *s)
{
	for (uint32_t i = 0; i < 2 * s->s.n; i++)
		place_free(&s->place[i]);
	free(s->place);
	free(s->s.chain);
}
