/* hist K E [pairs]: what the arithmetic alone reaches on u8 ids [rows][K] from
 * standard input: a histogram, or plain increments of E x E counters. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint32_t n[256 * 256], h[16][256];

static void
pairs(const uint8_t *p, size_t rows, int k, int E)
{
	for (size_t r = 0; r < rows; r++, p += k)
		for (int i = 0; i < k; i++)
			for (int j = 0; j <= i; j++)
				n[p[i] * E + p[j]]++;
}

static void
hist(const uint8_t *p, size_t rows, int k)
{
	for (size_t r = 0; r < rows; r++, p += k)
		for (int i = 0; i < k; i++)
			h[i][p[i]]++;
}

int
main(int argc, char **argv)
{
	int k = argc > 2 ? atoi(argv[1]) : 0, E = argc > 2 ? atoi(argv[2]) : 0, two = argc > 3;
	size_t size = (size_t)k << 15, have = 0;
	uint8_t *p = k > 0 && k <= 16 && E <= 256 ? malloc(size) : NULL;
	uint64_t sum = 0;
	ssize_t got;

	if (!p)
		return 2;
	while ((got = read(0, p + have, size - have)) > 0) {
		if ((have += (size_t)got) < size)
			continue;
		/* constants let the compiler unroll, as in ours */
		if (two && k == 6 && E == 64)
			pairs(p, have / 6, 6, 64);
		else if (two && k == 8 && E == 256)
			pairs(p, have / 8, 8, 256);
		else if (two)
			pairs(p, have / (size_t)k, k, E);
		else if (k == 6)
			hist(p, have / 6, 6);
		else
			hist(p, have / (size_t)k, k);
		have = 0;
	}
	for (size_t i = 0; i < sizeof n / sizeof *n; i++)
		sum += n[i] + h[i >> 8 & 15][i & 255] * (i < 4096);
	printf("%llu\n", (unsigned long long)sum);
	free(p);
	return 0;
}
