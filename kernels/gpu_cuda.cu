/* gpu.h by the CUDA runtime, linked statically; NVML by dlopen. */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "launch.h"

static thread_local char text[320];
static thread_local int processors; /* of the device that is open */

static int
check(cudaError_t e, const char *what)
{
	return e == cudaSuccess ? 0 : gpu_fail(GPU_EFAIL, e, "%s", what);
}

/* The same, for calls that find a device. */
static int
found(cudaError_t e, const char *what)
{
	return e == cudaSuccess ? 0 : gpu_fail(GPU_ABSENT, e, "%s", what);
}

/* NVML's handle is that of the PCI address: devices may be numbered otherwise there. */
static void
ask_nvml(void *lib, const char *pci, unsigned to[3])
{
	int (*init)(void) = (int (*)(void))dlsym(lib, "nvmlInit_v2");
	int (*end)(void) = (int (*)(void))dlsym(lib, "nvmlShutdown");
	int (*handle)(const char *, void **) =
		(int (*)(const char *, void **))dlsym(lib, "nvmlDeviceGetHandleByPciBusId_v2");
	int (*clock)(void *, int, unsigned *) =
		(int (*)(void *, int, unsigned *))dlsym(lib, "nvmlDeviceGetClockInfo");
	int (*heat)(void *, int, unsigned *) =
		(int (*)(void *, int, unsigned *))dlsym(lib, "nvmlDeviceGetTemperature");
	enum { SM_CLOCK = 1, MEMORY_CLOCK = 2, OF_GPU = 0 };
	void *d;

	if (!init || !end || !handle || !clock || !heat || init())
		return;
	if (handle(pci, &d) == 0) {
		if (clock(d, SM_CLOCK, &to[0]))
			to[0] = 0;
		if (clock(d, MEMORY_CLOCK, &to[1]))
			to[1] = 0;
		if (heat(d, OF_GPU, &to[2]))
			to[2] = 0;
	}
	end();
}

struct gpu_plan {
	struct gpu_run r;
	cudaStream_t stream;
	cudaEvent_t from, to;
	cudaGraphExec_t graph;
	uint64_t calls, next; /* of a graph; the number of the next call without one */
};

/* Milliseconds between the events around n calls, or a replay where n is 0. */
static int
timed(struct gpu_plan *p, uint64_t n, float *ms)
{
	int r = check(cudaEventRecord(p->from, p->stream), "event");

	if (!r && !n)
		r = check(cudaGraphLaunch(p->graph, p->stream), "graph");
	for (uint64_t i = 0; !r && i < n; i++)
		r = p->r.call(p->r.arg, p->next++, p->stream);
	if (!r)
		r = check(cudaEventRecord(p->to, p->stream), "event");
	if (!r)
		r = check(cudaEventSynchronize(p->to), "work");
	return r ? r : check(cudaEventElapsedTime(ms, p->from, p->to), "event");
}

static int
capture(struct gpu_plan *p)
{
	cudaGraph_t g = nullptr;
	int r = check(cudaStreamBeginCapture(p->stream, cudaStreamCaptureModeThreadLocal),
		      "capture"),
	    e;

	if (r)
		return r;
	for (uint64_t i = 0; !r && i < p->calls; i++)
		r = p->r.call(p->r.arg, i, p->stream);
	e = cudaStreamEndCapture(p->stream, &g);
	if (!r)
		r = check((cudaError_t)e, "capture");
	if (p->graph)
		cudaGraphExecDestroy(p->graph);
	p->graph = nullptr;
	if (!r)
		r = check(cudaGraphInstantiate(&p->graph, g, 0), "graph");
	if (g)
		cudaGraphDestroy(g);
	return r;
}

/* So many calls that a replay lasts a millisecond.  A call takes longer by itself than
 * in a graph, hence the second try. */
static int
replay(struct gpu_plan *p, double call_ms)
{
	const uint64_t MOST = 1 << 15;
	float ms;
	int r = 0;

	for (int i = 0; i < 4 && !r; i++) {
		uint64_t n = (uint64_t)(1.05 / (call_ms > 1e-4 ? call_ms : 1e-4)) + 1;

		n = n < MOST ? n : MOST;
		p->calls = k_ceil(n, p->r.rotate) * p->r.rotate;
		if ((r = capture(p)) || (r = timed(p, 0, &ms)) || (r = timed(p, 0, &ms)))
			break;
		if (ms >= 1 || n == MOST)
			break;
		call_ms = ms / (double)p->calls;
	}
	return r;
}

