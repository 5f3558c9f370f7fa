/*
 * Rows to where index.h says, and back.  A packed row is written once and never read here,
 * so a large result goes past the caches.
 */
#include <math.h>
#include <string.h>

#include "index.h"
#include "pool.h"
#include "rowtype.h"
#include "size.h"
#include "vectors.h"

#if defined __x86_64__
#include <immintrin.h>
#endif

enum { BLOCK = 1024, PIECE = 1 << 17 }; /* numbers at once; of a piece of work, about */
enum { LARGE = 32 << 20 };              /* bytes that no cache keeps */

struct move {
	const struct index *x;
	enum tr_type type;
	const char *from;
	uint64_t d, n, piece; /* numbers of a row, rows, rows of a piece */
	const float *w;
	char *to;
	int large;
};

/* As memcpy, past the caches */
static void
stream(char *to, const char *from, size_t n)
{
#if defined __x86_64__
	const size_t odd = MIN(-(uintptr_t)to % 16, n);

	memcpy(to, from, odd);
	for (to += odd, from += odd, n -= odd; n >= 16; to += 16, from += 16, n -= 16)
		_mm_stream_si128((void *)to, _mm_loadu_si128((const void *)from));
#endif
	memcpy(to, from, n);
}

static void
scale(float *x, uint64_t n, float w)
{
	typedef float v __attribute__((vector_size(32), aligned(4), may_alias));
	uint64_t i = 0;

	for (; i + 8 <= n; i += 8)
		*(v *)(x + i) *= w;
	for (; i < n; i++)
		x[i] *= w;
}

/* n numbers of a row, at most BLOCK, times w */
VECTORS static void
weigh(enum tr_type type, const char *from, uint64_t at, uint64_t n, float w, char *to)
{
	float block[BLOCK];

	rowtype_widen(type, from, at, n, block);
	scale(block, n, w);
	rowtype_narrow(type, block, n, to, at);
}

static void
gather(void *arg, size_t piece)
{
	const struct move *m = arg;
	const size_t size = rowtype_size(m->type);

	for (uint64_t i = piece * m->piece; i < MIN((piece + 1) * m->piece, m->n); i++) {
		const uint32_t route = m->x->perm[i];
		const uint64_t row = route / m->x->k;
		char *to = m->to + i * m->d * size;
		const char *from = m->from + row * m->d * size;

		if (route == UINT32_MAX) {
			memset(to, 0, m->d * size);
			continue;
		}
		if (!m->w) {
			if (m->large)
				stream(to, from, m->d * size);
			else
				memcpy(to, from, m->d * size);
			continue;
		}
		for (uint64_t j = 0; j < m->d; j += BLOCK)
			weigh(m->type, from, j, MIN(m->d - j, BLOCK), m->w[route], to);
	}
#if defined __x86_64__
	_mm_sfence();
#endif
}

void
gather_rows(const struct index *x, enum tr_type type, const void *from, uint64_t d, const float *w,
	    void *to, int jobs)
{
	const uint64_t n = x->offsets[x->experts];
	struct move m = {x, type, from, d, n, MAX(PIECE / MAX(d, 1), 1), w, to, 0};

	m.large = n * d * rowtype_size(type) > LARGE;
	pool_each(jobs, (n + m.piece - 1) / m.piece, gather, &m);
}

/* sum += w x */
static void
add_plain(float *sum, const float *x, uint64_t n, float w)
{
	for (uint64_t i = 0; i < n; i++)
		sum[i] = fmaf(w, x[i], sum[i]);
}

#if defined __x86_64__
__attribute__((target("avx2,fma"))) static void
add_fma(float *sum, const float *x, uint64_t n, float w)
{
	uint64_t i = 0;

	for (; i + 8 <= n; i += 8)
		_mm256_storeu_ps(sum + i, _mm256_fmadd_ps(_mm256_set1_ps(w), _mm256_loadu_ps(x + i),
							  _mm256_loadu_ps(sum + i)));
	for (; i < n; i++)
		sum[i] = __builtin_fmaf(w, x[i], sum[i]);
}
#endif

static void
add(float *sum, const float *x, uint64_t n, float w)
{
#if defined __x86_64__
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
		add_fma(sum, x, n, w);
		return;
	}
#endif
	add_plain(sum, x, n, w);
}

/* Of row t n numbers, at most BLOCK */
VECTORS static void
sum_up(const struct move *m, uint64_t t, uint64_t at, uint64_t n)
{
	const size_t size = rowtype_size(m->type);
	float sum[BLOCK] = {0}, block[BLOCK];

	for (uint64_t i = t * m->x->k; i < (t + 1) * m->x->k; i++) {
		const uint32_t place = m->x->place[i];

		if (place == UINT32_MAX)
			continue;
		rowtype_widen(m->type, m->from + place * m->d * size, at, n, block);
		add(sum, block, n, m->w ? m->w[i] : 1);
	}
	rowtype_narrow(m->type, sum, n, m->to + t * m->d * size, at);
}

static void
combine(void *arg, size_t piece)
{
	const struct move *m = arg;

	for (uint64_t t = piece * m->piece; t < MIN((piece + 1) * m->piece, m->n); t++)
		for (uint64_t j = 0; j < m->d; j += BLOCK)
			sum_up(m, t, j, MIN(m->d - j, BLOCK));
}

void
combine_rows(const struct index *x, enum tr_type type, const void *from, uint64_t d, const float *w,
	     uint64_t rows, void *to, int jobs)
{
	struct move m = {x, type, from, d, rows, MAX(PIECE / MAX(d * x->k, 1), 1), w, to, 0};

	pool_each(jobs, (rows + m.piece - 1) / m.piece, combine, &m);
}
