#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../core/pool.h"
#include "../core/size.h"
#include "../route/product.h"
#include "clock.h"
#include "devown.h"
#include "fma.h"
#include "sample.h"

enum {
	TRIES = 5,         /* of a copy; the best counts */
	FMA_TRIES = 40,    /* of fma_run: so short that others come between */
	ROUNDS = 1 << 20,  /* of fma_run: some 5 ms */
	SELECT_ROWS = 256, /* of a product whose logits stay in the cache */
};
#define COPY_BYTES ((size_t)256 << 20)

static void *
alloc(const struct dev *d, size_t n)
{
	void *p = n < SIZE_MAX / 2 ? aligned_alloc(4096, size_align(n + 1, 4096)) : NULL;

	if (!p)
		dev_error(GPU_ENOMEM, "no memory for %.1f GB", (double)n / 1e9);
	return p;
}

static int
put(void *to, const void *from, size_t n)
{
	memcpy(to, from, n);
	return 0;
}

struct copy {
	char *to;
	const char *from;
	size_t n, part;
};

static void
copy_part(void *arg, size_t i)
{
	const struct copy *c = arg;
	size_t at = i * c->part;

	if (at < c->n)
		memcpy(c->to + at, c->from + at, MIN(c->part, c->n - at));
}

static int
copy(const struct dev *d, void *to, const void *from, size_t n, void *stream)
{
	struct copy c = {to, from, n, size_align(n / (size_t)d->jobs + 1, 4096)};

	pool_each(d->jobs, (size_t)d->jobs, copy_part, &c);
	return 0;
}

static int
no_memory(int r)
{
	return r < 0 ? dev_error(r, r == TR_ENOMEM ? "no memory" : "an id that is none") : 0;
}

static size_t
work(const struct dev *d, const struct select *s, const struct index *x, const struct sinkhorn *h,
     uint64_t rows)
{
	return (size_t)SELECT_ROWS * s->experts * tr_size(s->type);
}

static int
cpu_product(const struct dev *d, enum tr_type type, const void *x, const void *w, void *y,
	    uint64_t rows, uint64_t n, uint64_t dm, void *work, void *stream)
{
	return no_memory(product(type, x, w, y, rows, n, dm));
}

static int
cpu_select(const struct dev *d, const struct select *s, const void *logits, uint64_t rows,
	   uint16_t *ids, float *w, void *stream)
{
	select_rows(s, logits, rows, ids, w, d->jobs);
	return 0;
}

static int
cpu_index(const struct dev *d, struct index *x, const uint16_t *ids, uint64_t rows, void *work,
	  void *stream)
{
	return no_memory(index_rows(x, ids, rows, d->jobs));
}

static int
cpu_select_index(const struct dev *d, const struct select *s, struct index *x, const void *logits,
		 uint64_t rows, uint16_t *ids, float *w, void *work, void *stream)
{
	select_rows(s, logits, rows, ids, w, d->jobs);
	return no_memory(index_rows(x, ids, rows, d->jobs));
}

static int
cpu_product_select(const struct dev *d, const struct select *s, const void *x, const void *w,
		   uint64_t rows, uint64_t dm, uint16_t *ids, float *weights, void *work,
		   void *stream)
{
	for (uint64_t t = 0; t < rows; t += SELECT_ROWS) {
		uint64_t n = MIN(rows - t, (uint64_t)SELECT_ROWS);
		const char *from = (const char *)x + t * dm * tr_size(s->type);

		if (product(s->type, from, w, work, n, s->experts, dm) < 0)
			return no_memory(TR_ENOMEM);
		select_rows(s, work, n, ids + t * s->k, weights + t * s->k, d->jobs);
	}
	return 0;
}

static int
cpu_mask(const struct dev *d, const struct select *s, const uint16_t *ids, const float *w,
	 uint64_t rows, float *gates, void *stream)
{
	select_mask(s, ids, w, rows, gates, d->jobs);
	return 0;
}

static int
cpu_gather(const struct dev *d, const struct index *x, enum tr_type type, const void *from,
	   uint64_t rows, uint64_t dm, const float *w, void *to, void *stream)
{
	gather_rows(x, type, from, dm, w, to, d->jobs);
	return 0;
}

static int
cpu_naive(const struct dev *d, enum naive how, struct index *x, enum tr_type type, const void *from,
	  const uint16_t *ids, const float *w, uint64_t rows, uint64_t dm, void *to, void *stream)
{
	naive_pack(how, x, type, from, ids, w, rows, dm, to);
	return 0;
}

static int
cpu_combine(const struct dev *d, const struct index *x, enum tr_type type, const void *from,
	    uint64_t dm, const float *w, uint64_t rows, void *to, void *stream)
{
	combine_rows(x, type, from, dm, w, rows, to, d->jobs);
	return 0;
}

static int
cpu_sinkhorn(const struct dev *d, const struct sinkhorn *s, const void *logits, uint64_t rows,
	     uint16_t *ids, float *w, struct sinkhorn_told *told, void *work, void *stream)
{
	return no_memory(sinkhorn_rows(s, logits, rows, ids, w, NULL, told, d->jobs));
}

