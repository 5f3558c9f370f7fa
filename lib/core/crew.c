/* Who is awake when work is given out joins in; nobody waits for those who are not. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "crew.h"
#include "size.h"

struct member {
	struct crew *crew;
	pthread_t thread;
	int number;
};

struct crew {
	pthread_mutex_t lock;
	pthread_cond_t more, done;
	struct member *member; /* [members] */
	int members;           /* without the caller */
	unsigned round;        /* of work; open: members may join it */
	int open, inside, over;
	crew_work *work;
	void *arg;
	size_t n;
	atomic_size_t next;
};

static void
some(struct crew *c, int thread)
{
	size_t i;

	while ((i = atomic_fetch_add_explicit(&c->next, 1, memory_order_relaxed)) < c->n)
		c->work(c->arg, i, thread);
}

static void *
member(void *p)
{
	const struct member *m = p;
	struct crew *c = m->crew;
	unsigned last = 0;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		while (!c->over && (!c->open || c->round == last))
			pthread_cond_wait(&c->more, &c->lock);
		if (c->over)
			break;
		last = c->round;
		c->inside++;
		pthread_mutex_unlock(&c->lock);
		some(c, m->number);
		pthread_mutex_lock(&c->lock);
		if (!--c->inside)
			pthread_cond_signal(&c->done);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

struct crew *
crew_new(int jobs)
{
	struct crew *c = calloc(1, sizeof *c);

	if (!c || !(c->member = calloc((size_t)MAX(jobs, 1), sizeof *c->member))) {
		free(c);
		return NULL;
	}
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->more, NULL);
	pthread_cond_init(&c->done, NULL);
	for (; c->members + 1 < jobs; c->members++) {
		struct member *m = &c->member[c->members];

		*m = (struct member){.crew = c, .number = c->members + 1};
		if (pthread_create(&m->thread, NULL, member, m))
			break;
	}
	return c;
}

void
crew_free(struct crew *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->over = 1;
	pthread_cond_broadcast(&c->more);
	pthread_mutex_unlock(&c->lock);
	for (int i = 0; i < c->members; i++)
		pthread_join(c->member[i].thread, NULL);
	pthread_cond_destroy(&c->more);
	pthread_cond_destroy(&c->done);
	pthread_mutex_destroy(&c->lock);
	free(c->member);
	free(c);
}

int
crew_jobs(const struct crew *c)
{
	return c->members + 1;
}

void
crew_each(struct crew *c, size_t n, crew_work *work, void *arg)
{
	if (n < 2 || !c->members) {
		for (size_t i = 0; i < n; i++)
			work(arg, i, 0);
		return;
	}
	pthread_mutex_lock(&c->lock);
	c->work = work;
	c->arg = arg;
	c->n = n;
	atomic_store(&c->next, 0);
	c->round++;
	c->open = 1;
	pthread_cond_broadcast(&c->more);
	pthread_mutex_unlock(&c->lock);
	some(c, 0);
	pthread_mutex_lock(&c->lock);
	c->open = 0;
	while (c->inside)
		pthread_cond_wait(&c->done, &c->lock);
	pthread_mutex_unlock(&c->lock);
}
