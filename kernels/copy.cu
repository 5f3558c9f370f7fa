/*
 * Copies between host memory and GPUs, timed (copy.h).  A sample of held copies: a kernel
 * of one thread spins on a word of host memory, the copies are enqueued behind it, the word
 * is set, and what lies between the events around the copies is theirs alone.
 */
#include "../lib/bench/clock.h"
#include "copy.h"

#include <cuda_runtime.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CHAIN = 256,  /* copies of a latency graph */
	STEPS = 4096, /* of a chase */
	CALLS = 64,   /* of a sample, at most: a stream's queue is finite */
	THREADS = 512,
};
static const size_t BLOCK = 65536;                       /* bytes at the end that are verified */
static const size_t ENOUGH = (size_t)64 << 20;           /* bytes of a sample's copies */
static const unsigned long long GIVE_UP = 2000000000ull; /* ns that a stream is held */

static thread_local char text[256];

static int
fail(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return err;
}

/* What a call of the runtime said, as a gpu_err. */
static int
told(cudaError_t e, const char *what)
{
	if (e == cudaSuccess)
		return 0;
	cudaGetLastError(); /* it is not the next call's */
	return fail(e == cudaErrorMemoryAllocation ? GPU_ENOMEM : GPU_EFAIL, "%s: %s", what,
		    cudaGetErrorString(e));
}

#define TRY(call)                                 \
	do {                                      \
		int tried_ = told((call), #call); \
		if (tried_ < 0)                   \
			return tried_;            \
	} while (0)

const char *
copy_errstr(void)
{
	return text;
}

int
copy_devices(void)
{
	int n = 0;
	cudaError_t e = cudaGetDeviceCount(&n);

	cudaGetLastError();
	if (e != cudaSuccess)
		return fail(GPU_ABSENT, "%s", cudaGetErrorString(e));
	if (n < 1)
		return fail(GPU_ABSENT, "no device");
	return n;
}

/* NVML by its own names, since its header is not everywhere. */
static void
pcie(const char *pci, struct copy_link *l)
{
	typedef int (*init)(void);
	typedef int (*handle)(const char *, void **);
	typedef int (*get)(void *, unsigned *);
	static const char *const names[] = {
		"nvmlDeviceGetCurrPcieLinkGeneration", "nvmlDeviceGetCurrPcieLinkWidth",
		"nvmlDeviceGetMaxPcieLinkGeneration", "nvmlDeviceGetMaxPcieLinkWidth"};
	int *const to[] = {&l->gen, &l->width, &l->max_gen, &l->max_width};
	void *lib = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL), *device;

	if (!lib)
		return;
	init start = (init)dlsym(lib, "nvmlInit_v2"), stop = (init)dlsym(lib, "nvmlShutdown");
	handle of = (handle)dlsym(lib, "nvmlDeviceGetHandleByPciBusId_v2");

	if (start && stop && of && start() == 0) {
		if (of(pci, &device) == 0)
			for (int i = 0; i < 4; i++) {
				get ask = (get)dlsym(lib, names[i]);
				unsigned n = 0;

				if (ask && ask(device, &n) == 0)
					*to[i] = (int)n;
			}
		stop();
	}
	dlclose(lib);
}

int
copy_link(int device, struct copy_link *l)
{
	static cudaDeviceProp prop;

	memset(l, 0, sizeof *l);
	TRY(cudaGetDeviceProperties(&prop, device));
	snprintf(l->name, sizeof l->name, "%.127s", prop.name);
	TRY(cudaDeviceGetPCIBusId(l->pci, sizeof l->pci, device));
	pcie(l->pci, l);
	return 0;
}

int
copy_peer(int from, int to, struct copy_peer *p)
{
	memset(p, 0, sizeof *p);
	TRY(cudaDeviceCanAccessPeer(&p->access, from, to));
	TRY(cudaDeviceGetP2PAttribute(&p->rank, cudaDevP2PAttrPerformanceRank, from, to));
	TRY(cudaDeviceGetP2PAttribute(&p->atomics, cudaDevP2PAttrNativeAtomicSupported, from, to));
	return 0;
}

