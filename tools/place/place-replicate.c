/*
 * count frames in; for each layer a placement out whose copies are on no
 * device yet: how many each expert gets, under a budget of slots.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/place/replicate.h"
#include "../../lib/place/setup.h"
#include "../../lib/stats/sum.h"

enum { MINMAX, ONE_EACH, SPLIT };

static struct setup setup = {SETUP_NONE};
static uint64_t shared_copies = TR_NONE;
static int policy = MINMAX;

static const struct opt opts[] = {
	SETUP_OPTS(setup),
	{0, "policy", "minmax|one-each|split", OPT_WORD, &policy,
	 "who gets the further copies (minmax)", 0, 0},
	{0, "shared-copies", "N", OPT_U64, &shared_copies,
	 "copies of a shared expert, 0: like any other (16)", 0, 65534},
	{0},
};

static struct tool t = {.name = "place-replicate",
			.operands = "[FILE ...]",
			.what = "choose how many copies each expert gets",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_FOLD | TOOL_FORCE};

/* Counts of the routed experts, then of the shared ones, which every token picks. */
static void
replicate(const struct tr_frame *f)
{
	uint64_t experts = f->rows, tokens = tr_get(f, "n_tokens", 0), *count;
	uint32_t total, *copies;
	struct place p;
	struct tr_frame g;
	struct tr_col n;
	int r;

	if (setup.c.experts && setup.c.experts != experts)
		die("counts of %llu experts, the system has %llu", (unsigned long long)experts,
		    (unsigned long long)setup.c.experts);
	if (tr_col(f, "n", &n) <= 0 || n.width != 1)
		die("@count without n");
	total = (uint32_t)(experts + setup.c.shared);
	count = xcalloc(total, sizeof *count);
	copies = xcalloc(total, sizeof *copies);
	col_u64(&n, 0, experts, count);
	for (uint64_t e = experts; e < total; e++)
		count[e] = tokens;
	r = (policy == MINMAX     ? replicate_minmax
	     : policy == ONE_EACH ? replicate_one_each
				  : replicate_split)(count, total, (uint32_t)setup.c.shared,
						     (uint32_t)setup.c.shared_copies,
						     (uint32_t)setup.c.slots, copies);
	if (r < 0)
		die("%llu slots are too few for %u experts, shared ones with %llu copies",
		    (unsigned long long)setup.c.slots, total,
		    (unsigned long long)setup.c.shared_copies);
	if (place_init(&p, (uint32_t)setup.c.rows, (uint32_t)setup.c.cols, total, copies) < 0)
		die("no memory");
	place_frame(&p, tr_get(f, "layer", 0), &g);
	tool_put(&t, &g);
	place_free(&p);
	free(count);
	free(copies);
}

int
main(int argc, char **argv)
{
	struct sum *sum = sum_new();
	struct tr_frame f;

	tool_start(&t, argc, argv);
	setup_start(&setup, &t);
	if (shared_copies != TR_NONE)
		setup.c.shared_copies = shared_copies;
	while (tool_next(&t, &f)) {
		if (strcmp(f.kind, "count") || !setup_has(&setup, tr_get(&f, "layer", 0)))
			continue;
		tr_unset(&f, "batch");
		if (sum_add(sum, &f) < 0)
			die("%s", sum_errstr(sum));
	}
	if (!sum_count(sum))
		die("no counts%s: it reads what expert-load writes",
		    setup.layers.n ? " of that layer" : "");
	sum_sort(sum);
	for (size_t i = 0; i < sum_count(sum); i++)
		replicate(sum_at(sum, i));
	sum_free(sum);
	return tool_end(&t);
}
