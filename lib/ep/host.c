/*
 * Ranks of one host: threads or forked processes over one mapping.  Between each two ranks
 * stands, for each direction, a ring of boxes that one fills and the other empties.
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "size.h"
#include "transport.h"

enum {
	BOX = 128 << 10,
	BOXES = 2,        /* of a ring: one is filled while the other is emptied */
	SPINS = 2000,     /* looks before sleeping; a wake costs both some 30 us */
	SLICE = 20000000, /* ns of sleep, after which one looks for ranks that died */
};

struct box {
	uint32_t seq;   /* of the exchange */
	uint32_t n;     /* bytes here */
	uint64_t total; /* bytes of the message */
	char bytes[BOX];
};

struct ring {
	_Alignas(64) _Atomic uint32_t filled;
	_Alignas(64) _Atomic uint32_t emptied;
	_Alignas(64) struct box box[BOXES];
};

struct bell {
	_Alignas(64) _Atomic uint32_t rings;
	_Atomic int asleep;
};

struct hub {
	int size, threads;
	double timeout;
	int failed;
	char why[EP_WHY];
	pid_t child[EP_RANKS_MAX]; /* rank 0's alone: 0 where it has ended */
	_Atomic int ended[EP_RANKS_MAX];
	struct bell bell[EP_RANKS_MAX];
	struct ring ring[]; /* [from][to] */
};

struct rank {
	struct hub *hub;
	uint32_t seq;
	int (*work)(struct ep *ep, void *arg);
	void *arg;
	int rank, result;
};

/* How far a message has come: part and place in it. */
struct cursor {
	int part;
	size_t at;
};

static struct ring *
ring_of(struct hub *h, int from, int to)
{
	return &h->ring[from * h->size + to];
}

