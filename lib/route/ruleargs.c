#include <string.h>

#include "num.h"
#include "ruleargs.h"
#include "size.h"
#include "tool.h"

static double
number(const char *option, const char *s, double lo, double hi)
{
	double x;

	if (num_f64(s, s + strlen(s), &x) < 0 || !(x > lo && x <= hi))
		die("--%s %s: not %s", option, s,
		    *option == 'b' ? "auto, dj, dj:X or a number in (0, 1]"
				   : "f32, f16, bf16, none or a number below 0.5");
	return x;
}

void
ruleargs_beta(struct rules *r, const char *s)
{
	if (!strcmp(s, "auto")) {
		r->mode = RULES_AUTO;
	} else if (!strncmp(s, "dj", 2) && (!s[2] || s[2] == ':')) {
		r->mode = RULES_DJ;
		r->beta = s[2] ? number("beta", s + 3, 0, 1) : 0.5;
	} else {
		r->beta = number("beta", s, 0, 1);
		r->mode = r->beta < 1 ? RULES_PART : RULES_ALL;
	}
}

double
ruleargs_clamp(const char *s)
{
	if (!strcmp(s, "none"))
		return 0;
	if (!strcmp(s, "f32"))
		return 0x1p-23;
	if (!strcmp(s, "bf16"))
		return 0x1p-7;
	if (!strcmp(s, "f16"))
		return 0x1p-10;
	return number("clamp", s, 0, 0.5);
}

void
ruleargs_take(struct rules *r, const struct ruleargs *a)
{
	const int pvalues = rules_pvalues(r);

	if (pvalues && (a->score >= 0 || a->sigmoid || a->bias_file || a->topk))
		die("--%s: not with --rule bh or hc", a->topk        ? "topk"
						      : a->bias_file ? "bias"
						      : a->sigmoid   ? "sigmoid"
								     : "softmax");
	if (!pvalues && (a->max_k || a->min_k > 1 || a->empirical || a->best))
		die("--%s: only with --rule bh or hc", a->max_k       ? "max-k"
						       : a->min_k > 1 ? "min-k"
						       : a->empirical ? "empirical"
								      : "best");
	if (a->bias_file && r->kind == RULES_SINKHORN)
		die("--bias: not with --rule sinkhorn");
	if (a->sigmoid && a->score >= 0)
		die("--sigmoid: not with --softmax");
	if ((r->kind == RULES_GROUP) != (a->groups || a->topk_groups))
		die(r->kind == RULES_GROUP ? "--rule group: --groups and --topk-groups are needed"
					   : "--groups, --topk-groups: only with --rule group");
	if (r->kind == RULES_GROUP && (!a->groups || a->topk_groups > a->groups || !a->topk_groups))
		die("--topk-groups: not from 1 to --groups");
	if (a->max_k && a->min_k > a->max_k)
		die("--min-k: more than --max-k");
	if (!(r->temperature > 0) || !(r->capacity > 0) || r->tolerance < 0)
		die("--temperature, --capacity-factor, --tolerance: not above 0");
	if (!(r->alpha > 0 && r->alpha < 1))
		die("--alpha: not between 0 and 1");
	r->score = a->score < 0 ? RULES_BEFORE : (enum rules_score)a->score;
	if (a->sigmoid)
		r->score = RULES_SIGMOID;
	r->groups = (uint32_t)a->groups;
	r->topk_groups = (uint32_t)a->topk_groups;
	r->min_k = (uint32_t)a->min_k;
}

double *
ruleargs_bias(const char *file, uint32_t *n)
{
	struct tool_file m;
	const char *p, *end;
	double *bias;

	tool_slurp(&m, file);
	p = (const char *)m.p;
	end = p + m.n;
	bias = xmalloc((m.n / 2 + 1) * sizeof *bias);
	*n = 0;
	while (p < end) {
		const char *q = p;

		while (q < end && !strchr(" \t\r\n,", *q))
			q++;
		if (q > p && num_f64(p, q, &bias[(*n)++]) < 0)
			die("%s: not a number: %.*s", file, (int)MIN(q - p, 40), p);
		p = q + 1;
	}
	tool_unslurp(&m);
	return bias;
}
