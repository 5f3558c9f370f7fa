/*
 * The oracle of lib/ep/eplayer: it is content with what is right, over types, numbers of ranks
 * and strategies, and names each fault that is put in.  TAP.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/ep/eplayerown.h"
#include "size.h"

static int tests, bad;

enum fault { NONE, ROW, SWAP, ID, COUNT, BACK, LOST, WEIGHT, GATHER, EXPERT, PICK };

static struct run {
	enum fault fault;
	int combine;
	uint64_t rows, d, hidden;
	uint32_t experts, k;
	enum tr_type type;
	enum router_strategy strategy;
	int chunks;
	double zipf;
} run;

/* What really does it; the same in all ranks. */
static int (*real_exchange)(struct ep *ep, const struct ep_xfer *x);
static struct dev real;
static _Thread_local struct eplayer *layer;

/* A message that arrives with a fault in it, at the last rank. */
static int
exchange(struct ep *ep, const struct ep_xfer *x)
{
	struct {
		unsigned char *recv;
		size_t at, n;
	} part = {0};
	size_t b = run.d * tr_size(run.type);
	int r = real_exchange(ep, x);

	if (r < 0 || ep->rank != ep->size - 1 || !x->n)
		return r;
	part.recv = x->part[0].recv;
	part.at = x->part[0].roff[0];
	part.n = x->part[0].rn[0];
	if (x->n == 2 && part.n >= 2 * b) {
		unsigned char *row = part.recv + part.at;

		if (run.fault == ROW)
			row[b + 1] ^= 1;
		for (size_t i = 0; i < b && run.fault == SWAP; i++) {
			unsigned char c = row[i];

			row[i] = row[part.n - b + i];
			row[part.n - b + i] = c;
		}
		if (run.fault == ID)
			((uint32_t *)((char *)x->part[1].recv + x->part[1].roff[0]))[1]++;
	}
	if (run.fault == COUNT && layer && part.recv == (void *)layer->own->came_dev)
		layer->own->came_dev[0]++;
	if (layer && part.recv == layer->own->back && part.n >= b) {
		if (run.fault == BACK)
			part.recv[part.at + 1] ^= 1;
		if (run.fault == LOST)
			memset(part.recv + part.at, 0, b);
	}
	return r;
}

static int
combine(const struct dev *d, const struct index *x, enum tr_type type, const void *from,
	uint64_t dm, const float *w, uint64_t rows, void *to, void *stream)
{
	/* each token has the next one's weights; the last one too little memory to read */
	return real.combine(d, x, type, from, dm, w && run.fault == WEIGHT ? w + x->k : w,
			    rows - (w && run.fault == WEIGHT), to, stream);
}

static int
gather(const struct dev *d, const struct index *x, enum tr_type type, const void *from,
       uint64_t rows, uint64_t dm, const float *w, void *to, void *stream)
{
	int r = real.gather(d, x, type, from, rows, dm, w, to, stream);

	if (run.fault == GATHER && x->k > 1)
		memset(to, 0, dm * tr_size(type));
	return r;
}

/* Rows of others at the wrong expert: nothing but real experts can tell. */
static int
index_by(const struct dev *d, struct index *x, const uint16_t *ids, uint64_t rows, void *work,
	 void *stream)
{
	uint16_t *wrong = (uint16_t *)(uintptr_t)ids;

	for (uint64_t i = 0; i < rows && run.fault == EXPERT && x->k == 1; i++)
		wrong[i] = (uint16_t)(x->experts - 1 - wrong[i]);
	return real.index(d, x, ids, rows, work, stream);
}

static int
selects(const struct dev *d, const struct select *s, const void *logits, uint64_t rows,
	uint16_t *ids, float *w, void *stream)
{
	int r = real.select(d, s, logits, rows, ids, w, stream);

	if (run.fault == PICK)
		ids[0] = ids[1];
	return r;
}

static int
work(struct ep *ep, void *arg)
{
	struct inputs in = {.seed = 5 + (uint64_t)ep->rank,
			    .rows = run.rows,
			    .d = run.d,
			    .experts = run.experts,
			    .type = run.type,
			    .zipf = run.zipf};
	struct dev dev;
	struct eplayer l = {.ep = ep,
			    .dev = &dev,
			    .rows = run.rows,
			    .d = run.d,
			    .hidden = run.hidden,
			    .experts = run.experts,
			    .k = run.k,
			    .type = run.type,
			    .sinkhorn = {.iterations = 10, .temperature = 1},
			    .in = &in,
			    .expert_seed = 5,
			    .chunks = run.chunks,
			    .combine = 1};
	int r;

	(void)arg;
	if (dev_cpu(&dev, 1) < 0)
		return ep_fail(ep, "%s", dev_errstr());
	if ((r = ep_barrier(ep)) < 0) /* all have the same real functions */
		return r;
	dev.combine = combine;
	dev.gather = gather;
	dev.index = index_by;
	dev.select = selects;
	r = eplayer_open(&l);
	layer = &l;
	ep->exchange = exchange;
	if (r == 0)
		r = eplayer_check(&l, run.strategy);
	ep_queue_end(ep);
	layer = NULL;
	eplayer_close(&l);
	dev_close(&dev);
	return r;
}

