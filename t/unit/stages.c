/* Stages by turns do not find their input in the cache, TAP: a device that notes what it reads. */
#include <stdio.h>
#include <string.h>

#include "../../lib/bench/router.h"
#include "../../lib/core/size.h"

enum { ROWS = 4, WIDTH = 8, EXPERTS = 4, COPIES = 8, CALLS = 64 };

static int tests, n;
static struct dev cpu;
static const void *seen[CALLS];

static int
noted_product(const struct dev *d, enum tr_type type, const void *x, const void *w, void *y,
	      uint64_t rows, uint64_t experts, uint64_t width, void *work, void *stream)
{
	seen[n++] = x;
	return cpu.product(d, type, x, w, y, rows, experts, width, work, stream);
}

static int
noted_gather(const struct dev *d, const struct index *x, enum tr_type type, const void *from,
	     uint64_t rows, uint64_t width, const float *w, void *to, void *stream)
{
	seen[n++] = from;
	return cpu.gather(d, x, type, from, rows, width, w, to, stream);
}

static int
noted_select(const struct dev *d, const struct select *s, const void *logits, uint64_t rows,
	     uint16_t *ids, float *w, void *stream)
{
	seen[n++] = logits;
	return cpu.select(d, s, logits, rows, ids, w, stream);
}

/* Turns of these two stages, of two strategies: how many calls before the same is read again? */
static int
apart(struct router *r, enum router_stage a, enum router_stage b)
{
	int least = CALLS;

	n = 0;
	for (uint64_t i = 0; i < CALLS / 2; i++)
		if (router_call(r, ROUTER_NAIVE_TOPK, a, router_turn(r, a, i), NULL) < 0 ||
		    router_call(r, ROUTER_MASKED_MATMUL, b, router_turn(r, b, i), NULL) < 0)
			return 0;
	for (int i = 0; i < n; i++)
		for (int k = i + 1; k < n; k++)
			if (seen[i] == seen[k])
				least = MIN(least, k - i);
	return n == CALLS ? least : 0;
}

static void
is(int got, const char *what)
{
	printf("%sok %d - %s: %d\n", got == COPIES ? "" : "not ", ++tests, what, got);
}

int
main(void)
{
	float x[ROWS * WIDTH] = {0}, w[EXPERTS * WIDTH] = {0};
	struct dev d;
	struct router r = {.dev = &d,
			   .rows = ROWS,
			   .d = WIDTH,
			   .s = {.experts = EXPERTS, .k = 1, .type = TR_F32},
			   .h = {.iterations = 1, .temperature = 1},
			   .x = x,
			   .w = w};

	if (dev_cpu(&cpu, 1) < 0)
		return 2;
	cpu.cache = COPIES / 2 * sizeof x;
	d = cpu;
	if (router_open(&r) < 0)
		return 2;
	d.product = noted_product;
	d.gather = noted_gather;
	d.select = noted_select;
	is(apart(&r, ROUTER_LOGIT, ROUTER_LOGIT), "products");
	is(apart(&r, ROUTER_GATHER, ROUTER_LOGIT), "a gathering and a product");
	is(apart(&r, ROUTER_SELECT, ROUTER_SELECT), "selections");
	router_close(&r);
	printf("1..%d\n", tests);
	return 0;
}
