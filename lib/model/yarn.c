/* Rotations for longer sequences than a model was trained with: YaRN (Peng et al., 2023). */
#include <math.h>

#include "decoder.h"
#include "size.h"

static const double PI = 3.14159265358979323846;

/* The place among d / 2 frequencies of the one that turns so often in the original length. */
static double
turning(const struct yarn *y, double theta, double d, double turns)
{
	return d * log(y->original / (2 * PI * turns)) / (2 * log(theta));
}

void
yarn_freq(const struct yarn *y, double theta, uint64_t pairs, float *freq)
{
	const double d = 2 * (double)pairs;
	double lo = 0, hi = 0;

	if (y->factor > 0) {
		lo = MAX(floor(turning(y, theta, d, y->fast)), 0);
		hi = MIN(ceil(turning(y, theta, d, y->slow)), d - 1);
		/* hi may be below lo, where the original length is a few positions */
		if (hi == lo)
			hi = lo + .001;
	}
	for (uint64_t j = 0; j < pairs; j++) {
		const double f = pow(theta, -2 * (double)j / d);
		double ramp = 0;

		if (y->factor > 0)
			ramp = MIN(MAX(((double)j - lo) / (hi - lo), 0), 1);
		freq[j] = (float)(ramp > 0 ? f / y->factor * ramp + f * (1 - ramp) : f);
	}
}

static double
growth(const struct yarn *y, double mscale)
{
	return y->factor > 1 ? 0.1 * mscale * log(y->factor) + 1 : 1;
}

double
yarn_scale(const struct yarn *y)
{
	if (y->attention > 0)
		return y->attention;
	return growth(y, y->mscale > 0 ? y->mscale : 1) / growth(y, y->mscale_all);
}

double
yarn_squared(const struct yarn *y)
{
	return growth(y, y->mscale_all) * growth(y, y->mscale_all);
}
