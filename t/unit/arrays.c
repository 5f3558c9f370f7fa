/* Lists the arrays of a file with their first 30 values, for t/pt-samples.t:
 * PATH TYPE DIMS STRIDES VALUES.  Refused: "FILE: reason" on stderr, exit 2. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/format/array.h"

static unsigned char *
slurp(const char *file, size_t *n)
{
	FILE *f = fopen(file, "rb");
	unsigned char *p = NULL;
	size_t got;

	*n = 0;
	if (!f)
		exit(2);
	do {
		if (!(p = realloc(p, *n + 65536)))
			exit(2);
		*n += got = fread(p + *n, 1, 65536, f);
	} while (got);
	fclose(f);
	return p;
}

static void
numbers(const uint64_t *x, int n)
{
	if (!n)
		printf("-");
	for (int i = 0; i < n; i++)
		printf("%s%" PRIu64, i ? "," : "", x[i]);
}

int
main(int argc, char **argv)
{
	struct array_opts o = {.object0 = argc > 2};
	struct array_list l = {0};
	size_t n;
	unsigned char *p = argc > 1 ? slurp(argv[1], &n) : NULL;

	if (!p)
		return 2;
	if (array_read(&l, p, n, &o)) {
		fprintf(stderr, "%s: %s\n", argv[1], l.err);
		array_free(&l);
		free(p);
		return 2;
	}
	for (size_t i = 0; i < l.n; i++) {
		const struct array *a = &l.a[i];
		uint64_t count = array_count(a);
		double *x = malloc((count + 1) * sizeof *x);

		printf("%s\t%s\t", a->path, a->dtype);
		numbers(a->dim, a->ndim);
		printf("\t");
		numbers(a->stride, a->ndim);
		if (!x || array_f64(a, 0, a->ndim ? a->dim[0] : 1, x))
			return 2;
		for (uint64_t k = 0; k < count && k < 30; k++)
			printf("%s%.17g", k ? "," : "\t", x[k]);
		printf("\n");
		free(x);
	}
	array_free(&l);
	free(p);
	return 0;
}
