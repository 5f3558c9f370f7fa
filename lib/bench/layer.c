#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/num.h"
#include "../core/size.h"
#include "devown.h"
#include "inputs.h"
#include "layer.h"

const char *const layer_names[] = {"ours", "loop", "grouped-library"};
const char *const layer_stages[] = {"gather", "ffn", "combine", "all"};

enum { STREAM_X = 0x0f10, STREAM_LOGITS, STREAM_WEIGHTS };
/* Weights repeat so many numbers: drawing all of a large layer's takes minutes.  A prime,
 * so that no two rows are alike that lie closer. */
enum { SOME = 1048573 };

static uint64_t
matrix(const struct layer *l)
{
	return l->f.hidden * l->f.d;
}

uint64_t
layer_bytes_weights(const struct layer *l)
{
	size_t n;

	if (size_mul(l->f.hidden, l->f.d, &n) < 0 || size_mul(n, 3 * tr_size(l->f.type), &n) < 0 ||
	    size_mul(n, l->f.experts, &n) < 0)
		return UINT64_MAX;
	return n;
}

/* The number that a file's line of that name holds; UINT64_MAX: none. */
static uint64_t
told(const char *file, const char *name)
{
	FILE *f = fopen(file, "r");
	char line[256];
	unsigned long long x = 0;
	int found = 0;

	while (f && !found && fgets(line, sizeof line, f))
		if (!strncmp(line, name, strlen(name)))
			found = sscanf(line + strlen(name), "%llu", &x) == 1;
	if (f)
		fclose(f);
	return found ? x : UINT64_MAX;
}

/* Of the host, in bytes: more is refused before pages are touched and processes killed. */
static uint64_t
memory(void)
{
	uint64_t kib = told("/proc/meminfo", "MemAvailable:");
	uint64_t most = told("/sys/fs/cgroup/memory.max", "");
	uint64_t used = told("/sys/fs/cgroup/memory.stat", "anon ");
	uint64_t room = most == UINT64_MAX || used == UINT64_MAX ? most : most - MIN(used, most);

	return MIN(kib == UINT64_MAX ? kib : kib * 1024, room);
}

/* Picks and weights of all tokens, by logits drawn with the skew wanted. */
static int
route(struct layer *l)
{
	const uint32_t E = l->f.experts;
	struct select s = {.experts = E, .k = l->k, .type = TR_F32, .score = RULES_AFTER};
	float *logits = inputs_normal(l->seed, STREAM_LOGITS, l->rows * E, 1, TR_F32);
	int r;

	if (!logits)
		return dev_error(GPU_ENOMEM, "no memory");
	for (uint64_t i = 0; i < l->rows * E; i++) {
		uint32_t e = (uint32_t)(i % E);

		logits[i] += (float)((e < l->hot ? l->bias : 0) - l->zipf * num_log(e + 1.0));
		if (e >= E - l->empty)
			logits[i] = -INFINITY;
	}
	select_rows(&s, logits, l->rows, l->ids, l->w, l->jobs);
	free(logits);
	r = index_rows(&l->host, l->ids, l->rows, l->jobs);
	return r < 0 ? dev_error(r, "no memory") : 0;
}

static int
draw(struct layer *l)
{
	size_t routes = l->rows * l->k;

	l->host = (struct index){l->f.experts,
				 l->k,
				 1,
				 malloc(l->f.experts * 4),
				 malloc((l->f.experts + 1) * 4),
				 malloc(routes * 4),
				 malloc(routes * 4)};
	l->ids = malloc(routes * sizeof *l->ids);
	l->w = malloc(routes * sizeof *l->w);
	l->x = inputs_normal(l->seed, STREAM_X, l->rows * l->f.d, 1, l->f.type);
	for (int i = 0; i < 2; i++)
		l->some[i] = inputs_normal(l->seed, STREAM_WEIGHTS, SOME,
					   1 / sqrt((double)(i ? l->f.hidden : l->f.d)), l->f.type);
	if (!l->host.counts || !l->host.offsets || !l->host.perm || !l->host.place || !l->ids ||
	    !l->w || !l->x || !l->some[0] || !l->some[1])
		return dev_error(GPU_ENOMEM, "no memory");
	return route(l);
}

void
layer_weights(const struct layer *l, int which, uint32_t expert, void *to)
{
	const size_t size = tr_size(l->f.type);
	const char *some = l->some[which == 2];
	uint64_t n = matrix(l), at = ((uint64_t)which * l->f.experts + expert) % SOME * (n % SOME);

	at %= SOME;
	for (uint64_t i = 0, part; i < n; i += part, at = 0) {
		part = MIN(n - i, SOME - at);
		memcpy((char *)to + i * size, some + at * size, part * size);
	}
}

/* Memory of the device with what is in from, if that is not NULL; NULL and *r. */
static void *
put(const struct layer *l, const void *from, size_t n, int *r)
{
	void *to = *r == 0 ? l->dev->alloc(l->dev, n + 1) : NULL;

	if (*r == 0 && !to)
		*r = GPU_ENOMEM;
	else if (*r == 0 && from)
		*r = l->dev->put(to, from, n);
	return to;
}

