#include <math.h>
#include <string.h>

#include "../core/size.h"
#include "moment.h"

enum {
	F32_FROM = 28,  /* 2^-149, the least f32, is bit 925 of a sum */
	F32_FROM2 = 57, /* its square bit 1850 */
	BIG = 140,
};

static const uint64_t DIGIT = UINT32_MAX;

/* The digits of v << shift, shift < 32, from d[0] on, with a sign. */
static void
spread(int64_t *d, unsigned __int128 v, unsigned shift, int negative)
{
	unsigned __int128 low = (unsigned __int128)(uint64_t)v << shift;
	unsigned __int128 high = ((v >> 64) << shift) + (low >> 64);
	int64_t part[] = {(int64_t)(low & DIGIT), (int64_t)(low >> 32 & DIGIT),
			  (int64_t)(high & DIGIT), (int64_t)(high >> 32 & DIGIT),
			  (int64_t)(high >> 64)};

	for (size_t i = 0; i < LEN(part); i++)
		if (part[i])
			d[i] += negative ? -part[i] : part[i];
}

void
moment_add(struct moment *m, double x)
{
	uint64_t bits, man;
	unsigned exp;

	if (x - x != 0) {
		m->nan++;
		return;
	}
	x += 0.0; /* -0 becomes 0 */
	m->min = !m->n || x < m->min ? x : m->min;
	m->max = !m->n || x > m->max ? x : m->max;
	m->n++;
	memcpy(&bits, &x, sizeof bits);
	exp = bits >> 52 & 2047;
	man = (bits & ((UINT64_C(1) << 52) - 1)) | (exp ? UINT64_C(1) << 52 : 0);
	exp = exp ? exp - 1 : 0; /* x is man 2^exp in units of 2^-1074 */
	spread(m->sum + exp / 32, man, exp % 32, bits >> 63);
	exp *= 2;
	spread(m->square + exp / 32, (unsigned __int128)man * man, exp % 32, 0);
}

static int
add_digits(int64_t *to, const int64_t *from, size_t n)
{
	int over = 0;

	for (size_t i = 0; i < n; i++)
		over |= __builtin_add_overflow(to[i], from[i], &to[i]);
	return over ? -1 : 0;
}

int
moment_merge(struct moment *m, const struct moment *o)
{
	if (o->n) {
		m->min = !m->n || o->min < m->min ? o->min : m->min;
		m->max = !m->n || o->max > m->max ? o->max : m->max;
	}
	if (__builtin_add_overflow(m->n, o->n, &m->n) ||
	    __builtin_add_overflow(m->nan, o->nan, &m->nan) ||
	    add_digits(m->sum, o->sum, MOMENT_SUM) < 0)
		return -1;
	return add_digits(m->square, o->square, MOMENT_SQUARE);
}

void
moment_f32(const struct moment *m, int64_t *sum, int64_t *square)
{
	memcpy(sum, m->sum + F32_FROM, MOMENT_F32_SUM * sizeof *sum);
	memcpy(square, m->square + F32_FROM2, MOMENT_F32_SQUARE * sizeof *square);
}

void
moment_from_f32(struct moment *m, const int64_t *sum, const int64_t *square)
{
	memcpy(m->sum + F32_FROM, sum, MOMENT_F32_SUM * sizeof *sum);
	memcpy(m->square + F32_FROM2, square, MOMENT_F32_SQUARE * sizeof *square);
}

/* ---- large numbers, 32 bits a digit, least first ---- */

/* Digits carried: to is |d|; 1 where d is below 0. */
static int
carry(const int64_t *d, size_t n, uint32_t *to)
{
	__int128 over = 0;

	memset(to, 0, BIG * sizeof *to);
	for (size_t i = 0; i < BIG; i++) {
		__int128 v = over + (i < n ? d[i] : 0);

		to[i] = (uint32_t)(v & (__int128)DIGIT);
		over = v >> 32; /* rounds down, as gcc and clang do */
	}
	if (over == 0)
		return 0;
	over = 1; /* two's complement */
	for (size_t i = 0; i < BIG; i++) {
		over += (uint32_t)~to[i];
		to[i] = (uint32_t)over;
		over >>= 32;
	}
	return 1;
}

/* to = a times b; what lies beyond BIG digits is 0 here. */
static void
multiply(const uint32_t *a, size_t na, const uint32_t *b, size_t nb, uint32_t *to)
{
	memset(to, 0, BIG * sizeof *to);
	for (size_t i = 0; i < na; i++) {
		uint64_t over = 0;

		for (size_t k = 0; k < nb && i + k < BIG; k++) {
			over += (uint64_t)a[i] * b[k] + to[i + k];
			to[i + k] = (uint32_t)over;
			over >>= 32;
		}
		for (size_t k = i + nb; over && k < BIG; k++) {
			over += to[k];
			to[k] = (uint32_t)over;
			over >>= 32;
		}
	}
}

/* a -= b: 1 where that is below 0. */
static int
subtract(uint32_t *a, const uint32_t *b)
{
	int64_t over = 0;

	for (size_t i = 0; i < BIG; i++) {
		over += (int64_t)a[i] - b[i];
		a[i] = (uint32_t)over;
		over = over < 0 ? -1 : 0;
	}
	return over < 0;
}

/* The nearest double is the result 2^*exp. */
static double
rounded(const uint32_t *a, int *exp)
{
	int top = BIG - 1, sticky = 0;
	uint64_t v;

	while (top > 0 && !a[top])
		top--;
	v = a[top];
	*exp = 32 * top;
	for (int i = top - 1; i >= 0; i--) {
		int room = __builtin_clzll(v | 1);

		if (room >= 32) {
			v = v << 32 | a[i];
			*exp -= 32;
		} else if (room) {
			v = v << room | a[i] >> (32 - room);
			*exp -= room;
			sticky |= (uint32_t)(a[i] << room) != 0;
		} else {
			sticky |= a[i] != 0;
		}
	}
	return (double)(v | (uint64_t)sticky);
}

int
moment_told(const struct moment *m, double *mean, double *std)
{
	uint32_t s[BIG], q[BIG], square[BIG], left[BIG];
	uint32_t n[] = {(uint32_t)m->n, (uint32_t)(m->n >> 32)};
	int negative = carry(m->sum, MOMENT_SUM, s), below = carry(m->square, MOMENT_SQUARE, q);
	double v;
	int exp;

	*mean = *std = NAN;
	multiply(q, MOMENT_SQUARE, n, 2, left); /* n sum x^2 - (sum x)^2 */
	multiply(s, MOMENT_SUM, s, MOMENT_SUM, square);
	if (below || subtract(left, square))
		return -1;
	if (m->n > 0) {
		v = rounded(s, &exp);
		*mean = ldexp((negative ? -v : v) / (double)m->n, exp - 1074);
	}
	if (m->n > 1) {
		v = rounded(left, &exp) / (double)m->n / (double)(m->n - 1);
		if ((exp -= 2148) % 2) {
			v *= 2;
			exp--;
		}
		*std = ldexp(sqrt(v), exp / 2);
	}
	return 0;
}
