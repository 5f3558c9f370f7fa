/* Threads with rooms; dots.h tells of them. */
#include <stdlib.h>
#include <string.h>

#include "../core/size.h"
#include "dots.h"

int
team_open(struct team *t, int jobs)
{
	memset(t, 0, sizeof *t);
	return (t->crew = crew_new(jobs)) ? 0 : TR_ENOMEM;
}

void
team_close(struct team *t)
{
	crew_free(t->crew);
	free(t->room);
	memset(t, 0, sizeof *t);
}

/* Room for each thread of dots_room() bytes and more. */
static int
grow(struct team *t, uint64_t more)
{
	const size_t jobs = (size_t)crew_jobs(t->crew);
	size_t bytes, all;

	if (size_add(dots_room() + 64, more, &bytes) < 0)
		return TR_ENOMEM;
	bytes = size_align(bytes - 63, 64);
	if (bytes <= t->bytes)
		return 0;
	if (size_mul(bytes, jobs, &all) < 0)
		return TR_ENOMEM;
	free(t->room);
	t->bytes = 0;
	if (!(t->room = aligned_alloc(64, all)))
		return TR_ENOMEM;
	t->bytes = bytes;
	return 0;
}

struct each {
	team_work *work;
	void *arg;
	const struct team *t;
};

static void
each(void *arg, size_t i, int thread)
{
	const struct each *e = arg;

	e->work(e->arg, i, e->t->room + (size_t)thread * e->t->bytes);
}

int
team_each(struct team *t, uint64_t n, uint64_t more, team_work *work, void *arg)
{
	struct each e = {work, arg, t};

	if (grow(t, more) < 0)
		return TR_ENOMEM;
	crew_each(t->crew, n, each, &e);
	return 0;
}
