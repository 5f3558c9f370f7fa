/*
 * A GPU in plain C: memory, copies, timing.  gpu_cuda.cu implements it where there is a
 * toolkit, gpu_none.c says that there was none; nothing else sees CUDA types.
 *
 * Functions return 0, or a negative number with gpu_errstr() telling why.
 */
#ifndef GPU_H
#define GPU_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum gpu_err {
	GPU_ABSENT = -100, /* built without CUDA, no driver, no such device */
	GPU_ENOMEM = -101, /* too little memory on it */
	GPU_EFAIL = -102,  /* a call failed */
	GPU_EUSE = -103,   /* sizes that the kernel does not take */
};

/* Of this thread, lent until the next call that fails. */
const char *gpu_errstr(void);

/* What was built in: "cuda 13.0 sm_80 sm_90 ..." or "no cuda".  Asks no device. */
const char *gpu_built(void);
int gpu_count(void); /* usable devices; GPU_ABSENT and why */
/* All that follows is for that device, from this thread.  One at a time. */
int gpu_open(int device);
void gpu_close(void);

struct gpu_facts {
	char name[128], pci[32];
	int driver, runtime; /* 13000 is 13.0 */
	int major, minor, processors;
	uint64_t memory, l2;                  /* bytes */
	uint64_t clock_khz, memory_clock_khz; /* 0: not told */
	int bus_bits;
};
int gpu_facts(int device, struct gpu_facts *f);
/* Now, by NVML where it loads, else 0: MHz and degrees Celsius. */
void gpu_now(int device, int *mhz, int *memory_mhz, int *celsius);

void *gpu_alloc(size_t n); /* 256-aligned; NULL: GPU_ENOMEM, gpu_errstr says sizes */
void gpu_free(void *p);
void *gpu_pinned(size_t n); /* host memory that copies do not stage */
void gpu_unpin(void *p);
int gpu_put(void *device, const void *host, size_t n); /* done on return */
int gpu_get(void *host, const void *device, size_t n);
int gpu_zero(void *device, size_t n);
int gpu_sync(void);

/*
 * Work to be timed.  call(arg, i, stream) enqueues the i-th call, on buffers that the
 * caller rotates by i; it neither allocates nor waits, and returns 0 or a gpu_err.
 */
struct gpu_run {
	int (*call)(void *arg, uint64_t i, void *stream);
	void *arg;
	int graph;       /* calls are captured once as one graph of so many that a replay lasts at
		    * least 1 ms, and a sample is a replay's time over its calls; else a sample is
		    * one call from an idle device, the host's part included */
	uint64_t rotate; /* calls after which buffers come round, at least 1; a graph holds a
			  * multiple of it */
};
struct gpu_plan;
/* Warmed up and captured; NULL: gpu_errstr.  arg stays the caller's until gpu_plan_free. */
struct gpu_plan *gpu_plan(const struct gpu_run *r);
int gpu_sample(struct gpu_plan *p, double *us); /* one sample, microseconds a call */
void gpu_plan_free(struct gpu_plan *p);

/*
 * Streams: what is enqueued on one is done in order, and beside that of others.  A mark is a
 * point of a stream: that of the last gpu_set, or none yet, which is passed.
 */
void *gpu_stream(void); /* NULL and gpu_errstr; so has gpu_mark */
void gpu_unstream(void *stream);
/* Enqueued; host memory is lent until it is done, and gpu_pinned if the caller is not to wait. */
int gpu_send(void *device, const void *host, size_t n, void *stream);
/* Done on return, with all before it on that stream. */
int gpu_fetch(void *host, const void *device, size_t n, void *stream);
void *gpu_mark(void);
void gpu_unmark(void *mark);
int gpu_set(void *mark, void *stream);
int gpu_after(void *stream, void *mark); /* what follows on stream waits for the mark */
int gpu_wait(void *mark);                /* and so does the caller */

/* n bytes of device memory to other device memory, enqueued. */
int gpu_copy(void *to, const void *from, size_t n, void *stream);

#ifdef __cplusplus
}
#endif

#endif
