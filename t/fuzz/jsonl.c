/* Fuzz target: a line of our own dialect, and one of the placement simulator.
 * What a frame was made of can be written again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/format/jsonl.h"
#include "../../lib/format/moebalance.h"

int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n);

int
LLVMFuzzerTestOneInput(const unsigned char *p, size_t n)
{
	static struct jsonl x, y;
	struct json_out o = {.style = JSON_COMPACT}, again = {.style = JSON_COMPACT};
	struct tr_frame f, seq;
	struct mb *m = mb_new(), *w = mb_new();
	char *copy = malloc(n + 1);
	int rc;

	if (!m || !w || !copy)
		abort();
	memcpy(copy, p, n);
	if (!jsonl_get(&x, copy, n, &f)) {
		if (jsonl_put(&o, &f) || jsonl_get(&y, o.p, o.n, &f) || jsonl_put(&again, &f) ||
		    o.n != again.n || memcmp(o.p, again.p, o.n))
			abort();
	}
	o.n = again.n = 0;
	o.style = JSON_PYTHON;
	rc = mb_get(m, copy, n, 1, 0, &seq, &f);
	if (rc >= 0) {
		if (rc)
			mb_seq(w, &seq);
		mb_put(w, &o, &f);
		mb_widen(m, &f, 300, mb_topk(m) + 1);
	}
	json_out_free(&o);
	json_out_free(&again);
	mb_free(m);
	mb_free(w);
	free(copy);
	return 0;
}

#include "replay.h"