/* The transport's own exchange, before one with faults stands there. */
static int
learn(struct ep *ep, void *arg)
{
	(void)arg;
	real_exchange = ep->exchange;
	return 0;
}

static void
check(const char *what, enum ep_kind kind, int size, struct run r, const char *want)
{
	struct ep_how how = {.kind = kind, .size = size, .timeout = 10};
	char why[EP_WHY] = "";
	int got, right;

	run = r;
	got = ep_run(&how, work, NULL, why, sizeof why);
	right = want ? got == EP_EFAIL && strstr(why, want) : got == 0;
	printf("%sok %d - %s\n", right ? "" : "not ", ++tests, what);
	if (!right)
		printf("# \"%s\"\n", why);
	bad += !right;
}

static void
right_ones(void)
{
	static const enum tr_type types[] = {TR_F32, TR_F16, TR_BF16};
	static const enum router_strategy strategies[] = {ROUTER_NAIVE_TOPK, ROUTER_FUSED_SELECT,
							  ROUTER_SINKHORN};
	static const struct {
		int size, chunks;
		uint64_t rows;
		uint32_t experts, k;
		double zipf;
	} of[] = {{1, 1, 9, 4, 2, 0}, {2, 4, 33, 8, 2, 0},  {3, 2, 17, 9, 3, 0},
		  {4, 3, 1, 8, 1, 0}, {8, 5, 21, 24, 8, 0}, {4, 2, 40, 16, 2, 4},
		  {2, 1, 12, 2, 2, 0}};

	for (size_t i = 0; i < LEN(of); i++)
		for (size_t t = 0; t < LEN(types); t++)
			for (size_t a = 0; a < LEN(strategies); a++) {
				char what[120];

				snprintf(what, sizeof what, "%d ranks, %u experts, %s, %s",
					 of[i].size, of[i].experts, tr_typename(types[t]),
					 router_names[strategies[a]]);
				check(what, (i + t + a) % 2 ? EP_LOOP : EP_SHM, of[i].size,
				      (struct run){.rows = of[i].rows,
						   .d = 20,
						   .hidden = a == 1 ? 0 : 12,
						   .experts = of[i].experts,
						   .k = of[i].k,
						   .type = types[t],
						   .strategy = strategies[a],
						   .chunks = of[i].chunks,
						   .zipf = of[i].zipf},
				      NULL);
			}
}

int
main(void)
{
	static const struct {
		enum fault fault;
		const char *what, *why;
	} faults[] = {
		{ROW, "a bit of a row on its way", "rank 2: rows, routes or experts from rank 0"},
		{SWAP, "two rows changed places", "rank 2: rows, routes or experts from rank 0"},
		{ID, "another route's number", "rank 2: rows, routes or experts from rank 0"},
		{COUNT, "a row more than there is", "bytes from rank 0, not"},
		{BACK, "a bit of a row on its way back", "rank 2: token"},
		{LOST, "a row that does not come back", "rank 2: token"},
		{WEIGHT, "weights of another token", "came back as"},
		{GATHER, "a row that was not packed",
		 "the route differs: 16 numbers of gathered rows"},
		{PICK, "a pick that is not the best", "the route differs: 1 picks"},
		{EXPERT, "rows at the wrong expert", "off where the greatest is"},
	};
	struct run r = {.rows = 30,
			.d = 16,
			.hidden = 8,
			.experts = 6,
			.k = 2,
			.type = TR_F32,
			.chunks = 2};
	char why[EP_WHY];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (dev_cpu(&real, 1) < 0 ||
	    ep_run(&(struct ep_how){.kind = EP_LOOP, .size = 1, .timeout = 10}, learn, NULL, why,
		   sizeof why) < 0)
		return 2;
	right_ones();
	for (size_t i = 0; i < LEN(faults); i++) {
		r.fault = faults[i].fault;
		check(faults[i].what, EP_SHM, 3, r, faults[i].why);
		check(faults[i].what, EP_LOOP, 3, r, faults[i].why);
	}
	/* what rounds away is no help to find a fault */
	r.type = TR_BF16;
	for (size_t i = 0; i < 2; i++) {
		r.strategy = i ? ROUTER_FUSED_SELECT : ROUTER_NAIVE_TOPK;
		r.fault = WEIGHT;
		check("weights of another token, bf16", EP_LOOP, 3, r, "token 0, column");
	}
	printf("1..%d\n", tests);
	return bad != 0;
}
