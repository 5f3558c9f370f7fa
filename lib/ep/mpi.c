#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "launch.h"
#include "size.h"
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

enum { START = 10 }; /* seconds in which the others must have been started, at least */

struct start {
	int (*open)(int *rank, int *size);
	int rank, size, result;
};

static void *
start(void *arg)
{
	struct start *s = arg;

	s->result = s->open(&s->rank, &s->size);
	return NULL;
}

/* MPI waits for all ranks when it starts, without an end: in a thread, until a deadline, after
 * which s stays the thread's. */
static int
start_within(struct ep *ep, struct start *s)
{
	struct timespec end;
	pthread_t thread;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += (time_t)MAX(ep->timeout, (double)START);
	if (pthread_create(&thread, NULL, start, s))
		return ep_fail(ep, "no thread to start MPI");
	if (pthread_timedjoin_np(thread, NULL, &end)) {
		pthread_detach(thread);
		return ep_fail(ep, "not all ranks started MPI in time");
	}
	return s->result < 0 ? ep_fail(ep, "moetrace-mpi.so: MPI does not start") : 0;
}

int
ep_mpi(struct ep *ep, const struct ep_how *how)
{
	const char *err;
	struct start *s;
	struct mpi *m;
	int r;
	void *so = launch_mpi(&err);

	if (!so) {
		ep_fail(ep, "%s", err ? err : "no moetrace-mpi.so");
		return EP_EABSENT;
	}
	m = calloc(1, sizeof *m);
	s = calloc(1, sizeof *s);
	if (!m || !s) {
		free(m);
		free(s);
		return ep_fail(ep, "no memory");
	}
	*(void **)&s->open = dlsym(so, "ep_mpi_open");
	*(void **)&m->exchange = dlsym(so, "ep_mpi_exchange");
	*(void **)&m->end = dlsym(so, "ep_mpi_end");
	r = s->open && m->exchange && m->end ? start_within(ep, s)
					     : ep_fail(ep, "moetrace-mpi.so: of another version");
	if (r < 0) {
		free(m);
		return r;
	}
	ep->rank = s->rank;
	ep->size = s->size;
	free(s);
	ep->state = m;
	ep->exchange = exchange;
	ep->close = end;
	return ep->size > EP_RANKS_MAX ? ep_fail(ep, "%d ranks, at most %d", ep->size, EP_RANKS_MAX)
				       : 0;
}
