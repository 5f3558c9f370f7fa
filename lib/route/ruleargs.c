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
