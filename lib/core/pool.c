/* A ring of items: the caller fills and empties it, workers work inside. */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>

#include "pool.h"
#include "size.h"

struct slot {
	void *item;
	int ready;
};

struct pool {
	const struct pool_ops *ops;
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t more, done;
	struct slot *ring;
	unsigned size, put, taken, got; /* counters; a slot is counter % size */
	int closed;
};

int
pool_cores(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static void *
worker(void *p)
{
	struct pool *q = p;

	pthread_mutex_lock(&q->lock);
	for (;;) {
		while (q->taken == q->put && !q->closed)
			pthread_cond_wait(&q->more, &q->lock);
		if (q->taken == q->put)
			break;
		struct slot *s = &q->ring[q->taken++ % q->size];

		pthread_mutex_unlock(&q->lock);
		q->ops->work(q->arg, s->item);
		pthread_mutex_lock(&q->lock);
		s->ready = 1;
		pthread_cond_signal(&q->done);
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

static void
put(struct pool *q, void *item)
{
	pthread_mutex_lock(&q->lock);
	q->ring[q->put % q->size] = (struct slot){item, 0};
	q->put++;
	pthread_cond_signal(&q->more);
	pthread_mutex_unlock(&q->lock);
}

static void *
get(struct pool *q) /* the oldest, waiting for it */
{
	struct slot *s = &q->ring[q->got % q->size];

	pthread_mutex_lock(&q->lock);
	while (!s->ready)
		pthread_cond_wait(&q->done, &q->lock);
	q->got++;
	pthread_mutex_unlock(&q->lock);
	return s->item;
}

static int
serial(const struct pool_ops *ops, void *arg)
{
	void *item;
	int r = 0;

	while (r >= 0 && (item = ops->next(arg))) {
		ops->work(arg, item);
		r = ops->done(arg, item);
	}
	return r < 0 ? r : 0;
}

int
pool_run(int jobs, const struct pool_ops *ops, void *arg)
{
	struct pool q = {.ops = ops, .arg = arg, .size = 2 * (unsigned)jobs};
	pthread_t *threads;
	void *item;
	int made = 0, r = 0, more = 1;

	if (jobs <= 1)
		return serial(ops, arg);
	threads = calloc((size_t)jobs, sizeof *threads);
	q.ring = calloc(q.size, sizeof *q.ring);
	if (threads && q.ring) {
		pthread_mutex_init(&q.lock, NULL);
		pthread_cond_init(&q.more, NULL);
		pthread_cond_init(&q.done, NULL);
		while (made < jobs && pthread_create(&threads[made], NULL, worker, &q) == 0)
			made++;
	}
	if (!made) {
		free(threads);
		free(q.ring);
		return -1;
	}
	while (more || q.got != q.put) {
		while (more && q.put - q.got < q.size) {
			if ((item = ops->next(arg)))
				put(&q, item);
			else
				more = 0;
		}
		if (q.got == q.put)
			break;
		item = get(&q);
		if (r < 0) {
			if (ops->drop)
				ops->drop(arg, item);
		} else if ((r = ops->done(arg, item)) < 0) {
			more = 0;
		}
	}
	pthread_mutex_lock(&q.lock);
	q.closed = 1;
	pthread_cond_broadcast(&q.more);
	pthread_mutex_unlock(&q.lock);
	for (int i = 0; i < made; i++)
		pthread_join(threads[i], NULL);
	pthread_cond_destroy(&q.more);
	pthread_cond_destroy(&q.done);
	pthread_mutex_destroy(&q.lock);
	free(threads);
	free(q.ring);
	return r < 0 ? r : 0;
}

struct each {
	void (*work)(void *arg, size_t i);
	void *arg;
	size_t next, n;
};

static void *
each_next(void *p) /* a number, and one so that it is not NULL */
{
	struct each *e = p;

	return e->next < e->n ? (void *)(uintptr_t)++e->next : NULL;
}

static void
each_work(void *p, void *item)
{
	struct each *e = p;

	e->work(e->arg, (size_t)(uintptr_t)item - 1);
}

static int
each_done(void *p, void *item)
{
	return 0;
}

void
pool_each(int jobs, size_t n, void (*work)(void *arg, size_t i), void *arg)
{
	static const struct pool_ops ops = {each_next, each_work, each_done, NULL};
	struct each e = {work, arg, 0, n};

	if (pool_run((int)MIN((size_t)MAX(jobs, 1), n), &ops, &e) < 0)
		pool_run(1, &ops, &e);
}
