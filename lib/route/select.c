/* Top-k selection: the definition in plain loops, and who runs it on which processor. */
#include <stdio.h>
#include <string.h>

#include "half.h"
#include "keys.h"
#include "pool.h"
#include "selectisa.h"
#include "size.h"

static float
widened(enum tr_type type, const void *x, uint64_t i)
{
	float f;

	if (type == TR_F32) {
		memcpy(&f, (const char *)x + 4 * i, 4);
	} else {
		uint16_t h;

		memcpy(&h, (const char *)x + 2 * i, 2);
		f = type == TR_F16 ? half_f32(h) : bf16_f32(h);
	}
	return f == 0 ? 0 : f;
}

static float
expsum(const float *x, uint32_t n, float max)
{
	float part[32] = {0};

	for (uint32_t i = 0; i < n; i++)
		part[i % 32] += keys_weight(x[i], max);
	for (int apart = 16; apart; apart /= 2)
		for (int i = 0; i < apart; i++)
			part[i] += part[i + apart];
	return part[0];
}

/* The k first of n by key, of equal keys the lower; best first. */
static void
best(const uint32_t *key, uint32_t n, uint32_t k, uint16_t *ids)
{
	for (uint32_t i = 0, m = 0; i < n; i++) {
		uint32_t j;

		if (m == k && key[i] <= key[ids[k - 1]])
			continue;
		m += m < k;
		for (j = m - 1; j && key[i] > key[ids[j - 1]]; j--)
			ids[j] = ids[j - 1];
		ids[j] = (uint16_t)i;
	}
}

static uint32_t
worth(const struct select *s, const uint32_t *key, uint32_t n)
{
	uint32_t a = key[0], b = 0;

	for (uint32_t i = 1; i < n; i++) {
		b = MAX(b, MIN(a, key[i]));
		a = MAX(a, key[i]);
	}
	if (s->score != RULES_SIGMOID || n == 1)
		return a;
	return keys_of(keys_float(keys_f32_bits(a)) + keys_float(keys_f32_bits(b)));
}

/* The keys of the best groups' experts alone: how many, which[i] being their experts. */
static uint32_t
limit_groups(const struct select *s, uint32_t *key, uint16_t *which)
{
	uint32_t n = s->experts / s->groups, m = 0, group[SELECT_EXPERTS_MAX];
	uint16_t kept[SELECT_EXPERTS_MAX];
	uint8_t in[SELECT_EXPERTS_MAX] = {0};

	for (uint32_t g = 0; g < s->groups; g++)
		group[g] = worth(s, key + g * n, n);
	best(group, s->groups, s->topk_groups, kept);
	for (uint32_t i = 0; i < s->topk_groups; i++)
		in[kept[i]] = 1;
	for (uint32_t i = 0; i < s->experts; i++)
		if (in[i / n]) {
			key[m] = key[i];
			which[m++] = (uint16_t)i;
		}
	return m;
}

static void
pick(const struct select *s, const float *x, float max, float sum, uint16_t *ids)
{
	uint32_t key[SELECT_EXPERTS_MAX], n = s->experts;
	uint16_t which[SELECT_EXPERTS_MAX];

	for (uint32_t i = 0; i < n; i++) {
		float y = x[i];

		if (s->bias || s->groups) {
			if (s->score == RULES_BEFORE)
				y = keys_weight(y, max) / sum;
			else if (s->score == RULES_SIGMOID)
				y = keys_sigmoid(y);
			if (s->bias)
				y += s->bias[i];
		}
		key[i] = x[i] == x[i] ? keys_of(y) : 0;
	}
	if (s->groups)
		n = limit_groups(s, key, which);
	best(key, n, s->k, ids);
	for (uint32_t j = 0; s->groups && j < s->k; j++)
		ids[j] = which[ids[j]];
}

uint64_t
select_plain(const struct select *s, const void *logits, uint64_t rows, uint16_t *ids, float *w)
{
	float x[SELECT_EXPERTS_MAX], max = 0, sum = 0;
	uint64_t bad = 0;

	for (uint64_t t = 0; t < rows; t++, ids += s->k, w += s->k) {
		int nan = 0;

		for (uint32_t i = 0; i < s->experts; i++) {
			x[i] = widened(s->type, logits, t * s->experts + i);
			nan |= x[i] != x[i];
		}
		bad += nan;
		if (s->score == RULES_BEFORE) {
			max = select_greatest(x, s->experts);
			sum = expsum(x, s->experts, max);
		}
		pick(s, x, max, sum, ids);
		for (uint32_t j = 0; j < s->k; j++)
			w[j] = x[ids[j]];
		select_weigh(s, max, sum, w);
	}
	return bad;
}

