/* The values of tensors: drawn, or tables of a rotation.  + - * / and sqrt alone, so
 * that a seed means the same bytes everywhere. */
#include <math.h>

#include "moedec.h"
#include "num.h"
#include "rng.h"

enum { WORDS = 4 }; /* of one draw */

#define BASE 10000.0 /* of the angles: Su et al., RoFormer, 2021, section 3.2.2 */

static void
uniform(const struct moedec_tensor *t, uint64_t seed, uint64_t first, uint64_t n, float *to)
{
	double a = sqrt(3.0 / (double)t->dim[1]);
	uint64_t from = first * t->dim[1];
	uint32_t w[WORDS];

	for (uint64_t i = from; i < from + n * t->dim[1]; i++) {
		if (i == from || i % WORDS == 0)
			rng_u32x4(seed, t->index, i / WORDS, w);
		to[i - from] = (float)(a * (w[i % WORDS] * 0x1p-31 - 1));
	}
}

struct turn {
	double cos, sin;
};

static struct turn
add(struct turn a, struct turn b)
{
	return (struct turn){a.cos * b.cos - a.sin * b.sin, a.sin * b.cos + a.cos * b.sin};
}

/* Of an angle in [0, 1]: the series from their last terms, below 1e-18. */
static struct turn
turn_of(double x)
{
	struct turn t = {1, 1};

	for (int i = 20; i > 0; i -= 2) {
		t.cos = 1 - x * x / ((i - 1) * i) * t.cos;
		t.sin = 1 - x * x / (i * (i + 1)) * t.sin;
	}
	t.sin *= x;
	return t;
}

static void
rotations(const struct moedec *m, const struct moedec_tensor *t, uint64_t first, uint64_t n,
	  float *to)
{
	double width = (double)(m->d_model / m->heads);

	for (uint64_t i = 0; i < t->dim[1]; i++) {
		struct turn one = turn_of(num_pow(BASE, -2 * (double)i / width));

		for (uint64_t p = first; p < first + n; p++) {
			struct turn sum = {1, 0}, power = one;

			for (uint64_t left = p; left; left >>= 1) {
				if (left & 1)
					sum = add(sum, power);
				power = add(power, power);
			}
			to[(p - first) * t->dim[1] + i] =
				(float)(t->role == MOEDEC_COS ? sum.cos : sum.sin);
		}
	}
}

void
moedec_draw(const struct moedec *m, const struct moedec_tensor *t, uint64_t seed, uint64_t first,
	    uint64_t n, float *to)
{
	if (t->role == MOEDEC_MATRIX)
		uniform(t, seed, first, n, to);
	else if (t->role == MOEDEC_NORM)
		for (uint64_t i = 0; i < n; i++)
			to[i] = 1;
	else
		rotations(m, t, first, n, to);
}