/* ---- kernels ---- */

__host__ __device__ static inline unsigned char
pattern(size_t i, int salt)
{
	return (unsigned char)(((uint32_t)i + (uint32_t)salt) * 2654435761u >> 24);
}

/* Until word[0]; word[1] where that took too long. */
__global__ void
copy_hold(volatile unsigned *word)
{
	unsigned long long begin, now;

	asm volatile("mov.u64 %0, %globaltimer;" : "=l"(begin));
	do {
		asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
		if (now - begin > GIVE_UP) {
			word[1] = 1;
			return;
		}
	} while (!word[0]);
}

__global__ void
copy_fill(unsigned char *to, size_t n, int salt)
{
	for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < n;
	     i += gridDim.x * (size_t)blockDim.x)
		to[i] = pattern(i, salt);
}

/* 16 bytes a load, four on their way a thread; both are 16-aligned. */
__global__ void
copy_words(uint4 *__restrict__ to, const uint4 *__restrict__ from, size_t n)
{
	size_t step = gridDim.x * (size_t)blockDim.x, words = n / sizeof *to;
	size_t first = blockIdx.x * (size_t)blockDim.x + threadIdx.x, i = first;

	for (; i + 3 * step < words; i += 4 * step) {
		uint4 a = from[i], b = from[i + step], c = from[i + 2 * step],
		      d = from[i + 3 * step];

		to[i] = a;
		to[i + step] = b;
		to[i + 2 * step] = c;
		to[i + 3 * step] = d;
	}
	for (; i < words; i += step)
		to[i] = from[i];
	if (first < n % sizeof *to)
		((unsigned char *)to)[words * sizeof *to + first] =
			((const unsigned char *)from)[words * sizeof *to + first];
}

/* Through the second-level cache, not the first. */
__global__ void
copy_chase(const uint32_t *ring, uint32_t *at, int steps)
{
	uint32_t i = *at;

	for (; steps; steps--)
		i = __ldcg(ring + i);
	*at = i;
}

/* ---- runs ---- */

struct copy_run {
	struct copy c;
	int device[2]; /* of each direction's stream */
	int calls;     /* of a sample */
	int blocks;
	unsigned char *from[2], *to[2]; /* [1]: the other way */
	cudaStream_t stream[2];
	cudaEvent_t begin, end, back; /* back: the other way is done */
	volatile unsigned *word;      /* host memory that copy_hold watches */
	cudaGraph_t graph;
	cudaGraphExec_t exec;
	uint32_t *at; /* of the chase, on the device */
	uint64_t steps;
};

/* Memory at a place. */
static int
room(unsigned char **p, int place, int pageable, size_t n)
{
	if (place == COPY_HOST && pageable) {
		if ((*p = (unsigned char *)malloc(n)))
			return 0;
		return fail(GPU_ENOMEM, "no %zu bytes of host memory", n);
	}
	if (place == COPY_HOST) {
		TRY(cudaHostAlloc((void **)p, n, cudaHostAllocPortable | cudaHostAllocMapped));
		return 0;
	}
	TRY(cudaSetDevice(place));
	TRY(cudaMalloc((void **)p, n));
	return 0;
}

static void
unroom(unsigned char *p, int place, int pageable)
{
	if (place == COPY_HOST && pageable)
		free(p);
	else if (place == COPY_HOST)
		cudaFreeHost(p);
	else
		cudaFree(p);
}

/* The pattern, or zeros. */
static int
fill(unsigned char *p, int place, size_t n, int salt)
{
	if (place == COPY_HOST) {
		for (size_t i = 0; i < n; i++)
			p[i] = salt ? pattern(i, salt) : 0;
		return 0;
	}
	TRY(cudaSetDevice(place));
	if (!salt) {
		TRY(cudaMemset(p, 0, n));
	} else {
		copy_fill<<<1024, 256>>>(p, n, salt);
		TRY(cudaGetLastError());
	}
	TRY(cudaDeviceSynchronize());
	return 0;
}

