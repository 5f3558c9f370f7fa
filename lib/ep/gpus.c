/* A GPU each in processes that something else started, by NCCL (kernels/nccl.h). */
#include <stdlib.h>
#include <string.h>

#include "../../kernels/nccl.h"
#include "transport.h"

/* cudaStreamPerThread: work of the two threads of a rank goes on side by side. */
#define STREAM ((void *)2)

struct gpus {
	void *comm;
	int device;
};

static int
fail(struct ep *ep, int r)
{
	ep_fail(ep, "%s", nccl_errstr());
	return r == GPU_ABSENT ? EP_EABSENT : EP_EFAIL;
}

static int
settle(struct ep *ep)
{
	const struct gpus *g = ep->state;
	int r = nccl_wait(g->comm, STREAM);

	return r < 0 ? fail(ep, r) : 0;
}

static int
enter(struct ep *ep)
{
	const struct gpus *g = ep->state;

	return gpu_open(g->device) < 0 ? ep_fail(ep, "%s", gpu_errstr()) : 0;
}

static int
exchange(struct ep *ep, const struct ep_xfer *x)
{
	const struct gpus *g = ep->state;
	int r = 0;

	for (int i = 0; i < x->n && r == 0; i++) {
		const struct ep_part *p = &x->part[i];

		r = nccl_alltoallv(g->comm, p->send, p->soff, p->sn, p->recv, p->roff, p->rn,
				   STREAM);
	}
	return r < 0 ? fail(ep, r) : settle(ep);
}

/* The doubles go through device memory. */
static int
gather(struct ep *ep, const double *mine, double *all, int n)
{
	size_t one = (size_t)n * sizeof *mine, soff[EP_RANKS_MAX], sn[EP_RANKS_MAX],
	       roff[EP_RANKS_MAX];
	char *p = gpu_alloc(one * (size_t)(ep->size + 1));
	struct ep_xfer x = {1, {{p, soff, sn, p + one, roff, sn}}};
	int r;

	for (int i = 0; i < ep->size; i++) {
		soff[i] = 0;
		sn[i] = one;
		roff[i] = (size_t)i * one;
	}
	if (!p || gpu_put(p, mine, one) < 0)
		r = ep_fail(ep, "%s", gpu_errstr());
	else if ((r = exchange(ep, &x)) == 0 && gpu_get(all, p + one, one * (size_t)ep->size) < 0)
		r = ep_fail(ep, "%s", gpu_errstr());
	gpu_free(p);
	return r;
}

static void
end(struct ep *ep)
{
	struct gpus *g = ep->state;

	nccl_close(g->comm);
	free(g);
}

int
ep_nccl(struct ep *ep, const struct ep_how *how)
{
	struct gpus *g = calloc(1, sizeof *g);
	int r;

	if (!g)
		return ep_fail(ep, "no memory");
	g->device = how->device;
	nccl_timeout(how->timeout);
	if ((r = gpu_open(how->device)) < 0) {
		ep_fail(ep, "%s", gpu_errstr());
		free(g);
		return r == GPU_ABSENT ? EP_EABSENT : EP_EFAIL;
	}
	if ((r = nccl_open(how->rank, how->size, how->id, how->device, &g->comm)) < 0) {
		free(g);
		return fail(ep, r);
	}
	ep->rank = how->rank;
	ep->size = how->size;
	ep->state = g;
	ep->stream = STREAM;
	ep->enter = enter;
	ep->settle = settle;
	ep->exchange = exchange;
	ep->gather = gather;
	ep->close = end;
	return 0;
}