extern "C" {
int
gpu_fail(int code, int error, const char *what, ...)
{
	va_list ap;
	int n;

	va_start(ap, what);
	n = vsnprintf(text, sizeof text, what, ap);
	va_end(ap);
	if (error && n >= 0 && n < (int)sizeof text)
		snprintf(text + n, sizeof text - n, ": %s", cudaGetErrorString((cudaError_t)error));
	cudaGetLastError(); /* else the next launch is blamed */
	return code;
}

const char *
gpu_errstr(void)
{
	return text;
}

int
gpu_processors(void)
{
	int device;

	if (!processors &&
	    (cudaGetDevice(&device) ||
	     cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device)))
		processors = 1;
	return processors;
}

int
gpu_capability(void)
{
	int device, major, minor;

	if (cudaGetDevice(&device) ||
	    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) ||
	    cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device))
		return 0;
	return 10 * major + minor;
}

int
gpu_count(void)
{
	int n = 0, r = found(cudaGetDeviceCount(&n), "no GPU");

	return r ? r : n ? n : gpu_fail(GPU_ABSENT, 0, "no GPU");
}

int
gpu_open(int device)
{
	int n = gpu_count();

	if (n < 0)
		return n;
	if (device < 0 || device >= n)
		return gpu_fail(GPU_ABSENT, 0, "device %d of %d", device, n);
	processors = 0;
	if ((n = found(cudaSetDevice(device), "device")))
		return n;
	return found(cudaFree(nullptr), "device"); /* makes its context */
}

void
gpu_close(void)
{
	cudaDeviceReset();
	processors = 0;
}

int
gpu_facts(int device, struct gpu_facts *f)
{
	struct cudaDeviceProp p;
	int r = gpu_count(), khz = 0, memory_khz = 0;

	memset(f, 0, sizeof *f);
	if (r < 0)
		return r;
	if ((r = found(cudaGetDeviceProperties(&p, device), "device")))
		return r;
	snprintf(f->name, sizeof f->name, "%.127s", p.name);
	if (cudaDeviceGetPCIBusId(f->pci, sizeof f->pci, device))
		f->pci[0] = 0;
	if (cudaDriverGetVersion(&f->driver) || cudaRuntimeGetVersion(&f->runtime))
		f->driver = 0;
	/* no longer in the properties */
	if (cudaDeviceGetAttribute(&khz, cudaDevAttrClockRate, device))
		khz = 0;
	if (cudaDeviceGetAttribute(&memory_khz, cudaDevAttrMemoryClockRate, device))
		memory_khz = 0;
	cudaGetLastError();
	f->major = p.major;
	f->minor = p.minor;
	f->processors = p.multiProcessorCount;
	f->memory = p.totalGlobalMem;
	f->l2 = (uint64_t)p.l2CacheSize;
	f->clock_khz = (uint64_t)khz;
	f->memory_clock_khz = (uint64_t)memory_khz;
	f->bus_bits = p.memoryBusWidth;
	return 0;
}

void
gpu_now(int device, int *mhz, int *memory_mhz, int *celsius)
{
	unsigned got[3] = {0, 0, 0};
	char pci[32];
	void *lib = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);

	if (lib && cudaDeviceGetPCIBusId(pci, sizeof pci, device) == cudaSuccess)
		ask_nvml(lib, pci, got);
	if (lib)
		dlclose(lib);
	*mhz = (int)got[0];
	*memory_mhz = (int)got[1];
	*celsius = (int)got[2];
}

void *
gpu_alloc(size_t n)
{
	void *p = nullptr;
	cudaError_t e = cudaMalloc(&p, n ? n : 1);
	size_t free = 0, all = 0;

	if (e == cudaSuccess)
		return p;
	cudaGetLastError();
	if (e == cudaErrorMemoryAllocation && cudaMemGetInfo(&free, &all) == cudaSuccess)
		gpu_fail(GPU_ENOMEM, 0, "%zu MiB wanted, %zu of %zu MiB free on the GPU", n >> 20,
			 free >> 20, all >> 20);
	else
		gpu_fail(GPU_ENOMEM, e, "%zu MiB on the GPU", n >> 20);
	return nullptr;
}

void
gpu_free(void *p)
{
	cudaFree(p);
}

void *
gpu_pinned(size_t n)
{
	void *p = nullptr;
	cudaError_t e = cudaHostAlloc(&p, n ? n : 1, cudaHostAllocPortable);

	if (e == cudaSuccess)
		return p;
	gpu_fail(GPU_ENOMEM, e, "%zu MiB of pinned memory", n >> 20);
	return nullptr;
}

