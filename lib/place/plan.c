#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "eplb.h"
#include "init.h"
#include "plan.h"
#include "replicate.h"
#include "size.h"

enum { BLOCK_ITERS = 200000, LONG_ITERS = 3000000 }; /* of stage one: 15 ms, 0.2 s */

struct shared { /* by all chains of a run */
	const struct plan *plan;
	const struct place *start;
	const struct tokens *t;
	pthread_mutex_t lock;
	uint32_t next;
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
	double base; /* seconds before this step */
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int
tell(void *arg, double seconds, uint64_t iters, double cost, double best)
{
	struct told *told = arg;
	const struct plan *plan = told->sh->plan;
	int stop = plan->target > 0 && best <= plan->target;

	if (plan->tell) {
		pthread_mutex_lock(&told->sh->lock);
		stop |= plan->tell(plan->arg, told->chain, told->base + seconds, iters, cost, best);
		pthread_mutex_unlock(&told->sh->lock);
	}
	return stop;
}

/* One local search or annealing from c->p. */
static int
step(struct shared *sh, uint32_t i, struct anneal *a)
{
	const struct plan *plan = sh->plan;
	struct chain *c = &sh->chain[i];
	struct told told = {sh, i, now() - sh->begun};
	struct search *s = search_new(&c->p, sh->t, plan->model, plan->objective, plan->per_device);

	if (!s || (plan->ours && search_margin(s, plan->margin, plan->seed + i) < 0)) {
		search_free(s);
		return TR_ENOMEM;
	}
	a->seed = plan->seed;
	a->tell = tell;
	a->arg = &told;
	c->cost = search_anneal(s, a);
	memcpy(c->p.dev, search_place(s)->dev, c->p.n * sizeof *c->p.dev);
	search_free(s);
	return 0;
}

static int
random_placements(struct shared *sh, uint32_t i)
{
	const struct plan *plan = sh->plan;
	struct chain *c = &sh->chain[i];
	struct init_opts o = {.strategy = INIT_RANDOM, .per_device = plan->per_device};
	struct told told = {sh, i, 0};
	struct cost_result result;
	struct place p;
	int r = place_copy(&p, sh->start);

	c->cost = INFINITY;
	for (uint64_t n = 0; n < plan->config->iters && !r; n++) {
		double cost;

		o.seed = plan->seed * 1000003 + i * plan->config->iters + n;
		r = init_place(&p, sh->t->count, NULL, &o);
		if (r || (r = cost_eval(&p, sh->t, plan->model, &result)) < 0)
			break;
		cost = cost_objective(&result, plan->objective);
		cost_free(&result);
		if (cost < c->cost) {
			c->cost = cost;
			memcpy(c->p.dev, p.dev, p.n * sizeof *p.dev);
		}
		if (tell(&told, now() - sh->begun, n + 1, cost, c->cost))
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
	struct anneal a = {.stream = (uint64_t)i << 8};
	int r = 0;

	switch (c->search) {
	case SEARCH_RANDOM:
		return random_placements(sh, i);
	case SEARCH_LOCAL:
		a.local = 1;
		a.iters = c->local_iters;
		return step(sh, i, &a);
	case SEARCH_ANNEAL:
		a.iters = c->anneal_iters;
		a.t0 = c->t0;
		a.t1 = c->t1;
		return step(sh, i, &a);
	case SEARCH_SEQUENCE:
		for (uint32_t k = 0; k < c->nstep && !r; k++) {
			a = (struct anneal){.local = c->step[k].kind == SEARCH_LOCAL,
					    .iters = c->step[k].iters,
					    .t0 = c->step[k].t0,
					    .t1 = c->step[k].t1,
					    .stream = (uint64_t)i << 8 | k};
			r = step(sh, i, &a);
		}
		return r;
	default:
		return 0;
	}
}

/* Copies and devices by load, which stage one makes better than any other start. */
static int
fresh(struct shared *sh, struct place *p)
{
	struct init_opts o = {.strategy = INIT_BALANCE, .per_device = sh->plan->per_device};
	uint32_t *copies;
	struct place q;
	int r = eplb_place(p, sh->t->count, 1, 1);

	if (r != TR_EVALUE) /* slots do not divide evenly */
		return r;
	if (!(copies = calloc(p->experts + 1, sizeof *copies)))
		return TR_ENOMEM;
	replicate_minmax(sh->t->count, p->experts, 0, 0, p->n, copies);
	r = place_init(&q, p->rows, p->cols, p->experts, copies);
	free(copies);
	if (r < 0)
		return r;
	place_free(p);
	*p = q;
	return init_place(p, sh->t->count, NULL, &o);
}

static double
cost_of(const struct plan *plan, const struct place *p, const struct tokens *t)
{
	struct cost_result r;
	double x = cost_eval(p, t, plan->model, &r) < 0 ? INFINITY : 0;

	if (x == 0)
		x = cost_objective(&r, plan->objective);
	cost_free(&r);
	return x;
}

/* A fresh start, made better where stage one succeeds. */
static int
stage_one(struct shared *sh, struct chain *c, uint32_t i)
{
	const struct plan *plan = sh->plan;
	struct place p;
	int r = fresh(sh, &c->p);

	if (r || (r = place_copy(&p, &c->p)) < 0)
		return r;
	r = search_blocks(&p, sh->t, plan->model, plan->margin, plan->seed + i, BLOCK_ITERS);
	if (!r && cost_of(plan, &p, sh->t) < cost_of(plan, &c->p, sh->t)) {
		place_free(&c->p);
		c->p = p;
		memset(&p, 0, sizeof p);
	}
	place_free(&p);
	return r;
}

static int
ours(struct shared *sh, uint32_t i)
{
	const struct plan *plan = sh->plan;
	struct chain *c = &sh->chain[i];
	struct anneal a = {.t0 = -1, .t1 = -1, .tau = 1, .stream = i, .iters = plan->iters};
	int r = 0;

	if (!plan->keep_copies)
		r = stage_one(sh, c, i);
	if (r)
		return r;
	if (plan->seconds > 0)
		a.seconds = MAX(plan->seconds - (now() - sh->begun), 1e-3);
	return step(sh, i, &a);
}

static void *
work(void *arg)
{
	struct shared *sh = arg;

	for (;;) {
		uint32_t i;

		pthread_mutex_lock(&sh->lock);
		i = sh->next++;
		pthread_mutex_unlock(&sh->lock);
		if (i >= sh->plan->chains)
			return NULL;
		sh->chain[i].r = place_copy(&sh->chain[i].p, sh->start);
		if (!sh->chain[i].r)
			sh->chain[i].r = sh->plan->ours ? ours(sh, i) : theirs(sh, i);
	}
}

int
plan_run(const struct plan *plan, struct place *p, const struct tokens *t, double *cost)
{
	struct shared sh = {.plan = plan, .start = p, .t = t, .begun = now()};
	uint32_t n = MIN(plan->chains, plan->threads), best = 0;
	pthread_t thread[256];
	struct cost_result result;
	int r = cost_eval(p, t, plan->model, &result);

	if (r < 0)
		return r;
	*cost = cost_objective(&result, plan->objective);
	cost_free(&result);
	if (!(sh.chain = calloc(plan->chains, sizeof *sh.chain)))
		return TR_ENOMEM;
	for (uint32_t i = 0; i < plan->chains; i++)
		sh.chain[i].cost = *cost;
	pthread_mutex_init(&sh.lock, NULL);
	n = MIN(n, (uint32_t)LEN(thread));
	for (uint32_t i = 1; i < n; i++)
		if (pthread_create(&thread[i], NULL, work, &sh) != 0)
			n = i; /* the others do its work */
	work(&sh);
	for (uint32_t i = 1; i < n; i++)
		pthread_join(thread[i], NULL);
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
	pthread_mutex_destroy(&sh.lock);
	return r;
}
