/*
 * Route frames with logits in, the same rows routed by another rule out.  Of most
 * rules a row is routed by itself; capacity, reroute and sinkhorn see all rows of a
 * batch's layer at once, so their frames are gathered.  router-analysis.md section 6.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/density/ptable.h"
#include "../../lib/route/held.h"
#include "../../lib/route/routed.h"
#include "../../lib/route/routein.h"
#include "../../lib/route/ruleargs.h"
#include "rows.h"
#include "size.h"
#include "tool.h"

static int rule, compat = -1, score = -1, sigmoid;
static uint64_t topk, min_k = 1, max_k, groups, topk_groups, iterations = 100, trim;
static const char *beta = "0.5", *model, *clamp = "none", *bias_file, *kernel;
static struct rules R = {.alpha = 0.05, .temperature = 1, .capacity = 1, .tolerance = 1e-4};

static struct opt opts[] = {
	{0, "rule", "topk|group|capacity|reroute|sinkhorn|bh|hc", OPT_WORD, &rule,
	 "the rule (topk)", 0, 0},
	{'k', "topk", "K", OPT_U64, &topk, "picks of a row (as the input has)", 1, TR_WIDTH_MAX},
	{0, "softmax", "before|after|none", OPT_WORD, &score,
	 "weights are a softmax of all logits, of those picked, or logits (before)", 0, 0},
	{0, "sigmoid", NULL, OPT_FLAG, &sigmoid, "scores are the sigmoid of each logit", 0, 0},
	{0, "bias", "FILE", OPT_STR, &bias_file, "a number an expert, added to what chooses", 0, 0},
	{0, "temperature", "X", OPT_F64, &R.temperature, "divide the logits that weigh (1)", 0, 0},
	{0, "renorm", NULL, OPT_FLAG, &R.renorm, "divide the weights by their sum", 0, 0},
	{0, "groups", "N", OPT_U64, &groups, "group: cut the experts into N groups", 1,
	 TR_EXPERTS_MAX},
	{0, "topk-groups", "N", OPT_U64, &topk_groups, "group: picks come from N of them", 1,
	 TR_EXPERTS_MAX},
	{0, "capacity-factor", "X", OPT_F64, &R.capacity, "capacity: times an even share (1)", 0,
	 0},
	{0, "iterations", "N", OPT_U64, &iterations, "sinkhorn: at most N (100)", 1, UINT32_MAX},
	{0, "tolerance", "X", OPT_F64, &R.tolerance, "sinkhorn: relative change to stop at (1e-4)",
	 0, 0},
	{0, "alpha", "X", OPT_F64, &R.alpha, "bh: the level (0.05)", 0, 0},
	{0, "beta", "auto|X|dj", OPT_STR, &beta, "hc: the ranks looked at (0.5)", 0, 0},
	{0, "min-k", "N", OPT_U64, &min_k, "bh, hc: picks at least (1)", 1, TR_WIDTH_MAX},
	{0, "max-k", "N", OPT_U64, &max_k, "bh, hc: picks at most (16)", 1, TR_WIDTH_MAX},
	{'m', "model", "FILE", OPT_STR, &model, "bh, hc: kde frames, a table a layer", 0, 0},
	{0, "kernel", "NAME", OPT_STR, &kernel, "tables of that kernel (a layer's first)", 0, 0},
	{0, "trim", "N", OPT_U64, &trim, "tables of that trim (0)", 0, 0},
	{0, "compat", "interp", OPT_WORD, &compat, "p is 1 less the interpolated cdf", 0, 0},
	{0, "clamp", "f32|bf16|f16|X|none", OPT_STR, &clamp, "keep p this far from 0 and 1 (none)",
	 0, 0},
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

static struct held *held; /* frames of one batch's layer, of rules that are joint */
static struct routed out;

/* ---- options ---- */

