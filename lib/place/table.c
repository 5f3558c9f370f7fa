#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "num.h"
#include "size.h"
#include "table.h"

static int
between(int c)
{
	return c == ' ' || c == '\t' || c == ',' || c == ';' || c == '\r';
}

/* The fields of a line into t->v behind what is there: their number, -1 and err. */
static int
line(const char *p, const char *end, size_t number, struct table *t, size_t *cap,
     char err[TABLE_ERR])
{
	const char *start = p;
	int n = 0;

	for (;;) {
		const char *q;
		double x;

		while (p < end && between(*p))
			p++;
		if (p == end || *p == '#')
			return n;
		for (q = p; q < end && !between(*q) && *q != '#';)
			q++;
		if (num_f64(p, q, &x) < 0 || !isfinite(x)) {
			if (!t->rows && !n)
				return 0; /* names */
			snprintf(err, TABLE_ERR, "%zu:%td: \"%.*s\" is no number", number,
				 p - start + 1, (int)MIN(q - p, 40), p);
			return -1;
		}
		if (t->rows * t->cols + (size_t)n + 1 > *cap) {
			double *v = realloc(t->v, (2 * *cap + 64) * sizeof *v);

			if (!v) {
				snprintf(err, TABLE_ERR, " no memory");
				return -1;
			}
			t->v = v;
			*cap = 2 * *cap + 64;
		}
		t->v[t->rows * t->cols + (size_t)n++] = x;
		p = q;
	}
}

int
table_read(const char *p, size_t n, struct table *t, char err[TABLE_ERR])
{
	const char *end = p + n;
	size_t cap = 0;

	memset(t, 0, sizeof *t);
	for (size_t number = 1; p < end; number++) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		int k = line(p, eol ? eol : end, number, t, &cap, err);

		if (k > 0 && t->rows && (size_t)k != t->cols) {
			snprintf(err, TABLE_ERR, "%zu:1: %d numbers, the lines before have %zu",
				 number, k, t->cols);
			k = -1;
		}
		if (k < 0) {
			free(t->v);
			t->v = NULL;
			return -1;
		}
		if (k > 0) {
			t->cols = (size_t)k;
			t->rows++;
		}
		p = eol ? eol + 1 : end;
	}
	if (t->rows)
		return 0;
	snprintf(err, TABLE_ERR, "1:1: no numbers");
	return -1;
}
