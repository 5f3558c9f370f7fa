/*
 * Route frames with logits in, the same rows routed by another rule out.  Of most
 * rules a row is routed by itself; capacity, reroute and sinkhorn see all rows of a
 * batch's layer at once, so their frames are gathered.  router-analysis.md section 6.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/density/ptable.h"
#include "../../lib/route/decide.h"
#include "../../lib/route/held.h"
#include "../../lib/route/routed.h"
#include "../../lib/route/routein.h"
#include "../../lib/route/ruleargs.h"
#include "rows.h"
#include "size.h"
#include "tool.h"

static int rule, compat = -1;
static uint64_t iterations = 100, trim;
static const char *beta = "0.5", *model, *clamp = "none", *kernel;
static struct ruleargs A = {.score = -1, .min_k = 1};
static struct rules R = {.alpha = 0.05, .temperature = 1, .capacity = 1, .tolerance = 1e-4};

static struct decide decide;
static struct routed out;

static struct opt opts[] = {
	{0, "rule", "topk|group|capacity|reroute|sinkhorn|bh|hc", OPT_WORD, &rule,
	 "the rule (topk)", 0, 0},
	{'k', "topk", "K", OPT_U64, &A.topk, "picks of a row (as the input has)", 1, TR_WIDTH_MAX},
	{0, "softmax", "before|after|none", OPT_WORD, &A.score,
	 "weights are a softmax of all logits, of those picked, or logits (before)", 0, 0},
	{0, "sigmoid", NULL, OPT_FLAG, &A.sigmoid, "scores are the sigmoid of each logit", 0, 0},
	{0, "bias", "FILE", OPT_STR, &A.bias_file, "a number an expert, added to what chooses", 0,
	 0},
	{0, "temperature", "X", OPT_F64, &R.temperature, "divide the logits that weigh (1)", 0, 0},
	{0, "renorm", NULL, OPT_FLAG, &R.renorm, "divide the weights by their sum", 0, 0},
	{0, "groups", "N", OPT_U64, &A.groups, "group: cut the experts into N groups", 1,
	 TR_EXPERTS_MAX},
	{0, "topk-groups", "N", OPT_U64, &A.topk_groups, "group: picks come from N of them", 1,
	 TR_EXPERTS_MAX},
	{0, "capacity-factor", "X", OPT_F64, &R.capacity, "capacity: times an even share (1)", 0,
	 0},
	{0, "iterations", "N", OPT_U64, &iterations, "sinkhorn: at most N (100)", 1, UINT32_MAX},
	{0, "tolerance", "X", OPT_F64, &R.tolerance, "sinkhorn: relative change to stop at (1e-4)",
	 0, 0},
	{0, "alpha", "X", OPT_F64, &R.alpha, "bh: the level (0.05)", 0, 0},
	{0, "beta", "auto|X|dj", OPT_STR, &beta, "hc: the ranks looked at (0.5)", 0, 0},
	{0, "min-k", "N", OPT_U64, &A.min_k, "bh, hc: picks at least (1)", 1, TR_WIDTH_MAX},
	{0, "max-k", "N", OPT_U64, &A.max_k, "bh, hc: picks at most (16)", 1, TR_WIDTH_MAX},
	{'m', "model", "FILE", OPT_STR, &model, "bh, hc: kde frames, a table a layer", 0, 0},
	{0, "kernel", "NAME", OPT_STR, &kernel, "tables of that kernel (a layer's first)", 0, 0},
	{0, "trim", "N", OPT_U64, &trim, "tables of that trim (0)", 0, 0},
	{0, "compat", "interp", OPT_WORD, &compat, "p is 1 less the interpolated cdf", 0, 0},
	{0, "clamp", "f32|bf16|f16|X|none", OPT_STR, &clamp, "keep p this far from 0 and 1 (none)",
	 0, 0},
	{0, "empirical", NULL, OPT_FLAG, &A.empirical,
	 "bh, hc: count p in the batch without a table", 0, 0},
	{0, "best", NULL, OPT_FLAG, &A.best, "bh, hc: columns best_rank and hc_max, too", 0, 0},
	{0, "decisions", "N", OPT_U64, &decide.every, "bh, hc: every N-th row explained, no routes",
	 1, UINT64_MAX},
	{0, "decisions-to", "FILE", OPT_STR, &decide.file, "that there, and routes", 0, 0},
	{0},
};

static struct tool t = {
	.name = "trace-route",
	.operands = "[FILE ...]",
	.what = "route logits by another rule",
	.opts = opts,
	.flags = TOOL_TRACE,
};

static struct ptables tables;
static uint32_t nbias;

static struct rules_work *work; /* of R.experts and R.width */
/* Frames of one batch's layer, of rules that are joint and of p that are counted. */
static struct held *held;

static void
options(void)
{
	R.kind = rule;
	ruleargs_take(&R, &A);
	R.iterations = (uint32_t)iterations;
	R.clamp = ruleargs_clamp(clamp);
	ruleargs_beta(&R, beta);
	if (A.bias_file)
		R.bias = ruleargs_bias(A.bias_file, &nbias);
	out.best = A.best;
}

/* Work for rows of that many experts. */
static void
prepare(const struct tr_frame *f, uint32_t experts)
{
	const uint64_t said = tool_section(&t)->experts;
	char why[128];

	if (work && R.experts == experts)
		return;
	if (said && said != experts)
		tool_refuse(&t, f, "%u logits of %llu experts", experts, (unsigned long long)said);
	if (rules_fit(&R, experts, nbias, why, sizeof why) < 0)
		tool_refuse(&t, f, "%s", why);
	R.experts = experts;
	rules_free(work);
	if (!(work = rules_new(&R)))
		die("no memory");
}

