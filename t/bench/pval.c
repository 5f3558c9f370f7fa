/* pval TABLE.trace LOGITS.trace N: p-values of all logits, N times over, a row of the trace at a
 * time as logit-pval does it, from memory to memory; prints how many and their sum. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/density/ptable.h"
#include "num.h"

static void
fail(const char *why)
{
	fprintf(stderr, "pval: %s\n", why);
	exit(2);
}

/* The first frame of a file that has that column. */
static void
first(char *name, const char *column, struct tr_frame *f, struct tr_col *c)
{
	struct tr *in = tr_openv(&name, 1, NULL);

	while (in && tr_next(in, f) > 0)
		if (tr_col(f, column, c) > 0)
			return;
	fail(name);
}

int
main(int argc, char **argv)
{
	uint64_t times, n;
	struct tr_frame f = {0}, g = {0};
	struct tr_col c;
	struct ptable t;
	const char *why;
	double *x, *p, sum = 0;

	if (argc != 4 || num_u64(argv[3], 1, 1000000, &times))
		fail("usage: pval TABLE.trace LOGITS.trace N");
	first(argv[1], "sf", &f, &c);
	if (ptable_open(&t, &f, 0, &why) < 0)
		fail(why);
	first(argv[2], "logit", &g, &c);
	n = g.rows * c.width;
	x = malloc(n * sizeof *x);
	p = malloc(c.width * sizeof *p);
	if (!x || !p || col_f64(&c, 0, n, x) < 0)
		fail("no logits");
	for (uint64_t i = 0; i < times; i++)
		for (uint64_t row = 0; row < g.rows; row++) {
			ptable_row(&t, x + row * c.width, c.width, p);
			sum += p[row % c.width];
		}
	printf("%llu %g\n", (unsigned long long)(times * n), sum);
	return 0;
}
