/* Many sections folded into one: their @trace lines united, @prog collected. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "size.h"

enum { PROGS = 64 }; /* a sum of many shards must stay readable */

struct tr_head {
	struct tr_frame trace;
	struct tr_sect sect;
	uint64_t sections, lost;
	struct {
		struct tr_frame *f;
		uint64_t section;
	} prog[PROGS];
	int nprog;
	char err[256];
};

struct tr_head *
tr_head_new(void)
{
	return calloc(1, sizeof(struct tr_head));
}

void
tr_head_free(struct tr_head *h)
{
	if (!h)
		return;
	for (int i = 0; i < h->nprog; i++)
		free(h->prog[i].f);
	tr_list_free(&h->sect.map);
	free(h);
}

const char *
tr_head_errstr(const struct tr_head *h)
{
	return h->err;
}

const struct tr_sect *
tr_head_section(const struct tr_head *h)
{
	return &h->sect;
}

struct tr_frame *
tr_head_trace(struct tr_head *h)
{
	return &h->trace;
}

static int
disagree(struct tr_head *h, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(h->err, sizeof h->err, fmt, ap);
	va_end(ap);
	return TR_EVALUE;
}

static int
agree(struct tr_head *h, const struct tr_frame *f, const char *key, uint64_t *old)
{
	uint64_t n = tr_get(f, key, 0);

	if (n && *old && n != *old)
		return disagree(h, "sections disagree: %s=%llu and %s=%llu", key,
				(unsigned long long)*old, key, (unsigned long long)n);
	if (n)
		*old = n;
	return 0;
}

static int
unite_layers(struct tr_head *h, const struct tr_frame *f)
{
	struct tr_list map = {0};
	uint64_t layers = tr_get(f, "layers", 0);
	const char *val;
	int r = 0;

	if (tr_key(f, "map", &val)) {
		if ((r = tr_list_parse(&map, val)) < 0)
			return r;
		for (int i = 0; i < map.n && r == 0; i++)
			for (uint64_t l = map.range[i].lo; l <= map.range[i].hi && r == 0; l++)
				r = tr_list_add(&h->sect.map, l);
		tr_list_free(&map);
	} else {
		for (uint64_t l = 0; l < layers && r == 0; l++)
			r = tr_list_add(&h->sect.map, l);
	}
	h->sect.layers = tr_list_count(&h->sect.map);
	return r;
}

static int
add_trace(struct tr_head *h, const struct tr_frame *f, int force)
{
	static const char *const counted[] = {"v", "layers", "experts", "topk", "map"};
	const char *a, *b;
	int r;

	if (!h->sections++) {
		h->trace = *f;
		h->trace.raw = NULL;
		h->trace.from = NULL;
		h->sect.shared = tr_get(f, "shared", 0);
		h->sect.crc = f->crc;
	}
	if (agree(h, f, "experts", &h->sect.experts) < 0 || agree(h, f, "topk", &h->sect.topk) < 0)
		return TR_EVALUE;
	if (!force && tr_key(&h->trace, "model", &a) && tr_key(f, "model", &b) && strcmp(a, b))
		return disagree(h, "sections disagree: model=%.60s and model=%.60s", a, b);
	if ((r = unite_layers(h, f)) < 0)
		return r;
	for (int i = 0; i < h->trace.nkeys;) {
		const char *key = frame_key(&h->trace, i);
		size_t k = 0;

		while (k < LEN(counted) && strcmp(key, counted[k]))
			k++;
		if (k == LEN(counted) &&
		    (!tr_key(f, key, &b) || strcmp(frame_val(&h->trace, i), b)) &&
		    (strcmp(key, "model") || tr_key(f, key, &b)))
			tr_unset(&h->trace, key);
		else
			i++;
	}
	if (!tr_key(&h->trace, "model", &a) && tr_key(f, "model", &b) && h->sections > 1 &&
	    !force) {
		char model[TR_HEADER_MAX];

		if (tr_text(f, "model", model, sizeof model) > 0)
			tr_set(&h->trace, "model", model);
	}
	h->sect.crc |= f->crc;
	return 0;
}

int
tr_head_add(struct tr_head *h, const struct tr_frame *f, int force)
{
	if (!strcmp(f->kind, "end"))
		return 1;
	if (!strcmp(f->kind, "trace")) {
		int r = add_trace(h, f, force);

		return r < 0 ? r : 1;
	}
	if (!strcmp(f->kind, "prog")) {
		if (h->nprog == PROGS)
			return 1;
		struct tr_frame *g = malloc(sizeof *g);

		if (!g)
			return TR_ENOMEM;
		*g = *f;
		g->raw = NULL;
		g->from = NULL;
		h->prog[h->nprog].f = g;
		h->prog[h->nprog++].section = h->sections;
		return 1;
	}
	return 0;
}

int
tr_set_layers(struct tr_frame *trace, const struct tr_list *layers)
{
	char text[TR_HEADER_MAX];

	tr_setu(trace, "layers", tr_list_count(layers));
	tr_unset(trace, "map");
	if (layers->n == 0 || (layers->n == 1 && layers->range[0].lo == 0))
		return 0;
	if (tr_list_text(layers, text, sizeof text) < 0)
		return TR_ELIMIT;
	return tr_set(trace, "map", text);
}

int
tr_new_trace(struct tr_frame *f, const struct tr_list *layers, uint64_t experts, uint64_t topk)
{
	tr_new(f, "trace");
	tr_setu(f, "v", 1);
	tr_setu(f, "layers", 0);
	tr_setu(f, "experts", experts);
	tr_setu(f, "topk", topk);
	return tr_set_layers(f, layers);
}

int
tr_head_put(struct tr_head *h, struct tr_out *o)
{
	struct tr_frame *t = &h->trace;
	char buf[TR_HEADER_MAX];
	const char *in;
	int r;

	t->crc = h->sect.crc;
	tr_setu(t, "experts", h->sect.experts);
	tr_setu(t, "topk", h->sect.topk);
	if ((r = tr_set_layers(t, &h->sect.map)) < 0)
		return r;
	tr_setu(t, "layers", h->sect.layers);
	if ((r = tr_put(o, t)) < 0)
		return r;
	for (int i = 0; i < h->nprog; i++) {
		struct tr_frame *f = h->prog[i].f;

		f->crc = t->crc;
		if (h->sections > 1) {
			int n = snprintf(buf, sizeof buf, "%llu",
					 (unsigned long long)h->prog[i].section);

			if (tr_key(f, "in", &in))
				snprintf(buf + n, sizeof buf - (size_t)n, ".%s", in);
			if ((r = tr_set(f, "in", buf)) < 0)
				return r;
		}
		if ((r = tr_put(o, f)) < 0)
			return r;
	}
	if (h->sections > 1)
		tr_prog_inputs(o, (int)MIN(h->sections, (uint64_t)INT32_MAX));
	return 0;
}
