#include <math.h>

#include "../bench/measured.h"
#include "epbench.h"
#include "size.h"

static int
set(struct tr_frame *f, const char *key, double x)
{
	char buf[32];

	return tr_set(f, key, measured_text(x, buf));
}

/* What both kinds of frame say of the run. */
static int
facts(const struct epbench *b, struct tr_frame *f)
{
	const struct eplayer *l = &b->layer;
	int r;

	if ((r = tr_set(f, "transport", b->transport)) < 0 ||
	    (r = tr_setu(f, "ranks", (uint64_t)b->ranks)) < 0 ||
	    (r = tr_setu(f, "virtual", (uint64_t)b->virtual_ranks)) < 0 ||
	    (r = tr_set(f, "backend", b->backend)) < 0 || (r = tr_setu(f, "tokens", l->rows)) < 0 ||
	    (r = tr_setu(f, "d_model", l->d)) < 0 || (r = tr_setu(f, "experts", l->experts)) < 0 ||
	    (r = tr_setu(f, "topk", l->k)) < 0 ||
	    (r = tr_set(f, "dtype", tr_typename(l->type))) < 0 ||
	    (r = tr_setu(f, "hidden", l->hidden)) < 0)
		return r;
	return tr_setu(f, "chunks", (uint64_t)l->chunks);
}

int
epbench_phase(const struct epbench *b, int strategy, int row, struct tr_frame *f)
{
	const struct epbench_told *t = &b->told[strategy];
	int link = (row == EPLAYER_COMM || row == EPLAYER_RETURN) && !b->virtual_ranks &&
		   b->ranks > 1,
	    within = row >= EPBENCH_WALL && row < EPBENCH_ROUTE, r;
	double n = epbench_bytes(b) -
		   (row == EPLAYER_RETURN ? 4.0 * (double)(b->layer.rows * b->layer.k) : 0);
	struct sample first;

	if (!t->us[row] || (within && b->virtual_ranks))
		return 0;
	if (sample_of(t->rank0[row], b->samples, &first) < 0)
		return TR_ENOMEM;
	tr_new(f, "bench");
	if ((r = tr_set(f, "name", "phase")) < 0 ||
	    (r = tr_set(f, "strategy", router_names[epbench_strategies[strategy]])) < 0 ||
	    (r = tr_set(f, "stage", epbench_rows[row])) < 0 || (r = facts(b, f)) < 0 ||
	    (r = set(f, "rank0_us", first.median)) < 0 ||
	    (r = set(f, "bus_gbs",
		     link ? n * (b->ranks - 1) / b->ranks / t->median[row] / 1e3 : NAN)) < 0)
		return r;
	r = measured_put(f, &(struct measured){.us = t->us[row],
					       .n = b->samples,
					       .bytes = link ? n : 0,
					       .check = "ok"});
	return r < 0 ? r : 1;
}

int
epbench_line(struct epbench *b, int strategy, struct tr_frame *f)
{
	struct epbench_told *t = &b->told[strategy];
	const double *m = t->median;
	const struct {
		const char *name;
		double x;
	} column[] = {
		{"select_us", m[EPLAYER_SELECT]},
		{"pack_us", m[EPLAYER_INDEX] + m[EPLAYER_GATHER]},
		{"route_us", m[EPBENCH_ROUTE]},
		{"select_delta_us", epbench_delta(b, strategy, EPLAYER_SELECT)},
		{"route_delta_us", epbench_delta(b, strategy, EPBENCH_ROUTE)},
		{"meta_us", m[EPLAYER_META]},
		{"comm_us", m[EPLAYER_COMM]},
		{"comp_us", m[EPBENCH_COMP]},
		{"return_us", m[EPLAYER_RETURN]},
		{"combine_us", m[EPLAYER_COMBINE]},
		{"apart_us", m[EPBENCH_APART]},
		{"overlapped_us", b->virtual_ranks ? NAN : m[EPBENCH_WALL]},
		{"eta_apart", epbench_eta_apart(b, strategy)},
		{"eta_within", epbench_eta_within(b, strategy)},
		{"hidden_share", epbench_hidden(b, strategy)},
		{"expert_max_mean", t->expert_max_mean},
		{"expert_cv", t->expert_cv},
		{"rank_max_mean", t->rank_max_mean},
		{"rank_cv", t->rank_cv},
		{"sent_bytes", t->sent},
		{"alg_gbs", epbench_algbw(b, strategy)},
		{"bus_gbs", epbench_busbw(b, strategy)},
		{"slowest_rank", t->slowest},
	};
	int r;

	_Static_assert(LEN(column) <= LEN(t->line), "columns of a line");
	tr_new(f, "table");
	if ((r = tr_set(f, "name", "ep")) < 0 ||
	    (r = tr_set(f, "strategy", router_names[epbench_strategies[strategy]])) < 0 ||
	    (r = tr_set(f, "check", "ok")) < 0 || (r = facts(b, f)) < 0)
		return r;
	tr_rows(f, 1);
	for (size_t i = 0; i < LEN(column); i++) {
		/* to the nanosecond: no more digits than a clock has */
		t->line[i] = rint(column[i].x * 1e3) / 1e3;
		if ((r = tr_addcol(f, column[i].name, TR_F64, 1, &t->line[i])) < 0)
			return r;
	}
	return 1;
}
