#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "init.h"
#include "plan.h"
#include "pool.h"
#include "size.h"

enum { STEP = 64 };      /* changes between two looks at the clock */
enum { WIDE = 1 << 23 }; /* tokens times rows, 64 bytes each */

struct shared { /* by all chains of a run */
	const struct plan *plan;
	const struct place *start;
	const struct tokens *t, *wide; /* wide: what searches walk on */
	pthread_mutex_t lock;          /* of plan->tell */
	double begun;
	struct chain {
		struct place p;
		double cost;
		int r;
	} * chain;
};

struct told {
	struct shared *sh;
	uint32_t chain;
};

static int
tell(void *arg, double seconds, uint64_t iters, double cost, double best)
{
	struct told *told = arg;
	const struct plan *plan = told->sh->plan;
	int stop = plan->target > 0 && best <= plan->target;

	if (plan->tell) {
		pthread_mutex_lock(&told->sh->lock);
		stop |= plan->tell(plan->arg, told->chain, seconds, iters, cost, best);
		pthread_mutex_unlock(&told->sh->lock);
	}
	return stop;
}

/* One local search or annealing from c->p. */
static int
step(struct shared *sh, uint32_t i, struct walk *w, uint64_t iters)
{
	const struct plan *plan = sh->plan;
	struct chain *c = &sh->chain[i];
	struct told told = {sh, i};
	struct schedule x = {.t0 = w->t0,
			     .t1 = w->t1,
			     .iters = iters,
			     .begun = sh->begun,
			     .seconds = plan->seconds,
			     .target = plan->target,
			     .end = plan->end};
	struct search *s =
		search_new(&c->p, sh->wide, plan->model, plan->objective, plan->per_device);
	int r = s ? 0 : TR_ENOMEM, stop = 0;
	double last = -1;

	w->seed = plan->seed;
	if (!r && (r = walk_begin(w, s, &x)) == 0) {
		while (w->done < iters && !stop && !r) {
			double now = search_now() - sh->begun;

			if (now - last >= 0.05 || iters <= 50 * STEP) {
				last = now;
				stop = tell(&told, now, w->done, search_cost(s), w->least);
			}
			if (!stop)
				r = walk_go(w, &x, iters <= 50 * STEP ? MAX(iters / 50, 1) : STEP);
			stop |= r > 0;
			r = MIN(r, 0);
		}
		tell(&told, search_now() - sh->begun, w->done, w->least, w->least);
		c->cost = w->least;
		memcpy(c->p.dev, w->best.dev, c->p.n * sizeof *c->p.dev);
	}
	walk_end(w);
	search_free(s);
	return r;
}

static int
random_placements(struct shared *sh, uint32_t i)
{
	const struct plan *plan = sh->plan;
	struct chain *c = &sh->chain[i];
	struct init_opts o = {.strategy = INIT_RANDOM, .per_device = plan->per_device};
	struct told told = {sh, i};
	struct cost_result result;
	struct place p;
	int r = place_copy(&p, sh->start);

	c->cost = INFINITY;
	for (uint64_t n = 0; n < plan->config->iters && !r; n++) {
		double cost;

		o.seed = plan->seed * 1000003 + i * plan->config->iters + n;
		r = init_place(&p, sh->t->count, NULL, &o);
		if (r || (r = init_part(&p, sh->t->count, plan->per_device)) < 0 ||
		    (r = cost_eval(&p, sh->t, plan->model, &result)) < 0)
			break;
		cost = cost_objective(&result, plan->objective);
		cost_free(&result);
		if (cost < c->cost) {
			c->cost = cost;
			memcpy(c->p.dev, p.dev, p.n * sizeof *p.dev);
		}
		if (tell(&told, search_now() - sh->begun, n + 1, cost, c->cost) ||
		    (plan->seconds > 0 && search_now() - sh->begun >= plan->seconds))
			break;
	}
	place_free(&p);
	return r;
}

/* The kinds of the placement simulator. */
static int
theirs(struct shared *sh, uint32_t i)
{
	const struct config *c = sh->plan->config;
	struct walk w = {.stream = (uint64_t)i << 8};
	int r = 0;

	switch (c->search) {
	case SEARCH_RANDOM:
		return random_placements(sh, i);
	case SEARCH_LOCAL:
		w.local = 1;
		return step(sh, i, &w, c->local_iters);
	case SEARCH_ANNEAL:
		w.t0 = c->t0;
		w.t1 = c->t1;
		return step(sh, i, &w, c->anneal_iters);
	case SEARCH_SEQUENCE:
		for (uint32_t k = 0; k < c->nstep && !r; k++) {
			w = (struct walk){.local = c->step[k].kind == SEARCH_LOCAL,
					  .t0 = c->step[k].t0,
					  .t1 = c->step[k].t1,
					  .stream = (uint64_t)i << 8 | k};
			r = step(sh, i, &w, c->step[k].iters);
		}
		return r;
	default:
		return 0;
	}
}