void
gpu_unpin(void *p)
{
	cudaFreeHost(p);
}

int
gpu_put(void *device, const void *host, size_t n)
{
	int r = check(cudaMemcpy(device, host, n, cudaMemcpyHostToDevice), "copy to the GPU");

	/* a copy of pageable memory may return when it is staged */
	return r ? r : gpu_sync();
}

int
gpu_get(void *host, const void *device, size_t n)
{
	int r = gpu_sync();

	return r ? r
		 : check(cudaMemcpy(host, device, n, cudaMemcpyDeviceToHost), "copy from the GPU");
}

int
gpu_zero(void *device, size_t n)
{
	int r = check(cudaMemset(device, 0, n), "zeros");

	return r ? r : gpu_sync();
}

int
gpu_sync(void)
{
	return check(cudaDeviceSynchronize(), "work");
}

void *
gpu_stream(void)
{
	cudaStream_t s = nullptr;

	return check(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), "stream") ? nullptr : s;
}

void
gpu_unstream(void *stream)
{
	if (stream)
		cudaStreamDestroy((cudaStream_t)stream);
}

int
gpu_send(void *device, const void *host, size_t n, void *stream)
{
	return check(cudaMemcpyAsync(device, host, n, cudaMemcpyHostToDevice, (cudaStream_t)stream),
		     "copy to the GPU");
}

int
gpu_fetch(void *host, const void *device, size_t n, void *stream)
{
	int r = check(
		cudaMemcpyAsync(host, device, n, cudaMemcpyDeviceToHost, (cudaStream_t)stream),
		"copy from the GPU");

	return r ? r : check(cudaStreamSynchronize((cudaStream_t)stream), "work");
}

void *
gpu_mark(void)
{
	cudaEvent_t e = nullptr;

	return check(cudaEventCreateWithFlags(&e, cudaEventDisableTiming), "event") ? nullptr : e;
}

void
gpu_unmark(void *mark)
{
	if (mark)
		cudaEventDestroy((cudaEvent_t)mark);
}

int
gpu_set(void *mark, void *stream)
{
	return check(cudaEventRecord((cudaEvent_t)mark, (cudaStream_t)stream), "event");
}

int
gpu_after(void *stream, void *mark)
{
	return check(cudaStreamWaitEvent((cudaStream_t)stream, (cudaEvent_t)mark, 0), "event");
}

int
gpu_wait(void *mark)
{
	return check(cudaEventSynchronize((cudaEvent_t)mark), "work");
}

int
gpu_copy(void *to, const void *from, size_t n, void *stream)
{
	return check(cudaMemcpyAsync(to, from, n, cudaMemcpyDeviceToDevice, (cudaStream_t)stream),
		     "copy");
}

struct gpu_plan *
gpu_plan(const struct gpu_run *r)
{
	enum { WARM = 3 };
	struct gpu_plan *p = (struct gpu_plan *)calloc(1, sizeof *p);
	uint64_t n;
	float ms = 0;
	int e;

	if (!p) {
		gpu_fail(GPU_ENOMEM, 0, "no memory");
		return nullptr;
	}
	p->r = *r;
	if (!p->r.rotate)
		p->r.rotate = 1;
	n = k_ceil(WARM, p->r.rotate) * p->r.rotate;
	e = check(cudaStreamCreateWithFlags(&p->stream, cudaStreamNonBlocking), "stream");
	if (!e)
		e = check(cudaEventCreate(&p->from), "event");
	if (!e)
		e = check(cudaEventCreate(&p->to), "event");
	if (!e)
		e = timed(p, n, &ms);
	if (!e)
		e = timed(p, n, &ms);
	if (!e && p->r.graph)
		e = replay(p, ms / (double)n);
	if (!e)
		return p;
	gpu_plan_free(p);
	return nullptr;
}

int
gpu_sample(struct gpu_plan *p, double *us)
{
	float ms = 0;
	int r = p->graph ? 0 : check(cudaStreamSynchronize(p->stream), "work");

	if (!r)
		r = timed(p, p->graph ? 0 : 1, &ms);
	*us = 1e3 * ms / (p->graph ? (double)p->calls : 1);
	return r;
}

void
gpu_plan_free(struct gpu_plan *p)
{
	if (!p)
		return;
	if (p->graph)
		cudaGraphExecDestroy(p->graph);
	if (p->from)
		cudaEventDestroy(p->from);
	if (p->to)
		cudaEventDestroy(p->to);
	if (p->stream)
		cudaStreamDestroy(p->stream);
	free(p);
}
}