/* Each into the other's memory, or not. */
static int
reach(int a, int b, int on)
{
	for (int i = 0; i < 2; i++) {
		cudaError_t e;

		TRY(cudaSetDevice(i ? b : a));
		e = on ? cudaDeviceEnablePeerAccess(i ? a : b, 0)
		       : cudaDeviceDisablePeerAccess(i ? a : b);
		if (e == cudaErrorPeerAccessAlreadyEnabled || e == cudaErrorPeerAccessNotEnabled)
			cudaGetLastError();
		else
			TRY(e);
	}
	return 0;
}

/* One copy of direction way, enqueued. */
static int
enqueue(struct copy_run *r, int way)
{
	const struct copy *c = &r->c;
	int from = way ? c->to : c->from, to = way ? c->from : c->to;

	TRY(cudaSetDevice(r->device[way]));
	if (c->how == COPY_KERNEL) {
		copy_words<<<r->blocks, THREADS, 0, r->stream[way]>>>(
			(uint4 *)r->to[way], (const uint4 *)r->from[way], c->bytes);
		TRY(cudaGetLastError());
	} else if (c->how == COPY_GRAPH) {
		TRY(cudaGraphLaunch(r->exec, r->stream[0]));
	} else if (c->how == COPY_CHASE) {
		copy_chase<<<1, 1, 0, r->stream[0]>>>((const uint32_t *)r->from[0], r->at, STEPS);
		TRY(cudaGetLastError());
		r->steps += STEPS;
	} else if (from != COPY_HOST && to != COPY_HOST && from != to) {
		TRY(cudaMemcpyPeerAsync(r->to[way], to, r->from[way], from, c->bytes,
					r->stream[way]));
	} else {
		TRY(cudaMemcpyAsync(r->to[way], r->from[way], c->bytes, cudaMemcpyDefault,
				    r->stream[way]));
	}
	return 0;
}

/* All of a sample enqueued between its events; calls are by turns, as both ways are. */
static int
enqueue_all(struct copy_run *r)
{
	int e = 0;

	TRY(cudaSetDevice(r->device[0]));
	TRY(cudaEventRecord(r->begin, r->stream[0]));
	if (r->c.both)
		TRY(cudaStreamWaitEvent(r->stream[1], r->begin, 0));
	for (int i = 0; i < r->calls && e == 0; i++) {
		e = enqueue(r, 0);
		if (e == 0 && r->c.both)
			e = enqueue(r, 1);
	}
	if (e < 0)
		return e;
	if (r->c.both) {
		TRY(cudaSetDevice(r->device[1]));
		TRY(cudaEventRecord(r->back, r->stream[1]));
		TRY(cudaSetDevice(r->device[0]));
		TRY(cudaStreamWaitEvent(r->stream[0], r->back, 0));
	}
	TRY(cudaSetDevice(r->device[0]));
	TRY(cudaEventRecord(r->end, r->stream[0]));
	return 0;
}

static int
held(struct copy_run *r, double *us)
{
	float ms;
	int e;

	TRY(cudaSetDevice(r->device[0]));
	r->word[0] = r->word[1] = 0;
	copy_hold<<<1, 1, 0, r->stream[0]>>>(r->word);
	e = told(cudaGetLastError(), "copy_hold");
	if (e == 0)
		e = enqueue_all(r);
	r->word[0] = 1; /* whatever went wrong: nothing waits for ever */
	if (e < 0)
		return e;
	TRY(cudaStreamSynchronize(r->stream[0]));
	if (r->word[1])
		return fail(GPU_EFAIL, "the copies of a sample could not be enqueued in time");
	TRY(cudaEventElapsedTime(&ms, r->begin, r->end));
	*us = ms * 1e3 / r->calls;
	return 0;
}

