/* What select.c shares with the files of one processor each: select_plain's contract, the
 * same bits. */
#ifndef SELECTISA_H
#define SELECTISA_H

#include "keys.h"
#include "select.h"

#define SELECT_INLINE static inline __attribute__((always_inline)) /* with the caller's FMA */

typedef uint64_t select_fn(const struct select *s, const void *logits, uint64_t rows, uint16_t *ids,
			   float *w);

#if defined __x86_64__
select_fn select_avx512, select_avx2;
/* x [n], n a multiple of 16: e^((x - max) * over) by keys_exp, 1 of max and where max is -inf */
void select_weights_avx512(float *x, size_t n, float max, float over);
#elif defined __aarch64__
select_fn select_neon;
#endif

SELECT_INLINE float
select_greatest(const float *x, uint32_t n)
{
	uint32_t key = 0;

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t y = keys_of(x[i]);

		key = y > key ? y : key;
	}
	return keys_float(keys_f32_bits(key));
}

/* w [k], the logits of a row's picks, to weights; max and sum are those of all experts,
 * for RULES_BEFORE. */
SELECT_INLINE void
select_weigh(const struct select *s, float max, float sum, float *w)
{
	float all = 0;

	if (s->score == RULES_AFTER) {
		max = select_greatest(w, s->k);
		sum = 0;
		for (uint32_t j = 0; j < s->k; j++)
			sum += keys_weight(w[j], max);
	}
	for (uint32_t j = 0; j < s->k; j++) {
		if (s->score == RULES_SIGMOID)
			w[j] = keys_sigmoid(w[j]);
		else if (s->score != RULES_NONE)
			w[j] = keys_weight(w[j], max) / sum;
		all += w[j];
	}
	for (uint32_t j = 0; j < s->k; j++)
		w[j] = keys_stored(s->renorm && s->score != RULES_AFTER && all != 0 ? w[j] / all
										    : w[j]);
}

#endif
