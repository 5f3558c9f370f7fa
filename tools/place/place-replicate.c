/*
 * count frames in; for each layer a placement out whose copies are on no
 * device yet: how many each expert gets, under a budget of slots.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lib/place/replicate.h"
#include "../../lib/place/setup.h"
#include "../../lib/stats/sum.h"

enum { MINMAX, ONE_EACH, SPLIT, BLOCKS };

static struct setup setup = {SETUP_NONE};
static uint64_t shared_copies = TR_NONE, batch_tokens = 1024;
static int policy = MINMAX;

static const struct opt opts[] = {
	SETUP_OPTS(setup),
	{0, "policy", "minmax|one-each|split|blocks", OPT_WORD, &policy,
	 "who gets the further copies (minmax)", 0, 0},
	{0, "shared-copies", "N", OPT_U64, &shared_copies,
	 "copies of a shared expert, 0: like any other (16)", 0, 65534},
	{0, "batch-tokens", "N", OPT_U64, &batch_tokens, "blocks: tokens of a batch (1024)", 1,
	 1 << 30},
	{0},
};

static struct tool t = {.name = "place-replicate",
			.operands = "[FILE ...]",
			.what = "choose how many copies each expert gets",
			.opts = opts,
			.flags = TOOL_RESULT | TOOL_FOLD | TOOL_FORCE};

static int
choose(const uint64_t *count, uint32_t n, double batches, uint32_t *copies)
{
	uint32_t shared = (uint32_t)setup.c.shared, each = (uint32_t)setup.c.shared_copies;
	uint32_t devices = (uint32_t)(setup.c.rows * setup.c.cols);
	uint32_t slots = (uint32_t)setup.c.slots, block = (uint32_t)setup.c.block_tokens;

	switch (policy) {
	case ONE_EACH:
		return replicate_one_each(count, n, shared, each, slots, copies);
	case SPLIT:
		return replicate_split(count, n, shared, each, slots, copies);
	case BLOCKS:
		batches = batches > 0 ? batches : 1;
		return replicate_blocks(count, n, shared, each, slots, devices, batches, block,
					copies);
	default:
		return replicate_minmax(count, n, shared, each, slots, devices, copies);
	}
}

/* Counts of the routed experts, then of the shared ones, which every token picks. */
static void
replicate(const struct tr_frame *f)
{
	uint64_t experts = setup.c.experts ? setup.c.experts : f->rows,
		 tokens = tr_get(f, "n_tokens", 0), *count;
	uint32_t total, *copies;
	struct place p;
	struct tr_frame g;
	struct tr_col n;
	int r;

	if (f->rows > experts)
		die("%scounts of %llu experts, the system has %llu",
		    setup_at(&setup, CONFIG_EXPERTS), (unsigned long long)f->rows,
		    (unsigned long long)experts);
	if (tr_col(f, "n", &n) <= 0 || n.width != 1 || n.type > TR_U64)
		die("@count without n:u64");
	total = (uint32_t)(experts + setup.c.shared);
	count = xcalloc(total, sizeof *count);
	copies = xcalloc(total, sizeof *copies);
	col_u64(&n, 0, f->rows, count);
	for (uint64_t e = experts; e < total; e++)
		count[e] = tokens;
	r = choose(count, total, (double)tokens / (double)batch_tokens, copies);
	if (r == TR_ENOMEM)
		die("no memory");
	if (r < 0)
		die("%s%llu slots are too few for %u experts, shared ones with %llu copies",
		    setup_at(&setup, CONFIG_SLOTS), (unsigned long long)setup.c.slots, total,
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
		setup_none(&setup, t.nfiles ? t.files[0] : NULL,
			   setup.layers.n ? "records" : "counts, which expert-load writes",
			   TR_NONE);
	sum_sort(sum);
	for (size_t i = 0; i < sum_count(sum); i++)
		replicate(sum_at(sum, i));
	sum_free(sum);
	return tool_end(&t);
}