/* @trace: topk is the width of ids, score and renorm say what weights are. */
static void
begin(struct tr_frame *f)
{
	const struct tr_sect *s = tool_section(&t);
	uint64_t k = A.topk ? A.topk : s->topk;

	if (rules_pvalues(&R))
		k = A.max_k ? A.max_k : s->experts ? MIN(16, s->experts) : 16;
	if (k == 0)
		tool_refuse(&t, f, "it says no topk: give -k");
	if (s->experts && k > s->experts)
		tool_refuse(&t, f, "%llu picks are more than the %llu experts",
			    (unsigned long long)k, (unsigned long long)s->experts);
	R.width = (uint32_t)k;
	rules_free(work);
	work = NULL;
	held_section(held);
	if (routed_trace(&R, f) < 0)
		tool_refuse(&t, f, "the line grows too long");
}

/* A route frame decoded, work ready for it. */
static void
open_route(struct tr_frame *f)
{
	struct tr_col c;

	tool_col(&t, f, "logit", &c);
	tool_check(&t, tr_decode(f));
	prepare(f, c.width);
}

static struct rules_row *
results(uint64_t n)
{
	struct rules_row *to = routed_rows(&out, &R, n);

	tool_check(&t, to ? 0 : TR_ENOMEM);
	return to;
}

static void
put(struct tr_frame *f, const struct rules_row *rows)
{
	int r;

	if (decide.every && !decide.file)
		return;
	r = routed_cols(&out, &R, rows, f);
	if (r < 0 && r != TR_ENOMEM)
		tool_refuse(&t, f, "the frame grows too large");
	tool_check(&t, r);
	tool_put(&t, f);
}

/* Rows of f, each by itself, and out with them. */
static void
route_rows(struct tr_frame *f, const double *x, const double *p, struct rules_row *to)
{
	struct rows rows;

	if (rows_open(&rows, f) < 0)
		tool_refuse(&t, f, "row numbers are none");
	for (uint64_t i = 0; i < f->rows; i++) {
		const double *q = p ? p + i * R.experts : NULL;

		rules_one(work, x + i * R.experts, q, &to[i]);
		decide_row(&decide, f, rows_at(&rows, i), &R, work, q, &to[i]);
	}
	put(f, to);
}

/* Are p of f counted in its batch, since there is no table? */
static int
counted(const struct tr_frame *f)
{
	return A.empirical && (!model || !ptables_find(&tables, tr_get(f, "layer", 0)));
}

/* A route frame by itself. */
static void
route(struct tr_frame *f)
{
	static struct rows_buf buf, own;
	double *x, *p = NULL;

	open_route(f);
	x = routein_room(&buf, f->rows, R.experts);
	routein_logits(&t, f, R.experts, x);
	if (rules_pvalues(&R)) {
		p = routein_room(&own, f->rows, R.experts);
		if (model)
			routein_looked_up(&t, f, &tables, model, x, R.experts, p);
		else
			routein_p(&t, f, R.experts, p);
	}
	route_rows(f, x, p, results(f->rows));
}

/* The frames held. */
static void
flush(void)
{
	static struct rows_buf buf, own;
	uint64_t n = held_rows(held), first = 0;
	int joint = rules_joint(&R), r;
	struct rules_row *to;
	struct tr_frame *f;
	double *x, *p = NULL;

	if (!held_frames(held))
		return;
	x = routein_room(&buf, n, R.experts);
	to = results(n);
	for (size_t i = 0; i < held_frames(held); i++) {
		f = held_frame(held, i);
		routein_logits(&t, f, R.experts, x + first * R.experts);
		first += f->rows;
	}
	r = joint ? held_route(held, work, x, R.experts, to, &f) : 0;
	if (r < 0 && r != TR_ENOMEM)
		tool_refuse(&t, f, "row numbers are none");
	tool_check(&t, r);
	if (!joint) {
		p = routein_room(&own, n, R.experts);
		routein_counted(x, n, R.experts, p);
	}
	first = 0;
	for (size_t i = 0; i < held_frames(held); i++) {
		f = held_frame(held, i);
		if (joint)
			put(f, to + first);
		else
			route_rows(f, x + first * R.experts, p + first * R.experts, to + first);
		first += f->rows;
	}
	held_clear(held);
}

static void
hold(struct tr_frame *f)
{
	int r;

	if (!held_same(held, f))
		flush();
	open_route(f);
	if ((r = held_add(held, f)) == 0)
		tool_refuse(&t, f, "more of a batch that was done: trace-sort first");
	tool_check(&t, r);
}

int
main(int argc, char **argv)
{
	struct tr_frame f;

	tool_start(&t, argc, argv);
	options();
	decide_start(&decide, &t, &R);
	if (!(held = held_new()))
		die("no memory");
	if (model && rules_pvalues(&R))
		routein_tables(&t, model, kernel, trim, compat >= 0, &tables);
	while (tool_next(&t, &f)) {
		if (!strcmp(f.kind, "route") && (rules_joint(&R) || counted(&f))) {
			hold(&f);
			continue;
		}
		flush();
		if (!strcmp(f.kind, "route")) {
			route(&f);
			continue;
		}
		if (!strcmp(f.kind, "trace")) {
			begin(&f);
			decide_section(&decide, &f);
		}
		tool_put(&t, &f);
	}
	flush();
	decide_end(&decide);
	return tool_end(&t);
}
