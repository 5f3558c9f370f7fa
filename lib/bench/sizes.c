#include <string.h>

#include "num.h"
#include "sizes.h"

/* One size, which ends before end. */
static int
one(const char *s, const char *end, uint64_t lo, uint64_t hi, uint64_t *n)
{
	char buf[32];
	size_t len = (size_t)(end - s);

	if (len >= sizeof buf)
		return -1;
	memcpy(buf, s, len);
	buf[len] = 0;
	return num_size(buf, n) < 0 || *n < lo || *n > hi ? -1 : 0;
}

int
sizes_parse(const char *s, uint64_t lo, uint64_t hi, uint64_t to[SIZES_MAX])
{
	int n = 0;

	for (;;) {
		const char *end = s + strcspn(s, ","), *dash = memchr(s, '-', (size_t)(end - s));
		uint64_t a, b;

		if (one(s, dash ? dash : end, lo, hi, &a) < 0)
			return -1;
		b = a;
		if (dash && (one(dash + 1, end, lo, hi, &b) < 0 || b < a))
			return -1;
		for (; a <= b; a *= 4) {
			if (n == SIZES_MAX)
				return -1;
			to[n++] = a;
			if (!a || a > hi / 4)
				break;
		}
		if (!*end)
			return n;
		s = end + 1;
	}
}
