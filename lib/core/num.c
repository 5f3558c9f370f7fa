/* Numbers as text and back: fast paths that prove themselves, libc for the rest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expd.h"
#include "half.h"
#include "num.h"
#include "size.h"

static const double pow10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
			       1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
			       1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
			    "25262728293031323334353637383940414243444546474849"
			    "50515253545556575859606162636465666768697071727374"
			    "75767778798081828384858687888990919293949596979899";

size_t
num_put_u64(char *to, uint64_t n)
{
	char buf[20], *p = buf + sizeof buf;

	while (n >= 100) {
		p -= 2;
		memcpy(p, pairs + 2 * (n % 100), 2);
		n /= 100;
	}
	if (n >= 10) {
		p -= 2;
		memcpy(p, pairs + 2 * n, 2);
	} else {
		*--p = (char)('0' + n);
	}
	size_t len = (size_t)(buf + sizeof buf - p);

	memcpy(to, p, len);
	return len;
}

size_t
num_put_i64(char *to, int64_t n)
{
	if (n >= 0)
		return num_put_u64(to, (uint64_t)n);
	*to = '-';
	return 1 + num_put_u64(to + 1, 0 - (uint64_t)n);
}

static uint64_t
bits64(double x)
{
	uint64_t u;

	memcpy(&u, &x, 8);
	return u;
}

static uint32_t
bits32(float x)
{
	uint32_t u;

	memcpy(&u, &x, 4);
	return u;
}

static size_t
put(char *to, const char *s)
{
	size_t n = strlen(s);

	memcpy(to, s, n);
	return n;
}

/* 1 and what to print, if x is nan or infinite. */
static size_t
put_odd(char *to, double x)
{
	if (x != x)
		return put(to, "nan");
	if (x > 1.7976931348623157e308)
		return put(to, "inf");
	if (x < -1.7976931348623157e308)
		return put(to, "-inf");
	return 0;
}

/* q of p digits, worth q * 10^(e - p + 1), as %.{p}g lays it out. */
static size_t
layout(char *to, uint64_t q, int p, int e)
{
	char d[24], *s = to;
	int n;

	while (q && q % 10 == 0)
		q /= 10;
	n = (int)num_put_u64(d, q);
	if (e < -4 || e >= p) {
		*s++ = d[0];
		if (n > 1) {
			*s++ = '.';
			memcpy(s, d + 1, (size_t)n - 1);
			s += n - 1;
		}
		*s++ = 'e';
		*s++ = e < 0 ? '-' : '+';
		e = e < 0 ? -e : e;
		if (e >= 100)
			*s++ = (char)('0' + e / 100);
		memcpy(s, pairs + 2 * (e % 100), 2);
		return (size_t)(s + 2 - to);
	}
	if (e < 0) {
		memcpy(s, "0.000", 5);
		s += 1 - e;
		memcpy(s, d, (size_t)n);
		return (size_t)(s + n - to);
	}
	for (int i = 0; i < MAX(n, e + 1); i++) {
		if (i == e + 1)
			*s++ = '.';
		*s++ = i < n ? d[i] : '0';
	}
	return (size_t)(s - to);
}

/*
 * x > 0 with p digits: q and e, or -1 where the rounding is too close to a tie
 * for one multiplication to decide it.
 */
static int
digits(double x, int p, uint64_t *q, int *e)
{
	int e2 = (int)(bits64(x) >> 52) - 1023, m;
	double y, f;

	*e = (e2 * 1233) >> 12; /* log10(2), right or one too low */
	if (*e < -22 || *e > 21)
		return -1;
	if (*e + 1 >= 0 ? x >= pow10[*e + 1] : x * pow10[-*e - 1] >= 1)
		++*e;
	else if (*e >= 0 ? x < pow10[*e] : x * pow10[-*e] < 1)
		--*e;
	m = p - 1 - *e;
	if (m < -22 || m > 22)
		return -1;
	y = m >= 0 ? x * pow10[m] : x / pow10[-m];
	*q = (uint64_t)y;
	f = y - (double)*q;
	if (f > 0.5 - 0x1p-20 && f < 0.5 + 0x1p-20)
		return -1;
	*q += f > 0.5;
	if (*q >= (uint64_t)pow10[p]) {
		*q /= 10;
		++*e;
	}
	return *q >= (uint64_t)pow10[p - 1] ? 0 : -1;
}

