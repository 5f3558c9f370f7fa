#include <string.h>

#include "infojson.h"
#include "num.h"

static void
number(struct json_out *o, const char *key, uint64_t n)
{
	json_put_key(o, key);
	json_put_u64(o, n);
}

/* A key that is itself a number. */
static void
numbered(struct json_out *o, uint64_t key)
{
	char buf[NUM_MAX + 1];

	buf[num_put_u64(buf, key)] = 0;
	json_put_key(o, buf);
}

/* What @trace says under key, or null. */
static void
said(struct json_out *o, const char *name, const struct tr_frame *trace, const char *key)
{
	char buf[1024];
	int n = tr_text(trace, key, buf, sizeof buf);

	json_put_key(o, name);
	if (n > 0)
		json_put_str(o, buf, (size_t)n);
	else
		json_put_word(o, "null");
}

static void
experts(struct json_out *o, const uint64_t *best, uint64_t n)
{
	json_put_open(o, '{');
	for (uint64_t e = 0; e < n; e++) {
		numbered(o, e);
		json_put_u64(o, best[e]);
	}
	json_put_close(o);
}

/* "key": {"total": ..., "layers": {"0": ...}} of three things. */
static void
by_layer(struct json_out *o, const char *key, const struct info *i, int what)
{
	json_put_key(o, key);
	json_put_open(o, '{');
	for (size_t l = 0; l <= i->nlayer; l++) {
		const uint64_t *best = l ? i->layer[l - 1].best : i->best;
		uint64_t used = l ? i->layer[l - 1].used : i->used;

		if (l == 0)
			json_put_key(o, "total");
		if (l == 1) {
			json_put_key(o, "layers");
			json_put_open(o, '{');
		}
		if (l > 0)
			numbered(o, i->layer[l - 1].layer);
		if (what == 0)
			experts(o, best, i->experts);
		else if (what == 1)
			json_put_u64(o, used);
		else
			json_put_f64(o, i->experts ? 100 * (double)used / (double)i->experts : 0);
	}
	if (i->nlayer)
		json_put_close(o);
	json_put_close(o);
}

void
infojson_trace(struct json_out *o, const struct info *i, const struct tr_frame *trace)
{
	uint64_t seconds;

	json_put_open(o, '{');
	number(o, "total_traces", i->records);
	said(o, "model_name", trace, "model");
	number(o, "num_experts", i->experts);
	by_layer(o, "expert_distribution", i, 0);
	by_layer(o, "experts_used", i, 1);
	by_layer(o, "diversity_percentage", i, 2);
	json_put_key(o, "dataset_distribution");
	json_put_open(o, '{');
	for (size_t d = 0; d < i->ndataset; d++) {
		if (!i->dataset[d].samples)
			continue;
		json_put_key(o, *i->dataset[d].name ? i->dataset[d].name : "unknown");
		json_put_open(o, '{');
		number(o, "records", i->dataset[d].records);
		number(o, "samples", i->dataset[d].samples);
		json_put_close(o);
	}
	json_put_close(o);
	json_put_key(o, "collection_time");
	if (tr_num(trace, "seconds", &seconds) > 0)
		json_put_u64(o, seconds);
	else
		json_put_word(o, "null");
	said(o, "created", trace, "created");
	said(o, "device", trace, "device");
	json_put_key(o, "data_type");
	json_put_open(o, '{');
	number(o, "real", i->records - i->synthetic);
	number(o, "synthetic", i->synthetic);
	json_put_close(o);
	json_put_key(o, "layer_distribution");
	json_put_open(o, '{');
	for (size_t l = 0; l < i->nlayer; l++) {
		numbered(o, i->layer[l].layer);
		json_put_u64(o, i->layer[l].records);
	}
	json_put_close(o);
	json_put_close(o);
}

void
infojson_file(struct json_out *o, const char *file)
{
	json_put_open(o, '{');
	json_put_key(o, "file");
	json_put_str(o, file, strlen(file));
	json_put_key(o, "arrays");
	json_put_open(o, '[');
}

void
infojson_array(struct json_out *o, const struct array *a, const struct array_range *r)
{
	json_put_open(o, '{');
	json_put_key(o, "name");
	json_put_str(o, a->path, strlen(a->path));
	json_put_key(o, "dtype");
	json_put_str(o, a->dtype, strlen(a->dtype));
	json_put_key(o, "shape");
	json_put_open(o, '[');
	for (int i = 0; i < a->ndim; i++)
		json_put_u64(o, a->dim[i]);
	json_put_close(o);
	for (int i = 0; i < 2; i++) {
		double x = i ? r->max : r->min;

		json_put_key(o, i ? "max" : "min");
		if (r->n && x - x == 0)
			json_put_f64(o, x);
		else
			json_put_word(o, "null");
	}
	number(o, "nan", r->nan);
	json_put_close(o);
}
