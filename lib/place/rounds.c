/*
 * The search of ours: chains walk in rounds, side by side.  Where they temper,
 * each has a rung of a ladder of temperatures, and after a round neighbours on
 * the ladder change places by the rule of Metropolis; it is temperatures that
 * change hands, not placements, so processes need tell each other energies
 * alone.  After a round a chain hangs on its placement and its counters only.
 */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "eplb.h"
#include "init.h"
#include "num.h"
#include "plan.h"
#include "pool.h"
#include "replicate.h"
#include "rng.h"
#include "size.h"

enum { BLOCK_ITERS = 200000, ROUND = 16384, TEMPER_ROUND = 2048, WORDS = 4 };

struct chain {
	uint32_t number, rung;
	struct place p;
	double cost; /* of it */
	struct search *s;
	struct walk w;
	double told;
	int r;
};

struct run {
	const struct plan *plan;
	const struct place *start;
	const struct tokens *t, *wide; /* wide: what chains walk on */
	double first;                  /* cost of the start */
	double begun, base;            /* base: seconds of the search that this one goes on with */
	uint32_t nchain;               /* of this process */
	struct chain *chain;
	struct place one; /* of stage one, for chains that temper */
	void (*work)(struct run *run, struct chain *c);
	struct schedule schedule; /* of chains that do not temper: t0 and t1 are their own */
	double t0, t1;            /* of the ladder */
	uint64_t round;
	double *mine, *all;   /* of ranks_gather */
	int stop, due;        /* what some process says; due: to store the search */
	int ended;            /* tell has said so before the rounds */
	pthread_mutex_t lock; /* of plan->tell and ended there */
};

/* ---- threads ---- */

static void
work(void *arg, size_t i)
{
	struct run *run = arg;

	if (!run->chain[i].r)
		run->work(run, &run->chain[i]);
}

/* Do that to all chains; the first error. */
static int
all(struct run *run, void (*what)(struct run *run, struct chain *c))
{
	run->work = what;
	pool_each((int)run->plan->threads, run->nchain, work, run);
	for (uint32_t i = 0; i < run->nchain; i++)
		if (run->chain[i].r < 0)
			return run->chain[i].r;
	return 0;
}

/* ---- a start ---- */

static uint32_t
doubles(const struct place *p)
{
	char err[PLACE_ERR];
	uint32_t n;

	return place_check(p, 0, &n, err) < 0 ? UINT32_MAX : n;
}

/* q in place of the chain's placement where it costs less and holds no more experts twice on a
 * device; 1 if so. */
static int
keep(struct run *run, struct chain *c, struct place *q)
{
	double cost = plan_cost(run->plan, q, run->t);

	if (!(cost < c->cost) || doubles(q) > doubles(&c->p))
		return 0;
	place_free(&c->p);
	c->p = *q;
	c->cost = cost;
	memset(q, 0, sizeof *q);
	return 1;
}

static int
reached(const struct plan *plan, double cost)
{
	return (plan->target > 0 && cost <= plan->target) || (plan->end && *plan->end);
}

static double
seconds(const struct run *run)
{
	return run->base + search_now() - run->begun;
}

/* A chain has that cost before its first change. */
static void
tell_start(struct run *run, const struct chain *c)
{
	const struct plan *plan = run->plan;

	if (!plan->tell)
		return;
	pthread_mutex_lock(&run->lock);
	run->ended |= plan->tell(plan->arg, c->number, seconds(run), 0, c->cost,
				 MIN(c->cost, run->first));
	pthread_mutex_unlock(&run->lock);
}

/* The cheaper of the placement to start from and copies and devices by load, or the placement
 * that is running, made better where stage one succeeds. */
static int
stage_one(struct run *run, struct chain *c)
{
	const struct plan *plan = run->plan;
	struct place q;
	int r = 0;

	if (plan->maxmoved == PLACE_ALL) {
		if ((r = place_copy(&q, &c->p)) == 0 &&
		    (r = eplb_place(&q, run->t->count, 1, 1, 1)) == 0 &&
		    (r = init_part(&q, run->t->count, plan->per_device)) == 0)
			keep(run, c, &q);
		place_free(&q);
	}
	if (r)
		return r;
	tell_start(run, c);
	if (reached(plan, c->cost) || (r = place_copy(&q, &c->p)) < 0)
		return r;
	r = search_blocks(&q, run->t, plan->model, plan->margin, plan->seed + c->number,
			  plan->margin > 0 ? 3 * BLOCK_ITERS : BLOCK_ITERS,
			  plan->seconds > 0 ? run->schedule.begun + plan->seconds : 0,
			  plan->maxmoved);
	if (!r && keep(run, c, &q))
		tell_start(run, c);
	place_free(&q);
	return r == TR_ELIMIT ? 0 : r; /* without stage one, then */
}

