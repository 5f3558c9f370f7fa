#include <stdlib.h>
#include <string.h>

#include "store.h"

static void
put_state(const struct store *o, struct tr_out *out, const struct state *of,
	  const struct plan_state *s)
{
	struct tr_frame f;

	for (uint32_t i = 0; i < s->n * 2; i++) {
		if (of->finished && i % 2 == 0)
			continue; /* has a best alone */
		state_frame(o->plan, of, s, &s->chain[i / 2], i % 2, &f);
		if (tr_put(out, &f) < 0)
			die("%s:", o->file);
	}
}

/* All layers: the file takes the place of the one before when it is whole. */
int
store_save(void *arg, const struct plan_state *s)
{
	struct store *o = arg;
	struct tr_out *out = tool_output(o->tool, o->file);

	if (tr_put(out, &o->head) < 0)
		die("%s:", o->file);
	for (size_t i = 0; i < o->n; i++)
		if (o->at[i].layer != o->now.layer)
			put_state(o, out, &o->at[i], &o->at[i].s);
	put_state(o, out, &o->now, s);
	tool_output_end(o->tool, out);
	return 0;
}

static struct state *
state_of(const struct store *o, uint64_t layer)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->at[i].layer == layer)
			return &o->at[i];
	return NULL;
}

static struct state *
add_state(struct store *o, uint64_t layer)
{
	o->at = xrealloc(o->at, o->n + 1, sizeof *o->at);
	memset(&o->at[o->n], 0, sizeof *o->at);
	o->at[o->n].layer = layer;
	return &o->at[o->n++];
}

void
store_read(struct store *o, const char *file)
{
	struct tr *in = tool_reader(o->tool, (char **)&file, 1);
	struct tr_frame f;
	int r;

	while ((r = tr_next(in, &f)) > 0) {
		struct state *s;

		if (strcmp(f.kind, "place"))
			continue;
		s = state_of(o, tr_get(&f, "layer", 0));
		switch (state_take(s ? s : add_state(o, tr_get(&f, "layer", 0)), o->plan, &f)) {
		case 0:
			break;
		case 1:
			die("%s: a search of another seed, or of another number of chains", file);
		case TR_ENOMEM:
			die("no memory");
		default:
			die("%s: not a search that --checkpoint stored", file);
		}
	}
	if (r < 0)
		die("%s", tr_errstr(in));
	if (!o->n)
		die("%s: no search in it", file);
	tool_reader_end(o->tool, in);
}

/* A layer is done: its result alone is stored from now on. */
static void
finish(struct store *o, const struct place *p, double cost)
{
	struct state *s = state_of(o, o->now.layer), done = o->now;
	struct plan_chain c = {.now = p, .best = p, .least = cost};
	struct plan_state one = {.n = 1, .chain = &c};
	struct tr_frame f;

	if (s) {
		state_free(s);
		*s = (struct state){.layer = done.layer};
	} else {
		s = add_state(o, done.layer);
	}
	done.finished = 1;
	state_frame(o->plan, &done, &one, &c, 1, &f);
	if (state_take(s, o->plan, &f) < 0)
		die("no memory");
}

/* The layer's search, as far as it was read; NULL: not stored. */
static const struct state *
begun(struct store *o, const struct place *p)
{
	struct state *s = state_of(o, o->now.layer);
	char err[PLACE_ERR];
	uint32_t doubles;
	int bad = 0;

	for (uint32_t i = 0; s && !s->finished && i < o->plan->chains; i++) {
		uint32_t size = (uint32_t)o->plan->ranks->size, k = 0;

		while (k < s->s.n && s->s.chain[k].number != i)
			k++;
		bad |= k == s->s.n && i % size == (uint32_t)o->plan->ranks->rank;
	}
	for (uint32_t i = s ? (uint32_t)s->finished : 0; s && i < 2 * s->s.n;
	     i += 1 + (uint32_t)s->finished)
		bad |= !s->place[i].n ||
		       place_check(&s->place[i], o->plan->per_device, &doubles, err) < 0 ||
		       s->place[i].experts != p->experts || s->place[i].rows != p->rows ||
		       s->place[i].cols != p->cols || s->place[i].n != p->n;
	if (s && (bad || s->s.n == 0))
		die("layer %llu: the stored search is not of this placement",
		    (unsigned long long)o->now.layer);
	if (s && s->sum != o->now.sum)
		die("layer %llu: the stored search is of another trace, model, rule, origin, "
		    "objective or number of slots",
		    (unsigned long long)o->now.layer);
	return s;
}

int
store_run(struct store *o, struct plan *plan, uint64_t layer, struct place *p,
	  const struct tokens *t, double *cost)
{
	const struct state *from;
	int r;

	o->now = (struct state){.layer = layer, .sum = plan_sum(plan, p, t)};
	from = begun(o, p);
	plan->from = from ? &from->s : NULL;
	if (from && from->finished) {
		place_free(p);
		*cost = from->s.chain[0].least;
		r = place_copy(p, &from->place[1]);
	} else {
		r = plan_run(plan, p, t, cost);
	}
	if (plan->save && r >= 0)
		finish(o, p, *cost);
	return r;
}