double
plan_cost(const struct plan *plan, const struct place *p, const struct tokens *t)
{
	struct cost_result r;
	double x = cost_eval(p, t, plan->model, &r) < 0 ? INFINITY : 0;

	if (x == 0)
		x = cost_objective(&r, plan->objective);
	cost_free(&r);
	return x;
}

uint32_t
plan_sum(const struct plan *plan, const struct place *p, const struct tokens *t)
{
	const struct cost_model *m = plan->model;
	const uint64_t number[] = {p->rows,         p->cols,         p->experts, plan->per_device,
				   m->kind,         m->routing,      m->origin,  m->seed,
				   m->block_tokens, plan->objective, t->nbatch,  t->ntoken,
				   t->npick};
	const double real[] = {m->factor, m->block};
	uint32_t sum = crc32c(0, number, sizeof number);

	sum = crc32c(sum, real, sizeof real);
	sum = crc32c(sum, m->dispatch, sizeof m->dispatch);
	sum = crc32c(sum, m->combine, sizeof m->combine);
	sum = crc32c(sum, m->simple, sizeof m->simple);
	if (m->distance)
		sum = crc32c(sum, m->distance,
			     (size_t)p->rows * p->rows * p->cols * sizeof *m->distance);
	if (t->order)
		sum = crc32c(sum, t->order, t->ntoken * t->routed * sizeof *t->order);
	sum = crc32c(sum, t->batch, (t->nbatch + 1) * sizeof *t->batch);
	sum = crc32c(sum, t->first, (t->ntoken + 1) * sizeof *t->first);
	sum = crc32c(sum, t->pick, t->npick * sizeof *t->pick);
	return crc32c(sum, t->origin, t->ntoken * sizeof *t->origin);
}

static void
work(void *arg, size_t i)
{
	struct shared *sh = arg;

	sh->chain[i].r = place_copy(&sh->chain[i].p, sh->start);
	if (!sh->chain[i].r)
		sh->chain[i].r = theirs(sh, (uint32_t)i);
}

static int
widens(const struct plan *plan, const struct place *p, const struct tokens *t)
{
	size_t k = 0;

	while (k < t->ntoken && t->origin[k] != PLACE_NONE)
		k++;
	return k < t->ntoken && plan->model->origin == ORIGIN_AVERAGE &&
	       plan->objective == COST_MEAN && plan->model->routing <= ROUTE_ROBIN &&
	       t->ntoken * p->rows <= WIDE;
}

int
plan_fast(const struct plan *plan, const struct place *p, const struct tokens *t)
{
	struct cost_model m = *plan->model;

	if (widens(plan, p, t))
		m.origin = ORIGIN_ROBIN; /* each token lives in one row then */
	return search_can_be_fast(p, t, &m);
}

int
plan_widen(const struct plan *plan, const struct place *p, const struct tokens *t,
	   struct tokens *wide)
{
	memset(wide, 0, sizeof *wide);
	return widens(plan, p, t) ? tokens_rows(wide, t, p->rows) : 0;
}

int
plan_run(const struct plan *plan, struct place *p, const struct tokens *t, double *cost)
{
	struct shared sh = {.plan = plan, .start = p, .t = t, .begun = search_now()};
	uint32_t best = 0;
	struct cost_result result;
	struct tokens wide;
	int r = cost_eval(p, t, plan->model, &result);

	if (r < 0)
		return r;
	*cost = cost_objective(&result, plan->objective);
	cost_free(&result);
	if (plan->ours)
		return plan_ours(plan, p, t, cost);
	if (!(sh.chain = calloc(plan->chains, sizeof *sh.chain)) ||
	    plan_widen(plan, p, t, &wide) < 0) {
		free(sh.chain);
		return TR_ENOMEM;
	}
	sh.wide = wide.nbatch ? &wide : t;
	for (uint32_t i = 0; i < plan->chains; i++)
		sh.chain[i].cost = *cost;
	pthread_mutex_init(&sh.lock, NULL);
	pool_each((int)plan->threads, plan->chains, work, &sh);
	for (uint32_t i = 0; i < plan->chains && !r; i++) {
		r = sh.chain[i].r;
		if (sh.chain[i].cost < sh.chain[best].cost)
			best = i;
	}
	if (!r && sh.chain[best].cost < *cost) { /* never costlier than its start */
		place_free(p);
		*p = sh.chain[best].p;
		memset(&sh.chain[best].p, 0, sizeof sh.chain[best].p);
		*cost = sh.chain[best].cost;
	}
	for (uint32_t i = 0; i < plan->chains; i++)
		place_free(&sh.chain[i].p);
	free(sh.chain);
	tokens_free(&wide);
	pthread_mutex_destroy(&sh.lock);
	return r;
}
