#include <math.h>
#include <stdlib.h>

#include "stages.h"

struct sweeping {
	struct bench *bench;
	struct tool *tool;
	const struct sweep *w;
	uint64_t seq_len;
};

static void
put_sweep(struct sweeping *g, uint64_t batch, const struct sweep_row *r, const char *way,
	  const double *us)
{
	struct measured got = {.us = us,
			       .n = g->w->samples,
			       .bytes = r->moved,
			       .copy = g->bench->copy,
			       .check = r->same ? "ok" : "rows differ"};
	struct tr_frame f;

	tr_new(&f, "bench");
	tr_set(&f, "name", "sweep");
	tr_set(&f, "packing", way);
	tr_setu(&f, "batch_size", batch);
	tr_setu(&f, "seq_len", g->seq_len);
	stages_sizes(&f, g->bench, batch * g->seq_len, g->w->d, g->w->experts, g->w->k, g->w->type);
	bench_key(&f, "theory_us", r->bytes / g->bench->copy * 1e6);
	if (measured_put(&f, &got) < 0)
		die("no memory");
	tool_put(g->tool, &f);
}

void
stages_sweep(struct bench *b, struct tool *t, const struct sweep *w, const struct tr_list *batches,
	     uint64_t seq_len)
{
	struct sweeping g = {b, t, w, seq_len};
	uint64_t n = tr_list_count(batches);
	double *col = xcalloc(4 * n, sizeof *col);
	static struct sweep_row r;
	struct sample of;
	struct tr_frame f;

	bench_peaks(b, w->type, 0);
	bench_head(b, t, w->experts, w->k);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t batch = tr_list_at(batches, i), rows = batch * seq_len;

		if (!batch || rows > 1 << 24)
			die("--batch-sizes: %llu sequences of %llu", (unsigned long long)batch,
			    (unsigned long long)seq_len);
		bench_check(sweep_tokens(w, rows, &r));
		put_sweep(&g, batch, &r, w->how == NAIVE_SCAN ? "scan" : "atomic", r.naive);
		put_sweep(&g, batch, &r, "index", r.sorted);
		if (!r.same)
			die("%llu tokens: packed rows differ", (unsigned long long)rows);
		col[i] = (double)rows;
		col[n + i] = sample_of(r.naive, w->samples, &of) < 0 ? NAN : of.median;
		col[2 * n + i] = sample_of(r.sorted, w->samples, &of) < 0 ? NAN : of.median;
		col[3 * n + i] = r.bytes / b->copy * 1e6;
	}
	tr_new(&f, "table");
	tr_set(&f, "name", "sweep");
	tr_rows(&f, n);
	tr_addcol(&f, "tokens", TR_F64, 1, col);
	tr_addcol(&f, "naive_us", TR_F64, 1, col + n);
	tr_addcol(&f, "index_us", TR_F64, 1, col + 2 * n);
	tr_addcol(&f, "theory_us", TR_F64, 1, col + 3 * n);
	tool_put(t, &f);
	free(col);
}
