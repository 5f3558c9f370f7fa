/* Fuzz target: a tokenizer.json, a NUL, and a text that it encodes and decodes. */
#include <stdlib.h>
#include <string.h>

#include "../../lib/token/tokenizer.h"

int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n);

int
LLVMFuzzerTestOneInput(const unsigned char *p, size_t n)
{
	const unsigned char *nul = n ? memchr(p, 0, n) : NULL;
	size_t json = nul ? (size_t)(nul - p) : n, from = nul ? json + 1 : n;
	char why[TOKENIZER_WHY];
	struct ids ids = {0};
	struct bytes text = {0};
	struct tokenizer *t;
	struct token_run *r;
	uint32_t bad;
	int rc;

	if ((t = tokenizer_read((const char *)p, json, TOKENIZER_ENCODE, &rc, why))) {
		if (!(r = token_run_new(t)))
			abort();
		/* twice: the second time words come from the cache */
		for (int i = 0; i < 2; i++) {
			size_t first = ids.n;

			rc = tokenizer_encode(r, (const char *)p + from, n - from, 64, &ids);
			if (rc == 0 && ids.n - first > 64 && ids.n - first > tokenizer_around(t))
				abort();
		}
		token_run_free(r);
		tokenizer_free(t);
	} else if (!*why || strchr(why, '\n')) {
		abort();
	}
	if ((t = tokenizer_read((const char *)p, json, TOKENIZER_DECODE, &rc, why))) {
		tokenizer_decode(t, ids.v, ids.n, 1, &text, &bad);
		tokenizer_free(t);
	}
	free(ids.v);
	free(text.p);
	return 0;
}
#include "replay.h"