static void
options(void)
{
	int pvalues;

	R.kind = rule;
	pvalues = rules_pvalues(&R);
	if (pvalues && (score >= 0 || sigmoid || bias_file || topk))
		die("--%s: not with --rule bh or hc", topk        ? "topk"
						      : bias_file ? "bias"
						      : sigmoid   ? "sigmoid"
								  : "softmax");
	if (!pvalues && (max_k || min_k > 1))
		die("--%s: only with --rule bh or hc", max_k ? "max-k" : "min-k");
	if (bias_file && R.kind == RULES_SINKHORN)
		die("--bias: not with --rule sinkhorn");
	if (sigmoid && score >= 0)
		die("--sigmoid: not with --softmax");
	if ((R.kind == RULES_GROUP) != (groups || topk_groups))
		die(R.kind == RULES_GROUP ? "--rule group: --groups and --topk-groups are needed"
					  : "--groups, --topk-groups: only with --rule group");
	if (R.kind == RULES_GROUP && (!groups || topk_groups > groups || !topk_groups))
		die("--topk-groups: not from 1 to --groups");
	if (!(R.temperature > 0) || !(R.capacity > 0) || R.tolerance < 0)
		die("--temperature, --capacity-factor, --tolerance: not above 0");
	if (!(R.alpha > 0 && R.alpha < 1))
		die("--alpha: not between 0 and 1");
	if (max_k && min_k > max_k)
		die("--min-k: more than --max-k");
	R.score = sigmoid ? RULES_SIGMOID : score < 0 ? RULES_BEFORE : (enum rules_score)score;
	R.groups = (uint32_t)groups;
	R.topk_groups = (uint32_t)topk_groups;
	R.iterations = (uint32_t)iterations;
	R.clamp = ruleargs_clamp(clamp);
	ruleargs_beta(&R, beta);
	if (bias_file)
		R.bias = ruleargs_bias(bias_file, &nbias);
}

/* ---- frames ---- */

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
	const char *score_name = R.score == RULES_SIGMOID ? "sigmoid" : "softmax";
	uint64_t k = topk ? topk : s->topk;
	int r;

	if (rules_pvalues(&R))
		k = max_k ? max_k : s->experts ? MIN(16, s->experts) : 16;
	if (k == 0)
		tool_refuse(&t, f, "it says no topk: give -k");
	if (s->experts && k > s->experts)
		tool_refuse(&t, f, "%llu picks are more than the %llu experts",
			    (unsigned long long)k, (unsigned long long)s->experts);
	R.width = (uint32_t)k;
	R.min_k = (uint32_t)min_k;
	rules_free(work);
	work = NULL;
	held_section(held);
	tr_unset(f, "renorm");
	if (R.score == RULES_NONE)
		tr_unset(f, "score");
	r = R.score == RULES_NONE ? 0 : tr_set(f, "score", score_name);
	if (r == 0)
		r = tr_setu(f, "topk", k);
	if (r == 0 && (R.renorm || R.kind == RULES_BH || R.score == RULES_AFTER))
		r = tr_setu(f, "renorm", 1);
	if (r < 0)
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

	if (!to)
		die("no memory");
	return to;
}

static void
put(struct tr_frame *f, const struct rules_row *rows)
{
	int r = routed_cols(&out, &R, rows, f);

	if (r == TR_ENOMEM)
		die("no memory");
	if (r < 0)
		tool_refuse(&t, f, "the frame grows too large");
	tool_put(&t, f);
}

/* A route frame by itself. */
static void
route(struct tr_frame *f)
{
	static struct rows_buf buf, own;
	struct rules_row *to;
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
	to = results(f->rows);
	for (uint64_t i = 0; i < f->rows; i++)
		rules_one(work, x + i * R.experts, p ? p + i * R.experts : NULL, &to[i]);
	put(f, to);
}

/* The frames held. */
static void
flush(void)
{
	static struct rows_buf buf;
	uint64_t n = held_rows(held), first = 0;
	struct rules_row *to;
	struct tr_frame *f;
	double *x;
	int r;

	if (!held_frames(held))
		return;
	x = routein_room(&buf, n, R.experts);
	to = results(n);
	for (size_t i = 0; i < held_frames(held); i++) {
		f = held_frame(held, i);
		routein_logits(&t, f, R.experts, x + first * R.experts);
		first += f->rows;
	}
	if ((r = held_route(held, work, x, R.experts, to, &f)) < 0 && r != TR_ENOMEM)
		tool_refuse(&t, f, "row numbers are none");
	tool_check(&t, r);
	first = 0;
	for (size_t i = 0; i < held_frames(held); i++) {
		f = held_frame(held, i);
		put(f, to + first);
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
	if (!(held = held_new()))
		die("no memory");
	if (model && rules_pvalues(&R))
		routein_tables(&t, model, kernel, trim, compat >= 0, &tables);
	while (tool_next(&t, &f)) {
		if (!strcmp(f.kind, "route")) {
			if (rules_joint(&R))
				hold(&f);
			else
				route(&f);
			continue;
		}
		flush();
		if (!strcmp(f.kind, "trace"))
			begin(&f);
		tool_put(&t, &f);
	}
	flush();
	return tool_end(&t);
}
