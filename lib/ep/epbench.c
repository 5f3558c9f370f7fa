#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../bench/sample.h"
#include "epbench.h"
#include "size.h"

const enum router_strategy epbench_strategies[] = {ROUTER_NAIVE_TOPK, ROUTER_FUSED_SELECT,
						   ROUTER_SINKHORN};
const char *const epbench_rows[] = {"logit",   "select", "index",    "select+index", "gather",
				    "meta",    "comm",   "local",    "remote",       "return",
				    "combine", "wall",   "route_in", "part",         "comm_in",
				    "comp_in", "route",  "comp",     "exchange",     "apart"};

enum { MEASURED = EPBENCH_ROUTE }; /* rows that ranks measure; the others are sums of them */

/* Rows with no barrier between them: what a sum is of, bit by bit. */
static const int of_route =
	1 << EPLAYER_SELECT | 1 << EPLAYER_INDEX | 1 << EPLAYER_SELECT_INDEX | 1 << EPLAYER_GATHER;
static const int of_comp = 1 << EPLAYER_LOCAL | 1 << EPLAYER_REMOTE;
static const int of_end = 1 << EPLAYER_RETURN | 1 << EPLAYER_COMBINE;

/* ---- on every rank ---- */

static int
one(struct eplayer *l, enum router_strategy a, double to[MEASURED])
{
	struct eplayer_overlap o;

	if (eplayer_apart(l, a, to) < 0 || eplayer_overlapped(l, a, &o) < 0)
		return EP_EFAIL;
	to[EPBENCH_WALL] = o.wall;
	to[EPBENCH_WALL_ROUTE] = o.route;
	to[EPBENCH_PART] = o.part;
	to[EPBENCH_PART_COMM] = o.comm;
	to[EPBENCH_PART_COMP] = o.comp;
	return 0;
}

/* All strategies by turns: mine [strategies][samples][MEASURED]. */
static int
measure(struct eplayer *l, const struct epbench *b, double *mine)
{
	double unused[MEASURED];

	for (int i = -b->warmup; i < b->samples; i++)
		for (int a = 0; a < EPBENCH_STRATEGIES; a++) {
			double *to = i < 0 ? unused : mine + (a * b->samples + i) * MEASURED;

			if (a && !b->want[a])
				continue;
			if (one(l, epbench_strategies[a], to) < 0)
				return EP_EFAIL;
		}
	return 0;
}

/* Loads of a strategy, of its pass just done. */
static int
load(struct eplayer *l, struct epbench *b, int a)
{
	int n = (int)l->experts + 2, size = l->ep->size;
	double *mine = calloc((size_t)n * (size_t)(size + 2), sizeof *mine), *all = mine + n,
	       *rank = all + n * size;
	struct epbench_told *t = &b->told[a];
	int r;

	if (!mine)
		return ep_fail(l->ep, "no memory");
	eplayer_counts(l, mine);
	mine[l->experts] = eplayer_received(l);
	mine[l->experts + 1] = eplayer_sent(l);
	if ((r = ep_gather(l->ep, mine, all, n)) == 0 && l->ep->rank == 0) {
		for (int p = 1; p < size; p++)
			for (uint32_t e = 0; e < l->experts; e++)
				mine[e] += all[p * n + (int)e];
		sample_spread(mine, (int)l->experts, &t->expert_max_mean, &t->expert_cv);
		t->sent = 0;
		for (int p = 0; p < size; p++) {
			rank[p] = all[p * n + (int)l->experts];
			t->sent = fmax(t->sent, all[p * n + (int)l->experts + 1]);
		}
		sample_spread(rank, size, &t->rank_max_mean, &t->rank_cv);
		t->sent *= (double)(l->d * tr_size(l->type) + 4);
	}
	free(mine);
	return r;
}

/* ---- on rank 0 ---- */

/* The sum of what a rank has of those rows; -1: nothing. */
static double
sum_of(const double *x, int rows)
{
	double sum = -1;

	for (int i = 0; i < EPLAYER_PHASES; i++)
		if (rows >> i & 1 && x[i] >= 0)
			sum = (sum < 0 ? 0 : sum) + x[i];
	return sum;
}

/* A row of one rank's sample. */
static double
row_of(const double *x, int row)
{
	switch (row) {
	case EPBENCH_ROUTE:
		return sum_of(x, of_route);
	case EPBENCH_COMP:
		return sum_of(x, of_comp);
	case EPBENCH_EXCHANGE:
		return sum_of(x, 1 << EPLAYER_COMM | 1 << EPLAYER_RETURN);
	case EPBENCH_APART: /* of this rank alone */
		return sum_of(x, ~(1 << EPLAYER_LOGIT));
	default:
		return x[row];
	}
}

static double
greatest(const double *const *x, int ranks, int rows)
{
	double most = -1;

	for (int p = 0; p < ranks; p++)
		most = fmax(most, sum_of(x[p], rows));
	return fmax(most, 0);
}