/* Does q 10^(e-p+1) read back as x?  1, 0, or -1: too close to say. */
static int
reads_back(uint64_t q, int p, int e, float x)
{
	int m = p - 1 - e;
	double d;
	uint64_t low;

	if (m < -22 || m > 22)
		return -1;
	d = m >= 0 ? (double)q / pow10[m] : (double)q * pow10[-m];
	low = bits64(d) & 0x1fffffff; /* what the cast to f32 rounds away */
	if (low > 0x0ffffff0 && low < 0x10000010)
		return -1;
	return (float)d == x;
}

static size_t
slow_f32(char *to, float x)
{
	char buf[40];

	for (int p = 6; p <= 9; p++) {
		snprintf(buf, sizeof buf, "%.*g", p, (double)x);
		if (p == 9 || strtof(buf, NULL) == x)
			break;
	}
	return put(to, buf);
}

size_t
num_put_f32(char *to, float x)
{
	size_t n = put_odd(to, (double)x);
	float a = x < 0 ? -x : x;
	uint64_t q;
	int e, r;

	if (n)
		return n;
	if (x == 0)
		return put(to, bits32(x) >> 31 ? "-0" : "0");
	if (a < 1.2e-38f)
		return slow_f32(to, x);
	for (int p = 6; p <= 9; p++) {
		if (digits((double)a, p, &q, &e) < 0)
			return slow_f32(to, x);
		if ((r = p == 9 ? 1 : reads_back(q, p, e, a)) < 0)
			return slow_f32(to, x);
		if (r) {
			n = 0;
			if (x < 0)
				to[n++] = '-';
			return n + layout(to + n, q, p, e);
		}
	}
	return 0; /* not reached: nine digits always do */
}

/* Six digits always read back as 16 bits. */
static size_t
put_6g(char *to, float x)
{
	size_t n = put_odd(to, (double)x);
	float a = x < 0 ? -x : x;
	char buf[40];
	uint64_t q;
	int e;

	if (n)
		return n;
	if (x == 0)
		return put(to, bits32(x) >> 31 ? "-0" : "0");
	if (a < 1.2e-38f || digits((double)a, 6, &q, &e) < 0) {
		snprintf(buf, sizeof buf, "%.6g", (double)x);
		return put(to, buf);
	}
	if (x < 0)
		to[n++] = '-';
	return n + layout(to + n, q, 6, e);
}

size_t
num_put_f16(char *to, uint16_t half)
{
	return put_6g(to, half_f32(half));
}

size_t
num_put_bf16(char *to, uint16_t half)
{
	return put_6g(to, bf16_f32(half));
}

size_t
num_put_f64(char *to, double x)
{
	char buf[40];
	size_t n = put_odd(to, x);
	double a = x < 0 ? -x : x;

	if (n)
		return n;
	if (x == 0)
		return put(to, bits64(x) >> 63 ? "-0" : "0");
	/* Short decimals, exactly: y has at most 15 digits, y / 10^k is x. */
	for (int k = 0; k <= 6 && a < 1e9 && a >= 1e-4; k++) {
		double y = a * pow10[k];
		uint64_t q = (uint64_t)y;
		int e = -k, digit = 1;

		if ((double)q != y || y >= 1e15 || y / pow10[k] != a)
			continue;
		while (digit < 16 && (double)q >= pow10[digit]) {
			digit++;
			e++;
		}
		if (x < 0)
			to[n++] = '-';
		return n + layout(to + n, q, 15, e);
	}
	for (int p = 15; p <= 17; p++) {
		snprintf(buf, sizeof buf, "%.*g", p, x);
		if (p == 17 || strtod(buf, NULL) == x)
			break;
	}
	return put(to, buf);
}

/*
 * x = m 2^-s with m < 2^24, so m 10^6 < 2^44: quotient and remainder decide
 * the rounding, half to even as printf does it.
 */
