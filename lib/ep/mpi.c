#include <dlfcn.h>
#include <stdlib.h>

#include "launch.h"
#include "transport.h"

struct mpi {
	int (*exchange)(int rank, int size, double timeout, const struct ep_xfer *x);
	void (*end)(void);
};

static int
exchange(struct ep *ep, const struct ep_xfer *x)
{
	const struct mpi *m = ep->state;
	int r = m->exchange(ep->rank, ep->size, ep->timeout, x);

	if (r == -2)
		return ep_fail(ep, "the other ranks did not answer in %g s", ep->timeout);
	return r < 0 ? ep_fail(ep, "MPI failed") : 0;
}

static void
end(struct ep *ep)
{
	struct mpi *m = ep->state;

	m->end();
	free(m);
}

int
ep_mpi(struct ep *ep, const struct ep_how *how)
{
	int (*open)(int *rank, int *size);
	const char *err;
	struct mpi *m;
	void *so = launch_mpi(&err);

	if (!so) {
		ep_fail(ep, "%s", err ? err : "no moetrace-mpi.so");
		return EP_EABSENT;
	}
	if (!(m = calloc(1, sizeof *m)))
		return ep_fail(ep, "no memory");
	*(void **)&open = dlsym(so, "ep_mpi_open");
	*(void **)&m->exchange = dlsym(so, "ep_mpi_exchange");
	*(void **)&m->end = dlsym(so, "ep_mpi_end");
	if (!open || !m->exchange || !m->end || open(&ep->rank, &ep->size) < 0) {
		free(m);
		return ep_fail(ep, "moetrace-mpi.so: MPI does not start");
	}
	if (ep->size > EP_RANKS_MAX) {
		free(m);
		return ep_fail(ep, "%d ranks, at most %d", ep->size, EP_RANKS_MAX);
	}
	ep->state = m;
	ep->exchange = exchange;
	ep->close = end;
	return 0;
}
