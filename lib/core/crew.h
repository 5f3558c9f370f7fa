/* Threads that stay, for work of a few microseconds; pool.h makes its own each time. */
#ifndef CREW_H
#define CREW_H

#include <stddef.h>

struct crew;

/* jobs threads, the caller's one of them; fewer where they cannot be made.  NULL: no memory. */
struct crew *crew_new(int jobs);
void crew_free(struct crew *c);      /* NULL is fine */
int crew_jobs(const struct crew *c); /* how many there are, at least 1 */

/* work(arg, i, thread) of each i below n, thread below crew_jobs.  All calls are over when it
 * returns.  One thread at a time may call it, and work may not. */
typedef void crew_work(void *arg, size_t i, int thread);
void crew_each(struct crew *c, size_t n, crew_work *work, void *arg);

#endif
