#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../core/size.h"
#include "stages.h"
#include "timeline.h"

enum { PLANS = ROUTER_STRATEGIES * ROUTER_STAGES };

/* One stage of one strategy, timed. */
struct timed {
	enum router_strategy a;
	enum router_stage b;
	void *plan;
	struct router *router;
	double us[STAGES_SAMPLES];
};

struct run {
	struct stages *s;
	struct timed *timed; /* [n] */
	int n, samples;
};

static int
call(void *arg, uint64_t i, void *stream)
{
	const struct timed *m = arg;

	return router_call(m->router, m->a, m->b, router_turn(m->router, m->b, i), stream);
}

/* All stages of all strategies wanted, by turns. */
static void
measure(struct run *r)
{
	struct stages *s = r->s;
	const struct dev *d = &s->bench->dev;
	struct timed *timed = r->timed;
	double scratch;
	void *plan[PLANS];
	double *us[PLANS], first[PLANS];

	for (int a = 0; a < ROUTER_STRATEGIES; a++)
		for (int b = 0; s->wanted[a] && b < ROUTER_STAGES; b++)
			if (router_has(s->router, a, b))
				timed[r->n++] = (struct timed){.a = a, .b = b, .router = s->router};
	for (int i = 0; i < r->n; i++) {
		struct gpu_run run = {call, &timed[i], !s->no_graph, s->router->nset};

		if (!(plan[i] = timed[i].plan = d->plan(d, &run)))
			bench_check(GPU_EFAIL);
		us[i] = &first[i];
	}
	bench_check(dev_turns(d, plan, r->n, 1, us));
	r->samples = s->samples ? (int)s->samples : bench_samples(first, r->n, STAGES_SAMPLES);
	for (int i = 0; i < r->n; i++)
		us[i] = &scratch;
	for (uint64_t w = 0; w < s->warmup; w++)
		bench_check(dev_turns(d, plan, r->n, 1, us));
	for (int i = 0; i < r->n; i++)
		us[i] = timed[i].us;
	bench_check(dev_turns(d, plan, r->n, r->samples, us));
	for (int i = 0; i < r->n; i++)
		d->unplan(plan[i]);
}

static void
what(struct tr_frame *f, const char *name)
{
	tr_new(f, "bench");
	tr_set(f, "name", name);
}

void
stages_sizes(struct tr_frame *f, const struct bench *b, uint64_t rows, uint64_t d, uint32_t experts,
	     uint32_t k, enum tr_type type)
{
	tr_setu(f, "tokens", rows);
	tr_setu(f, "d_model", d);
	tr_setu(f, "experts", experts);
	tr_setu(f, "topk", k);
	tr_set(f, "dtype", tr_typename(type));
	tr_set(f, "backend", b->dev.backend);
}

static double
median(const struct run *r, enum router_strategy a, enum router_stage b)
{
	struct sample s;

	for (int i = 0; i < r->n; i++)
		if (r->timed[i].a == a && r->timed[i].b == b &&
		    sample_of(r->timed[i].us, r->samples, &s) == 0)
			return s.median;
	return NAN;
}

/* What the stages of a route add up to, each timed alone. */
static double
parts(const struct run *r, enum router_strategy a)
{
	double sum = 0;

	for (int b = 0; b < ROUTER_PACK; b++)
		if (router_has(r->s->router, a, b))
			sum += median(r, a, b);
	return sum;
}

static void
put_stage(const struct run *r, const struct timed *m, const char *check)
{
	const struct router *router = r->s->router;
	const struct bench *b = r->s->bench;
	struct measured got = {.us = m->us,
			       .n = r->samples,
			       .bytes = router_bytes(router, m->a, m->b),
			       .flops = router_flops(router, m->a, m->b),
			       .copy = b->copy,
			       .product = b->product,
			       .check = check};
	struct tr_frame f;

	what(&f, "stage");
	tr_set(&f, "strategy", router_names[m->a]);
	tr_set(&f, "stage", router_stages[m->b]);
	stages_sizes(&f, b, router->rows, router->d, router->s.experts, router->s.k,
		     router->s.type);
	tr_set(&f, "parts_us", "-");
	if (m->b == ROUTER_ROUTE)
		bench_key(&f, "parts_us", parts(r, m->a));
	if (measured_put(&f, &got) < 0)
		die("no memory");
	tool_put(r->s->tool, &f);
}

