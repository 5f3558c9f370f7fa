/* Numbers as text and back, half floats, exp and log: each against libc, TAP. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "half.h"
#include "num.h"
#include "size.h"

static int tests, bad, wrong;
static uint64_t state = 1;

static uint64_t
draw(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static double
unit(void)
{
	return (double)(draw() >> 11) * 0x1p-53;
}

static void
end(const char *what)
{
	printf("%sok %d - %s\n", wrong ? "not " : "", ++tests, what);
	bad += wrong != 0;
	wrong = 0;
}

static void
differ(const char *got, const char *want)
{
	if (strcmp(got, want) && wrong++ < 3)
		printf("# got %s, want %s\n", got, want);
}

static float
f32(uint32_t u)
{
	float f;

	memcpy(&f, &u, 4);
	return f;
}

static uint32_t
bits(float f)
{
	uint32_t u;

	memcpy(&u, &f, 4);
	return u;
}

static void
put_f32(float x)
{
	char got[NUM_MAX + 1], want[40];

	got[num_put_f32(got, x)] = 0;
	for (int p = 6; p <= 9; p++) {
		snprintf(want, sizeof want, "%.*g", p, (double)x);
		if (strtof(want, NULL) == x)
			break;
	}
	differ(got, x != x ? "nan" : want);
}

static void
put_f64(double x)
{
	char got[NUM_MAX + 1], want[40];

	got[num_put_f64(got, x)] = 0;
	for (int p = 15; p <= 17; p++) {
		snprintf(want, sizeof want, "%.*g", p, x);
		if (strtod(want, NULL) == x)
			break;
	}
	differ(got, x != x ? "nan" : want);
}

static void
put_6f(float x)
{
	char got[64], want[64];

	got[num_put_6f(got, x)] = 0;
	snprintf(want, sizeof want, "%.6f", (double)x);
	differ(got, x != x ? "nan" : want);
}

/* The text as f32 and f64, against libc. */
static void
parse(const char *s)
{
	const char *e = s + strlen(s);
	float f = 0, wf = strtof(s, NULL);
	double d = 0, wd = strtod(s, NULL);

	if (num_f32(s, e, &f) ? !isinf(wf) : bits(f) != bits(wf) && wrong++ < 3)
		printf("# %s as f32: %.9g, want %.9g\n", s, (double)f, (double)wf);
	if (num_f64(s, e, &d) ? !isinf(wd) : memcmp(&d, &wd, 8) && wrong++ < 3)
		printf("# %s as f64: %.17g, want %.17g\n", s, d, wd);
}

static void
texts(void)
{
	static const char *const refuse[] = {
		"",    " 1", "1 ",    "0x1", "inf", "nan", "1e", "1e+",   ".",      "-",    "+1",
		"--1", "1,", "1.2.3", "e5",  "1d0", "1_0", "1f", "1e400", "-1e400", "1e5e5"};
	char s[80];
	uint64_t n;
	double d;
	float f;

	for (size_t i = 0; i < LEN(refuse); i++) {
		const char *e = refuse[i] + strlen(refuse[i]);

		if (num_f64(refuse[i], e, &d) == 0 || num_f32(refuse[i], e, &f) == 0)
			differ(refuse[i], "refused");
	}
	end("what is no number is refused");
	for (int i = 0; i < 100000; i++) {
		float x = f32((uint32_t)draw());
		double mid = ((double)x + (double)nextafterf(x, INFINITY)) / 2;

		if (x - x != 0)
			continue;
		snprintf(s, sizeof s, "%.*g", (int)(draw() % 20), (double)x);
		parse(s);
		snprintf(s, sizeof s, "%.*g", 15 + (int)(draw() % 6), mid); /* near a tie */
		parse(s);
		snprintf(s, sizeof s, "%.*f", (int)(draw() % 10), unit());
		parse(s);
	}
	parse("0.000000000000000000000000000000000000000000000000000000000000001");
	parse("340282356779733661637539395458142568447");
	parse("1.4e-45");
	parse("0.7e-45");
	parse("9007199254740993");
	parse("1e22");
	parse("1e23");
	end("parsing rounds as strtof and strtod do");
	wrong = num_u64("18446744073709551615", 0, UINT64_MAX, &n) || n != UINT64_MAX;
	wrong |= !num_u64("18446744073709551616", 0, UINT64_MAX, &n);
	wrong |= !num_u64("01", 0, 9, &n) || !num_u64("-1", 0, 9, &n) || !num_u64("", 0, 9, &n);
	wrong |= !num_u64("10", 0, 9, &n) || !num_u64("0", 1, 9, &n) || num_u64("0", 0, 9, &n);
	wrong |= num_size("3M", &n) || n != 3 << 20 || !num_size("M", &n) || !num_size("1T", &n);
	wrong |= !num_size("18446744073709551615K", &n) || num_size("7", &n) || n != 7;
	end("integers and sizes");
}

