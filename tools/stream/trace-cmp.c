/*
 * Two traces in; silence and exit 0 if they say the same, else one line that
 * names the first difference and exit 1.  Kinds, keys whatever their order and
 * decoded columns count; padding, bytes, enc, crc, frames, prog, note and
 * derived frames do not (moetrace(5), ORDER).
 */
#include <stdio.h>
#include <string.h>

#include "num.h"
#include "tool.h"

static const struct opt opts[] = {{0}};

static struct tool t = {.name = "trace-cmp",
			.operands = "A B",
			.what = "compare two traces",
			.opts = opts,
			.flags = TOOL_OWNIN | TOOL_NOFRAME};

struct side {
	const char *name;
	struct tr *in;
	struct tr_frame f;
	int more;
};

/* The next frame that counts. */
static void
advance(struct side *s)
{
	const char *val;
	int r;

	do {
		r = tr_next(s->in, &s->f);
		if (r < 0)
			die("%s", tr_errstr(s->in));
		s->more = r;
	} while (r && (!strcmp(s->f.kind, "prog") || !strcmp(s->f.kind, "note") ||
		       (tr_key(&s->f, "derived", &val) && !strcmp(val, "1"))));
}

_Noreturn static void
differ(const struct side *a, const char *what)
{
	if (!t.quiet)
		sink_printf(t.sink, "frame %llu (@%s): %s\n", (unsigned long long)a->f.number,
			    a->f.kind, what);
	if (tool_end(&t))
		die("standard output:");
	die_no();
}

/* Every key of a is in b with that value. */
static void
compare_keys(const struct side *a, const struct side *b)
{
	static char val[TR_HEADER_MAX], v[TR_HEADER_MAX];
	char what[256];

	for (int i = 0; i < a->f.nkeys; i++) {
		const char *key = a->f.text + a->f.keys[i].key, *raw;
		int n, m;

		if (!strcmp(a->f.kind, "end"))
			continue;
		n = tr_text(&a->f, key, val, sizeof val);
		m = tr_text(&b->f, key, v, sizeof v);
		if (!tr_key(&b->f, key, &raw))
			snprintf(what, sizeof what, "%s=%.80s only in %.80s", key, val, a->name);
		else if (n != m || memcmp(v, val, (size_t)n))
			snprintf(what, sizeof what, "%s=%.80s and %s=%.80s", key, val, key, v);
		else
			continue;
		differ(a, what);
	}
}

static void
compare_cols(struct side *a, struct side *b)
{
	char what[256], x[NUM_MAX + 1], y[NUM_MAX + 1];

	if (a->f.has_rows != b->f.has_rows || a->f.rows != b->f.rows) {
		snprintf(what, sizeof what, "rows=%llu and rows=%llu",
			 (unsigned long long)a->f.rows, (unsigned long long)b->f.rows);
		differ(a, what);
	}
	if (tr_decode(&a->f) < 0)
		die("%s", tr_errstr(a->in));
	if (tr_decode(&b->f) < 0)
		die("%s", tr_errstr(b->in));
	for (int i = 0; i < a->f.ncols || i < b->f.ncols; i++) {
		const struct tr_col *c = &a->f.cols[i], *d = &b->f.cols[i];

		if (i >= a->f.ncols || i >= b->f.ncols || strcmp(c->name, d->name) ||
		    strcmp(c->dtype, d->dtype) || c->width != d->width)
			differ(a, "other columns");
		size_t n = a->f.rows * c->width * c->size;

		if (!n || !memcmp(c->data, d->data, n))
			continue;
		size_t at = 0;

		while (((const char *)c->data)[at] == ((const char *)d->data)[at])
			at++;
		at /= c->size;
		x[num_put_col(x, c, at)] = 0;
		y[num_put_col(y, d, at)] = 0;
		snprintf(what, sizeof what, "row %zu column %s[%zu]: %s and %s", at / c->width,
			 c->name, at % c->width, x, y);
		differ(a, what);
	}
	if (!a->f.has_rows && (a->f.bytes != b->f.bytes ||
			       (a->f.bytes && memcmp(a->f.payload, b->f.payload, a->f.bytes))))
		differ(a, "other payloads");
}

int
main(int argc, char **argv)
{
	static struct side a, b;

	tool_start(&t, argc, argv);
	if (t.nfiles != 2)
		die_usage("trace-cmp [options] A B");
	if (!strcmp(t.files[0], "-") && !strcmp(t.files[1], "-"))
		die("standard input cannot be both");
	a.name = t.files[0];
	b.name = t.files[1];
	a.in = tool_reader(&t, &t.files[0], 1);
	b.in = tool_reader(&t, &t.files[1], 1);
	for (;;) {
		advance(&a);
		advance(&b);
		if (!a.more && !b.more)
			break;
		if (!a.more || !b.more)
			differ(a.more ? &a : &b,
			       a.more ? "the other trace has ended" : "the first trace has ended");
		if (strcmp(a.f.kind, b.f.kind)) {
			char what[128];

			snprintf(what, sizeof what, "@%s and @%s", a.f.kind, b.f.kind);
			differ(&a, what);
		}
		compare_keys(&a, &b);
		compare_keys(&b, &a);
		compare_cols(&a, &b);
	}
	tool_reader_end(&t, a.in);
	tool_reader_end(&t, b.in);
	return tool_end(&t);
}
