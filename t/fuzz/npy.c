/*
 * Fuzz target: NPY headers, NPZ files, and routing in them.
 * Without libFuzzer its main replays the files given.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../lib/format/npy.h"
#include "../../lib/format/npzroute.h"

int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n);

/* Touch every element: an array that leaves the input must show. */
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

static void
route(const unsigned char *p, size_t n, const struct array_opts *o)
{
	struct npzroute r;
	char err[ARRAY_ERR];

	if (npzroute_open(&r, p, n, o) > 0 && array_count(r.ids) < 1 << 16) {
		uint32_t last = (uint32_t)r.layers - 1;
		uint64_t limit = npzroute_limit(&r);
		void *to = malloc(r.tokens * r.k * 2);

		if (to && npzroute_ids(&r, 0, r.tokens, &last, 1, 65534, to, 0, err) == 0 &&
		    limit > 65534 && r.layers == 1)
			abort();
		free(to);
	}
	npzroute_close(&r);
}

int
LLVMFuzzerTestOneInput(const unsigned char *p, size_t n)
{
	struct array_opts o = {.max_elements = 1 << 20,
			       .max_bytes = 1 << 20,
			       .no_crc = 1,
			       .bf16 = 1,
			       .object0 = 1};
	struct array_list a = {0}, b = {0};
	char text[64];

	if (!npy_read(&a, "x", p, n, &o))
		touch(&a);
	(void)npy_text(&a, "x", p, n, text, sizeof text);
	if (!npz_read(&b, p, n, &o))
		touch(&b);
	route(p, n, &o);
	array_free(&a);
	array_free(&b);
	return 0;
}

#include "replay.h"
