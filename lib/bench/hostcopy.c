#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "hostcopy.h"
#include "size.h"

enum { LINE = 64, ENOUGH_US = 1000, MOST = 1 << 20 };

struct part {
	struct hostcopy *h;
	size_t at, n;
	double begin, end; /* microseconds */
};

struct hostcopy {
	size_t bytes;
	unsigned char *from, *to;
	uint64_t times; /* copies a sample; 0: not found out */
	int warming;
	int nparts;
	struct part *part;
	pthread_mutex_t lock;
	pthread_cond_t turn;
	int go; /* 1: all threads are there, -1: one could not be made */
};

static void *
copy(void *arg)
{
	struct part *p = arg;
	struct hostcopy *h = p->h;

	pthread_mutex_lock(&h->lock);
	while (!h->go)
		pthread_cond_wait(&h->turn, &h->lock);
	pthread_mutex_unlock(&h->lock);
	if (h->go < 0)
		return NULL;
	p->begin = clock_us();
	for (uint64_t i = 0; i < h->times; i++) {
		memcpy(h->to + p->at, h->from + p->at, p->n);
		__asm__ volatile("" : : "r"(h->to) : "memory"); /* or one copy would do for all */
	}
	p->end = clock_us();
	return NULL;
}

/* All parts at once, h->times each: microseconds in all, or -1. */
static double
run(struct hostcopy *h)
{
	pthread_t *thread = calloc((size_t)h->nparts, sizeof *thread);
	int made = 1;
	double begin, end;

	if (!thread)
		return -1;
	h->go = 0;
	while (made < h->nparts && pthread_create(&thread[made], NULL, copy, &h->part[made]) == 0)
		made++;
	pthread_mutex_lock(&h->lock);
	h->go = made < h->nparts ? -1 : 1;
	pthread_cond_broadcast(&h->turn);
	pthread_mutex_unlock(&h->lock);
	copy(&h->part[0]);
	begin = h->part[0].begin;
	end = h->part[0].end;
	for (int i = 1; i < made; i++) {
		pthread_join(thread[i], NULL);
		begin = MIN(begin, h->part[i].begin);
		end = MAX(end, h->part[i].end);
	}
	free(thread);
	return h->go < 0 ? -1 : end - begin;
}

struct hostcopy *
hostcopy_new(size_t bytes, int jobs)
{
	struct hostcopy *h = calloc(1, sizeof *h);
	size_t step, lines = (bytes + LINE - 1) / LINE;

	if (!h)
		return NULL;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->turn, NULL);
	h->bytes = bytes;
	h->nparts = (int)MIN((size_t)MAX(jobs, 1), lines);
	h->from = aligned_alloc(4096, size_align(bytes, 4096));
	h->to = aligned_alloc(4096, size_align(bytes, 4096));
	h->part = calloc((size_t)h->nparts, sizeof *h->part);
	if (!h->from || !h->to || !h->part) {
		hostcopy_free(h);
		return NULL;
	}
	for (size_t i = 0; i < bytes; i++)
		h->from[i] = (unsigned char)((uint32_t)i * 2654435761u >> 24);
	memset(h->to, 0, bytes);
	step = (lines + (size_t)h->nparts - 1) / (size_t)h->nparts * LINE;
	for (int i = 0; i < h->nparts; i++) {
		size_t at = MIN((size_t)i * step, bytes);

		h->part[i] = (struct part){.h = h, .at = at, .n = MIN(step, bytes - at)};
	}
	return h;
}

int
hostcopy_sample(struct hostcopy *h, double *us)
{
	double t = 0;

	while (!h->times || (h->warming && t < ENOUGH_US && h->times < MOST)) {
		h->times = h->times ? 2 * h->times : 1;
		h->warming = 1;
		if ((t = run(h)) < 0)
			return -1;
	}
	h->warming = 0;
	if ((t = run(h)) < 0)
		return -1;
	*us = t / (double)h->times;
	return 0;
}

int
hostcopy_check(const struct hostcopy *h)
{
	return memcmp(h->from, h->to, h->bytes) ? -1 : 0;
}

void
hostcopy_free(struct hostcopy *h)
{
	if (!h)
		return;
	free(h->from);
	free(h->to);
	free(h->part);
	pthread_cond_destroy(&h->turn);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
