/* A layer's check finds what is wrong, TAP: devices that err in one place each. */
#include <stdio.h>
#include <string.h>

#include "../../lib/bench/layer.h"
#include "../../lib/route/widen.h"

static int tests;
static struct dev cpu;
static uint64_t spoilt_row;

static void
end(int ok, const char *what, const char *said)
{
	printf("%sok %d - %s: %s\n", ok ? "" : "not ", ++tests, what, said);
}

/* The first number of a packed row is 2 % off its row's scale. */
static int
bad_ffn(const struct dev *d, const struct ffn *f, int how, const uint32_t *offsets,
	const uint32_t *host_offsets, uint64_t packed, const void *x, void *to, void *work,
	void *stream)
{
	int r = cpu.ffn(d, f, how, offsets, host_offsets, packed, x, to, work, stream);
	float v, most = 0, *row = (float *)to + spoilt_row * f->d;

	for (uint64_t i = 0; i < f->d; i++) {
		v = row[i] < 0 ? -row[i] : row[i];
		most = v > most ? v : most;
	}
	row[0] += 0.02f * most;
	return r;
}

static int
nan_ffn(const struct dev *d, const struct ffn *f, int how, const uint32_t *offsets,
	const uint32_t *host_offsets, uint64_t packed, const void *x, void *to, void *work,
	void *stream)
{
	memset(to, 0xff, packed * f->d * sizeof(float));
	return 0;
}

/* Weights of the last token are left out. */
static int
bad_combine(const struct dev *d, const struct index *x, enum tr_type type, const void *from,
	    uint64_t dm, const float *w, uint64_t rows, void *to, void *stream)
{
	int r = cpu.combine(d, x, type, from, dm, w, rows, to, stream);

	cpu.combine(d, x, type, from, dm, NULL, rows, to, stream);
	return r | cpu.combine(d, x, type, from, dm, w, rows - 1, to, stream);
}

/* Each token but the last has the next one's weights. */
static int
next_combine(const struct dev *d, const struct index *x, enum tr_type type, const void *from,
	     uint64_t dm, const float *w, uint64_t rows, void *to, void *stream)
{
	int r = cpu.combine(d, x, type, from, dm, w, rows, to, stream);

	return r | cpu.combine(d, x, type, from, dm, w + x->k, rows - 1, to, stream);
}

/* Two packed rows change places. */
static int
bad_gather(const struct dev *d, const struct index *x, enum tr_type type, const void *from,
	   uint64_t rows, uint64_t dm, const float *w, void *to, void *stream)
{
	int r = cpu.gather(d, x, type, from, rows, dm, w, to, stream);
	size_t n = dm * tr_size(type);
	char one[4096];

	memcpy(one, to, n);
	memcpy(to, (char *)to + n, n);
	memcpy((char *)to + n, one, n);
	return r;
}

static void
check(const struct dev *d, enum tr_type type, const char *what, const char *want)
{
	struct layer l = {.dev = d,
			  .jobs = 2,
			  .f = {6, 32, 48, type},
			  .rows = 40,
			  .k = 2,
			  .seed = 3,
			  .empty = 1};
	char said[96] = "could not run";

	if (layer_open(&l) == 0 && layer_try(&l, LAYER_OURS) == 0) {
		spoilt_row = l.host.offsets[3];
		layer_check(&l, LAYER_OURS, said, sizeof said);
	}
	end(strstr(said, want) != NULL, what, said);
	layer_close(&l);
}

int
main(void)
{
	struct dev d;

	dev_cpu(&cpu, 1);
	d = cpu;
	check(&d, TR_F32, "nothing wrong", "ok");
	d.ffn = bad_ffn;
	check(&d, TR_F32, "one number of one row", "1 of 15 rows differ (0.02), 0 tokens");
	d.ffn = nan_ffn;
	check(&d, TR_F32, "NaN everywhere", "15 of 15 rows differ");
	d = cpu;
	d.combine = bad_combine;
	check(&d, TR_F32, "a token without its weights", ", 1 tokens");
	d.combine = next_combine;
	check(&d, TR_BF16, "weights of other tokens", ", 39 tokens");
	d = cpu;
	d.gather = bad_gather;
	check(&d, TR_F32, "rows of two tokens changed", ", 2 tokens");
	printf("1..%d\n", tests);
	return 0;
}