static void
ring_bell(struct hub *h, int rank)
{
	atomic_fetch_add(&h->bell[rank].rings, 1);
	if (atomic_load(&h->bell[rank].asleep))
		syscall(SYS_futex, &h->bell[rank].rings, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static uint64_t
total(const struct ep_xfer *x, int p, int receive)
{
	uint64_t n = 0;

	for (int i = 0; i < x->n; i++)
		n += (receive ? x->part[i].rn : x->part[i].sn)[p];
	return n;
}

/* The next run of bytes of the message with p; NULL at its end. */
static char *
run_of(const struct ep_xfer *x, int p, int receive, struct cursor *c, size_t *n)
{
	for (; c->part < x->n; c->part++, c->at = 0) {
		const struct ep_part *part = &x->part[c->part];

		if ((*n = (receive ? part->rn : part->sn)[p] - c->at))
			return receive ? (char *)part->recv + part->roff[p] + c->at
				       : (char *)part->send + part->soff[p] + c->at;
	}
	return NULL;
}

/* One box of the message to p: 1 if there was room. */
static int
fill(struct hub *h, int rank, int p, uint32_t seq, const struct ep_xfer *x, struct cursor *c)
{
	struct ring *r = ring_of(h, rank, p);
	uint32_t filled = atomic_load_explicit(&r->filled, memory_order_relaxed);
	struct box *b = &r->box[filled % BOXES];
	size_t n;
	char *from;

	if (filled - atomic_load_explicit(&r->emptied, memory_order_acquire) == BOXES)
		return 0;
	from = run_of(x, p, 0, c, &n);
	n = MIN(n, (size_t)BOX);
	b->seq = seq;
	b->n = (uint32_t)n;
	b->total = total(x, p, 0);
	memcpy(b->bytes, from, n);
	c->at += n;
	atomic_store_explicit(&r->filled, filled + 1, memory_order_release);
	ring_bell(h, p);
	return 1;
}

/* One box of the message from p: 1 if there was one, or EP_EFAIL. */
static int
empty(struct ep *ep, int p, uint32_t seq, const struct ep_xfer *x, struct cursor *c)
{
	struct hub *h = ((struct rank *)ep->state)->hub;
	struct ring *r = ring_of(h, p, ep->rank);
	uint32_t emptied = atomic_load_explicit(&r->emptied, memory_order_relaxed);
	const struct box *b = &r->box[emptied % BOXES];

	if (atomic_load_explicit(&r->filled, memory_order_acquire) == emptied)
		return 0;
	if (b->seq != seq)
		return ep_fail(ep, "rank %d is at another exchange", p);
	if (b->total != total(x, p, 1))
		return ep_fail(ep, "%llu bytes from rank %d, not %llu",
			       (unsigned long long)b->total, p, (unsigned long long)total(x, p, 1));
	for (size_t done = 0, n = 0; done < b->n; done += n) {
		char *to = run_of(x, p, 1, c, &n);

		n = MIN(n, b->n - done);
		memcpy(to, b->bytes + done, n);
		c->at += n;
	}
	atomic_store_explicit(&r->emptied, emptied + 1, memory_order_release);
	ring_bell(h, p);
	return 1;
}

/* Rank 0 looks after the others: 0, or EP_EFAIL where one has died. */
static int
look(struct ep *ep)
{
	struct hub *h = ((struct rank *)ep->state)->hub;

	for (int p = 1; !h->threads && ep->rank == 0 && p < h->size; p++) {
		struct ep lost = *ep;
		int status;
		pid_t got = h->child[p] ? waitpid(h->child[p], &status, WNOHANG) : 0;

		if (!got)
			continue;
		h->child[p] = 0;
		h->ended[p] = 1;
		if (got < 0 || !WIFEXITED(status) || WEXITSTATUS(status)) {
			lost.rank = p;
			if (got > 0 && WIFSIGNALED(status))
				ep_fail(&lost, "died of signal %d", WTERMSIG(status));
			else
				ep_fail(&lost, "ended before its work was done");
		}
	}
	return __atomic_load_n(&h->failed, __ATOMIC_ACQUIRE) ? EP_EFAIL : 0;
}

/* Until the bell has rung more often than that: 0, or EP_EFAIL. */
static int
sleep_till(struct ep *ep, uint32_t rings, double deadline, const char *left)
{
	struct hub *h = ((struct rank *)ep->state)->hub;
	struct timespec slice = {0, SLICE};

	/* known of before all boxes were looked at for the last time */
	for (int p = 0; p < h->size; p++)
		if (left[p] && h->ended[p])
			return ep_fail(ep, "rank %d ended before its work was done", p);
	atomic_store(&h->bell[ep->rank].asleep, 1); /* a ring from here on wakes */
	syscall(SYS_futex, &h->bell[ep->rank].rings, FUTEX_WAIT, rings, &slice, NULL, 0);
	atomic_store(&h->bell[ep->rank].asleep, 0);
	if (look(ep) < 0)
		return EP_EFAIL;
	if (ep_now() < deadline)
		return 0;
	for (int p = 0; p < h->size; p++)
		if (left[p])
			return ep_fail(ep, "no answer from rank %d in %g s", p, h->timeout);
	return EP_EFAIL;
}

static void
to_self(const struct ep_xfer *x, int rank)
{
	for (int i = 0; i < x->n; i++)
		if (x->part[i].sn[rank])
			memcpy((char *)x->part[i].recv + x->part[i].roff[rank],
			       (const char *)x->part[i].send + x->part[i].soff[rank],
			       x->part[i].sn[rank]);
}

static int
exchange(struct ep *ep, const struct ep_xfer *x)
{
	struct rank *me = ep->state;
	struct hub *h = me->hub;
	struct cursor out[EP_RANKS_MAX] = {0}, in[EP_RANKS_MAX] = {0};
	char left[EP_RANKS_MAX] = {0}; /* 1: peers that have not had or given all */
	double deadline = ep_now() + h->timeout;
	uint32_t seq = me->seq++;
	int peers = h->size - 1, spins = 0;
	size_t n;

	to_self(x, ep->rank);
	memset(left, 1, (size_t)h->size);
	left[ep->rank] = 0;
	while (peers) {
		uint32_t rings = atomic_load(&h->bell[ep->rank].rings);
		int moved = 0, r;

		for (int i = 1; i < h->size; i++) {
			int p = (ep->rank + i) % h->size; /* not all to rank 0 at first */

			if (!left[p])
				continue;
			if (run_of(x, p, 0, &out[p], &n))
				moved |= fill(h, ep->rank, p, seq, x, &out[p]);
			if (run_of(x, p, 1, &in[p], &n)) {
				if ((r = empty(ep, p, seq, x, &in[p])) < 0)
					return r;
				moved |= r;
			}
			if (run_of(x, p, 0, &out[p], &n) || run_of(x, p, 1, &in[p], &n))
				continue;
			left[p] = 0;
			peers--;
			moved = 1;
		}
		if (moved)
			spins = 0;
		else if (spins++ < SPINS)
			sched_yield();
		else if ((r = sleep_till(ep, rings, deadline, left)) < 0)
			return r;
	}
	return 0;
}

static void *
run(void *arg)
{
	struct rank *me = arg;
	struct hub *h = me->hub;
	struct ep ep = {.rank = me->rank,
			.size = h->size,
			.timeout = h->timeout,
			.state = me,
			.exchange = exchange,
			.why = h->why,
			.failed = &h->failed};

	me->result = me->work(&ep, me->arg);
	if (me->result < 0)
		ep_fail(&ep, "the work failed");
	ep_queue_end(&ep);
	return NULL;
}

/* Wait for the children: those that work has ended for, until the deadline; failed ones no
 * longer. */
static void
reap(struct hub *h)
{
	struct rank me = {.hub = h};
	struct ep ep = {.size = h->size, .state = &me, .why = h->why, .failed = &h->failed};
	double deadline = ep_now() + h->timeout;

	for (int p = 1; p < h->size; p++)
		while (h->child[p] && look(&ep) == 0) {
			if (ep_now() > deadline)
				ep_fail(&ep, "rank %d did not end in %g s", p, h->timeout);
			nanosleep(&(struct timespec){0, 500000}, NULL);
		}
	/* whoever tells the reason may end telling it, or have died of it */
	deadline = ep_now() + 1;
	while (__atomic_load_n(&h->failed, __ATOMIC_ACQUIRE) < 0 && ep_now() < deadline)
		nanosleep(&(struct timespec){0, 500000}, NULL);
	for (int p = 1; p < h->size; p++)
		if (h->child[p]) {
			kill(h->child[p], SIGKILL);
			while (waitpid(h->child[p], NULL, 0) < 0 && errno == EINTR)
				;
		}
}

static void
run_processes(struct hub *h, struct rank *rank)
{
	struct ep ep = {.size = h->size, .why = h->why, .failed = &h->failed};
	pid_t parent = getpid();

	signal(SIGCHLD, SIG_DFL); /* ignored, it would take their states away */
	for (int p = 1; p < h->size; p++) {
		pid_t pid = fork();

		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() == parent) /* or it died before that */
				run(&rank[p]);
			_exit(rank[p].result < 0 ? 2 : 0);
		}
		h->child[p] = pid > 0 ? pid : 0;
		if (pid < 0) {
			ep_fail(&ep, "no process for rank %d: %s", p, strerror(errno));
			break;
		}
	}
	if (!__atomic_load_n(&h->failed, __ATOMIC_ACQUIRE))
		run(&rank[0]);
	reap(h);
}

