/* Norms, rotations and losses of rows. */
#include <math.h>
#include <string.h>

#include "../core/size.h"
#include "../route/power.h"
#include "rowsteps.h"

void
rms_norm(const float *x, uint64_t ldx, const float *w, double eps, uint64_t rows, uint64_t d,
	 float *to)
{
	enum { SUMS = 4 };

	for (uint64_t r = 0; r < rows; r++, x += ldx, to += d) {
		double sum[SUMS] = {0};
		uint64_t i = 0;

		for (; i + SUMS <= d; i += SUMS)
			for (int k = 0; k < SUMS; k++)
				sum[k] += (double)x[i + k] * x[i + k];
		for (; i < d; i++)
			sum[0] += (double)x[i] * x[i];
		const double all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
		const float by = (float)(1 / sqrt(all / (double)d + eps));

		for (i = 0; i < d; i++)
			to[i] = x[i] * by * w[i];
	}
}

void
row_rotate(const struct rope *r, uint64_t pos, float *x, uint64_t heads, uint64_t d)
{
	const uint64_t right = r->interleaved ? 1 : r->pairs, step = r->interleaved ? 2 : 1;

	for (uint64_t j = 0; j < r->pairs; j++) {
		const float angle = (float)pos * r->freq[j];
		const float c = cosf(angle) * r->scale, s = sinf(angle) * r->scale;
		float *p = x + d - 2 * r->pairs + j * step;

		for (uint64_t h = 0; h < heads; h++, p += d) {
			const float a = p[0], b = p[right];

			p[0] = a * c - b * s;
			p[right] = b * c + a * s;
		}
	}
}

float
row_nll(const float *x, uint64_t vocab, uint32_t id)
{
	enum { SOME = 1024 }; /* added up in f32 */
	float most = -INFINITY;
	double sum = 0;

	for (uint64_t i = 0; i < vocab; i++)
		most = x[i] > most ? x[i] : most;
	for (uint64_t i = 0; i < vocab; i += SOME) {
		power_vec part = {0};

		for (uint64_t k = i; k < MIN(i + SOME, vocab); k += POWER_LANES) {
			power_vec p = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};

			memcpy(&p, x + k, MIN(vocab - k, (uint64_t)POWER_LANES) * sizeof *x);
			p -= most;
			power_of(&p);
			part += p;
		}
		sum += (part[0] + part[1]) + (part[2] + part[3]);
	}
	return (float)(log(sum) + most - x[id]);
}
