#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "transport.h"

/* Exchanges started, in a ring: their numbers count up. */
struct ep_queue {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct ep *ep;
	const struct ep_xfer *x[EP_STARTED_MAX];
	double us[EP_STARTED_MAX];
	int started, done, end, bad;
};

double
ep_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int
ep_fail(struct ep *ep, const char *fmt, ...)
{
	int none = 0, n = 0;
	va_list ap;

	if (__atomic_compare_exchange_n(ep->failed, &none, -1, 0, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE)) {
		if (ep->size > 1)
			n = snprintf(ep->why, EP_WHY, "rank %d: ", ep->rank);
		va_start(ap, fmt);
		vsnprintf(ep->why + n, (size_t)(EP_WHY - n), fmt, ap);
		va_end(ap);
		__atomic_store_n(ep->failed, 1 + ep->rank, __ATOMIC_RELEASE);
	}
	return EP_EFAIL;
}

/* This process' one rank of many that something else started. */
static int
run_one(const struct ep_how *how, int (*work)(struct ep *ep, void *arg), void *arg, char *why,
	size_t size)
{
	char text[EP_WHY] = "";
	int failed = 0, r;
	struct ep ep = {.size = 1, .timeout = how->timeout, .why = text, .failed = &failed};

	if ((r = how->kind == EP_MPI ? ep_mpi(&ep, how) : ep_nccl(&ep, how)) == 0) {
		r = work(&ep, arg);
		ep_queue_end(&ep);
		if (r == 0)
			ep.close(&ep); /* one that failed does not wait for the others */
		else
			r = ep_fail(&ep, "the work failed");
	}
	snprintf(why, size, "%s", text);
	return r;
}

int
ep_run(const struct ep_how *how, int (*work)(struct ep *ep, void *arg), void *arg, char *why,
       size_t size)
{
	if (how->kind == EP_LOOP || how->kind == EP_SHM)
		return ep_host(how, work, arg, why, size);
	return run_one(how, work, arg, why, size);
}

int
ep_exchange(struct ep *ep, const struct ep_xfer *x)
{
	return ep->exchange(ep, x);
}

/* Each rank's n doubles to all. */
static int
gather(struct ep *ep, const double *mine, double *all, int n)
{
	size_t sn[EP_RANKS_MAX], soff[EP_RANKS_MAX], roff[EP_RANKS_MAX];
	struct ep_xfer x = {1, {{mine, soff, sn, all, roff, sn}}};

	for (int p = 0; p < ep->size; p++) {
		sn[p] = (size_t)n * sizeof *mine;
		soff[p] = 0;
		roff[p] = (size_t)p * sn[p];
	}
	return ep->exchange(ep, &x);
}

int
ep_gather(struct ep *ep, const double *mine, double *all, int n)
{
	return ep->gather ? ep->gather(ep, mine, all, n) : gather(ep, mine, all, n);
}

int
ep_barrier(struct ep *ep)
{
	double one = 1, all[EP_RANKS_MAX];

	return ep_gather(ep, &one, all, 1);
}

static void *
serve(void *arg)
{
	struct ep_queue *q = arg;

	if (q->ep->enter && q->ep->enter(q->ep) < 0)
		q->bad = 1;
	pthread_mutex_lock(&q->lock);
	for (;;) {
		while (q->done == q->started && !q->end)
			pthread_cond_wait(&q->changed, &q->lock);
		if (q->done == q->started)
			break;
		int i = q->done % EP_STARTED_MAX, r = 0;
		double from;

		pthread_mutex_unlock(&q->lock);
		from = ep_now();
		if (!q->bad)
			r = q->ep->exchange(q->ep, q->x[i]);
		q->us[i] = (ep_now() - from) * 1e6;
		pthread_mutex_lock(&q->lock);
		q->bad |= r < 0;
		q->done++;
		pthread_cond_broadcast(&q->changed);
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

static int
queue_open(struct ep *ep)
{
	struct ep_queue *q = calloc(1, sizeof *q);

	if (!q)
		return ep_fail(ep, "no memory");
	q->ep = ep;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->changed, NULL);
	if (pthread_create(&q->thread, NULL, serve, q)) {
		free(q);
		return ep_fail(ep, "no thread for exchanges");
	}
	ep->queue = q;
	return 0;
}

int
ep_start(struct ep *ep, const struct ep_xfer *x)
{
	struct ep_queue *q;
	int r, number;

	if (!ep->queue && (r = queue_open(ep)) < 0)
		return r;
	q = ep->queue;
	pthread_mutex_lock(&q->lock);
	number = q->started;
	if (number - q->done < EP_STARTED_MAX) {
		q->x[number % EP_STARTED_MAX] = x;
		q->started++;
		pthread_cond_broadcast(&q->changed);
		pthread_mutex_unlock(&q->lock);
		return number;
	}
	pthread_mutex_unlock(&q->lock);
	return ep_fail(ep, "more than %d exchanges started", EP_STARTED_MAX);
}

int
ep_finish(struct ep *ep, int number, double *us)
{
	struct ep_queue *q = ep->queue;
	int bad;

	pthread_mutex_lock(&q->lock);
	while (q->done <= number) /* exchanges end at their deadline, so does this */
		pthread_cond_wait(&q->changed, &q->lock);
	bad = q->bad;
	if (us)
		*us = q->us[number % EP_STARTED_MAX];
	pthread_mutex_unlock(&q->lock);
	return bad ? EP_EFAIL : 0;
}

void
ep_queue_end(struct ep *ep)
{
	struct ep_queue *q = ep->queue;

	if (!q)
		return;
	pthread_mutex_lock(&q->lock);
	q->end = 1;
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
	pthread_join(q->thread, NULL);
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
	free(q);
	ep->queue = NULL;
}
