#include <math.h>
#include <stdlib.h>

#include "decide.h"
#include "size.h"

void
decide_start(struct decide *d, struct tool *t, const struct rules *r)
{
	if (d->file && !d->every)
		die("--decisions-to: only with --decisions");
	if (d->every && !rules_pvalues(r))
		die("--decisions: only with --rule bh or hc");
	d->t = t;
	if (d->file)
		d->out = tool_output(t, d->file);
}

static void
put(struct decide *d, const struct tr_frame *f)
{
	int r;

	if (!d->out)
		tool_put(d->t, f);
	else if ((r = tr_put(d->out, f)) < 0)
		tool_broken(d->t);
}

void
decide_section(struct decide *d, const struct tr_frame *trace)
{
	if (d->out)
		put(d, trace);
}

static const char *
reason(const struct rules *r, const struct rules_row *to)
{
	if (!to->rank)
		return "no_signal";
	if (to->rank < r->min_k)
		return "min_k_floor";
	if (to->rank > r->width)
		return "max_k_ceiling";
	return r->kind == RULES_BH ? "bh_threshold" : "hc_threshold";
}

/* Least, greatest, mean and standard deviation of the logits. */
static int
set_logits(struct tr_frame *f, const struct rules_rank *rank, uint32_t n)
{
	double min = rank[0].logit, max = min, sum = 0, square = 0, mean;

	for (uint32_t i = 0; i < n; i++) {
		min = MIN(min, rank[i].logit);
		max = MAX(max, rank[i].logit);
		sum += rank[i].logit;
	}
	mean = sum / n;
	for (uint32_t i = 0; i < n; i++)
		square += (rank[i].logit - mean) * (rank[i].logit - mean);
	return tr_setf(f, "min", min) < 0 || tr_setf(f, "max", max) < 0 ||
	       tr_setf(f, "mean", mean) < 0 ||
	       tr_setf(f, "std", n > 1 ? sqrt(square / (n - 1)) : 0) < 0;
}

/* What rule and search say, as keys. */
static int
set_search(struct tr_frame *f, const struct rules *r, const struct rules_rank *rank,
	   const struct rules_row *to)
{
	uint64_t positive = 0, from = 0, last = 0, looked = 0;

	for (uint32_t i = 0; i < r->experts; i++) {
		positive += r->kind == RULES_HC ? rank[i].value > 0 : rank[i].p <= rank[i].value;
		if (!rank[i].looked)
			continue;
		looked++;
		from = from ? from : i + 1;
		last = i + 1;
	}
	if (tr_setu(f, "from", from) < 0 || tr_setu(f, "to", last) < 0 ||
	    tr_setu(f, "looked_at", looked) < 0 || tr_setu(f, "positive", positive) < 0 ||
	    tr_setu(f, "best_rank", to->rank) < 0)
		return -1;
	if (r->kind == RULES_HC && tr_setf(f, "hc_max", to->hc) < 0)
		return -1;
	return tr_setu(f, "count", to->count) < 0 || tr_set(f, "reason", reason(r, to)) < 0;
}

void
decide_row(struct decide *d, const struct tr_frame *f, uint64_t number, const struct rules *r,
	   const struct rules_work *w, const double *p, const struct rules_row *to)
{
	const uint32_t n = r->experts;
	struct rules_rank *rank;
	uint32_t *at, *expert;
	double *logit, *plain, *clamped, *value, *weight;
	uint8_t *looked;
	struct tr_frame g;

	if (!d->every || number % d->every)
		return;
	rank = xcalloc(n, sizeof *rank);
	at = xcalloc(2 * (size_t)n, sizeof *at);
	expert = at + n;
	logit = xcalloc(5 * (size_t)n, sizeof *logit);
	plain = logit + n;
	clamped = plain + n;
	value = clamped + n;
	weight = value + n;
	looked = xcalloc(n, 1);
	rules_ranks(w, rank);
	for (uint32_t i = 0; i < n; i++) {
		at[i] = i + 1;
		expert[i] = rank[i].id;
		logit[i] = rank[i].logit;
		plain[i] = p[rank[i].id];
		clamped[i] = rank[i].p;
		value[i] = rank[i].value;
		looked[i] = (uint8_t)rank[i].looked;
		weight[i] = i < to->count ? to->w[i] : 0;
	}
	tr_new(&g, "table");
	tr_set(&g, "name", r->kind == RULES_BH ? "decision-bh" : "decision-hc");
	tr_setu(&g, "layer", tr_get(f, "layer", 0));
	tr_setu(&g, "batch", tr_get(f, "batch", 0));
	tr_setu(&g, "token", number);
	if (set_logits(&g, rank, n) || set_search(&g, r, rank, to))
		die("a decision that fits no header");
	tr_rows(&g, n);
	tr_addcol(&g, "rank", TR_U32, 1, at);
	tr_addcol(&g, "expert", TR_U32, 1, expert);
	tr_addcol(&g, "logit", TR_F64, 1, logit);
	tr_addcol(&g, "p", TR_F64, 1, plain);
	tr_addcol(&g, "clamped", TR_F64, 1, clamped);
	tr_addcol(&g, r->kind == RULES_BH ? "threshold" : "hc", TR_F64, 1, value);
	tr_addcol(&g, "looked", TR_U8, 1, looked);
	tr_addcol(&g, "w", TR_F64, 1, weight);
	put(d, &g);
	free(rank);
	free(at);
	free(logit);
	free(looked);
}

void
decide_end(struct decide *d)
{
	if (d->out)
		tool_output_end(d->t, d->out);
}