size_t
num_put_6f(char *to, float x)
{
	uint32_t u = bits32(x), ex = u >> 23 & 255;
	uint64_t m = (u & 0x7fffff) | (ex ? 0x800000 : 0), q, rest, half;
	int s = 150 - (int)(ex ? ex : 1);
	char buf[64];
	size_t n;

	if (u >> 31 || ex >= 127 + 12) {
		if (x != x || ex == 255) {
			return put_odd(to, (double)x);
		}
		snprintf(buf, sizeof buf, "%.6f", (double)x);
		return put(to, buf);
	}
	if (s > 63) {
		q = 0;
	} else {
		m *= 1000000;
		q = m >> s;
		rest = m & ((UINT64_C(1) << s) - 1);
		half = UINT64_C(1) << (s - 1);
		q += rest > half || (rest == half && q & 1);
	}
	n = num_put_u64(to, q / 1000000);
	q %= 1000000;
	to[n] = '.';
	memcpy(to + n + 1, pairs + 2 * (q / 10000), 2);
	memcpy(to + n + 3, pairs + 2 * (q / 100 % 100), 2);
	memcpy(to + n + 5, pairs + 2 * (q % 100), 2);
	return n + 7;
}

size_t
num_put_col(char *to, const struct tr_col *c, uint64_t i)
{
	switch (c->type) {
	case TR_U8:
		return num_put_u64(to, ((const uint8_t *)c->data)[i]);
	case TR_U16:
		return num_put_u64(to, ((const uint16_t *)c->data)[i]);
	case TR_U32:
		return num_put_u64(to, ((const uint32_t *)c->data)[i]);
	case TR_U64:
		return num_put_u64(to, ((const uint64_t *)c->data)[i]);
	case TR_I8:
		return num_put_i64(to, ((const int8_t *)c->data)[i]);
	case TR_I16:
		return num_put_i64(to, ((const int16_t *)c->data)[i]);
	case TR_I32:
		return num_put_i64(to, ((const int32_t *)c->data)[i]);
	case TR_I64:
		return num_put_i64(to, ((const int64_t *)c->data)[i]);
	case TR_F16:
		return num_put_f16(to, ((const uint16_t *)c->data)[i]);
	case TR_BF16:
		return num_put_bf16(to, ((const uint16_t *)c->data)[i]);
	case TR_F32:
		return num_put_f32(to, ((const float *)c->data)[i]);
	case TR_F64:
		return num_put_f64(to, ((const double *)c->data)[i]);
	default:
		return put(to, "?");
	}
}

/* ---- parsing ---- */

int
num_u64n(const char *s, const char *end, uint64_t lo, uint64_t hi, uint64_t *n)
{
	uint64_t x = 0;

	if (s >= end || (*s == '0' && end - s > 1))
		return -1;
	for (; s < end; s++) {
		unsigned d = (unsigned char)*s - '0';

		if (d > 9 || __builtin_mul_overflow(x, 10, &x) || __builtin_add_overflow(x, d, &x))
			return -1;
	}
	if (x < lo || x > hi)
		return -1;
	*n = x;
	return 0;
}

int
num_u64(const char *s, uint64_t lo, uint64_t hi, uint64_t *n)
{
	return num_u64n(s, s + strlen(s), lo, hi, n);
}

int
num_size(const char *s, uint64_t *n)
{
	static const char units[] = "KMG";
	const char *end = s + strlen(s), *u = end > s ? strchr(units, end[-1]) : NULL;
	int shift = u && *u ? 10 * (int)(u - units + 1) : 0;

	if (num_u64n(s, end - (shift > 0), 0, UINT64_MAX >> shift, n) < 0)
		return -1;
	*n <<= shift;
	return 0;
}

/* The grammar, and mant * 10^exp where the digits fit 19: 1; 0 if they do
 * not; -1 if it is no number. */
static int
scan(const char *s, const char *end, uint64_t *mant, int *ex, int *neg)
{
	int digits = 0, exp = 0, eneg = 0, e = 0, any = 0;
	uint64_t m = 0;

	*neg = s < end && *s == '-';
	s += *neg;
	for (; s < end && (unsigned char)(*s - '0') < 10; s++, any = 1) {
		if (m || *s != '0')
			digits++;
		if (digits <= 19)
			m = 10 * m + (uint64_t)(*s - '0');
	}
	if (s < end && *s == '.') {
		for (s++; s < end && (unsigned char)(*s - '0') < 10; s++, any = 1) {
			if (m || *s != '0')
				digits++;
			if (digits <= 19) {
				m = 10 * m + (uint64_t)(*s - '0');
				exp--;
			}
		}
	}
	if (!any)
		return -1;
	if (s < end && (*s == 'e' || *s == 'E')) {
		s++;
		if (s < end && (*s == '-' || *s == '+'))
			eneg = *s++ == '-';
		if (s == end)
			return -1;
		for (; s < end && (unsigned char)(*s - '0') < 10; s++)
			e = e < 100000 ? 10 * e + (*s - '0') : e;
	}
	if (s != end)
		return -1;
	*mant = m;
	*ex = exp + (eneg ? -e : e);
	return digits <= 19;
}

