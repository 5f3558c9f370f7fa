#include "bench.h"
#include <stdlib.h>
#include <string.h>

#include "../core/size.h"

enum { LEAST = 11 };

enum tr_type
bench_type(int dtype)
{
	return dtype == BENCH_F32 ? TR_F32 : dtype == BENCH_F16 ? TR_F16 : TR_BF16;
}

void
bench_open(struct bench *b, struct tool *t)
{
	int r = b->cpu ? dev_cpu(&b->dev, t->jobs) : dev_gpu(&b->dev, (int)b->device);

	if (r == GPU_ABSENT)
		die_absent("%s; --cpu runs on the processor", dev_errstr());
	bench_check(r);
	if (b->copy_gbs < 0)
		die("--copy-gbs %g: below 0", b->copy_gbs);
}

void
bench_peaks(struct bench *b, enum tr_type type, int flops)
{
	b->copy = b->copy_gbs * 1e9;
	if (b->copy == 0)
		bench_check(b->dev.peak_copy(&b->dev, &b->copy));
	if (flops)
		bench_check(b->dev.peak_flops(&b->dev, type, &b->product));
}

void
bench_key(struct tr_frame *f, const char *key, double x)
{
	char buf[32];

	tr_set(f, key, measured_text(x, buf));
}

void
bench_head(struct bench *b, struct tool *t, uint64_t experts, uint64_t topk)
{
	struct tr_frame f;

	tr_new_trace(&f, &(struct tr_list){0}, experts, topk);
	tool_open(t, &f);
	tr_new(&f, "bench");
	tr_set(&f, "name", "device");
	tr_set(&f, "backend", b->dev.backend);
	tr_set(&f, "device", b->dev.name);
	tr_setu(&f, "threads", (uint64_t)b->dev.jobs);
	if (b->cpu)
		tr_set(&f, "code", select_isa_name());
	if (b->copy > 0)
		bench_key(&f, "copy_gbs", b->copy / 1e9);
	if (b->product > 0)
		bench_key(&f, "product_tflops", b->product / 1e12);
	tool_put(t, &f);
}

void
bench_check(int r)
{
	if (r == GPU_ABSENT)
		die_absent("%s", dev_errstr());
	if (r < 0)
		die("%s", dev_errstr());
}

int
bench_samples(const double *us, int n, int most)
{
	double sum = 0;
	int k;

	for (int i = 0; i < n; i++)
		sum += us[i];
	k = sum > 0 ? (int)MIN(0.2e6 * n / sum, 1e6) : most;
	return MIN(MAX(k, LEAST), most);
}

void
bench_want(const char *option, const char *list, const char *const *names, int n, int *wanted)
{
	char *all = xstrdup(list), *rest = all, *name;

	while ((name = strsep(&rest, ","))) {
		int a = 0;

		while (a < n && strcmp(name, names[a]) != 0)
			a++;
		if (a == n)
			die("--%s: no strategy '%s': --help lists them", option, name);
		wanted[a] = 1;
	}
	free(all);
}