static void *
put_weights(const struct layer *l, int which, int *r)
{
	size_t n = matrix(l) * tr_size(l->f.type);
	char *to = put(l, NULL, n * l->f.experts, r), *one = malloc(n + 1);

	if (*r == 0 && !one)
		*r = dev_error(GPU_ENOMEM, "no memory");
	for (uint32_t e = 0; e < l->f.experts && *r == 0; e++) {
		layer_weights(l, which, e, one);
		*r = l->dev->put(to + e * n, one, n);
	}
	free(one);
	return to;
}

int
layer_open(struct layer *l)
{
	size_t size = tr_size(l->f.type), routes = l->rows * l->k, E = l->f.experts;
	uint64_t weights = layer_bytes_weights(l), row = l->f.d * size;
	const double need = (double)weights + (double)(2 * l->rows + 2 * routes) * (double)row;
	int r;

	if (weights == UINT64_MAX || (!strcmp(l->dev->backend, "cpu") && need > (double)memory()))
		return dev_error(GPU_ENOMEM,
				 "%u experts of 3 x %llu x %llu %s need %.1f GB, rows %.1f GB: too "
				 "little memory",
				 l->f.experts, (unsigned long long)l->f.hidden,
				 (unsigned long long)l->f.d, tr_typename(l->f.type),
				 (double)weights / 1e9, (need - (double)weights) / 1e9);
	if ((r = draw(l)) < 0)
		return r;
	l->f.w1 = put_weights(l, 0, &r);
	l->f.w3 = put_weights(l, 1, &r);
	l->f.w2 = put_weights(l, 2, &r);
	l->from = put(l, l->x, l->rows * row, &r);
	l->won = put(l, l->w, routes * 4, &r);
	l->on = l->host;
	l->on.counts = put(l, l->host.counts, E * 4, &r);
	l->on.offsets = put(l, l->host.offsets, (E + 1) * 4, &r);
	l->on.perm = put(l, l->host.perm, routes * 4, &r);
	l->on.place = put(l, l->host.place, routes * 4, &r);
	l->packed = put(l, NULL, routes * row, &r);
	l->out = put(l, NULL, routes * row, &r);
	l->back = put(l, NULL, l->rows * row, &r);
	l->work = put(l, NULL, l->dev->ffn_work(l->dev, &l->f, routes), &r);
	return r;
}

void
layer_close(struct layer *l)
{
	const void *on[] = {l->f.w1,      l->f.w3,       l->f.w2,    l->from,     l->won,
			    l->on.counts, l->on.offsets, l->on.perm, l->on.place, l->packed,
			    l->out,       l->back,       l->work};
	void *host[] = {l->host.counts, l->host.offsets, l->host.perm, l->host.place, l->ids, l->w,
			l->x,           l->some[0],      l->some[1]};

	for (size_t i = 0; i < LEN(on); i++)
		if (on[i])
			l->dev->free((void *)on[i]);
	for (size_t i = 0; i < LEN(host); i++)
		free(host[i]);
}

static int
call_one(struct layer *l, enum layer_strategy a, enum layer_stage b, void *stream)
{
	const struct dev *d = l->dev;

	if (b == LAYER_GATHER)
		return d->gather(d, &l->on, l->f.type, l->from, l->rows, l->f.d, NULL, l->packed,
				 stream);
	if (b == LAYER_FFN)
		return d->ffn(d, &l->f, (int)a, l->on.offsets, l->host.offsets, l->rows * l->k,
			      l->packed, l->out, l->work, stream);
	return d->combine(d, &l->on, l->f.type, l->out, l->f.d, l->won, l->rows, l->back, stream);
}

int
layer_call(struct layer *l, enum layer_strategy a, enum layer_stage b, void *stream)
{
	int r = 0;

	for (int part = 0; part < LAYER_ALL && r == 0; part++)
		if (b == LAYER_ALL || part == (int)b)
			r = call_one(l, a, part, stream);
	return r;
}

int
layer_try(struct layer *l, enum layer_strategy a)
{
	int r = layer_call(l, a, LAYER_GATHER, NULL);

	return r < 0 ? r : layer_call(l, a, LAYER_FFN, NULL);
}

double
layer_bytes(const struct layer *l, enum layer_stage b)
{
	const uint32_t E = l->f.experts;
	double routes = (double)l->rows * l->k, row = (double)l->f.d * tr_size(l->f.type), used = 0;
	double gather = ((double)l->rows + routes) * row + routes * 4, ffn;

	for (uint32_t e = 0; e < E; e++)
		used += l->host.counts[e] > 0;
	ffn = (double)layer_bytes_weights(l) * used / E + 2 * routes * row;
	if (b == LAYER_GATHER)
		return gather;
	if (b == LAYER_FFN)
		return ffn;
	return gather + routes * 4 + (b == LAYER_ALL ? gather + ffn : 0);
}

double
layer_flops(const struct layer *l, enum layer_stage b)
{
	double routes = (double)l->rows * l->k;

	return b == LAYER_FFN || b == LAYER_ALL ? 6 * routes * (double)matrix(l) : 0;
}