/* Has the time of a search that nothing else hangs on ended before stage two? */
static int
over(const struct run *run)
{
	const struct plan *plan = run->plan;

	return plan->seconds > 0 && plan->chains == 1 && plan->ranks->size == 1 && !plan->save &&
	       search_now() >= run->schedule.begun + plan->seconds;
}

static const struct plan_chain *
stored(const struct plan *plan, uint32_t number)
{
	for (uint32_t i = 0; plan->from && i < plan->from->n; i++)
		if (plan->from->chain[i].number == number)
			return &plan->from->chain[i];
	return NULL;
}

static void
begin(struct run *run, struct chain *c)
{
	const struct plan *plan = run->plan;
	const struct plan_chain *from = stored(plan, c->number);

	c->w = (struct walk){.seed = plan->seed,
			     .stream = c->number,
			     .t0 = -1,
			     .t1 = -1,
			     .tau = search_tau(plan->model),
			     .transfers = !plan->keep_copies};
	c->rung = c->number;
	c->cost = run->first;
	if ((c->r = place_copy(&c->p, from ? from->now : run->start)) < 0)
		return;
	if (from) {
		c->w.t0 = from->t0;
		c->w.t1 = from->t1;
		c->w.draws = from->draws;
		c->w.done = from->done;
		c->w.least = plan_cost(plan, from->best, run->t); /* on this trace */
		c->rung = from->rung;
		c->r = place_copy(&c->w.best, from->best);
	} else if (!plan->keep_copies && plan->temper) {
		place_free(&c->p);
		c->r = place_copy(&c->p, &run->one);
	} else if (!plan->keep_copies) {
		c->r = stage_one(run, c);
	}
	if (c->r < 0 || (!from && over(run)))
		return;
	c->s = search_new(&c->p, run->wide, plan->model, plan->objective, plan->per_device);
	if (!c->s) {
		c->r = TR_ENOMEM;
		return;
	}
	c->r = search_margin(c->s, plan->margin, plan->seed + c->number);
	if (!c->r && plan->maxmoved != PLACE_ALL)
		c->r = search_limit(c->s, run->start, plan->maxmoved);
	if (c->r == TR_EVALUE || (from && place_moved(run->start, from->best) > plan->maxmoved)) {
		c->r = TR_EVALUE; /* it was stored without that limit */
		return;
	}
	if (!c->r)
		c->r = walk_begin(&c->w, c->s, &run->schedule);
}

/* ---- rounds ---- */

static double *
told_of(struct run *run, uint32_t chain)
{
	uint32_t size = (uint32_t)run->plan->ranks->size;
	uint32_t per = (run->plan->chains + size - 1) / size;

	return run->all + (chain % size) * (per * WORDS + 1) + chain / size * WORDS;
}

/* Changes of the chain that has done least: a signal ends some within a round. */
static uint64_t
least_done(struct run *run)
{
	double done = told_of(run, 0)[2];

	for (uint32_t i = 1; i < run->plan->chains; i++)
		done = MIN(done, told_of(run, i)[2]);
	return (uint64_t)done;
}

static uint64_t
round_changes(const struct run *run)
{
	return run->plan->temper ? TEMPER_ROUND : ROUND;
}

static double
rung(const struct run *run, uint32_t i)
{
	uint32_t n = MAX(run->plan->chains - 1, 1u);

	return run->t0 * num_pow(run->t1 / run->t0, (double)i / n);
}

static void
walk(struct run *run, struct chain *c)
{
	const struct plan *plan = run->plan;
	struct schedule x = run->schedule;
	uint64_t end = (run->round + 1) * round_changes(run);

	x.t0 = plan->temper ? rung(run, c->rung) : c->w.t0;
	x.t1 = plan->temper ? x.t0 : c->w.t1;
	c->r = walk_go(&c->w, &x, end - MIN(end, c->w.done));
	if (c->r >= 0) {
		int r = walk_settle(&c->w);

		c->r = r < 0 ? r : 0;
	}
}