/* A row a strategy, microseconds; nan where it has no such stage. */
static void
put_strategy(const struct run *r, enum router_strategy a, const struct router_result *got)
{
	static const struct {
		const char *name;
		enum router_stage stage;
	} col[] = {
		{"logit_us", ROUTER_LOGIT},
		{"select_us", ROUTER_SELECT},
		{"index_us", ROUTER_INDEX},
		{"gather_us", ROUTER_GATHER},
		{"pack_us", ROUTER_PACK},
		{"logit_select_us", ROUTER_LOGIT_SELECT},
		{"select_index_us", ROUTER_SELECT_INDEX},
		{"select_pack_us", ROUTER_SELECT_PACK},
		{"route_us", ROUTER_ROUTE},
	};
	float us[LEN(col)];
	struct tr_frame f;

	tr_new(&f, "table");
	tr_set(&f, "name", "router");
	tr_set(&f, "strategy", router_names[a]);
	tr_set(&f, "check", got->check);
	tr_rows(&f, 1);
	for (size_t i = 0; i < LEN(col); i++) {
		us[i] = (float)median(r, a, col[i].stage);
		tr_addcol(&f, col[i].name, TR_F32, 1, &us[i]);
	}
	tr_addcol(&f, "max_mean", TR_F32, 1, &got->max_mean);
	tr_addcol(&f, "cv", TR_F32, 1, &got->cv);
	tool_put(r->s->tool, &f);
}

static void
put_sinkhorn(const struct run *r, const struct router_result *got)
{
	struct tr_frame f;

	what(&f, "sinkhorn");
	tr_setu(&f, "iterations", got->told.iterations);
	bench_key(&f, "row_error", got->told.row_error);
	bench_key(&f, "column_error", got->told.column_error);
	tool_put(r->s->tool, &f);
}

/* One turn of each strategy's stages, the next when the last has ended. */
static void
put_timeline(const struct run *r, struct sink *s)
{
	const struct dev *d = &r->s->bench->dev;
	double at = 0, us;

	timeline_open(s, "router-bench");
	for (int i = 0; i < r->n; i++) {
		struct timed *m = &r->timed[i];
		struct gpu_run run = {call, m, 0, r->s->router->nset};
		void *plan;

		if (m->b >= ROUTER_PACK)
			continue;
		if (!i || r->timed[i - 1].a != m->a)
			timeline_lane(s, (int)m->a, router_names[m->a]);
		if (!(plan = d->plan(d, &run)))
			bench_check(GPU_EFAIL);
		bench_check(d->sample(plan, &us));
		d->unplan(plan);
		timeline_bar(s, (int)m->a, router_stages[m->b], router_names[m->a], at, us);
		at += us;
	}
	timeline_close(s);
	die_keep(s);
	if (sink_close(s) < 0)
		die("%s:", r->s->timeline);
}

static void
drop(void *sink)
{
	sink_drop(sink);
}

void
stages_run(struct stages *s)
{
	struct router_result got[ROUTER_STRATEGIES] = {0};
	struct run r = {s, xcalloc(PLANS, sizeof *r.timed)};
	struct router *router = s->router;
	struct sink *line = s->timeline ? sink_open(s->timeline) : NULL;

	if (s->timeline && !line)
		die("%s:", s->timeline);
	if (line)
		die_undo(drop, line);
	bench_check(router_open(router));
	for (int a = 0; a < ROUTER_STRATEGIES; a++) {
		strcpy(got[a].check, "-");
		s->wanted[a] = s->wanted[a] && router_has(router, a, ROUTER_ROUTE);
		if (s->wanted[a] && !s->no_check)
			bench_check(router_check(router, a, &got[a]));
	}
	bench_peaks(s->bench, router->s.type, router->w != NULL);
	measure(&r);
	bench_head(s->bench, s->tool, router->s.experts, router->s.k);
	for (int i = 0; i < r.n; i++)
		put_stage(&r, &r.timed[i], got[r.timed[i].a].check);
	if (s->wanted[ROUTER_SINKHORN] && !s->no_check)
		put_sinkhorn(&r, &got[ROUTER_SINKHORN]);
	for (int a = 0; a < ROUTER_STRATEGIES; a++)
		if (s->wanted[a])
			put_strategy(&r, a, &got[a]);
	if (line)
		put_timeline(&r, line);
	router_close(router);
	free(r.timed);
	for (int a = 0; a < ROUTER_STRATEGIES; a++)
		if (strcmp(got[a].check, "ok") != 0 && strcmp(got[a].check, "-") != 0)
			die("%s: results differ: %s", router_names[a], got[a].check);
}
