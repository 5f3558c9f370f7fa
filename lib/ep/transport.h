/*
 * Ranks that exchange messages, whatever carries them:
 *
 *	EP_LOOP   threads of this process
 *	EP_SHM    processes that ep_run forks, over a mapping without a name; ranks that die
 *	          leave nothing behind
 *	EP_MPI    processes that mpirun or srun started
 *	EP_NCCL   the same with a GPU each; an id goes through a file
 *
 * All waits end at a deadline.  Functions return 0, or EP_EFAIL or EP_EABSENT after
 * ep_fail has kept the reason, the first one of all ranks where they can be told.
 */
#ifndef EP_TRANSPORT_H
#define EP_TRANSPORT_H

#include <stddef.h>

enum ep_kind { EP_LOOP, EP_SHM, EP_MPI, EP_NCCL };
enum { EP_EFAIL = -1, EP_EABSENT = -2 };
enum { EP_RANKS_MAX = 64, EP_PARTS = 2, EP_STARTED_MAX = 256 };

struct ep_how {
	enum ep_kind kind;
	int size;       /* ranks; EP_MPI: what the launcher says instead */
	double timeout; /* seconds after which a rank that does not answer is lost */
	int rank;       /* EP_NCCL: this process'; */
	const char *id; /* the file of its id; */
	int device;     /* its GPU */
};

/*
 * One exchange, all to all.  The message to rank p is sn[p] bytes at send + soff[p] of each
 * part, the one from p goes to recv + roff[p]; arrays are [size], lent until it is done.
 * What it sends to itself is copied.  Both ends must agree in all lengths.
 */
struct ep_part {
	const void *send;
	const size_t *soff, *sn;
	void *recv;
	const size_t *roff, *rn;
};
struct ep_xfer {
	int n; /* parts, at most EP_PARTS */
	struct ep_part part[EP_PARTS];
};

struct ep {
	int rank, size;
	double timeout;
	void *state; /* the transport's */
	/* Where exchanges move device memory, else NULL: what a thread enqueues its own work
	 * on, waiting for it, and what a new thread calls first. */
	void *stream;
	int (*settle)(struct ep *ep);
	int (*enter)(struct ep *ep);
	int (*exchange)(struct ep *ep, const struct ep_xfer *x);
	/* n doubles of all ranks: all [size][n].  NULL: by exchange. */
	int (*gather)(struct ep *ep, const double *mine, double *all, int n);
	void (*close)(struct ep *ep);
	struct ep_queue *queue; /* of exchanges started */
	char *why;              /* [EP_WHY], of the first failure; shared by ranks of a host */
	int *failed;            /* 1 + the rank that failed first, or 0 */
};
enum { EP_WHY = 256 };

/*
 * Run work(ep, arg) on all ranks of this process and of those it forks, and wait for them.
 * EP_LOOP: ranks share arg.  EP_SHM: ranks above 0 have a copy of all memory and end when
 * work does; call it before there are threads.  0 when all ranks of this host returned 0;
 * else nothing of them is left, and why [size] has one line.
 */
int ep_run(const struct ep_how *how, int (*work)(struct ep *ep, void *arg), void *arg, char *why,
	   size_t size);

/* Keep the reason, unless there is one; ranks that wait end.  Returns EP_EFAIL. */
int ep_fail(struct ep *ep, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* All ranks call these in the same order. */
int ep_exchange(struct ep *ep, const struct ep_xfer *x);
int ep_barrier(struct ep *ep);
int ep_gather(struct ep *ep, const double *mine, double *all, int n);

/*
 * Exchanges beside the caller's own work, in a thread, one after the other as they were
 * started; what x points to stays until it is finished.  At most EP_STARTED_MAX that are not
 * finished; ep_exchange and its kin only where none is.  ep_start: the number to wait for,
 * or negative.  ep_finish: *us (or NULL) is how long the exchange itself took.
 */
int ep_start(struct ep *ep, const struct ep_xfer *x);
int ep_finish(struct ep *ep, int number, double *us);

double ep_now(void); /* seconds of a clock that only goes forward */

/* The transports, for ep_run alone: fill *ep.  errors in ep->why. */
int ep_mpi(struct ep *ep, const struct ep_how *how);
int ep_nccl(struct ep *ep, const struct ep_how *how);
/* Ranks of one host by threads or processes. */
int ep_host(const struct ep_how *how, int (*work)(struct ep *ep, void *arg), void *arg, char *why,
	    size_t size);
/* Join the thread of ep_start, if there is one. */
void ep_queue_end(struct ep *ep);

#endif
