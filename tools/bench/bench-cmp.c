/*
 * Two runs in, as bench frames; for each measurement that both hold a row out: medians,
 * their ratio, a bootstrap interval of it, what that says.  Exit 1 where one got slower.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/bench/bootstrap.h"
#include "../../lib/bench/measured.h"
#include "../../lib/bench/runs.h"
#include "tool.h"

enum { KEY_US, KEY_GBS };

static int key;
static double threshold = 1.05;

static const struct opt opts[] = {
	{0, "key", "us|gbs", OPT_WORD, &key, "compare times, or bytes a second (us)", 0, 0},
	{0, "threshold", "X", OPT_F64, &threshold, "slower by more than this is a no (1.05)", 0, 0},
	{0},
};

static struct tool t = {.name = "bench-cmp",
			.operands = "OLD NEW",
			.what = "compare two runs of a benchmark",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_OWNIN | TOOL_SEED};

static char **names; /* of all keys that tell measurements apart, by name */
static int nnames;

static struct runs *
read_run(char **file)
{
	struct runs *r = runs_new();
	struct tr *in = tool_reader(&t, file, 1);
	struct tr_frame f;
	int e;

	if (!r)
		die("no memory");
	while ((e = tr_next(in, &f)) > 0) {
		if ((e = runs_add(r, &f)) == TR_EVALUE)
			tr_fail(in, &f, e, "@bench: a sample that is no time above 0");
		if (e == TR_ENOMEM)
			die("no memory");
		if (e < 0)
			break;
	}
	if (e < 0)
		die("%s", tr_errstr(in));
	tool_reader_end(&t, in);
	if (!runs_count(r))
		die("%s: no measurements: bench frames with a column us", *file);
	return r;
}

/* name first of all: which benchmark. */
static int
by_name(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;

	return strcmp(y, "name") == 0 || strcmp(x, "name") == 0
		       ? (strcmp(x, "name") != 0) - (strcmp(y, "name") != 0)
		       : strcmp(x, y);
}

static void
take_names(const struct runs *r)
{
	for (int i = 0; i < runs_count(r); i++)
		for (int k = 0; k < runs_at(r, i)->nkeys; k++) {
			char *name = runs_at(r, i)->key[k];
			int j = 0;

			while (j < nnames && strcmp(names[j], name))
				j++;
			if (j < nnames)
				continue;
			names = xrealloc(names, (size_t)nnames + 1, sizeof *names);
			names[nnames++] = name;
		}
	if (nnames)
		qsort(names, (size_t)nnames, sizeof *names, by_name);
}

/* What is compared, to be freed: NULL where r is NULL, or moved nothing. */
static double *
values(const struct run *r)
{
	double *x;

	if (!r || (key == KEY_GBS && !(r->moved > 0)))
		return NULL;
	x = xcalloc((size_t)r->n, sizeof *x);
	for (int i = 0; i < r->n; i++)
		x[i] = key == KEY_GBS ? r->moved / r->us[i] / 1e3 : r->us[i];
	return x;
}

static void
set(struct tr_frame *f, const char *name, double x, int told)
{
	char buf[32];

	if (tr_set(f, name, measured_text(told ? x : NAN, buf)) < 0)
		die("a measurement has too many keys");
}

static double
median(const double *x, const struct run *r)
{
	struct sample s = {0};

	if (x && sample_of(x, r->n, &s) < 0)
		die("no memory");
	return s.median;
}

static const char *
verdict(const struct bootstrap *b)
{
	int more = b->lo > threshold, less = b->hi < 1 / threshold;

	if (key == KEY_GBS ? less : more)
		return "slower";
	if (key == KEY_GBS ? more : less)
		return "faster";
	return b->lo >= 1 / threshold && b->hi <= threshold ? "same" : "unsure";
}

/* A row; either may be NULL.  1: slower. */
static int
put(const struct run *old, const struct run *new)
{
	double *x = values(old), *y = values(new);
	struct bootstrap b = {0};
	struct tr_frame f;
	const char *says = "-";

	if (x && y) {
		if (bootstrap_ratio(x, old->n, y, new->n, t.seed, (uint64_t)old->place, &b) < 0)
			die("no memory");
		says = verdict(&b);
	}
	tr_new(&f, "bench");
	tr_set(&f, "name", "cmp");
	for (int i = 0; i < nnames; i++) {
		const char *val = run_get(old ? old : new, names[i]);

		if (tr_set(&f, strcmp(names[i], "name") ? names[i] : "bench", val ? val : "-") < 0)
			die("a measurement has too many keys");
	}
	set(&f, "n_old", old ? old->n : 0, old != NULL);
	set(&f, "n_new", new ? new->n : 0, new != NULL);
	set(&f, "old", median(x, old), x != NULL);
	set(&f, "new", median(y, new), y != NULL);
	set(&f, "ratio", b.ratio, x && y);
	set(&f, "lo", b.lo, x && y);
	set(&f, "hi", b.hi, x && y);
	tr_set(&f, "verdict", says);
	tool_put(&t, &f);
	free(x);
	free(y);
	return !strcmp(says, "slower");
}

int
main(int argc, char **argv)
{
	struct runs *old, *new;
	struct tr_frame f;
	int both = 0, slower = 0, alone = 0;

	tool_start(&t, argc, argv);
	if (t.nfiles != 2)
		die_usage("bench-cmp [options] OLD NEW");
	if (!strcmp(t.files[0], "-") && !strcmp(t.files[1], "-"))
		die("standard input cannot be both");
	if (threshold < 1)
		die("--threshold: below 1");
	old = read_run(&t.files[0]);
	new = read_run(&t.files[1]);
	for (int i = 0; i < runs_count(old); i++)
		both += runs_find(new, runs_at(old, i)) != NULL;
	if (!both)
		die("nothing to compare: no measurement is in both files");
	take_names(old);
	take_names(new);
	tr_new_trace(&f, &(struct tr_list){0}, 0, 0);
	tool_open(&t, &f);
	for (int i = 0; i < runs_count(old); i++)
		slower += put(runs_at(old, i), runs_find(new, runs_at(old, i)));
	for (int i = 0; i < runs_count(new); i++)
		if (!runs_find(old, runs_at(new, i))) {
			alone++;
			put(NULL, runs_at(new, i));
		}
	if (t.verbose && runs_count(old) > both)
		warn("%d measurements are only in %s", runs_count(old) - both, t.files[0]);
	if (t.verbose && alone)
		warn("%d measurements are only in %s", alone, t.files[1]);
	runs_free(old);
	runs_free(new);
	free(names);
	if (tool_end(&t))
		return 2;
	if (slower)
		die_no();
	return 0;
}
