/* Work for many threads, results in the order of the work. */
#ifndef POOL_H
#define POOL_H

#include <stddef.h>

/*
 * next() hands out items until it returns NULL, work() is called on each by
 * any of jobs threads, done() gets them back in order.  next and done run in
 * the calling thread, so they need no locks.  At most 2 * jobs items are in
 * flight.  jobs 1: no thread is made.  done may return <0 to stop; then
 * items in flight are still worked on and handed to drop (may be NULL).
 * Returns 0, what done returned, or -1 where no thread can be made.
 */
struct pool_ops {
	void *(*next)(void *arg);
	void (*work)(void *arg, void *item);
	int (*done)(void *arg, void *item);
	void (*drop)(void *arg, void *item);
};

int pool_run(int jobs, const struct pool_ops *ops, void *arg);
/* work() on each number below n, by at most jobs threads; here alone where none can be made. */
void pool_each(int jobs, size_t n, void (*work)(void *arg, size_t i), void *arg);
int pool_cores(void); /* processors that this process may use, at least 1 */

#endif