/* Samples of all ranks, all [ranks][strategies][samples][MEASURED], to those of a strategy. */
static int
fold(struct epbench *b, const double *all, int a, int ranks)
{
	struct epbench_told *t = &b->told[a];
	size_t one = (size_t)b->samples * MEASURED;
	double busy[EP_RANKS_MAX] = {0};
	struct sample s;

	for (int row = 0; row < EPBENCH_ROWS; row++) {
		double *us = b->memory +
			     ((size_t)a * EPBENCH_ROWS + (size_t)row) * 2 * (size_t)b->samples,
		       *rank0 = us + b->samples;

		for (int i = 0; i < b->samples; i++) {
			const double *x[EP_RANKS_MAX];

			us[i] = -1;
			for (int p = 0; p < ranks; p++) {
				x[p] = all + ((size_t)p * EPBENCH_STRATEGIES + (size_t)a) * one +
				       (size_t)i * MEASURED;
				us[i] = fmax(us[i], row_of(x[p], row));
				if (row == EPBENCH_APART)
					busy[p] += sum_of(x[p], of_route | of_comp |
									1 << EPLAYER_COMBINE);
			}
			rank0[i] = row_of(x[0], row);
			if (row == EPBENCH_APART)
				us[i] = greatest(x, ranks, of_route) +
					greatest(x, ranks, 1 << EPLAYER_META) +
					greatest(x, ranks, 1 << EPLAYER_COMM) +
					greatest(x, ranks, of_comp) + greatest(x, ranks, of_end);
		}
		t->median[row] = NAN;
		if (us[0] < 0)
			continue;
		if (sample_of(us, b->samples, &s) < 0)
			return -1;
		t->us[row] = us;
		t->rank0[row] = rank0;
		t->median[row] = s.median;
	}
	for (int p = 1; p < ranks; p++)
		if (busy[p] > busy[t->slowest])
			t->slowest = p;
	return 0;
}

/* ---- both ---- */

static int
run(struct eplayer *l, struct epbench *b, double *mine, double *all)
{
	struct ep *ep = l->ep;

	for (int a = 0; a < EPBENCH_STRATEGIES; a++) {
		if (a && !b->want[a])
			continue;
		if (eplayer_check(l, epbench_strategies[a]) < 0 || load(l, b, a) < 0)
			return EP_EFAIL;
	}
	if (measure(l, b, mine) < 0 ||
	    ep_gather(ep, mine, all, EPBENCH_STRATEGIES * b->samples * MEASURED) < 0)
		return EP_EFAIL;
	if (ep->rank)
		return 0;
	b->ranks = ep->size;
	snprintf(b->backend, sizeof b->backend, "%s", l->dev->backend);
	b->memory =
		calloc((size_t)EPBENCH_STRATEGIES * EPBENCH_ROWS * 2, b->samples * sizeof(double));
	if (!b->memory)
		return ep_fail(ep, "no memory");
	for (int a = 0; a < EPBENCH_STRATEGIES; a++)
		if ((!a || b->want[a]) && fold(b, all, a, ep->size) < 0)
			return ep_fail(ep, "no memory");
	return 0;
}

/* What hangs on the number of ranks, which MPI alone knows. */
static int
fits(struct ep *ep, const struct epbench *b)
{
	return b->layer.experts % (uint32_t)ep->size
		       ? ep_fail(ep, "%u experts cannot be shared evenly by %d ranks",
				 b->layer.experts, ep->size)
		       : 0;
}

int
epbench_work(struct ep *ep, void *arg)
{
	struct epbench *b = arg;
	struct inputs in = b->in;
	struct eplayer l = b->layer;
	struct dev dev;
	size_t n = (size_t)b->samples * EPBENCH_STRATEGIES * MEASURED;
	double *mine;
	int r;

	if (fits(ep, b) < 0)
		return EP_EFAIL;
	if ((r = b->gpu ? dev_gpu(&dev, b->device) : dev_cpu(&dev, b->jobs)) < 0) {
		ep_fail(ep, "%s", dev_errstr());
		return r == GPU_ABSENT ? EP_EABSENT : EP_EFAIL;
	}
	l.ep = ep;
	l.dev = &dev;
	l.in = &in;
	l.expert_seed = in.seed;
	if (!b->same_tokens)
		in.seed += (uint64_t)ep->rank << 32;
	if (!(mine = calloc(n * (size_t)(ep->size + 1), sizeof *mine)))
		r = ep_fail(ep, "no memory");
	else if ((r = eplayer_open(&l)) == 0)
		r = run(&l, b, mine, mine + n);
	ep_queue_end(ep); /* it uses what eplayer_close frees */
	eplayer_close(&l);
	dev_close(&dev);
	free(mine);
	return r;
}

void
epbench_free(struct epbench *b)
{
	free(b->memory);
	b->memory = NULL;
}

double
epbench_delta(const struct epbench *b, int strategy, int row)
{
	return b->told[strategy].median[row] - b->told[0].median[row];
}

double
epbench_eta_apart(const struct epbench *b, int strategy)
{
	const double *m = b->told[strategy].median;

	return b->virtual_ranks ? NAN : m[EPBENCH_APART] / m[EPBENCH_WALL];
}

double
epbench_eta_within(const struct epbench *b, int strategy)
{
	const double *m = b->told[strategy].median;

	return b->virtual_ranks
		       ? NAN
		       : (m[EPBENCH_WALL_ROUTE] + m[EPBENCH_PART_COMM] + m[EPBENCH_PART_COMP]) /
				 m[EPBENCH_WALL];
}

double
epbench_hidden(const struct epbench *b, int strategy)
{
	const double *m = b->told[strategy].median;

	return b->virtual_ranks || b->ranks == 1
		       ? NAN
		       : (m[EPBENCH_EXCHANGE] + m[EPBENCH_COMP] - m[EPBENCH_PART]) /
				 fmin(m[EPBENCH_EXCHANGE], m[EPBENCH_COMP]);
}

double
epbench_bytes(const struct epbench *b)
{
	const struct eplayer *l = &b->layer;

	return (double)(l->rows * l->k) * (double)(l->d * tr_size(l->type) + 4);
}

double
epbench_algbw(const struct epbench *b, int strategy)
{
	double us = b->told[strategy].median[EPLAYER_COMM];

	return b->virtual_ranks || b->ranks == 1 ? NAN : epbench_bytes(b) / us / 1e3;
}

double
epbench_busbw(const struct epbench *b, int strategy)
{
	return epbench_algbw(b, strategy) * (b->ranks - 1) / b->ranks;
}
