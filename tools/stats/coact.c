/*
 * A trace in; for each layer the experts x experts matrix of rows that picked
 * both out, as coact frames.  coact frames that come in are added, so matrices
 * of shards need no trace.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/stats/coact.h"
#include "../../lib/stats/sum.h"
#include "tool.h"

enum { COUNT, PMI, JACCARD };

static struct tr_list layers, seen;
static int norm = COUNT;
static uint64_t shared;

static const struct opt opts[] = {
	{'l', "layer", "LIST", OPT_LIST, &layers, "only these layers", 0, 0},
	{0, "shared", "N", OPT_U64, &shared, "experts that every row picks, too, numbered on (0)",
	 0, 1024},
	{0, "norm", "count|pmi|jaccard", OPT_WORD, &norm, "what a cell says (count)", 0, 0},
	{0},
};

static struct layer {
	uint64_t number;
	struct coact coact;
} * found;
static size_t nfound;

static struct coact *
of_layer(uint64_t number, uint64_t experts)
{
	for (size_t i = nfound; i-- > 0;)
		if (found[i].number == number)
			return &found[i].coact;
	found = xrealloc(found, nfound + 1, sizeof *found);
	found[nfound].number = number;
	if (coact_init(&found[nfound].coact, (uint32_t)experts) < 0)
		die("no memory for %llu x %llu counts", (unsigned long long)experts,
		    (unsigned long long)experts);
	return &found[nfound++].coact;
}

static void
add(struct sum *sum, struct layer *l)
{
	struct tr_frame f;

	coact_end(&l->coact);
	tr_new(&f, "coact");
	tr_setu(&f, "layer", l->number);
	tr_setu(&f, "n_tokens", l->coact.n_tokens);
	tr_rows(&f, l->coact.experts);
	tr_addcol(&f, "n", TR_U64, l->coact.experts, l->coact.n);
	if (sum_add(sum, &f) < 0)
		die("%s", sum_errstr(sum));
	coact_free(&l->coact);
}

/* The matrix with the shared experts: with one, a row picked what it picked. */
static uint64_t *
with_shared(const struct tr_frame *f, const uint64_t *n, uint32_t experts)
{
	size_t all = experts + shared;
	uint64_t *to = xcalloc(all * all, sizeof *to), tokens = tr_get(f, "n_tokens", 0);

	for (size_t i = 0; i < all; i++)
		for (size_t j = 0; j < all; j++)
			to[i * all + j] = i < experts && j < experts ? n[i * experts + j]
					  : i < experts              ? n[i * experts + i]
					  : j < experts              ? n[j * experts + j]
								     : tokens;
	return to;
}

/* The matrix itself, or what --norm makes of it. */
static void
put(struct tool *t, const struct tr_frame *f)
{
	struct tr_frame g;
	struct tr_col c;
	double *to;
	uint32_t experts = (uint32_t)f->rows;

	if (tr_col(f, "n", &c) <= 0 || c.type != TR_U64 || c.width != experts)
		die("a coact frame without n:u64:%u", experts);
	if (norm == COUNT && shared) {
		uint64_t *all = with_shared(f, c.data, experts);

		g = *f;
		tr_rows(&g, experts + shared);
		tr_addcol(&g, "n", TR_U64, experts + shared, all);
		tool_put(t, &g);
		free(all);
		return;
	}
	if (norm == COUNT) {
		tool_put(t, f);
		return;
	}
	to = xcalloc((size_t)experts * experts, sizeof *to);
	if (norm == PMI)
		coact_pmi(c.data, tr_get(f, "n_tokens", 0), experts, to);
	else
		coact_jaccard(c.data, experts, to);
	tr_new(&g, "table");
	tr_set(&g, "name", norm == PMI ? "coact-pmi" : "coact-jaccard");
	tr_setu(&g, "layer", tr_get(f, "layer", 0));
	tr_rows(&g, experts);
	tr_addcol(&g, norm == PMI ? "pmi" : "jaccard", TR_F64, experts, to);
	tool_put(t, &g);
	free(to);
}

int
main(int argc, char **argv)
{
	static struct tool t = {.name = "coact",
				.operands = "[FILE ...]",
				.what = "count which experts are picked together",
				.opts = opts,
				.flags = TOOL_RESULT | TOOL_FOLD | TOOL_FORCE};
	struct sum *sum = sum_new();
	struct tr_frame f;
	struct tr_ids ids;

	tool_start(&t, argc, argv);
	if (shared && norm != COUNT)
		die("--shared with --norm: a shared expert goes with all alike");
	while (tool_next(&t, &f)) {
		if (!tr_list_has(&layers, tr_get(&f, "layer", 0)))
			continue;
		if (!strcmp(f.kind, "coact") && sum_add(sum, &f) < 0)
			die("%s", sum_errstr(sum));
		if (strcmp(f.kind, "route"))
			continue;
		tool_ids(&t, &f, &ids);
		if (ids.k > 1024)
			die("k %u is above 1024", ids.k);
		if (coact_count(of_layer(tool_key(&t, &f, "layer"), tool_section(&t)->experts),
				&ids) < 0)
			die("no memory");
	}
	for (size_t i = 0; i < nfound; i++)
		add(sum, &found[i]);
	if (sum_layers(sum, &seen) < 0)
		die("no memory");
	tool_layers(&layers, &seen);
	sum_sort(sum);
	for (size_t i = 0; i < sum_count(sum); i++)
		put(&t, sum_at(sum, i));
	free(found);
	sum_free(sum);
	return tool_end(&t);
}
