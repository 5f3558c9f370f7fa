#include <stdio.h>
#include <string.h>

#include "ngram.h"
#include "num.h"

/* "3,5" in the order given, into buf. */
static void
put_numbers(char *buf, size_t size, const uint64_t *n, uint32_t count)
{
	size_t at = 0;

	buf[0] = 0;
	for (uint32_t i = 0; i < count; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%llu", i ? "," : "",
				       (unsigned long long)n[i]);
}

int
ngram_frame(struct tr_frame *f, uint64_t layer, const uint64_t *from, uint32_t context,
	    const uint16_t *before, uint32_t experts, const uint64_t *n)
{
	uint64_t older[PREDICT_CONTEXT];
	char buf[PREDICT_CONTEXT * 21 + 1];
	int r;

	tr_new(f, "ngram");
	tr_setu(f, "layer", layer);
	put_numbers(buf, sizeof buf, from, context);
	if (context && (r = tr_set(f, "from", buf)) < 0)
		return r;
	for (uint32_t i = 0; i + 1 < context; i++)
		older[i] = before[i];
	if (context > 1) {
		put_numbers(buf, sizeof buf, older, context - 1);
		if ((r = tr_set(f, "before", buf)) < 0)
			return r;
	}
	tr_rows(f, context ? experts : 1);
	return tr_addcol(f, "n", TR_U64, experts, n);
}

/* The experts of key before: how many, or -1. */
static int
get_before(const struct tr_frame *f, uint32_t experts, uint16_t *before)
{
	const char *s, *end;
	int n = 0;

	if (!tr_key(f, "before", &s))
		return 0;
	for (;; s = end + 1) {
		char one[8];
		uint64_t e;

		end = s + strcspn(s, ",");
		if (n == PREDICT_CONTEXT || (size_t)(end - s) >= sizeof one)
			return -1;
		memcpy(one, s, (size_t)(end - s));
		one[end - s] = 0;
		if (num_u64(one, 0, experts - 1, &e) < 0)
			return -1;
		before[n++] = (uint16_t)e;
		if (!*end)
			return n;
	}
}

int
ngram_put(struct predict *p, const struct tr_frame *f, const uint64_t *from, uint32_t context,
	  uint32_t experts, char *why, size_t size)
{
	char want[PREDICT_CONTEXT * 21 + 1];
	uint16_t before[PREDICT_CONTEXT];
	const char *got = "";
	struct tr_col c;
	int r;

	put_numbers(want, sizeof want, from, context);
	tr_key(f, "from", &got);
	if (strcmp(got, want)) {
		snprintf(why, size, "its context is from=%s, here it is %s", *got ? got : "-",
			 *want ? want : "-");
		return TR_EVALUE;
	}
	if (get_before(f, experts, before) != (context > 1 ? (int)context - 1 : 0)) {
		snprintf(why, size, "before is not %u experts", context > 1 ? context - 1 : 0);
		return TR_EVALUE;
	}
	if ((r = tr_col(f, "n", &c)) < 0)
		return r;
	if (!r || c.type != TR_U64 || c.width != experts || f->rows != (context ? experts : 1)) {
		snprintf(why, size, "no column n:u64:%u of %u rows", experts,
			 context ? experts : 1);
		return TR_EVALUE;
	}
	r = predict_put(p, before, c.data);
	if (r == TR_ELIMIT)
		snprintf(why, size, "n overflows");
	return r == TR_ELIMIT ? TR_EVALUE : r;
}