static void
halves(void)
{
	static uint16_t h[65536], back[65536];
	static float f[65536], g[65536];
	char got[NUM_MAX + 1], want[40];

	for (uint32_t i = 0; i < 65536; i++) {
		float x = half_f32((uint16_t)i), b = bf16_f32((uint16_t)i);

		h[i] = (uint16_t)i;
		if (x == x)
			wrong += half_from(x) != i;
		if (b == b)
			wrong += bf16_from(b) != i;
		if ((i & 0x7fff) < 0x7c00) {
			float y = half_f32((uint16_t)(i + 1));
			double mid = ((double)x + ((i & 0x7fff) == 0x7bff ? 65536 * copysign(1, x)
									  : (double)y)) /
				     2;

			/* to even at the middle, to the nearer beside it */
			wrong += half_from((float)mid) != ((i & 1) ? i + 1 : i);
			wrong += half_from(nextafterf((float)mid, 0)) != i;
			got[num_put_f16(got, (uint16_t)i)] = 0;
			snprintf(want, sizeof want, "%.6g", (double)x);
			differ(got, want);
			wrong += half_from(strtof(got, NULL)) != i;
		}
		if ((i & 0x7fff) < 0x7f80) {
			got[num_put_bf16(got, (uint16_t)i)] = 0;
			snprintf(want, sizeof want, "%.6g", (double)b);
			differ(got, want);
			wrong += bf16_from(strtof(got, NULL)) != i;
		}
	}
	end("all halves and bf16: back, to even, as text");
	half_f32n(g, h, 65536);
	for (uint32_t i = 0; i < 65536; i++) {
		f[i] = f32((uint32_t)draw());
		wrong += bits(g[i]) != bits(half_f32(h[i])) && g[i] == g[i];
	}
	half_fromn(back, f, 65535);
	for (uint32_t i = 0; i < 65535; i++)
		wrong += back[i] != half_from(f[i]);
	end("many at once as one by one");
}

static double
off(double got, long double want)
{
	return (double)(fabsl(got - want) / fabsl(want));
}

static void
maths(void)
{
	double e = 0, l = 0, p = 0, c = 0;

	for (int i = 0; i < 300000; i++) {
		double x = (unit() - 0.5) * 1400, y = exp((unit() - 0.5) * 1400),
		       w = unit() * 4 + 0.01;
		double z = (unit() - 0.5) * 200;

		e = fmax(e, off(num_exp(x), expl(x)));
		e = fmax(e, off(num_exp(x / 1000), expl(x / 1000)));
		l = fmax(l, off(num_log(y), logl(y)));
		l = fmax(l, off(num_log(w), logl(w)));
		p = fmax(p, off(num_pow(w, z), powl(w, z)));
		/* near 1 a small base needs a large exponent */
		p = fmax(p, off(num_pow(1 + w / 100, z * 50), powl(1 + w / 100, z * 50)));
		p = fmax(p, off(num_pow(y, z / 150), powl(y, z / 150)));
		x = unit() * (i % 2 ? 26.5 : 3) - (i % 2 ? 0 : 2.9);
		c = fmax(c, off(num_erfc(x), erfcl(x)));
	}
	printf("# relative error: exp %.3g, log %.3g, pow %.3g, erfc %.3g\n", e, l, p, c);
	wrong = !(e < 3e-16 && l < 3e-16 && p < 3e-16);
	wrong |= num_exp(0) != 1 || num_log(1) != 0 || num_exp(1000) < INFINITY || num_exp(-1000);
	wrong |= num_log(0) > -INFINITY || !isnan(num_log(-1)) || !isnan(num_exp(NAN));
	wrong |= num_pow(2, 10) != 1024 || num_pow(10, -2) != 0.01 || num_pow(7, 0) != 1;
	wrong |= num_pow(2, 1e300) < INFINITY || num_pow(2, -1e300) != 0;
	end("exp, log, pow within 3e-16 of libm");
	wrong = !(c < 7e-16) || num_erfc(0) != 1 || num_erfc(28) != 0 || num_erfc(-28) != 2;
	wrong |= !isnan(num_erfc(NAN)) || num_erfc(INFINITY) != 0 || num_erfc(-INFINITY) != 2;
	end("erfc within 7e-16");
}

int
main(void)
{
	char s[NUM_MAX + 1];

	for (int i = 0; i < 300000; i++) {
		put_f32(f32((uint32_t)draw()));
		put_f32((float)unit());
		put_f32((float)(draw() % 100000) / 1000);
		put_f32((float)(draw() % 4096) * 0x1p-12f);
	}
	for (uint32_t e = 0; e < 256; e++)
		for (uint32_t k = 0; k < 4; k++) {
			put_f32(f32(e << 23 | k));
			put_f32(-f32((e << 23 | 0x7fffff) - k));
		}
	end("f32: the first of %.6g to %.9g that reads back");
	for (int i = 0; i < 50000; i++) {
		double x = unit();
		uint64_t u = draw();

		put_f64(x);
		put_f64((double)(u % 10000000) / 1000);
		memcpy(&x, &u, 8);
		put_f64(x);
	}
	for (int i = 0; i < 1000; i++)
		put_f64(i);
	put_f64(0.1 + 0.2);
	put_f64(-0.0);
	put_f64(5e-324);
	end("f64: the first of %.15g to %.17g that reads back");
	for (int i = 0; i < 500000; i++) {
		put_6f((float)unit());
		put_6f(f32((uint32_t)draw() & 0x45ffffff));         /* below 8192 */
		put_6f((float)(2 * (draw() % 4096) + 1) * 0x1p-7f); /* ties */
	}
	put_6f(-1.5f);
	put_6f(3e38f);
	put_6f(INFINITY);
	put_6f(4095.9998f);
	end("six decimals as printf writes them, ties too");
	s[num_put_i64(s, INT64_MIN)] = 0;
	differ(s, "-9223372036854775808");
	s[num_put_u64(s, UINT64_MAX)] = 0;
	differ(s, "18446744073709551615");
	s[num_put_u64(s, 0)] = 0;
	differ(s, "0");
	end("integers");
	texts();
	halves();
	maths();
	printf("1..%d\n", tests);
	return bad != 0;
}
