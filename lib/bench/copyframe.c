#include <math.h>
#include <stdio.h>
#include <string.h>

#include "copyframe.h"
#include "measured.h"
#include "runs.h"
#include "size.h"

const char *
copyframe_place(int place, char buf[16])
{
	snprintf(buf, 16, place == COPY_HOST ? "h" : "g%d", place);
	return buf;
}

int
copyframe_host(const struct copy *c)
{
	return c->from == COPY_HOST && c->to == COPY_HOST;
}

double
copyframe_moved(const struct copy *c)
{
	return (double)c->bytes * (c->both || c->from == c->to ? 2 : 1);
}

static void
set(struct tr_frame *f, const char *key, double x, int told)
{
	char buf[32];

	tr_set(f, key, measured_text(told ? x : NAN, buf));
}

static void
set_int(struct tr_frame *f, const char *key, int n, int told)
{
	char buf[16];

	snprintf(buf, sizeof buf, "%d", n);
	tr_set(f, key, told ? buf : "-");
}

static void
identify(struct tr_frame *f, const struct copyframe *s)
{
	static const char *const engines[] = {"copy", "kernel", "graph", "chase"};
	const struct copy *c = s->c;
	int any = c->from == COPY_HOST || c->to == COPY_HOST, host = copyframe_host(c);
	char buf[16];

	tr_new(f, "bench");
	tr_set(f, "name", s->latency ? "latency" : "pcie");
	tr_set(f, "from", copyframe_place(c->from, buf));
	tr_set(f, "to", copyframe_place(c->to, buf));
	tr_set(f, "direction", c->both ? "bi" : "uni");
	tr_set(f, "engine", host && c->how == COPY_ENGINE ? "memcpy" : engines[c->how]);
	tr_set(f, "memory", !any ? "device" : c->pageable ? "pageable" : "pinned");
	tr_set(f, "access", any || c->from == c->to ? "-" : c->access ? "on" : "off");
	tr_setu(f, "size", c->bytes);
	tr_set(f, "counted", c->from == c->to && !s->latency ? "read+write" : "once");
	tr_set(f, "timing", !host && copy_held(c) ? "events" : "clock");
	set_int(f, "jobs", s->jobs, s->jobs > 0);
}

int
copyframe_of(const struct copyframe *s, struct tr_frame *f)
{
	static const char *const roofs[] = {"pct_copy", "flops", "tflops", "pct_product"};
	static const double one = 1;
	double moved = copyframe_moved(s->c), gbs = 0, bare = 0;
	struct measured m = {s->us, s->n, .bytes = s->latency ? 0 : moved, .check = s->check};
	struct sample sample;
	int r;

	if (!s->n) { /* for its keys */
		m.us = &one;
		m.n = 1;
	}
	if (sample_of(m.us, m.n, &sample) < 0)
		return TR_ENOMEM;
	gbs = moved / sample.median / 1e3;
	if (s->plain) {
		if (sample_of(s->plain, s->n, &sample) < 0)
			return TR_ENOMEM;
		bare = moved / sample.median / 1e3;
	}
	identify(f, s);
	if ((r = measured_put(f, &m)) < 0)
		return r;
	for (size_t i = 0; i < LEN(roofs); i++)
		tr_unset(f, roofs[i]); /* a link has none of these */
	set(f, "gibs", gbs * 1e9 / (1 << 30), !s->latency);
	set(f, "plain_gbs", bare, bare > 0);
	set(f, "ratio", gbs / bare, bare > 0);
	if (s->n)
		return 0;
	for (int i = 0; i < f->nkeys; i++) {
		const char *key = f->text + f->keys[i].key;

		if (runs_measured(key) && strcmp(key, "check"))
			tr_set(f, key, "-");
	}
	f->has_rows = 0;
	f->ncols = 0;
	return 0;
}

void
copyframe_link(int a, int b, const struct copy_link *l, const struct copy_peer *p,
	       struct tr_frame *f)
{
	char buf[16];

	tr_new(f, "bench");
	tr_set(f, "name", "link");
	tr_set(f, "from", copyframe_place(a, buf));
	tr_set(f, "to", copyframe_place(b, buf));
	tr_set(f, "device", l->name);
	tr_set(f, "pci", l->pci);
	set_int(f, "gen", l->gen, !p && l->gen);
	set_int(f, "width", l->width, !p && l->width);
	set_int(f, "max_gen", l->max_gen, !p && l->max_gen);
	set_int(f, "max_width", l->max_width, !p && l->max_width);
	tr_set(f, "access", !p ? "-" : p->access ? "on" : "off");
	set_int(f, "atomics", p ? p->atomics : 0, p != NULL);
	set_int(f, "rank", p ? p->rank : 0, p != NULL);
}
