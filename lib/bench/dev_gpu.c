#include <stdio.h>
#include <stdlib.h>

#include "../core/size.h"
#include "devown.h"
#include "inputs.h"

enum { TRIES = 5, PEAK = 4096, NORMALS = 1 << 20 }; /* which divides PEAK * PEAK */
#define COPY_BYTES ((size_t)1 << 30)

/* What a kernel or a call of gpu.h returned. */
static int
told(int r)
{
	return r < 0 ? dev_error(r, "%s", gpu_errstr()) : 0;
}

static void *
alloc(const struct dev *d, size_t n)
{
	void *p = gpu_alloc(n);

	if (!p)
		told(GPU_ENOMEM);
	return p;
}

static int
put(void *to, const void *from, size_t n)
{
	return told(gpu_put(to, from, n));
}

static int
get(void *to, const void *from, size_t n)
{
	return told(gpu_get(to, from, n));
}

static int
copy(const struct dev *d, void *to, const void *from, size_t n, void *stream)
{
	return told(gpu_copy(to, from, n, stream));
}

static size_t
work(const struct dev *d, const struct select *s, const struct index *x, const struct sinkhorn *h,
     uint64_t rows)
{
	size_t n = k_product_work();

	n = MAX(n, x ? k_index_work(x, rows) : 0);
	n = MAX(n, x ? k_select_index_work(s, x, rows) : 0);
	return MAX(n, h ? k_sinkhorn_work(h, rows) : 0);
}

static int
product(const struct dev *d, enum tr_type type, const void *x, const void *w, void *y,
	uint64_t rows, uint64_t n, uint64_t dm, void *work, void *stream)
{
	return told(k_product(type, x, w, y, rows, n, dm, work, stream));
}

static int
gpu_select(const struct dev *d, const struct select *s, const void *logits, uint64_t rows,
	   uint16_t *ids, float *w, void *stream)
{
	return told(k_select(s, logits, rows, ids, w, stream));
}

static int
gpu_index(const struct dev *d, struct index *x, const uint16_t *ids, uint64_t rows, void *work,
	  void *stream)
{
	return told(k_index(x, ids, rows, work, stream));
}

static int
gpu_select_index(const struct dev *d, const struct select *s, struct index *x, const void *logits,
		 uint64_t rows, uint16_t *ids, float *w, void *work, void *stream)
{
	return told(k_select_index(s, x, logits, rows, ids, w, work, stream));
}

static int
product_select(const struct dev *d, const struct select *s, const void *x, const void *w,
	       uint64_t rows, uint64_t dm, uint16_t *ids, float *weights, void *work, void *stream)
{
	if (!k_product_select_fits(s, rows, dm))
		return dev_error(GPU_EUSE, "no fused kernel for %u experts of %s", s->experts,
				 tr_typename(s->type));
	return told(k_product_select(s, x, w, rows, dm, ids, weights, NULL, work, stream));
}

static int
mask(const struct dev *d, const struct select *s, const uint16_t *ids, const float *w,
     uint64_t rows, float *gates, void *stream)
{
	return told(k_mask(s, ids, w, rows, gates, stream));
}

static int
gather(const struct dev *d, const struct index *x, enum tr_type type, const void *from,
       uint64_t rows, uint64_t dm, const float *w, void *to, void *stream)
{
	return told(k_gather(x, type, from, rows, dm, w, to, stream));
}

static int
naive(const struct dev *d, enum naive how, struct index *x, enum tr_type type, const void *from,
      const uint16_t *ids, const float *w, uint64_t rows, uint64_t dm, void *to, void *stream)
{
	return told(k_naive(how, x, type, from, ids, w, rows, dm, to, stream));
}

static int
combine(const struct dev *d, const struct index *x, enum tr_type type, const void *from,
	uint64_t dm, const float *w, uint64_t rows, void *to, void *stream)
{
	return told(k_combine(x, type, from, dm, w, rows, to, stream));
}

static int
sinkhorn(const struct dev *d, const struct sinkhorn *s, const void *logits, uint64_t rows,
	 uint16_t *ids, float *w, struct sinkhorn_told *to, void *work, void *stream)
{
	return told(k_sinkhorn(s, logits, rows, ids, w, to, work, stream));
}

static size_t
ffn_work(const struct dev *d, const struct ffn *f, uint64_t packed)
{
	return k_ffn_work(f, packed);
}

static int
gpu_ffn(const struct dev *d, const struct ffn *f, int how, const uint32_t *offsets,
	const uint32_t *host_offsets, uint64_t packed, const void *x, void *to, void *work,
	void *stream)
{
	return told(k_ffn(f, how, offsets, host_offsets, packed, x, to, work, stream));
}