int
select_fit(const struct select *s, char *why, size_t size)
{
	int n = 0;

	if (s->experts < 1 || s->experts > SELECT_EXPERTS_MAX)
		n = snprintf(why, size, "%u experts are not 1 to %d", s->experts,
			     SELECT_EXPERTS_MAX);
	else if (s->k < 1 || s->k > SELECT_K_MAX)
		n = snprintf(why, size, "%u picks are not 1 to %d", s->k, SELECT_K_MAX);
	else if (s->k > s->experts)
		n = snprintf(why, size, "%u picks are more than the %u experts", s->k, s->experts);
	else if (s->type != TR_F32 && s->type != TR_F16 && s->type != TR_BF16)
		n = snprintf(why, size, "logits are not f32, f16 or bf16");
	else if (s->groups && s->experts % s->groups)
		n = snprintf(why, size, "%u groups do not divide %u experts", s->groups,
			     s->experts);
	else if (s->groups && (s->topk_groups < 1 || s->topk_groups > s->groups))
		n = snprintf(why, size, "%u best groups are not 1 to %u", s->topk_groups,
			     s->groups);
	else if (s->groups && s->experts / s->groups * s->topk_groups < s->k)
		n = snprintf(why, size, "%u picks are more than %u groups have experts", s->k,
			     s->topk_groups);
	return n ? -1 : 0;
}

static int
always(void)
{
	return 1;
}

#if defined __x86_64__
static int
has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static int
has_avx512(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}
#endif
/* the first that this processor has is taken */
static const struct isa {
	const char *name;
	int (*has)(void);
	select_fn *rows;
} isas[] = {
#if defined __x86_64__
	{"avx512", has_avx512, select_avx512},
	{"avx2", has_avx2, select_avx2},
#elif defined __aarch64__
	{"neon", always, select_neon},
#endif
	{"plain", always, select_plain},
};

static const struct isa *chosen;

static const struct isa *
isa(void)
{
	const struct isa *i = __atomic_load_n(&chosen, __ATOMIC_RELAXED);

	if (!i) {
		for (i = isas; !i->has(); i++)
			;
		__atomic_store_n(&chosen, i, __ATOMIC_RELAXED);
	}
	return i;
}

const char *
select_isa_name(void)
{
	return isa()->name;
}

int
select_isa(const char *name)
{
	for (size_t i = 0; i < LEN(isas); i++)
		if (!strcmp(name, isas[i].name) && isas[i].has()) {
			__atomic_store_n(&chosen, &isas[i], __ATOMIC_RELAXED);
			return 0;
		}
	return -1;
}

enum { CHUNK = 512, CHUNK_MAX = 8192 }; /* rows a piece of work, which costs a wake to hand out */

struct share {
	const struct select *s;
	const char *logits;
	uint64_t rows, chunk, bad;
	uint16_t *ids;
	float *w;
	select_fn *run;
};

static void
chunk(void *arg, size_t i)
{
	struct share *h = arg;
	const uint64_t from = i * h->chunk, n = MIN(h->rows - from, h->chunk);
	const size_t row = h->s->experts * (h->s->type == TR_F32 ? 4 : 2);
	uint64_t bad = h->run(h->s, h->logits + from * row, n, h->ids + from * h->s->k,
			      h->w + from * h->s->k);

	__atomic_fetch_add(&h->bad, bad, __ATOMIC_RELAXED);
}

uint64_t
select_rows(const struct select *s, const void *logits, uint64_t rows, uint16_t *ids, float *w,
	    int jobs)
{
	const uint64_t part = rows / (8 * (uint64_t)MAX(jobs, 1));
	struct share h = {s, logits, rows, MIN(MAX(part, CHUNK), CHUNK_MAX),
			  0, ids,    w,    isa()->rows};

	pool_each(jobs, (rows + h.chunk - 1) / h.chunk, chunk, &h);
	return h.bad;
}
