/* Experts by count, most first, then by number; shares of tokens in percent. */
#include <stdlib.h>
#include <string.h>

#include "topktext.h"

static const char double_rule[] = "============================================================\n";
static const char rule[] = "------------------------------------------------------------\n";

enum { PCIE = 32, MD = 512 }; /* Gbps, constants of the notebook */

struct ranked {
	uint64_t n;
	uint32_t expert;
};

static int
by_count(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? 1 : -1;
	return (x->expert > y->expert) - (x->expert < y->expert);
}

static struct ranked *
rank(const struct topktext *t)
{
	struct ranked *r = malloc((t->experts + 1) * sizeof *r);

	for (uint32_t e = 0; r && e < t->experts; e++)
		r[e] = (struct ranked){t->n[e], e};
	if (r)
		qsort(r, t->experts, sizeof *r, by_count);
	return r;
}

/* In the notebook's order of operations: the halves it meets are exact. */
static double
percent(const struct topktext *t, uint64_t n)
{
	return t->n_tokens ? (double)n / (double)t->n_tokens * 100 : 0;
}

int
topktext_csv(struct sink *s, const struct topktext *t)
{
	struct ranked *r = rank(t);
	int bad = !r || sink_printf(s, "Expert_ID,Token_Count,Percentage,Rank\r\n") < 0;

	for (uint32_t i = 0; i < t->experts && !bad; i++)
		bad = sink_printf(s, "%u,%llu,%.2f,%u\r\n", r[i].expert, (unsigned long long)r[i].n,
				  percent(t, r[i].n), i + 1) < 0;
	free(r);
	return bad ? -1 : 0;
}

static const char *
ordinal(uint64_t n, int title)
{
	static const char *const ends[2][4] = {{"th", "st", "nd", "rd"}, {"Th", "St", "Nd", "Rd"}};
	uint64_t last = n % 10;

	return ends[title][n % 100 / 10 != 1 && last < 4 ? last : 0];
}

static int
head(struct sink *s, const struct topktext *t)
{
	unsigned long long k = t->k, place = t->position + 1;
	int bad = sink_printf(s, "%sTOP %llu EXPERT TOKEN DISTRIBUTION (", double_rule, k) < 0;

	if (t->position == UINT64_MAX)
		bad |= sink_printf(s, "Layer %llu - ALL SEQUENCES)\n",
				   (unsigned long long)t->layer) < 0;
	else
		bad |= sink_printf(s, "%llu%s token)\n", place, ordinal(place, t->title)) < 0;
	bad |= sink_printf(s, "%sTotal tokens: %llu\n", double_rule,
			   (unsigned long long)t->n_tokens) < 0;
	if (t->position == UINT64_MAX)
		bad |= sink_printf(s, "Total sequences: %llu\nSequence length: %llu\n",
				   (unsigned long long)t->seqs, (unsigned long long)t->seqlen) < 0;
	bad |= sink_printf(s, "Expected total (tokens \303\227 %llu): %llu\n%s", k,
			   (unsigned long long)t->n_tokens * k, double_rule) < 0;
	bad |= sink_printf(s, "%-12s %-15s %-10s\n%s", "Expert ID", "Token Count", "Percentage",
			   rule) < 0;
	return bad;
}

static int
tail(struct sink *s, const struct topktext *t, uint64_t active, uint64_t sum)
{
	/* round(n / 17), never a half */
	unsigned long long n = active, g = (active * PCIE * 2 + PCIE + MD) / (2 * (PCIE + MD));

	if (t->position == UINT64_MAX)
		return sink_printf(s,
				   "%s\nGATING MECHANISM OUTPUT\nExpert_Activ: %llu\n"
				   "H (Gating Output): %llu\n",
				   rule, n, g) < 0;
	return sink_printf(s, "%sTotal assignments: %llu\n\n%sGATING MECHANISM OUTPUT\n%s", rule,
			   (unsigned long long)sum, double_rule, double_rule) < 0 ||
	       sink_printf(s,
			   "Expert_Activ (experts with \342\211\2451 token): %llu\n\n"
			   "Bandwidth Parameters:\n  BW_PCIe: %d Gbps\n  BW_MD:   %d Gbps\n"
			   "  Alpha (\316\261): 1.0\n\nCalculated Values:\n  Expert_GPU: %llu\n"
			   "  Expert_MD:  %llu\n  H (Gating Output): %llu\n\n",
			   n, PCIE, MD, g, n - g, g) < 0 ||
	       sink_printf(s,
			   "Formulas Used:\n"
			   "  Expert_GPU = (BW_PCIe / (BW_MD + BW_PCIe)) \303\227 Expert_Activ\n"
			   "  Expert_GPU = (%d / (%d + %d)) \303\227 %llu\n"
			   "  Expert_MD = Expert_Activ - Expert_GPU\n"
			   "  H = \316\261 \303\227 Expert_GPU = 1.0 \303\227 %llu\n",
			   PCIE, MD, PCIE, n, g) < 0;
}

int
topktext_txt(struct sink *s, const struct topktext *t)
{
	struct ranked *r = rank(t);
	uint64_t active = 0, sum = 0;
	int bad = !r || head(s, t);

	for (uint32_t i = 0; i < t->experts && !bad; i++) {
		active += r[i].n > 0;
		sum += r[i].n;
		bad = sink_printf(s, "Expert %-5u %-15llu %6.2f%%\n", r[i].expert,
				  (unsigned long long)r[i].n, percent(t, r[i].n)) < 0;
	}
	bad = bad || tail(s, t, active, sum);
	free(r);
	return bad ? -1 : 0;
}