/* How the chains stand; is it to end? */
static int
told(struct run *run)
{
	const struct plan *plan = run->plan;
	double now = seconds(run);
	int stop = run->ended || (plan->seconds > 0 && now >= plan->seconds);

	for (uint32_t i = 0; i < run->nchain; i++)
		stop |= reached(plan, run->chain[i].w.least);
	for (uint32_t i = 0; i < run->nchain; i++) {
		struct chain *c = &run->chain[i];

		if (!plan->tell || (now - c->told < 0.05 && c->told > 0 && !stop &&
				    (!plan->iters || c->w.done < plan->iters)))
			continue;
		c->told = now;
		stop |= plan->tell(plan->arg, c->number, now, c->w.done, search_cost(c->s),
				   MIN(c->w.least, run->first));
	}
	return stop;
}

static int
save(struct run *run)
{
	struct plan_state state = {.seconds = seconds(run), .n = run->nchain};
	int r;

	if (!(state.chain = calloc(run->nchain + 1, sizeof *state.chain)))
		return TR_ENOMEM;
	for (uint32_t i = 0; i < run->nchain; i++) {
		struct chain *c = &run->chain[i];

		state.chain[i] = (struct plan_chain){c->number,  c->rung,    search_place(c->s),
						     &c->w.best, c->w.draws, c->w.done,
						     c->w.least, c->w.t0,    c->w.t1};
	}
	r = run->plan->save(run->plan->arg, &state);
	free(state.chain);
	return r ? TR_EIO : 0;
}

/* Of every chain energy, rung, done and least cost; then what each process says of stopping. */
static int
gather(struct run *run, int stop, int due)
{
	const struct ranks *ranks = run->plan->ranks;
	uint32_t size = (uint32_t)ranks->size, per = (run->plan->chains + size - 1) / size;
	int n = (int)(per * WORDS + 1);

	for (uint32_t i = 0; i < run->nchain; i++) {
		const struct chain *c = &run->chain[i];
		double *x = run->mine + i * WORDS;

		x[0] = walk_energy(&c->w);
		x[1] = c->rung;
		x[2] = (double)c->w.done;
		x[3] = c->w.least;
	}
	run->mine[n - 1] = stop + 2 * due;
	if (ranks_gather(ranks, run->mine, run->all, n) < 0)
		return TR_EIO;
	run->due = 0;
	for (int i = 0; i < ranks->size; i++) {
		int says = (int)run->all[i * n + n - 1];

		run->stop |= says & 1;
		run->due |= says >> 1;
	}
	run->stop |= run->plan->iters && least_done(run) >= run->plan->iters;
	return 0;
}

/* Neighbours on the ladder, of even rungs and of odd ones by turns.  Every process
 * finds the same. */
static int
exchange(struct run *run)
{
	const struct plan *plan = run->plan;
	uint32_t at[PLAN_CHAINS];

	for (uint32_t i = 0; i < plan->chains; i++)
		at[i] = PLAN_CHAINS;
	for (uint32_t i = 0; i < plan->chains; i++)
		at[(uint32_t)told_of(run, i)[1]] = i;
	for (uint32_t i = 0; i < plan->chains; i++)
		if (at[i] == PLAN_CHAINS)
			return TR_EVALUE; /* stored in different rounds */
	for (uint32_t k = run->round % 2; k + 1 < plan->chains; k += 2) {
		double hot = told_of(run, at[k])[0], cold = told_of(run, at[k + 1])[0];
		double x = (1 / rung(run, k + 1) - 1 / rung(run, k)) * (cold - hot);

		if (x < 0 &&
		    rng_f64(plan->seed, UINT64_C(0x6578) << 48 | k, run->round) >= num_exp(x))
			continue;
		for (uint32_t i = 0; i < run->nchain; i++) {
			struct chain *c = &run->chain[i];

			if (c->number == at[k])
				c->rung = k + 1;
			else if (c->number == at[k + 1])
				c->rung = k;
		}
	}
	return 0;
}

static int
rounds(struct run *run)
{
	const struct plan *plan = run->plan;
	double saved = search_now();
	int r = 0;

	run->t0 = run->chain[0].w.t0;
	run->t1 = run->chain[0].w.t1;
	if ((r = gather(run, told(run), 0)) < 0 ||
	    (r = ranks_spread(plan->ranks, &run->t0, sizeof run->t0, 0)) < 0 ||
	    (r = ranks_spread(plan->ranks, &run->t1, sizeof run->t1, 0)) < 0)
		return r;
	for (;;) {
		if (plan->save && (run->stop || run->due)) {
			saved = search_now();
			if ((r = save(run)) < 0)
				return r;
		}
		if (run->stop)
			return 0;
		run->round = least_done(run) / round_changes(run);
		if ((r = all(run, walk)) < 0 ||
		    (r = gather(run, told(run), search_now() - saved >= plan->every)) < 0 ||
		    (plan->temper && least_done(run) >= (run->round + 1) * TEMPER_ROUND &&
		     (r = exchange(run)) < 0))
			return r;
	}
}

