#include <string.h>

#include "num.h"
#include "split.h"

uint32_t
split_halve(double *freq, uint32_t *original, uint32_t n, uint32_t slots, uint32_t shared,
	    uint32_t replicas)
{
	for (uint32_t e = 0; e < n; e++)
		original[e] = e;
	if (shared < n && replicas > 1) {
		freq[shared] /= replicas;
		for (uint32_t i = 1; i < replicas && slots; i++, slots--) {
			freq[n] = freq[shared];
			original[n++] = shared;
		}
	}
	for (; slots > 0; slots--) {
		uint32_t best = UINT32_MAX;

		for (uint32_t i = 0; i < n; i++)
			if (original[i] != shared && (best == UINT32_MAX || freq[i] > freq[best]))
				best = i;
		if (best == UINT32_MAX)
			break;
		freq[n] = freq[best] /= 2;
		original[n++] = original[best];
	}
	return n;
}

uint32_t
split_percent(const struct split *o, const uint64_t *count, uint32_t experts, double *percent,
	      uint32_t *expert)
{
	uint64_t all = 0;

	for (uint32_t e = 0; e < experts; e++)
		all += count[e];
	for (uint32_t e = 0; e < experts; e++)
		percent[e] = all ? (double)count[e] / (double)all * 100 : 0;
	return split_halve(percent, expert, experts, o->slots, o->shared, o->copies);
}

/* As Python writes floats: whole ones with a point. */
static void
put_percent(struct json_out *o, double x)
{
	char num[NUM_MAX + 3];
	size_t n = num_put_f64(num, x);

	if (!memchr(num, '.', n) && !memchr(num, 'e', n)) {
		memcpy(num + n, ".0", 2);
		n += 2;
	}
	json_put_raw(o, num, n);
}

void
split_json(struct json_out *o, uint64_t layer, const uint32_t *expert, const double *percent,
	   uint32_t n)
{
	char num[NUM_MAX + 1];

	num[num_put_u64(num, layer)] = 0;
	json_put_key(o, num);
	json_put_open(o, '{');
	json_put_key(o, "replica_to_original");
	json_put_open(o, '[');
	for (uint32_t i = 0; i < n; i++)
		json_put_u64(o, expert[i]);
	json_put_close(o);
	json_put_key(o, "replica_frequencies");
	json_put_open(o, '[');
	for (uint32_t i = 0; i < n; i++)
		put_percent(o, percent[i]);
	json_put_close(o);
	json_put_close(o);
}
