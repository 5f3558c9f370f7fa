/* gpu.h, nccl.h and route.h where there was no toolkit. */
#include "nccl.h"
#include "route.h"

const char *
gpu_errstr(void)
{
	return "no GPU: built without CUDA";
}

int
gpu_count(void)
{
	return GPU_ABSENT;
}

int
gpu_open(int device)
{
	return GPU_ABSENT;
}

void
gpu_close(void)
{
}

int
gpu_facts(int device, struct gpu_facts *f)
{
	*f = (struct gpu_facts){0};
	return GPU_ABSENT;
}

void
gpu_now(int device, int *mhz, int *memory_mhz, int *celsius)
{
	*mhz = *memory_mhz = *celsius = 0;
}

void *
gpu_alloc(size_t n)
{
	return NULL;
}

void
gpu_free(void *p)
{
}

void *
gpu_pinned(size_t n)
{
	return NULL;
}

void
gpu_unpin(void *p)
{
}

int
gpu_put(void *device, const void *host, size_t n)
{
	return GPU_ABSENT;
}

int
gpu_get(void *host, const void *device, size_t n)
{
	return GPU_ABSENT;
}

int
gpu_zero(void *device, size_t n)
{
	return GPU_ABSENT;
}

int
gpu_sync(void)
{
	return GPU_ABSENT;
}

struct gpu_plan *
gpu_plan(const struct gpu_run *r)
{
	return NULL;
}

int
gpu_sample(struct gpu_plan *p, double *us)
{
	return GPU_ABSENT;
}

void
gpu_plan_free(struct gpu_plan *p)
{
}

void *
gpu_stream(void)
{
	return NULL;
}

void
gpu_unstream(void *stream)
{
}

int
gpu_send(void *device, const void *host, size_t n, void *stream)
{
	return GPU_ABSENT;
}

int
gpu_fetch(void *host, const void *device, size_t n, void *stream)
{
	return GPU_ABSENT;
}

void *
gpu_mark(void)
{
	return NULL;
}

void
gpu_unmark(void *mark)
{
}

int
gpu_set(void *mark, void *stream)
{
	return GPU_ABSENT;
}

int
gpu_after(void *stream, void *mark)
{
	return GPU_ABSENT;
}

int
gpu_wait(void *mark)
{
	return GPU_ABSENT;
}

int
gpu_copy(void *to, const void *from, size_t n, void *stream)
{
	return GPU_ABSENT;
}

int
k_select(const struct select *s, const void *logits, uint64_t rows, uint16_t *ids, float *w,
	 void *stream)
{
	return GPU_ABSENT;
}

size_t
k_index_work(const struct index *x, uint64_t rows)
{
	return 0;
}

int
k_index(const struct index *x, const uint16_t *ids, uint64_t rows, void *work, void *stream)
{
	return GPU_ABSENT;
}

size_t
k_select_index_work(const struct select *s, const struct index *x, uint64_t rows)
{
	return 0;
}

int
k_select_index(const struct select *s, const struct index *x, const void *logits, uint64_t rows,
	       uint16_t *ids, float *w, void *work, void *stream)
{
	return GPU_ABSENT;
}

int
k_gather(const struct index *x, enum tr_type type, const void *from, uint64_t rows, uint64_t d,
	 const float *w, void *to, void *stream)
{
	return GPU_ABSENT;
}

int
k_combine(const struct index *x, enum tr_type type, const void *from, uint64_t d, const float *w,
	  uint64_t rows, void *to, void *stream)
{
	return GPU_ABSENT;
}

size_t
k_sinkhorn_work(const struct sinkhorn *s, uint64_t rows)
{
	return 0;
}

int
k_sinkhorn(const struct sinkhorn *s, const void *logits, uint64_t rows, uint16_t *ids, float *w,
	   struct sinkhorn_told *told, void *work, void *stream)
{
	return GPU_ABSENT;
}

size_t
k_product_work(void)
{
	return 0;
}

int
k_product(enum tr_type type, const void *x, const void *w, void *y, uint64_t rows, uint64_t n,
	  uint64_t d, void *work, void *stream)
{
	return GPU_ABSENT;
}

int
k_product_f32(enum tr_type type, const void *x, const void *w, float *y, uint64_t rows, uint64_t n,
	      uint64_t d, void *work, void *stream)
{
	return GPU_ABSENT;
}

int
k_product_select_fits(const struct select *s, uint64_t rows, uint64_t d)
{
	return 0;
}

int
k_product_fused(const struct select *s, const void *x, const void *w, uint64_t rows, uint64_t d,
		uint16_t *ids, float *weights, void *logits, void *work, void *stream)
{
	return GPU_ABSENT;
}

int
k_product_select(const struct select *s, const void *x, const void *w, uint64_t rows, uint64_t d,
		 uint16_t *ids, float *weights, void *logits, void *work, void *stream)
{
	return GPU_ABSENT;
}

size_t
k_ffn_work(const struct ffn *f, uint64_t packed)
{
	return 0;
}

int
k_ffn(const struct ffn *f, int how, const uint32_t *offsets, const uint32_t *host_offsets,
      uint64_t packed, const void *x, void *to, void *work, void *stream)
{
	return GPU_ABSENT;
}

int
k_mask(const struct select *s, const uint16_t *ids, const float *w, uint64_t rows, float *gates,
       void *stream)
{
	return GPU_ABSENT;
}

int
k_naive(int how, const struct index *x, enum tr_type type, const void *from, const uint16_t *ids,
	const float *w, uint64_t rows, uint64_t d, void *to, void *stream)
{
	return GPU_ABSENT;
}

const char *
nccl_errstr(void)
{
	return gpu_errstr();
}

void
nccl_timeout(double seconds)
{
}

int
nccl_open(int rank, int size, const char *idfile, int device, void **comm)
{
	*comm = NULL;
	return GPU_ABSENT;
}

int
nccl_alltoallv(void *comm, const void *send, const size_t *sendoff, const size_t *sendn, void *recv,
	       const size_t *recvoff, const size_t *recvn, void *stream)
{
	return GPU_ABSENT;
}

int
nccl_wait(void *comm, void *stream)
{
	return GPU_ABSENT;
}

int
nccl_barrier(void *comm, void *stream)
{
	return GPU_ABSENT;
}

void
nccl_close(void *comm)
{
}