/* The best of all processes, told to all. */
static int
best(struct run *run, struct place *p, double *cost)
{
	const struct ranks *ranks = run->plan->ranks;
	uint32_t best = 0, mine = 0, *copies, n = p->experts;
	struct place q = {0};
	int from, r;

	for (uint32_t i = 1; i < run->plan->chains; i++)
		if (told_of(run, i)[3] < told_of(run, best)[3])
			best = i;
	from = (int)(best % (uint32_t)ranks->size);
	mine = best / (uint32_t)ranks->size;
	if (!(told_of(run, best)[3] < *cost))
		return 0; /* never costlier than its start */
	*cost = told_of(run, best)[3];
	if (!(copies = calloc(n + 1, sizeof *copies)))
		return TR_ENOMEM;
	for (uint32_t e = 0; e < n && from == ranks->rank; e++)
		copies[e] = run->chain[mine].w.best.first[e + 1] - run->chain[mine].w.best.first[e];
	r = ranks_spread(ranks, copies, n * sizeof *copies, from) < 0 ? TR_EIO : 0;
	if (!r && (r = place_init(&q, p->rows, p->cols, n, copies)) == 0) {
		if (from == ranks->rank)
			memcpy(q.dev, run->chain[mine].w.best.dev, q.n * sizeof *q.dev);
		r = ranks_spread(ranks, q.dev, q.n * sizeof *q.dev, from) < 0 ? TR_EIO : 0;
	}
	free(copies);
	if (!r) {
		place_free(p);
		*p = q;
	}
	return r;
}

int
plan_ours(const struct plan *plan, struct place *p, const struct tokens *t, double *cost)
{
	struct run run = {.plan = plan,
			  .start = p,
			  .t = t,
			  .begun = search_now(),
			  .lock = PTHREAD_MUTEX_INITIALIZER};
	uint32_t size = (uint32_t)plan->ranks->size, rank = (uint32_t)plan->ranks->rank;
	uint32_t per = (plan->chains + size - 1) / size;
	struct tokens wide = {0};
	int r;

	if (plan->target > 0 && *cost <= plan->target)
		return 0;
	run.first = *cost;
	run.base = plan->from ? plan->from->seconds : 0;
	run.schedule = (struct schedule){.iters = plan->iters,
					 .begun = run.begun - run.base,
					 .seconds = plan->seconds,
					 .target = plan->target,
					 .end = plan->end};
	run.chain = calloc(per + 1, sizeof *run.chain);
	run.mine = calloc(per * WORDS + 1, sizeof *run.mine);
	run.all = calloc(size * (per * WORDS + 1), sizeof *run.all);
	for (uint32_t i = rank; i < plan->chains; i += size)
		run.nchain++;
	for (uint32_t i = 0; i < run.nchain && run.chain; i++)
		run.chain[i].number = rank + i * size;
	for (uint32_t i = 0; plan->tell && !plan->from && i < run.nchain && run.chain; i++)
		plan->tell(plan->arg, run.chain[i].number, 0, 0, *cost, *cost);
	r = run.chain && run.mine && run.all ? plan_widen(plan, p, t, &wide) : TR_ENOMEM;
	run.wide = !r && wide.nbatch ? &wide : t;
	if (!r && plan->temper && !plan->from && !plan->keep_copies) {
		struct chain c = {.number = 0, .cost = *cost};

		if ((r = place_copy(&c.p, p)) == 0)
			r = stage_one(&run, &c);
		run.one = c.p;
	}
	r = r ? r : all(&run, begin);
	if (!r && run.nchain && !run.chain[0].s) { /* over() */
		if (run.chain[0].cost < *cost) {
			place_free(p);
			*p = run.chain[0].p;
			*cost = run.chain[0].cost;
			memset(&run.chain[0].p, 0, sizeof *p);
		}
	} else if (!r && (r = rounds(&run)) == 0) {
		r = best(&run, p, cost);
	}
	for (uint32_t i = 0; run.chain && i < run.nchain; i++) {
		walk_end(&run.chain[i].w);
		search_free(run.chain[i].s);
		place_free(&run.chain[i].p);
	}
	tokens_free(&wide);
	place_free(&run.one);
	free(run.chain);
	free(run.mine);
	free(run.all);
	return r;
}