static void *
plan(const struct dev *d, const struct gpu_run *r)
{
	struct gpu_plan *p = gpu_plan(r);

	if (!p)
		told(GPU_EFAIL);
	return p;
}

static int
sample(void *plan, double *us)
{
	return told(gpu_sample(plan, us));
}

static void
unplan(void *plan)
{
	gpu_plan_free(plan);
}

struct peak {
	enum tr_type type;
	void *a, *b, *c, *work;
};

static int
peak_call(void *arg, uint64_t i, void *stream)
{
	struct peak *p = arg;

	return p->work ? k_product(p->type, p->a, p->b, p->c, PEAK, PEAK, PEAK, p->work, stream)
		       : gpu_copy(p->c, p->a, COPY_BYTES, stream);
}

/* The best of some samples of a call, in microseconds. */
static int
peak(struct peak *p, double *us)
{
	struct gpu_run run = {peak_call, p, 1, 1};
	struct gpu_plan *g = p->a && p->b && p->c ? gpu_plan(&run) : NULL;
	int r = g ? 0 : GPU_EFAIL;

	*us = 0;
	for (int i = 0; i < TRIES && r == 0; i++) {
		double one;

		r = gpu_sample(g, &one);
		*us = i && *us < one ? *us : one;
	}
	told(r);
	gpu_plan_free(g);
	gpu_free(p->a);
	if (p->b != p->a)
		gpu_free(p->b);
	gpu_free(p->c);
	gpu_free(p->work);
	return r;
}

/* Normal numbers in both factors: zeros take less power, and are faster. */
static int
fill(const struct peak *p, size_t n)
{
	unsigned char *x = inputs_normal(1, 0, NORMALS, 1, p->type);
	size_t part = NORMALS * tr_size(p->type);
	int r = x ? 0 : dev_error(GPU_ENOMEM, "no memory");

	for (size_t i = 0; i < n && r == 0; i += part) {
		r = told(gpu_put((unsigned char *)p->a + i, x, part));
		if (r == 0)
			r = told(gpu_put((unsigned char *)p->b + i, x, part));
	}
	free(x);
	return r;
}

static int
peak_copy(const struct dev *d, double *rate)
{
	struct peak p = {.a = gpu_alloc(COPY_BYTES), .c = gpu_alloc(COPY_BYTES)};
	double us;
	int r;

	p.b = p.a;
	if (p.a && p.c) {
		gpu_zero(p.a, COPY_BYTES);
		gpu_zero(p.c, COPY_BYTES);
	}
	if ((r = peak(&p, &us)) < 0)
		return r;
	*rate = 2e6 * (double)COPY_BYTES / us;
	return 0;
}

static int
peak_flops(const struct dev *d, enum tr_type type, double *rate)
{
	size_t n = (size_t)PEAK * PEAK * tr_size(type);
	struct peak p = {type, gpu_alloc(n), gpu_alloc(n), gpu_alloc(n),
			 gpu_alloc(k_product_work())};
	double us;
	int r;

	if (p.a && p.b && (r = fill(&p, n)) < 0)
		return r;
	if (!p.work)
		return told(GPU_ENOMEM);
	if ((r = peak(&p, &us)) < 0)
		return r;
	*rate = 2.0 * PEAK * PEAK * PEAK / us * 1e6;
	return 0;
}

int
dev_gpu(struct dev *d, int device)
{
	struct gpu_facts f;
	int r;

	if ((r = gpu_open(device)) < 0 || (r = gpu_facts(device, &f)) < 0)
		return told(r);
	*d = (struct dev){
		.backend = "cuda",
		.jobs = 1,
		.device = device,
		.cache = f.l2,
		.close = gpu_close,
		.alloc = alloc,
		.free = gpu_free,
		.put = put,
		.get = get,
		.copy = copy,
		.work = work,
		.product = product,
		.select = gpu_select,
		.index = gpu_index,
		.select_index = gpu_select_index,
		.product_select = product_select,
		.mask = mask,
		.gather = gather,
		.naive = naive,
		.combine = combine,
		.sinkhorn = sinkhorn,
		.ffn_work = ffn_work,
		.ffn = gpu_ffn,
		.plan = plan,
		.sample = sample,
		.unplan = unplan,
		.peak_copy = peak_copy,
		.peak_flops = peak_flops,
	};
	snprintf(d->name, sizeof d->name, "%s", f.name);
	return 0;
}