static int
clocked(struct copy_run *r, double *us)
{
	double begin;
	int e;

	TRY(cudaStreamSynchronize(r->stream[0]));
	TRY(cudaStreamSynchronize(r->stream[1]));
	begin = clock_us();
	if ((e = enqueue(r, 0)) < 0 || (r->c.both && (e = enqueue(r, 1)) < 0))
		return e;
	TRY(cudaStreamSynchronize(r->stream[0]));
	TRY(cudaStreamSynchronize(r->stream[1]));
	*us = clock_us() - begin;
	return 0;
}

int
copy_sample(struct copy_run *r, double *us)
{
	int e = copy_held(&r->c) ? held(r, us) : clocked(r, us);

	if (r->c.how == COPY_GRAPH)
		*us /= CHAIN;
	else if (r->c.how == COPY_CHASE)
		*us /= STEPS;
	return e;
}

int
copy_plain(struct copy_run *r, double *us)
{
	float ms;

	TRY(cudaSetDevice(r->device[0]));
	TRY(cudaEventRecord(r->begin, r->stream[0]));
	TRY(cudaMemcpyAsync(r->to[0], r->from[0], r->c.bytes, cudaMemcpyDefault, r->stream[0]));
	TRY(cudaEventRecord(r->end, r->stream[0]));
	TRY(cudaStreamSynchronize(r->stream[0]));
	TRY(cudaEventElapsedTime(&ms, r->begin, r->end));
	*us = ms * 1e3;
	return 0;
}

/* A chain of copies of 4 bytes as one graph. */
static int
capture(struct copy_run *r)
{
	int from = r->c.from, to = r->c.to, e = 0;
	int peers = from != to && from != COPY_HOST && to != COPY_HOST;

	TRY(cudaSetDevice(r->device[0]));
	TRY(cudaStreamBeginCapture(r->stream[0], cudaStreamCaptureModeThreadLocal));
	for (int i = 0; i < CHAIN && e == 0; i++)
		e = told(
			peers ? cudaMemcpyPeerAsync(r->to[0], to, r->from[0], from, 4, r->stream[0])
			      : cudaMemcpyAsync(r->to[0], r->from[0], 4, cudaMemcpyDefault,
						r->stream[0]),
			"a copy into a graph");
	cudaError_t end = cudaStreamEndCapture(r->stream[0], &r->graph);

	if (e < 0)
		return e;
	TRY(end);
	TRY(cudaGraphInstantiate(&r->exec, r->graph, 0));
	TRY(cudaGraphUpload(r->exec, r->stream[0]));
	return 0;
}

static int
set_up(struct copy_run *r)
{
	const struct copy *c = &r->c;
	int e, chase = c->how == COPY_CHASE, processors;
	double us;

	/* the device that works: who loads, else the source, as the driver does it */
	r->device[0] = chase || c->from == COPY_HOST ? c->to : c->from;
	r->device[1] = c->to == COPY_HOST ? c->from : c->to;
	r->calls = c->how == COPY_GRAPH || chase ? 1
		   : c->bytes * CALLS <= ENOUGH  ? CALLS
		   : c->bytes >= ENOUGH          ? 1
						 : (int)(ENOUGH / c->bytes);
	if (c->from != COPY_HOST && c->to != COPY_HOST && c->from != c->to &&
	    (e = reach(c->from, c->to, c->access)) < 0)
		return e;
	for (int way = 0; way <= c->both; way++) {
		int from = way ? c->to : c->from, to = way ? c->from : c->to;

		if ((e = room(&r->from[way], from, c->pageable, c->bytes)) < 0)
			return e;
		if (chase)
			TRY(cudaMemcpy(r->from[0], c->ring, c->bytes, cudaMemcpyDefault));
		else if ((e = fill(r->from[way], from, c->bytes, way + 1)) < 0 ||
			 (e = room(&r->to[way], to, c->pageable, c->bytes)) < 0 ||
			 (e = fill(r->to[way], to, c->bytes, 0)) < 0)
			return e;
	}
	for (int way = 1; way >= 0; way--) {
		TRY(cudaSetDevice(r->device[way]));
		TRY(cudaStreamCreateWithFlags(&r->stream[way], cudaStreamNonBlocking));
		if (way)
			TRY(cudaEventCreateWithFlags(&r->back, cudaEventDisableTiming));
	}
	TRY(cudaEventCreate(&r->begin));
	TRY(cudaEventCreate(&r->end));
	TRY(cudaHostAlloc((void **)&r->word, 2 * sizeof *r->word,
			  cudaHostAllocPortable | cudaHostAllocMapped));
	TRY(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, r->device[0]));
	r->blocks = 2 * processors; /* half of what resides, so that two directions do */
	if (chase) {
		TRY(cudaMalloc((void **)&r->at, sizeof *r->at));
		TRY(cudaMemset(r->at, 0, sizeof *r->at));
	}
	TRY(cudaDeviceSynchronize()); /* what was set goes on in another stream */
	if (c->how == COPY_GRAPH && (e = capture(r)) < 0)
		return e;
	/* kernels are loaded at their first call, which may wait for all that runs: not
	 * while one of them is held */
	r->word[0] = 1;
	r->word[1] = 0;
	copy_hold<<<1, 1, 0, r->stream[0]>>>(r->word);
	TRY(cudaGetLastError());
	return clocked(r, &us);
}

