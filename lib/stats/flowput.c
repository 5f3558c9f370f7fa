/* What transitions tell, as a row of a table. */
#include <stdlib.h>

#include "../core/size.h"
#include "expertstats.h"
#include "flow.h"

int
flow_put(double f64[TR_COLS_MAX], struct tr_frame *to, const uint64_t *n, uint32_t experts)
{
	static const char *const names[] = {"transitions",        "unique_pairs", "persistence",
					    "persistence_chance", "from_bits",    "to_bits",
					    "cond_bits",          "mi_bits",      "mi_bias_bits",
					    "mi_corrected_bits",  "top1",         "top1_popular"};
	double sum = 0, same = 0, chance = 0, top = 0, unique = 0, popular = 0;
	uint64_t *side = calloc(2 * (size_t)experts + 1, sizeof *side);
	struct expertstats_mi m;
	int r = side ? expertstats_mi(n, experts, experts, &m) : TR_ENOMEM;

	if (r < 0) {
		free(side);
		return r;
	}
	for (uint32_t i = 0; i < experts; i++) {
		uint64_t most = 0;

		for (uint32_t j = 0; j < experts; j++) {
			uint64_t x = n[(size_t)i * experts + j];

			side[i] += x;
			side[experts + j] += x;
			most = MAX(most, x);
			unique += x > 0;
		}
		top += (double)most;
		same += (double)n[(size_t)i * experts + i];
	}
	for (uint32_t i = 0; i < experts; i++) {
		sum += (double)side[i];
		chance += (double)side[i] * (double)side[experts + i];
		popular = MAX(popular, (double)side[experts + i]);
	}
	free(side);
	const double x[] = {sum,    unique,        same / sum,    chance / (sum * sum),
			    m.x,    m.y,           m.joint - m.x, m.mi,
			    m.bias, m.mi - m.bias, top / sum,     popular / sum};

	tr_rows(to, 1);
	for (size_t i = 0; i < LEN(x) && r == 0; i++) {
		f64[i] = x[i];
		r = tr_addcol(to, names[i], TR_F64, 1, &f64[i]);
	}
	return r;
}
