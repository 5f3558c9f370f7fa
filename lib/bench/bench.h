/*
 * What the bench tools' mains share: the device that options name, frames of results.
 * These functions die, as those of tool.h do; they are for main and its helpers only.
 */
#ifndef BENCH_H
#define BENCH_H

#include "../core/tool.h"
#include "dev.h"
#include "measured.h"

enum { BENCH_F32, BENCH_F16, BENCH_BF16 };
#define BENCH_DTYPES "f32|f16|bf16"

struct bench {
	int cpu;         /* --cpu */
	uint64_t device; /* --device N */
	double copy_gbs; /* --copy-gbs X, else measured */
	struct dev dev;
	double copy, product; /* ceilings, a second; 0: not measured */
};

#define BENCH_OPTS(b)                                                                 \
	{0, "cpu", NULL, OPT_FLAG, &(b).cpu, "on the processor", 0, 0},               \
		{0, "device", "N", OPT_U64, &(b).device, "on that GPU (0)", 0, 1023}, \
	{                                                                             \
		0, "copy-gbs", "X", OPT_F64, &(b).copy_gbs,                           \
			"what pct_copy is of, not a copy measured in this run", 0, 0  \
	}

enum tr_type bench_type(int dtype); /* of BENCH_DTYPES */
/* Open the device; exit 3 where there is none. */
void bench_open(struct bench *b, struct tool *t);
/* Measure the ceilings. */
void bench_peaks(struct bench *b, enum tr_type type, int flops);
/* The section, then what was measured on: a bench frame device with its name and ceilings. */
void bench_head(struct bench *b, struct tool *t, uint64_t experts, uint64_t topk);
/* Die of a call that returned r < 0, of dev_errstr. */
void bench_check(int r);
/* How many samples of calls that last us [n]: so many that each has 0.2 s, 11 to most. */
int bench_samples(const double *us, int n, int most);
/* wanted[a] = 1 for each of names [n] in list, by commas; dies of another, naming option. */
void bench_want(const char *option, const char *list, const char *const *names, int n, int *wanted);
/* A number of a key, short. */
void bench_key(struct tr_frame *f, const char *key, double x);

#endif
