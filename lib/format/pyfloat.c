#include <math.h>
#include <stdint.h>
#include <string.h>

#include "num.h"
#include "pyfloat.h"

size_t
pyfloat_f64(char *to, double x)
{
	size_t n = num_put_f64(to, x);

	for (size_t i = 0; i < n; i++)
		if (to[i] == '.' || to[i] == 'e')
			return n;
	memcpy(to + n, ".0", 2);
	return n + 2;
}

static const uint64_t ten[] = {1,
			       10,
			       100,
			       1000,
			       10000,
			       100000,
			       1000000,
			       10000000,
			       100000000,
			       1000000000,
			       10000000000,
			       100000000000,
			       1000000000000,
			       10000000000000,
			       100000000000000,
			       1000000000000000,
			       10000000000000000,
			       100000000000000000,
			       1000000000000000000};

/*
 * The shortest decimal that reads back as the double m 2^-s, in integers: q is
 * m 10^k / 2^s rounded, and reads back if |q 2^s - m 10^k| is below half a last digit of
 * the double, m 10^k 2^-53 or more: 10^k 2^-30 for m of 24 bits.
 */
size_t
pyfloat_f32(char *to, float x)
{
	uint32_t u, m;
	int s, k, top, n = 0, zeros;
	unsigned __int128 exact, p10, diff, back, half;
	uint64_t q = 0;
	char d[24], *start = to;

	memcpy(&u, &x, 4);
	m = (u & 0x7fffff) | 0x800000;
	s = 150 - (int)(u >> 23 & 255);
	if (m == 0x800000 || s < 14 || s > 36) /* powers of two; outside 2^-13 .. 2^10 */
		return pyfloat_f64(to, (double)x);
	for (top = -4;
	     top < 3 && fabsf(x) >= (float[]){1e-3f, 1e-2f, 1e-1f, 1, 10, 100, 1e3f}[top + 4];)
		top++; /* 10^top <= |x|, at most one too low */
	for (int digits = 15; digits <= 17; digits++) {
		k = digits - 1 - top;
		p10 = k > 18 ? (unsigned __int128)ten[18] * ten[k - 18] : ten[k];
		exact = p10 * m;
		half = (unsigned __int128)1 << (s - 1);
		q = (uint64_t)((exact + half) >> s);
		back = (unsigned __int128)q << s;
		if (back == exact + half && q & 1) { /* a tie goes to even */
			q--;
			back = (unsigned __int128)q << s;
		}
		diff = back > exact ? back - exact : exact - back;
		if (diff <= (p10 - 1) >> 30)
			break;
	}
	while (q % 10 == 0 && k > 1) {
		q /= 10;
		k--;
	}
	if (u >> 31)
		*to++ = '-';
	n = (int)num_put_u64(d, q);
	if (n <= k) {
		if (n < k - 3) /* below 1e-4: an exponent */
			return pyfloat_f64(start, (double)x);
		memcpy(to, "0.000", 5);
		zeros = k - n;
		to += 2 + zeros;
		memcpy(to, d, (size_t)n);
		return (size_t)(to + n - start);
	}
	memcpy(to, d, (size_t)(n - k));
	to += n - k;
	*to++ = '.';
	memcpy(to, d + n - k, (size_t)k);
	return (size_t)(to + k - start);
}
