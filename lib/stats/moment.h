/*
 * Sums of doubles and of their squares without rounding: fixed point numbers of
 * 32-bit digits, each in 64 bits of its own, least first.  A value adds its
 * digits and nothing is carried, so what a sum is depends neither on order nor on
 * how its parts were put together.
 */
#ifndef MOMENT_H
#define MOMENT_H

#include <stdint.h>

enum {
	MOMENT_SUM = 67,     /* digits from 2^-1074 on: all doubles */
	MOMENT_SQUARE = 134, /* from 2^-2148 on */
	/* those that sums of f32 can have, of all */
	MOMENT_F32_SUM = 10,
	MOMENT_F32_SQUARE = 19,
};

struct moment {          /* {0} at first */
	uint64_t n;      /* finite values, below 2^31 so that no digit overflows */
	uint64_t nan;    /* values that are not finite, and nowhere else */
	double min, max; /* with n > 0; never -0 */
	int64_t sum[MOMENT_SUM], square[MOMENT_SQUARE];
};

void moment_add(struct moment *m, double x);
/* m += o: 0, or -1 where a digit or number overflows. */
int moment_merge(struct moment *m, const struct moment *o);

/* The digits of sums of f32 alone, out of m and into it. */
void moment_f32(const struct moment *m, int64_t *sum, int64_t *square);
void moment_from_f32(struct moment *m, const int64_t *sum, const int64_t *square);

/* Mean and standard deviation by n - 1, to a few units in the last place; NaN of less than
 * 1 and 2 values.  0, or -1 where no values have such sums. */
int moment_told(const struct moment *m, double *mean, double *std);

#endif