static void
run_threads(struct hub *h, struct rank *rank)
{
	struct ep ep = {.size = h->size, .why = h->why, .failed = &h->failed};
	pthread_t thread[EP_RANKS_MAX];
	int n = 1;

	for (; n < h->size; n++)
		if (pthread_create(&thread[n], NULL, run, &rank[n])) {
			ep_fail(&ep, "no thread for rank %d", n);
			break;
		}
	run(&rank[0]);
	for (int p = 1; p < n; p++)
		pthread_join(thread[p], NULL);
}

int
ep_host(const struct ep_how *how, int (*work)(struct ep *ep, void *arg), void *arg, char *why,
	size_t size)
{
	size_t n = sizeof(struct hub) + (size_t)how->size * (size_t)how->size * sizeof(struct ring);
	struct rank rank[EP_RANKS_MAX] = {{0}};
	struct hub *h = mmap(NULL, n, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int failed;

	if (h == MAP_FAILED) {
		snprintf(why, size, "no memory for %d ranks", how->size);
		return EP_EFAIL;
	}
	h->size = how->size;
	h->threads = how->kind == EP_LOOP;
	h->timeout = how->timeout;
	for (int p = 0; p < h->size; p++)
		rank[p] = (struct rank){h, 0, work, arg, p, 0};
	if (h->threads)
		run_threads(h, rank);
	else
		run_processes(h, rank);
	failed = h->failed;
	snprintf(why, size, "%s", failed > 0 ? h->why : failed ? "a rank died" : "");
	munmap(h, n);
	return failed ? EP_EFAIL : 0;
}
