/*
 * Traces in; nothing out where they are sound.  What breaks a stream (framing,
 * checksums, ids out of range, rows given twice) is an error as in any tool;
 * what is odd (lib/stats/findings) is a line each, and exit 1.
 */
#include <string.h>

#include "../../lib/stats/dups.h"
#include "../../lib/stats/findings.h"
#include "num.h"
#include "tool.h"

static int frames_only;

static const struct opt opts[] = {
	{0, "frames", NULL, OPT_FLAG, &frames_only, "framing, checksums and ranges alone", 0, 0},
	{0},
};

static struct tool t = {.name = "trace-check",
			.operands = "[FILE ...]",
			.what = "verify a trace",
			.opts = opts,
			.flags = TOOL_BYTES};

static int found;

static void
say(const struct find_layer *l, const struct find_at *a, const char *what)
{
	if (!a->n)
		return;
	found = 1;
	if (t.quiet)
		return;
	sink_printf(t.sink, "layer %llu: %llu row%s %s, first batch %llu row %llu",
		    (unsigned long long)l->layer, (unsigned long long)a->n, a->n == 1 ? "" : "s",
		    what, (unsigned long long)a->batch, (unsigned long long)a->row);
	if (a->value != 0) {
		char num[NUM_MAX + 1];

		num[num_put_f32(num, (float)a->value)] = 0;
		sink_printf(t.sink, ": %s", num);
	}
	sink_put(t.sink, "\n", 1);
}

static void
say_list(const struct find_layer *l)
{
	found = 1;
	if (t.quiet)
		return;
	sink_printf(t.sink, "layer %llu: one id list fills %s%llu of %llu rows (warm-up?)",
		    (unsigned long long)l->layer, l->lost ? "at least " : "",
		    (unsigned long long)l->same, (unsigned long long)l->rows);
	for (int i = 0; i < l->k; i++)
		if (l->ids[i] == UINT16_MAX)
			sink_printf(t.sink, "%s-", i ? "," : ": ");
		else
			sink_printf(t.sink, "%s%u", i ? "," : ": ", (unsigned)l->ids[i]);
	sink_put(t.sink, "\n", 1);
}

static void
report(const struct find_layer *l)
{
	say(l, &l->repeat, "with an expert twice");
	say(l, &l->infinite, "with a weight that is NaN or infinite");
	say(l, &l->negative, "with a weight below 0");
	say(l, &l->above, "with weights that sum above 1");
	say(l, &l->nan, "with a logit that is NaN");
	say(l, &l->p, "with a p outside 0 to 1");
	if (l->same)
		say_list(l);
	if (!l->is_copy)
		return;
	found = 1;
	if (!t.quiet)
		sink_printf(t.sink, "layer %llu equals layer %llu\n", (unsigned long long)l->layer,
			    (unsigned long long)l->of);
}

/* Do the weights of this section have to sum to 1 or less? */
static int
shares(const struct tr_frame *trace)
{
	char score[64];

	return tr_get(trace, "renorm", 0) == 1 ||
	       tr_text(trace, "score", score, sizeof score) <= 0 || !strcmp(score, "softmax");
}

int
main(int argc, char **argv)
{
	static struct tr_frame f;
	struct dups *dups;
	struct finder *finder;
	int sums = 1, r = 0, status;

	tool_start(&t, argc, argv);
	if (!(dups = dups_new()) || !(finder = finder_new()))
		die("no memory");
	while (tool_next(&t, &f)) {
		struct tr_ids ids = {0};
		char err[DUPS_ERR], order[64];

		if (!strcmp(f.kind, "trace")) {
			dups_section(dups,
				     tr_text(&f, "order", order, sizeof order) > 0 ? order : NULL);
			sums = shares(&f);
		}
		if (tr_decode(&f) < 0)
			tool_fail(&t);
		if (strcmp(f.kind, "route") && strcmp(f.kind, "tok"))
			continue;
		if ((r = dups_add(dups, &f, err)) < 0) {
			tr_fail(t.in, &f, r, "%s", err);
			tool_fail(&t);
		}
		if (!strcmp(f.kind, "tok"))
			continue;
		if (tr_ids(&f, &ids) < 0)
			tool_fail(&t);
		if (!frames_only &&
		    (r = finder_add(finder, &f, &ids, tool_section(&t)->experts, sums)) < 0) {
			tr_fail(t.in, &f, r, "a column is not of the type it must be");
			tool_fail(&t);
		}
	}
	for (size_t i = 0, n = finder_end(finder); i < n; i++)
		report(finder_at(finder, i));
	dups_free(dups);
	finder_free(finder);
	if ((status = tool_end(&t)) == 0 && found)
		die_no();
	return status;
}