static int
slow_f64(const char *s, const char *end, double *x, float *f)
{
	char buf[512], *p = buf, *stop;
	size_t n = (size_t)(end - s);

	if (n >= sizeof buf && !(p = malloc(n + 1)))
		return -1;
	memcpy(p, s, n);
	p[n] = 0;
	if (f)
		*f = strtof(p, &stop);
	else
		*x = strtod(p, &stop);
	int bad = stop != p + n;

	if (p != buf)
		free(p);
	return bad ? -1 : 0;
}

int
num_f64(const char *s, const char *end, double *x)
{
	uint64_t m;
	int e, neg, r = scan(s, end, &m, &e, &neg);

	if (r < 0)
		return -1;
	/* Both exact, one rounding: Clinger's fast path. */
	if (r && m < UINT64_C(1) << 53 && e >= -22 && e <= 22) {
		*x = e < 0 ? (double)m / pow10[-e] : (double)m * pow10[e];
		if (neg)
			*x = -*x;
		return 0;
	}
	if (slow_f64(s, end, x, NULL) < 0)
		return -1;
	return *x - *x == 0 ? 0 : -1; /* too large for a double */
}

int
num_f32(const char *s, const char *end, float *x)
{
	uint64_t m;
	int e, neg, r = scan(s, end, &m, &e, &neg);

	if (r < 0)
		return -1;
	if (r && m < UINT64_C(1) << 53 && e >= -22 && e <= 22) {
		double d = e < 0 ? (double)m / pow10[-e] : (double)m * pow10[e];
		uint64_t low = bits64(d) & 0x1fffffff;

		/* Rounded twice only near a tie of f32, and below its normals. */
		if (m == 0 ||
		    (d > 1.2e-38 && d < 3.4e38 && (low < 0x0ffffff0 || low > 0x10000010))) {
			*x = neg ? -(float)d : (float)d;
			return 0;
		}
	}
	if (slow_f64(s, end, NULL, x) < 0)
		return -1;
	return *x - *x == 0 ? 0 : -1;
}

/* ---- exp and log by + - * / ---- */

double
num_exp(double x)
{
	return exp_of(x, 0);
}

/* A number in two parts, |l| at most half a last digit of h. */
struct two {
	double h, l;
};

static struct two
two_sum(double a, double b)
{
	double h = a + b, t = h - a;

	return (struct two){h, (a - (h - t)) + (b - t)};
}

static struct two
two_prod(double a, double b) /* exact: halves of 26 bits */
{
	double h = a * b, c = 134217729.0 * a, d = 134217729.0 * b;
	double ah = c - (c - a), al = a - ah, bh = d - (d - b), bl = b - bh;

	return (struct two){h, ((ah * bh - h) + ah * bl + al * bh) + al * bl};
}

static struct two
two_mul(struct two a, struct two b)
{
	struct two p = two_prod(a.h, b.h);

	return two_sum(p.h, p.l + (a.h * b.l + a.l * b.h));
}

