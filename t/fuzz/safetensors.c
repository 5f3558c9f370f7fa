/* Fuzz target: the header of safetensors.  Without libFuzzer its main replays files. */
#include <stdio.h>
#include <stdlib.h>

#include "../../lib/format/safetensors.h"

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
	struct array_opts o = {.max_elements = 1 << 20};
	struct array_list a = {0};

	if (!safetensors_read(&a, p, n, &o))
		touch(&a);
	array_free(&a);
	return 0;
}

#include "replay.h"
