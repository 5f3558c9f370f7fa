/*
 * A trace in; nothing out if it is sound.  Framing, checksums and ranges are
 * the reader's work and errors; what is well formed but odd is a finding, a
 * line each on standard output: layers that are equal, rows that repeat an
 * expert, one id list in over a quarter of the rows (engine warm-up), NaN,
 * negative weights, sums above 1.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/stats/findings.h"
#include "tool.h"

static int frames_only;

static const struct opt opts[] = {
	{0, "frames", NULL, OPT_FLAG, &frames_only, "only framing, checksums and ranges", 0, 0},
	{0},
};

static struct tool t = {.name = "trace-check",
			.operands = "[FILE ...]",
			.what = "verify a trace",
			.opts = opts,
			.flags = TOOL_BYTES};

static struct findings *found;
static size_t nfound;
static int odd;

/* Rows of (section, batch, layer) that a frame holds; sorted, they must be apart. */
static struct run {
	uint64_t section, batch, layer, lo, hi;
} * runs;
static size_t nruns, caprun;

static struct findings *
of_layer(uint64_t layer)
{
	for (size_t i = nfound; i-- > 0;)
		if (found[i].layer == layer)
			return &found[i];
	found = xrealloc(found, nfound + 1, sizeof *found);
	if (findings_init(&found[nfound], layer) < 0)
		die("no memory");
	return &found[nfound++];
}

static void
add_run(const struct run *r)
{
	if (nruns && !memcmp(&runs[nruns - 1], r, offsetof(struct run, lo)) &&
	    runs[nruns - 1].hi == r->lo) {
		runs[nruns - 1].hi = r->hi;
		return;
	}
	if (nruns == caprun)
		runs = xrealloc(runs, caprun = caprun ? 2 * caprun : 256, sizeof *runs);
	runs[nruns++] = *r;
}

static void
note_rows(const struct tr_frame *f, uint64_t section)
{
	struct run r = {section, tr_get(f, "batch", 0), tr_get(f, "layer", 0), 0, 0};
	struct tr_col c;
	uint64_t row;
	int has = tr_col(f, "row", &c);

	if (has < 0)
		tool_fail(&t);
	r.lo = tr_get(f, "row0", 0);
	r.hi = r.lo + f->rows;
	if (!has)
		add_run(&r);
	for (uint64_t i = 0; has && i < f->rows; i++) {
		if (col_u64(&c, i, 1, &row) < 0)
			die("column row is not unsigned");
		r.lo = row;
		r.hi = row + 1;
		add_run(&r);
	}
}

static int
by_place(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	for (int i = 0; i < 4; i++)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return 0;
}

static void
check_runs(void)
{
	if (nruns)
		qsort(runs, nruns, sizeof *runs, by_place);
	for (size_t i = 1; i < nruns; i++)
		if (!memcmp(&runs[i - 1], &runs[i], offsetof(struct run, lo)) &&
		    runs[i].lo < runs[i - 1].hi)
			die("batch %llu layer %llu: row %llu occurs twice",
			    (unsigned long long)runs[i].batch, (unsigned long long)runs[i].layer,
			    (unsigned long long)runs[i].lo);
}

/* "layer 2: rows whose ids repeat: 7 of 100, the first is row 3" */
static void
say(const struct findings *f, const char *what, uint64_t n, uint64_t first)
{
	if (!n)
		return;
	odd = 1;
	if (sink_printf(t.sink, "layer %llu: %s: %llu of %llu rows, the first is row %llu\n",
			(unsigned long long)f->layer, what, (unsigned long long)n,
			(unsigned long long)f->n_rows, (unsigned long long)first) < 0)
		tool_broken(&t);
}

static void
report(void)
{
	for (size_t i = 0; i < nfound; i++) {
		const struct findings *f = &found[i];
		uint64_t row = 0, top = findings_top(f, &row);

		say(f, "an expert twice", f->n_repeat, f->first_repeat);
		say(f, "NaN or infinite", f->n_nan, f->first_nan);
		say(f, "a negative weight", f->n_negative, f->first_negative);
		say(f, "weights sum above 1", f->n_above, f->first_above);
		/* in a handful of rows a list may well come often */
		if (f->n_rows >= 64 && 4 * top > f->n_rows)
			say(f, "one list of experts", top, row);
		for (size_t k = 0; k < i; k++)
			if (found[k].n_rows && found[k].n_rows == f->n_rows &&
			    found[k].ids_crc == f->ids_crc && found[k].w_crc == f->w_crc) {
				odd = 1;
				sink_printf(t.sink, "layer %llu: equal to layer %llu\n",
					    (unsigned long long)f->layer,
					    (unsigned long long)found[k].layer);
				break;
			}
	}
}

int
main(int argc, char **argv)
{
	uint64_t section = 0;
	struct tr_frame f;
	struct tr_ids ids;
	int status;

	tool_start(&t, argc, argv);
	while (tool_next(&t, &f)) {
		section += !strcmp(f.kind, "trace");
		if (tr_decode(&f) < 0)
			tool_fail(&t);
		if (strcmp(f.kind, "route"))
			continue;
		note_rows(&f, section);
		if (frames_only ? tr_ids(&f, &ids) < 0
				: findings_add(of_layer(tool_key(&t, &f, "layer")), &f) < 0)
			tool_fail(&t);
	}
	check_runs();
	report();
	for (size_t i = 0; i < nfound; i++)
		findings_free(&found[i]);
	free(found);
	free(runs);
	status = tool_end(&t);
	return status ? status : odd;
}