static size_t
ffn_work(const struct dev *d, const struct ffn *f, uint64_t packed)
{
	return 0;
}

static int
cpu_ffn(const struct dev *d, const struct ffn *f, int how, const uint32_t *offsets,
	const uint32_t *host_offsets, uint64_t packed, const void *x, void *to, void *work,
	void *stream)
{
	if (how > FFN_LOOP)
		return dev_error(GPU_ABSENT, "no grouped product on the processor");
	return no_memory(ffn_rows(f, how ? FFN_LOOP : FFN_GROUPED, offsets, x, to, d->jobs));
}

struct plan {
	struct gpu_run run;
	uint64_t calls, at; /* of a sample; of the next call */
};

static int
sample(void *plan, double *us)
{
	struct plan *p = plan;
	double start = clock_us();

	for (uint64_t i = 0; i < p->calls; i++) {
		int r = p->run.call(p->run.arg, p->at++, NULL);

		if (r < 0)
			return r;
	}
	*us = (clock_us() - start) / (double)p->calls;
	return 0;
}

static void *
plan(const struct dev *d, const struct gpu_run *r)
{
	struct plan *p = malloc(sizeof *p);
	double us = 0;

	if (!p) {
		dev_error(GPU_ENOMEM, "no memory");
		return NULL;
	}
	*p = (struct plan){*r, 1, 0};
	for (int i = 0; i < 2; i++) /* the first one touches the memory */
		if (sample(p, &us) < 0) {
			free(p);
			return NULL;
		}
	if (r->graph && us < 100)
		p->calls = (uint64_t)(100 / (us > 0.1 ? us : 0.1)) + 1;
	return p;
}

static int
peak_copy(const struct dev *d, double *rate)
{
	char *from = alloc(d, COPY_BYTES), *to = alloc(d, COPY_BYTES);
	double best = 0;

	if (!from || !to) {
		free(from);
		free(to);
		return GPU_ENOMEM;
	}
	memset(from, 1, COPY_BYTES);
	memset(to, 2, COPY_BYTES);
	for (int i = 0; i < TRIES; i++) {
		double start = clock_us();

		copy(d, to, from, COPY_BYTES, NULL);
		best = MAX(best, 2e6 * (double)COPY_BYTES / (clock_us() - start));
	}
	free(from);
	free(to);
	*rate = best;
	return 0;
}

struct fma {
	float *sum;
	uint64_t *ops;
};

static void
fma_part(void *arg, size_t i)
{
	struct fma *f = arg;

	f->ops[i] = fma_run(ROUNDS, &f->sum[i]);
}

static int
peak_flops(const struct dev *d, enum tr_type type, double *rate)
{
	size_t n = (size_t)d->jobs;
	struct fma f = {calloc(n, sizeof *f.sum), calloc(n, sizeof *f.ops)};
	double best = 0;

	for (int i = 0; f.sum && f.ops && i < FMA_TRIES; i++) {
		double start = clock_us(), ops = 0, us;

		pool_each(d->jobs, n, fma_part, &f);
		us = clock_us() - start;
		for (size_t j = 0; j < n; j++)
			ops += (double)f.ops[j];
		best = MAX(best, ops / us * 1e6);
	}
	free(f.sum);
	free(f.ops);
	*rate = best;
	return best > 0 ? 0 : dev_error(GPU_ENOMEM, "no memory");
}

/* The name that Linux gives the processor. */
static void
name(char *to, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[256], *p;

	snprintf(to, size, "cpu");
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, "model name", 10) && (p = strchr(line, ':'))) {
			snprintf(to, size, "%.*s", (int)strcspn(p + 2, "\n"), p + 2);
			break;
		}
	if (f)
		fclose(f);
}

/* Bytes of the last cache as Linux tells them; sysconf may tell those of all sockets. */
static uint64_t
cache(void)
{
	FILE *f = fopen("/sys/devices/system/cpu/cpu0/cache/index3/size", "r");
	unsigned long kib = 0;
	long told = sysconf(_SC_LEVEL3_CACHE_SIZE);

	if (f) {
		if (fscanf(f, "%luK", &kib) != 1)
			kib = 0;
		fclose(f);
	}
	return kib ? (uint64_t)kib << 10 : told > 0 ? (uint64_t)told : (uint64_t)32 << 20;
}

int
dev_cpu(struct dev *d, int jobs)
{
	*d = (struct dev){
		.backend = "cpu",
		.jobs = jobs,
		.cache = cache(),
		.alloc = alloc,
		.free = free,
		.put = put,
		.get = put,
		.copy = copy,
		.work = work,
		.product = cpu_product,
		.select = cpu_select,
		.index = cpu_index,
		.select_index = cpu_select_index,
		.product_select = cpu_product_select,
		.mask = cpu_mask,
		.gather = cpu_gather,
		.naive = cpu_naive,
		.combine = cpu_combine,
		.sinkhorn = cpu_sinkhorn,
		.ffn_work = ffn_work,
		.ffn = cpu_ffn,
		.plan = plan,
		.sample = sample,
		.unplan = free,
		.peak_copy = peak_copy,
		.peak_flops = peak_flops,
	};
	name(d->name, sizeof d->name);
	return no_memory(product_jobs(jobs));
}
