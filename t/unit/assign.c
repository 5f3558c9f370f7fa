/* lib/place/assign against every order of up to seven rows, and hidden orders of more, TAP. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../lib/place/assign.h"

enum { SMALL = 7, LARGE = 200, DRAWS = 200 };

static uint64_t state = 88172645463325252ULL;
static int32_t gain[LARGE * LARGE];
static uint32_t to[LARGE];
static int tests;

static uint64_t
draw(void) /* xorshift */
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 8;
}

static void
ok(int yes, const char *what)
{
	printf("%sok %d - %s\n", yes ? "" : "not ", ++tests, what);
}

/* The sum, or -1 where a column has two rows. */
static int64_t
sum(uint32_t n)
{
	uint8_t seen[LARGE] = {0};
	int64_t x = 0;

	for (uint32_t r = 0; r < n; r++) {
		if (to[r] >= n || seen[to[r]]++)
			return -1;
		x += gain[r * n + to[r]];
	}
	return x;
}

static int64_t
try_all(uint32_t n, uint32_t row, uint32_t taken)
{
	int64_t best = row == n ? 0 : -1;

	for (uint32_t c = 0; c < n && row < n; c++)
		if (!(taken >> c & 1)) {
			int64_t x = gain[row * n + c] + try_all(n, row + 1, taken | 1U << c);

			best = x > best ? x : best;
		}
	return best;
}

int
main(void)
{
	int same = 1, found = 1;

	for (int i = 0; i < DRAWS; i++) {
		uint32_t n = 1 + (uint32_t)(draw() % SMALL), range = 1 + (uint32_t)(draw() % 9);

		for (uint32_t k = 0; k < n * n; k++)
			gain[k] = (int32_t)(draw() % range);
		same &= assign_most(gain, n, to) == 0 && sum(n) == try_all(n, 0, 0);
	}
	ok(same, "the most of all orders");
	/* a hidden order is the one best */
	for (int i = 0; i < 5; i++) {
		uint32_t order[LARGE];

		for (uint32_t r = 0; r < LARGE; r++) {
			uint32_t k = (uint32_t)(draw() % (r + 1));

			order[r] = order[k];
			order[k] = r;
		}
		for (uint32_t r = 0; r < LARGE; r++)
			for (uint32_t c = 0; c < LARGE; c++)
				gain[r * LARGE + c] =
					(int32_t)(draw() % 8) + (order[r] == c ? 8 : 0);
		assign_most(gain, LARGE, to);
		for (uint32_t r = 0; r < LARGE; r++)
			found &= to[r] == order[r];
	}
	ok(found, "a hidden order of 200 rows");
	ok(assign_most(gain, 0, to) == 0, "no rows");
	printf("1..%d\n", tests);
	return 0;
}
