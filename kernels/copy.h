/*
 * Copies between host memory and GPUs, to be timed.  copy.cu implements it where there is
 * a toolkit, copy_none.c says that there was none; nothing else sees CUDA types.
 *
 * Functions return 0, or a negative gpu_err with copy_errstr() telling why.
 */
#ifndef COPY_H
#define COPY_H

#include "gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { COPY_HOST = -1 };

enum copy_how {
	COPY_ENGINE, /* what cudaMemcpyAsync and cudaMemcpyPeerAsync do */
	COPY_KERNEL, /* loads and stores of a kernel through mapped pointers */
	COPY_GRAPH,  /* 4 bytes by the engine, one after the other in a graph: latency */
	COPY_CHASE,  /* no copy: `to` loads from memory of `from`, each address from the load
		      * before: latency */
};

struct copy {
	int from, to; /* devices, or COPY_HOST, which is not both */
	enum copy_how how;
	int both;             /* as much the other way, at once */
	int pageable;         /* host memory as malloc gives it, else pinned */
	int access;           /* two devices: each may reach into the other's memory */
	size_t bytes;         /* each way */
	const uint32_t *ring; /* COPY_CHASE: [bytes / 4] as ring_new makes it, lent until
			       * copy_close */
};

/* Is there such a copy: both ways needs two places, pageable memory neither kernels nor
 * two copies at once, and a kernel, a graph or a chase needs access? */
static inline int
copy_is(const struct copy *c)
{
	int host = c->from == COPY_HOST || c->to == COPY_HOST, own = c->from == c->to;

	if (c->from == COPY_HOST && c->to == COPY_HOST)
		return 0;
	if (c->how == COPY_CHASE && c->to == COPY_HOST)
		return 0;
	if (c->both && (own || c->pageable || c->how > COPY_KERNEL))
		return 0;
	if (c->how != COPY_ENGINE)
		return !c->pageable && (host || own || c->access);
	return 1;
}

/* Is it timed behind a kernel that holds the stream, not by the clock of the host? */
static inline int
copy_held(const struct copy *c)
{
	int peers = c->from != c->to && c->from != COPY_HOST && c->to != COPY_HOST;

	return !c->pageable && (!peers || c->access);
}

const char *copy_errstr(void); /* of this thread, lent until the next call that fails */
int copy_devices(void);        /* how many, at least 1; GPU_ABSENT and why */

struct copy_link {
	char name[128], pci[32];            /* of the device */
	int gen, width, max_gen, max_width; /* of its PCIe link, now (it slows down when idle)
						* and at most; 0: NVML does not tell */
};
int copy_link(int device, struct copy_link *l);

struct copy_peer {
	int access;        /* `from` can reach into memory of `to` */
	int atomics, rank; /* natively, and the driver's performance rank, 0 the best */
};
int copy_peer(int from, int to, struct copy_peer *p);

/* Buffers of that copy, filled; one call done.  NULL and *err: GPU_ENOMEM, GPU_EFAIL. */
struct copy_run *copy_open(const struct copy *c, int *err);
/* One sample, microseconds a call.  copy_held: between events, behind a kernel that holds
 * the stream until all calls of the sample are enqueued.  Else, which is pageable memory and
 * devices without access, whose copies the host may take part in: one call by the clock of
 * the host, from a device at rest until it is so again. */
int copy_sample(struct copy_run *r, double *us);
/* Of one engine copy alone between events, with nothing before it; !both only. */
int copy_plain(struct copy_run *r, double *us);
/* Is the last block of what came what was sent, and did a chase go its way?  0, or
 * GPU_EFAIL. */
int copy_check(struct copy_run *r);
void copy_close(struct copy_run *r); /* NULL is fine */

#ifdef __cplusplus
}
#endif

#endif