struct copy_run *
copy_open(const struct copy *c, int *err)
{
	struct copy_run *r = (struct copy_run *)calloc(1, sizeof *r);

	if (!r) {
		*err = fail(GPU_ENOMEM, "no memory");
		return NULL;
	}
	r->c = *c;
	*err = copy_is(c) ? set_up(r) : fail(GPU_EUSE, "there is no such copy");
	if (*err < 0) {
		copy_close(r);
		return NULL;
	}
	return r;
}

int
copy_check(struct copy_run *r)
{
	const struct copy *c = &r->c;
	static unsigned char got[BLOCK];
	uint32_t at, want = 0;

	if (c->how == COPY_CHASE) {
		TRY(cudaMemcpy(&at, r->at, sizeof at, cudaMemcpyDefault));
		for (uint64_t i = 0; i < r->steps; i++)
			want = c->ring[want];
		return at == want ? 0 : fail(GPU_EFAIL, "the chase lost its way");
	}
	for (int way = 0; way <= c->both; way++) {
		size_t bytes = c->how == COPY_GRAPH ? (size_t)4 : c->bytes;
		size_t n = bytes < BLOCK ? bytes : BLOCK, first = bytes - n;

		TRY(cudaMemcpy(got, r->to[way] + first, n, cudaMemcpyDefault));
		for (size_t i = 0; i < n; i++)
			if (got[i] != pattern(first + i, way + 1))
				return fail(GPU_EFAIL, "byte %zu is not what was sent", first + i);
	}
	return 0;
}

void
copy_close(struct copy_run *r)
{
	if (!r)
		return;
	for (int way = 0; way < 2; way++) {
		int from = way ? r->c.to : r->c.from, to = way ? r->c.from : r->c.to;

		if (r->stream[way])
			cudaStreamSynchronize(r->stream[way]);
		if (r->from[way])
			unroom(r->from[way], from, r->c.pageable);
		if (r->to[way])
			unroom(r->to[way], to, r->c.pageable);
	}
	if (r->exec)
		cudaGraphExecDestroy(r->exec);
	if (r->graph)
		cudaGraphDestroy(r->graph);
	if (r->at)
		cudaFree(r->at);
	if (r->word)
		cudaFreeHost((void *)r->word);
	for (int way = 0; way < 2; way++)
		if (r->stream[way])
			cudaStreamDestroy(r->stream[way]);
	if (r->begin)
		cudaEventDestroy(r->begin);
	if (r->end)
		cudaEventDestroy(r->end);
	if (r->back)
		cudaEventDestroy(r->back);
	cudaGetLastError();
	free(r);
}