/* log(x) = h + l to 66 bits or more, since num_pow multiplies its error. */
static struct two
log2parts(double x)
{
	uint64_t u = bits64(x);
	struct two s, d, p, z, c = {0, 0};
	double m, f;
	int k = 0;

	if (x != x || x > 1.7976931348623157e308)
		return (struct two){x, 0};
	if (x <= 0)
		return (struct two){x == 0 ? -(1e308 * 1e308) : (x - x) / (x - x), 0};
	if (u >> 52 == 0) {
		x *= 0x1p54;
		k = -54;
		u = bits64(x);
	}
	k += (int)(u >> 52) - 1023;
	u = (u & 0xfffffffffffff) | UINT64_C(1023) << 52;
	memcpy(&m, &u, 8);
	if (m > 1.41421356237309504880) {
		m *= 0.5;
		k++;
	}
	/* log m = 2 atanh s = 2 s + s^3 (2/3 + 2/5 s^2 ...), s = f / (2 + f), f = m - 1 */
	f = m - 1;
	d = two_sum(2, f);
	s.h = f / d.h;
	p = two_prod(s.h, d.h);
	s.l = (((f - p.h) - p.l) - s.h * d.l) / d.h;
	z = two_mul(s, s);
	for (int i = 27; i >= 5; i -= 2)
		c.h = (c.h + 2.0 / i) * z.h;
	c = two_sum(2.0 / 3, c.h);
	c.l += 3.70074341541718826e-17; /* what 2.0 / 3 lacks */
	c = two_mul(two_mul(s, z), c);
	p = two_sum(2 * s.h, c.h);
	p.l += 2 * s.l + c.l;
	d = two_sum(k * LN2_HI, p.h);
	return two_sum(d.h, d.l + (p.l + k * LN2_LO));
}

double
num_log(double x)
{
	return log2parts(x).h;
}

double
num_pow(double x, double y)
{
	struct two l = log2parts(x), p;

	if (y == 0 || x == 1)
		return 1;
	if (!(y * l.h > -1e4 && y * l.h < 1e4))
		return exp_of(y * l.h, 0);
	p = two_prod(y, l.h);
	return exp_of(p.h, p.l + y * l.l);
}

/* erfc(x) = exp(-x^2) w(x), and w(x) / (1 - t) is smooth over t = (x - 2) / (x + 2), -1 to 1: in
 * each quarter of it a polynomial in -1 to 1, fitted at Chebyshev's points to 2e-17. */
double
num_erfc(double x)
{
	static const double fit[4][14] = {
		{0.42544647291343896759, -0.070381385582781928274, 0.0043340574258726580131,
		 0.00014416682540615831065, -0.00001911216507540426309, -1.3233960178290738959e-6,
		 5.0651647242386039489e-8, 1.1505349891847481676e-8, 4.9169542319364977708e-10,
		 -4.1355292445209585467e-11, -7.3966938862278825504e-12, -4.0607369223095138978e-13,
		 1.7873634018016946913e-14, 5.1400426315485859044e-15},
		{0.30282993354339177708, -0.05201736892157431217, 0.004654978744973865478,
		 -0.000046587346646961951294, -0.000025813710364080472796, 3.1993897145159899958e-7,
		 2.1058233262021170391e-7, 5.3384496304506821915e-9, -1.70021105573739789e-9,
		 -1.6644385959709084229e-10, 5.1782488333191404882e-12, 2.3084471179454507269e-12,
		 1.5156364000817085805e-13, -1.1590205861424626765e-14},
		{0.21665328123986458317, -0.034716191340642870262, 0.0038319665674680325275,
		 -0.00020736912483096167402, -0.000010880195953015609309, 2.3171199990231112858e-6,
		 3.8906581767771380931e-8, -2.738243021743447975e-8, -5.8213497489131081412e-10,
		 3.7846375957603984852e-10, 2.0560841073794458934e-11, -5.3294472970655410122e-12,
		 -5.9600959297624423699e-13, 5.6196420061803253068e-14},
		{0.16078891460087383776, -0.022044038320451815142, 0.00250369220497856037,
		 -0.00020979768017147055261, 7.8373298480438448778e-6, 9.6172508231642527354e-7,
		 -1.8063175745388429007e-7, 4.6713850425290887534e-9, 2.2633511435436344405e-9,
		 -2.5967442279635766792e-10, -2.3413749055452116215e-11, 6.9223222945325869e-12,
		 1.275071699359282181e-13, -1.607917895425947545e-13},
	};
	double y = x < 0 ? -x : x, t = (y - 2) / (y + 2), w = 0, v;
	int at = t < -0.5 ? 0 : t < 0 ? 1 : t < 0.5 ? 2 : 3;
	struct two square;

	if (x != x)
		return x;
	if (y > 27.3)
		return x < 0 ? 2 : 0;
	v = 4 * t + 3 - 2 * at;
	for (int i = 13; i >= 0; i--)
		w = w * v + fit[at][i];
	square = two_prod(y, y);
	w *= 4 / (y + 2) * exp_of(-square.h, -square.l);
	return x < 0 ? 2 - w : w;
}
