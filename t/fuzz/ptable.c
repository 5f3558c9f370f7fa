/*
 * Fuzz target: kde frames of a stream into tables of p-values, exact and
 * interpolated; what a table says must be a p-value.
 * Without libFuzzer its main replays the files given.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../lib/density/ptable.h"

int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n);

static void
ask(const struct ptable *t)
{
	double x[] = {-INFINITY,
		      -1e308,
		      -1,
		      -0.0,
		      0.5,
		      1e-310,
		      1e308,
		      INFINITY,
		      NAN,
		      t->x[0],
		      t->x[1],
		      t->x[t->n - 1],
		      t->x[t->n / 2],
		      (t->x[0] + t->x[1]) / 2};
	double p[sizeof x / sizeof *x];

	ptable_row(t, x, sizeof x / sizeof *x, p);
	for (size_t i = 0; i < sizeof x / sizeof *x; i++) {
		double one = ptable_p(t, x[i]);

		if (x[i] != x[i] ? one == one : !(one >= 0 && one <= 1))
			abort();
		if (p[i] != one && (p[i] == p[i] || one == one))
			abort();
	}
}

static void
walk(const unsigned char *p, size_t n, int interp)
{
	struct tr_limits lim = {1 << 20, 1};
	int fd = memfd_create("in", 0);
	struct ptables tables = {0};
	const char *why = NULL;
	struct tr_frame f;
	struct tr *t;

	if (fd < 0 || write(fd, p, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	t = tr_open(fd, &lim);
	while (t && tr_next(t, &f) > 0)
		(void)ptables_add(&tables, &f, interp ? NULL : "gaussian", TR_NONE, interp, &why);
	for (size_t i = 0; i < tables.n; i++)
		ask(&tables.a[i].p);
	ptables_free(&tables);
	tr_free(t);
	close(fd);
}

int
LLVMFuzzerTestOneInput(const unsigned char *p, size_t n)
{
	walk(p, n, 0);
	walk(p, n, 1);
	return 0;
}

#include "replay.h"
