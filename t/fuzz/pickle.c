/*
 * Fuzz target: the pickle machine, alone, under both torch containers, and
 * held to tables.
 * Without libFuzzer its main replays the files given.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../lib/format/pickle.h"

int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n);

/* Touch every element: a view that leaves the input must show. */
static void
touch(const struct array_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		uint64_t rows = l->a[i].ndim ? l->a[i].dim[0] : 1, n = array_count(&l->a[i]);
		double *to;

		if (!n || n > 1 << 16 || !(to = malloc(n * sizeof *to)))
			continue;
		(void)array_f64(&l->a[i], 0, rows, to);
		free(to);
	}
}

int
LLVMFuzzerTestOneInput(const unsigned char *p, size_t n)
{
	struct array_opts o = {.max_elements = 1 << 20, .max_bytes = 1 << 20, .no_crc = 1};
	struct array_opts tables = {.max_elements = 1 << 20, .tables = 1};
	struct array_list a = {0}, b = {0}, c = {0}, d = {0}, e = {0};

	if (!pickle_read(&a, p, n, &o))
		touch(&a);
	if (!legacy_read(&b, p, n, &o))
		touch(&b);
	if (!torch_read(&c, p, n, &o))
		touch(&c);
	if (!pickle_object0(&d, "x", p, n, &o))
		touch(&d);
	if (!pickle_read(&e, p, n, &tables))
		touch(&e);
	array_free(&a);
	array_free(&b);
	array_free(&c);
	array_free(&d);
	array_free(&e);
	return 0;
}

#include "replay.h"
