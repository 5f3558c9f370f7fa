/* Statistics of counts, see expertstats.h.  Sums run in one order, so the bytes
 * do not depend on how the counts came together. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../core/num.h"
#include "../core/size.h"
#include "expertstats.h"

static double
log2_of(double x)
{
	return num_log(x) / num_log(2);
}

double
expertstats_entropy(const uint64_t *n, size_t len)
{
	double sum = 0, h = 0;

	for (size_t i = 0; i < len; i++)
		sum += (double)n[i];
	for (size_t i = 0; i < len; i++)
		if (n[i])
			h -= (double)n[i] / sum * log2_of((double)n[i] / sum);
	return h;
}

double
expertstats_js(const uint64_t *a, const uint64_t *b, uint32_t experts)
{
	double sa = 0, sb = 0, js = 0;

	for (uint32_t e = 0; e < experts; e++) {
		sa += (double)a[e];
		sb += (double)b[e];
	}
	if (sa == 0 || sb == 0)
		return NAN;
	for (uint32_t e = 0; e < experts; e++) {
		double p = (double)a[e] / sa, q = (double)b[e] / sb, m = (p + q) / 2;

		if (p > 0)
			js += p / 2 * log2_of(p / m);
		if (q > 0)
			js += q / 2 * log2_of(q / m);
	}
	return js < 0 ? 0 : js; /* rounding, where the two are equal */
}

int
expertstats_mi(const uint64_t *n, size_t rows, size_t cols, struct expertstats_mi *to)
{
	uint64_t *side = calloc(rows + cols + 1, sizeof *side), sum = 0;
	double cells = 0, lines = 0;

	*to = (struct expertstats_mi){0};
	if (!side)
		return TR_ENOMEM;
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < cols; j++) {
			uint64_t x = n[i * cols + j];

			side[i] += x;
			side[rows + j] += x;
			sum += x;
			cells += x > 0;
		}
	for (size_t i = 0; i < rows + cols; i++)
		lines += side[i] > 0;
	to->x = expertstats_entropy(side, rows);
	to->y = expertstats_entropy(side + rows, cols);
	to->joint = expertstats_entropy(n, rows * cols);
	to->mi = to->x + to->y - to->joint;
	if (to->mi < 0)
		to->mi = 0; /* rounding */
	if (sum)
		to->bias = (cells - lines + 1) / (2 * (double)sum * num_log(2));
	free(side);
	return 0;
}

static int
ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Of n sorted numbers, linear between neighbours. */
static double
quantile(const uint64_t *x, uint32_t n, double q)
{
	double at = (n - 1) * q, lo = floor(at);
	uint32_t i = (uint32_t)lo, j = i + 1 < n ? i + 1 : i;

	return (double)x[i] + (at - lo) * ((double)x[j] - (double)x[i]);
}

struct moments {
	double mean, m2, m3, m4;
};

static struct moments
moments(const uint64_t *n, uint32_t experts, double sum)
{
	struct moments m = {.mean = sum / experts};

	for (uint32_t e = 0; e < experts; e++) {
		double d = (double)n[e] - m.mean;

		m.m2 += d * d / experts;
		m.m3 += d * d * d / experts;
		m.m4 += d * d * d * d / experts;
	}
	return m;
}

static double
gini(const uint64_t *sorted, uint32_t n, double sum)
{
	double g = 0;

	for (uint32_t i = 0; i < n; i++)
		g += (2.0 * (i + 1) - n - 1) * (double)sorted[i];
	return sum > 0 ? g / (n * sum) : 0;
}

static int
put(struct expertstats *to, struct tr_frame *f, const char *name, double x)
{
	int i = f->ncols;

	to->f64[i] = x;
	return tr_addcol(f, name, TR_F64, 1, &to->f64[i]);
}

static int
putu(struct expertstats *to, struct tr_frame *f, const char *name, uint64_t x)
{
	int i = f->ncols;

	to->u64[i] = x;
	return tr_addcol(f, name, TR_U64, 1, &to->u64[i]);
}

int
expertstats_put(struct expertstats *to, struct tr_frame *f, const uint64_t *n, uint32_t experts)
{
	uint64_t *x = malloc(experts * sizeof *x + 1), total = 0;
	uint32_t active = 0;
	struct moments m;
	double h, sum, same;
	int r = 0;

	if (!x)
		return TR_ENOMEM;
	memcpy(x, n, experts * sizeof *x);
	qsort(x, experts, sizeof *x, ascending);
	for (uint32_t e = 0; e < experts; e++) {
		total += n[e];
		active += n[e] > 0;
	}
	sum = (double)total;
	m = moments(n, experts, sum);
	h = expertstats_entropy(n, experts);
	same = x[0] == x[experts - 1] ? NAN : 0;
	tr_rows(f, 1);
	r |= put(to, f, "mean", m.mean);
	r |= put(to, f, "std", sqrt(m.m2));
	r |= put(to, f, "coefficient_of_variation", m.mean > 0 ? sqrt(m.m2) / m.mean : 0);
	r |= put(to, f, "entropy_bits", h);
	r |= putu(to, f, "min_usage", x[0]);
	r |= putu(to, f, "max_usage", x[experts - 1]);
	r |= putu(to, f, "total_usage", total);
	r |= put(to, f, "skewness", isnan(same) ? NAN : m.m3 / (m.m2 * sqrt(m.m2)));
	r |= put(to, f, "kurtosis", isnan(same) ? NAN : m.m4 / (m.m2 * m.m2) - 3);
	r |= put(to, f, "median", quantile(x, experts, 0.5));
	r |= put(to, f, "q25", quantile(x, experts, 0.25));
	r |= put(to, f, "q75", quantile(x, experts, 0.75));
	r |= put(to, f, "iqr", quantile(x, experts, 0.75) - quantile(x, experts, 0.25));
	r |= putu(to, f, "active_experts", active);
	r |= put(to, f, "expert_diversity", (double)active / experts);
	r |= putu(to, f, "zero_usage_experts", experts - active);
	r |= put(to, f, "gini", gini(x, experts, sum));
	r |= put(to, f, "entropy_norm", experts > 1 ? h / log2_of(experts) : 0);
	r |= put(to, f, "effective_experts", total ? num_exp(h * num_log(2)) : 0);
	r |= put(to, f, "max_mean", total ? (double)x[experts - 1] / m.mean : 0);
	free(x);
	return r < 0 ? TR_ELIMIT : 0;
}
