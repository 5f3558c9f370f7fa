/* A route's check finds what is wrong, TAP: devices that err in one place each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/bench/inputs.h"
#include "../../lib/bench/router.h"

enum { ROWS = 40, E = 6, K = 2, D = 32 };

static int tests;
static struct dev cpu;

static void
swap16(uint16_t *a, uint16_t *b)
{
	uint16_t was = *a;

	*a = *b;
	*b = was;
}

/* The picks of the last row change places; their weights stay. */
static int
bad_select(const struct dev *d, const struct select *s, const void *logits, uint64_t rows,
	   uint16_t *ids, float *w, void *stream)
{
	int r = cpu.select(d, s, logits, rows, ids, w, stream);

	swap16(&ids[(rows - 1) * K], &ids[(rows - 1) * K + 1]);
	return r;
}

/* One weight is off by a bit. */
static int
bad_weight(const struct dev *d, const struct select *s, const void *logits, uint64_t rows,
	   uint16_t *ids, float *w, void *stream)
{
	int r = cpu.select(d, s, logits, rows, ids, w, stream);
	uint32_t bits;

	memcpy(&bits, w + 7, sizeof bits);
	bits ^= 1;
	memcpy(w + 7, &bits, sizeof bits);
	return r;
}

/* The first row picks its worst expert. */
static int
bad_product_select(const struct dev *d, const struct select *s, const void *x, const void *w,
		   uint64_t rows, uint64_t dm, uint16_t *ids, float *weights, void *work,
		   void *stream)
{
	int r = cpu.product_select(d, s, x, w, rows, dm, ids, weights, work, stream);
	float y[E] = {0};

	for (uint64_t e = 0; e < E; e++)
		for (uint64_t i = 0; i < dm; i++)
			y[e] += ((const float *)x)[i] * ((const float *)w)[e * dm + i];
	for (uint16_t e = 0; e < E; e++)
		if (y[e] < y[ids[0]])
			ids[0] = e;
	return r;
}

static int
bad_sinkhorn(const struct dev *d, const struct sinkhorn *s, const void *logits, uint64_t rows,
	     uint16_t *ids, float *w, struct sinkhorn_told *told, void *work, void *stream)
{
	int r = cpu.sinkhorn(d, s, logits, rows, ids, w, told, work, stream);

	swap16(&ids[0], &ids[1]);
	return r;
}

/* Two routes of the first expert out of their order. */
static int
bad_index(const struct dev *d, struct index *x, const uint16_t *ids, uint64_t rows, void *work,
	  void *stream)
{
	int r = cpu.index(d, x, ids, rows, work, stream);
	uint32_t a = x->perm[0], b = x->perm[1];

	x->perm[0] = b;
	x->perm[1] = a;
	x->place[a] = 1;
	x->place[b] = 0;
	return r;
}

static int
bad_select_index(const struct dev *d, const struct select *s, struct index *x, const void *logits,
		 uint64_t rows, uint16_t *ids, float *w, void *work, void *stream)
{
	int r = cpu.select_index(d, s, x, logits, rows, ids, w, work, stream);

	x->counts[E - 1]++;
	return r;
}

/* A gate that no pick has. */
static int
bad_mask(const struct dev *d, const struct select *s, const uint16_t *ids, const float *w,
	 uint64_t rows, float *gates, void *stream)
{
	int r = cpu.mask(d, s, ids, w, rows, gates, stream);

	for (uint32_t e = 0; e < E; e++)
		if (e != ids[0] && e != ids[1])
			gates[e] = 0.5f;
	return r;
}

/* Rows without their weights. */
static int
bad_gather(const struct dev *d, const struct index *x, enum tr_type type, const void *from,
	   uint64_t rows, uint64_t dm, const float *w, void *to, void *stream)
{
	return cpu.gather(d, x, type, from, rows, dm, NULL, to, stream);
}

static void
check(const struct dev *d, enum router_strategy a, const char *what, const char *want)
{
	struct inputs in = {.seed = 1, .rows = ROWS, .d = D, .experts = E, .type = TR_F32};
	void *x = inputs_x(&in), *w = inputs_router(&in);
	struct router r = {.dev = d,
			   .rows = ROWS,
			   .d = D,
			   .s = {.experts = E, .k = K, .type = TR_F32, .score = RULES_AFTER},
			   .h = {.iterations = 10, .temperature = 1},
			   .x = x,
			   .w = w,
			   .warm = 1,
			   .weighted = 1};
	struct router_result got = {.check = "could not run"};
	int ok = x && w && router_open(&r) == 0 && router_check(&r, a, &got) == 0 &&
		 strncmp(got.check, want, strlen(want)) == 0;

	printf("%sok %d - %s, %s: %s\n", ok ? "" : "not ", ++tests, router_names[a], what,
	       got.check);
	router_close(&r);
	free(x);
	free(w);
}

int
main(void)
{
	struct dev d;

	dev_cpu(&cpu, 1);
	for (int a = 0; a < ROUTER_STRATEGIES; a++)
		check(&cpu, a, "nothing wrong", "ok");
	d = cpu;
	d.select = bad_select;
	check(&d, ROUTER_NAIVE_TOPK, "picks in another order", "2 picks, 0 weights");
	d.select = bad_weight;
	check(&d, ROUTER_NAIVE_TOPK, "a bit of a weight", "0 picks, 1 weights");
	d = cpu;
	d.product_select = bad_product_select;
	check(&d, ROUTER_FUSED_ROUTER, "an expert that is not the best", "1 picks");
	d = cpu;
	d.sinkhorn = bad_sinkhorn;
	check(&d, ROUTER_SINKHORN, "the second best first", "1 picks");
	d = cpu;
	d.index = bad_index;
	check(&d, ROUTER_NAIVE_TOPK, "routes out of order", "1 places");
	d = cpu;
	d.select_index = bad_select_index;
	check(&d, ROUTER_FUSED_SELECT, "a count", "1 places");
	d = cpu;
	d.mask = bad_mask;
	check(&d, ROUTER_MASKED_MATMUL, "gates of no picks", "4 gates");
	d = cpu;
	d.gather = bad_gather;
	check(&d, ROUTER_NAIVE_TOPK, "rows without weights", "2560 numbers of gathered rows");
	printf("1..%d\n", tests);
	return 0;
}
