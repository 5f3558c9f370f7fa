/* Progress, at most five times a second. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "die.h"
#include "progress.h"

static volatile sig_atomic_t asked; /* a signal handler has no other way */

static void
ask(int sig)
{
	asked = 1;
}

static uint64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void
progress_init(struct progress *p, int draw)
{
	struct sigaction sa;

	memset(p, 0, sizeof *p);
	p->draw = draw;
	memset(&sa, 0, sizeof sa);
	sa.sa_handler = ask;
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &sa, NULL);
}

void
progress_tick(struct progress *p, uint64_t done, uint64_t total)
{
	char line[160];
	uint64_t t;
	int n, line_asked = asked;

	if (!line_asked && (!p->draw || total == UINT64_MAX || (p->start && ++p->calls & 15)))
		return;
	t = now();
	if (!p->start)
		p->start = p->last = t;
	if (!line_asked && t - p->last < 200000000u)
		return;
	p->last = t;
	asked = 0;
	double s = (double)(t - p->start) * 1e-9, rate = s > 0 ? (double)done / s : 0;

	n = snprintf(line, sizeof line, "%s%s: %.1f MB", p->draw ? "\r" : "", die_name,
		     (double)done * 1e-6);
	if (total != UINT64_MAX && total)
		n += snprintf(line + n, sizeof line - (size_t)n, " of %.1f (%.0f %%)",
			      (double)total * 1e-6, 100 * (double)done / (double)total);
	if (rate > 0)
		n += snprintf(line + n, sizeof line - (size_t)n, ", %.0f MB/s", rate * 1e-6);
	if (rate > 0 && total != UINT64_MAX && total > done)
		n += snprintf(line + n, sizeof line - (size_t)n, ", %.0f s left",
			      (double)(total - done) / rate);
	snprintf(line + n, sizeof line - (size_t)n, line_asked && !p->draw ? "\n" : "\033[K");
	p->shown = p->draw;
	die_progress(line);
}

void
progress_end(struct progress *p)
{
	if (p->shown)
		die_progress("\r\033[K");
	p->shown = 0;
}
