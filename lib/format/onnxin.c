/* The reader of lib/format/onnx.h: what lies in a model is never trusted. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "num.h"
#include "onnx.h"
#include "size.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 }; /* wire types */

/* Field numbers of onnx.proto. */
enum { MODEL_IR = 1, MODEL_PRODUCER, MODEL_GRAPH = 7, MODEL_OPSET, MODEL_META = 14 };
enum { OPSET_DOMAIN = 1, OPSET_VERSION };
enum { GRAPH_NODE = 1, GRAPH_INIT = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT };
enum { TENSOR_DIMS = 1, TENSOR_TYPE, TENSOR_NAME = 8, TENSOR_EXTERNAL = 13, TENSOR_LOCATION };

static const struct {
	const char *name;
	uint32_t bits;
} types[] = {
	{"?", 0},           {"f32", 32},  {"u8", 8},        {"i8", 8},          {"u16", 16},
	{"i16", 16},        {"i32", 32},  {"i64", 64},      {"string", 0},      {"bool", 8},
	{"f16", 16},        {"f64", 64},  {"u32", 32},      {"u64", 64},        {"c64", 64},
	{"c128", 128},      {"bf16", 16}, {"f8_e4m3fn", 8}, {"f8_e4m3fnuz", 8}, {"f8_e5m2", 8},
	{"f8_e5m2fnuz", 8}, {"u4", 4},    {"i4", 4},        {"f4_e2m1", 4},
};

/* A field of a message: v of a varint; p of n bytes of the others. */
struct field {
	uint64_t number, v;
	int wire;
	struct onnx_str s;
};

static int
fail(struct onnx_in *m, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(m->err, sizeof m->err, fmt, ap);
	va_end(ap);
	return -1;
}

/* Names in messages: at most so much of them. */
static int
len(const struct onnx_str *s)
{
	return (int)MIN(s->n, 128u);
}

static int
varint(struct onnx_msg *in, uint64_t *v)
{
	*v = 0;
	for (int shift = 0; shift < 64 && in->n; shift += 7) {
		unsigned char c = *in->p++;

		in->n--;
		*v |= (uint64_t)(c & 127) << shift;
		if (c < 128)
			return 0;
	}
	return -1;
}

/* The next field of a message: 1, 0 at its end, -1 where it is none. */
static int
next(struct onnx_msg *in, struct field *f)
{
	uint64_t key, n = 0;

	if (!in->n)
		return 0;
	if (varint(in, &key) < 0 || !(f->number = key >> 3))
		return -1;
	f->wire = (int)(key & 7);
	f->v = 0;
	if (f->wire == VARINT)
		return varint(in, &f->v) < 0 ? -1 : 1;
	if (f->wire == BYTES) {
		if (varint(in, &n) < 0)
			return -1;
	} else if (f->wire == FIXED32 || f->wire == FIXED64)
		n = f->wire == FIXED32 ? 4 : 8;
	else
		return -1;
	if (n > in->n)
		return -1;
	f->s = (struct onnx_str){(const char *)in->p, n};
	in->p += n;
	in->n -= n;
	return 1;
}

static struct onnx_msg
inside(const struct field *f)
{
	return (struct onnx_msg){(const unsigned char *)f->s.p, f->s.n};
}

static int
is(const struct field *f, uint64_t number, int wire)
{
	return f->number == number && f->wire == wire;
}

/* A message kept to be looked into later, so it is walked through once now. */
static int
keep(struct onnx_in *m, struct onnx_msgs *l, const struct field *f, const char *what)
{
	struct onnx_msg walk = inside(f);
	struct field g;
	int r;

	while ((r = next(&walk, &g)) > 0)
		;
	if (r < 0)
		return fail(m, "%s %zu: cut off, or no protobuf", what, l->n);
	if (l->n == l->cap) {
		size_t cap = 2 * l->cap + 16;
		struct onnx_msg *p = realloc(l->m, cap * sizeof *p);

		if (!p)
			return fail(m, "no memory");
		l->m = p;
		l->cap = cap;
	}
	l->m[l->n++] = inside(f);
	return 0;
}

static int
same(const struct onnx_str *s, const char *text)
{
	return s->n == strlen(text) && !memcmp(s->p, text, s->n);
}

static int
pair(struct onnx_msg in, struct onnx_str *key, struct onnx_str *value)
{
	struct onnx_msg again = in;

	return onnx_field(&in, ONNX_KEY, key) && onnx_field(&again, ONNX_VALUE, value);
}

static int
external(struct onnx_init *t, struct onnx_msg in)
{
	struct onnx_str key, value;

	if (!pair(in, &key, &value))
		return 0;
	if (same(&key, "location"))
		t->location = value;
	else if (same(&key, "offset"))
		return num_u64n(value.p, value.p + value.n, 0, INT64_MAX, &t->offset);
	else if (same(&key, "length"))
		return num_u64n(value.p, value.p + value.n, 0, INT64_MAX, &t->length);
	return 0;
}

static int
dim(struct onnx_init *t, uint64_t v)
{
	if (t->ndim == ONNX_DIMS || v > INT64_MAX)
		return -1;
	t->dim[t->ndim++] = v;
	return 0;
}

/* dims come one by one, or packed. */
static int
dims(struct onnx_init *t, const struct field *f)
{
	struct onnx_msg in;
	uint64_t v;

	if (f->wire == VARINT)
		return dim(t, f->v);
	in = inside(f);
	while (in.n)
		if (varint(&in, &v) < 0 || dim(t, v) < 0)
			return -1;
	return 0;
}

static int
tensor(struct onnx_in *m, struct onnx_init *t, struct onnx_msg in)
{
	uint64_t n = 1;
	struct field f;
	int r, bad = 0;

	t->length = UINT64_MAX;
	while ((r = next(&in, &f)) > 0 && !bad)
		if (is(&f, TENSOR_NAME, BYTES))
			t->name = f.s;
		else if (f.number == TENSOR_DIMS && (f.wire == VARINT || f.wire == BYTES))
			bad = dims(t, &f);
		else if (is(&f, TENSOR_TYPE, VARINT))
			t->type = f.v;
		else if (is(&f, TENSOR_LOCATION, VARINT))
			t->external = f.v == 1;
		else if (is(&f, TENSOR_EXTERNAL, BYTES))
			bad = external(t, inside(&f));
	if (r < 0)
		return fail(m, "initialiser %zu: cut off, or no protobuf", m->ninit);
	for (int i = 0; i < t->ndim && !bad; i++)
		bad = __builtin_mul_overflow(n, t->dim[i], &n);
	if (bad || n > INT64_MAX / 128)
		return fail(m, "initialiser %.*s: sizes, offset or length are none", len(&t->name),
			    t->name.p);
	if (t->type >= LEN(types) || !types[t->type].bits) {
		if (t->external)
			return fail(m, "initialiser %.*s: elements of type %llu", len(&t->name),
				    t->name.p, (unsigned long long)t->type);
	} else
		t->bytes = (n * types[t->type].bits + 7) / 8;
	if (t->external && t->length == UINT64_MAX) /* it may be left out */
		t->length = t->bytes;
	return 0;
}

static int
initialiser(struct onnx_in *m, struct onnx_msg in)
{
	if (m->ninit == m->capinit) {
		size_t cap = 2 * m->capinit + 16;
		struct onnx_init *p = realloc(m->init, cap * sizeof *p);

		if (!p)
			return fail(m, "no memory");
		m->init = p;
		m->capinit = cap;
	}
	m->init[m->ninit] = (struct onnx_init){0};
	if (tensor(m, &m->init[m->ninit], in) < 0)
		return -1;
	m->ninit++;
	return 0;
}

static int
graph(struct onnx_in *m, struct onnx_msg in)
{
	struct field f;
	int r;

	while ((r = next(&in, &f)) > 0)
		if ((is(&f, GRAPH_NODE, BYTES) && keep(m, &m->node, &f, "node") < 0) ||
		    (is(&f, GRAPH_INPUT, BYTES) && keep(m, &m->input, &f, "input") < 0) ||
		    (is(&f, GRAPH_OUTPUT, BYTES) && keep(m, &m->output, &f, "output") < 0) ||
		    (is(&f, GRAPH_INIT, BYTES) && initialiser(m, inside(&f)) < 0))
			return -1;
	return r < 0 ? fail(m, "graph: cut off, or no protobuf") : 0;
}

/* The version of the standard operators; others have a domain. */
static int
opset(struct onnx_in *m, struct onnx_msg in)
{
	uint64_t version = 0;
	int r, other = 0;
	struct field f;

	while ((r = next(&in, &f)) > 0)
		if (is(&f, OPSET_DOMAIN, BYTES))
			other = f.s.n && !(f.s.n == 7 && !memcmp(f.s.p, "ai.onnx", 7));
		else if (is(&f, OPSET_VERSION, VARINT))
			version = f.v;
	if (!other)
		m->opset = version;
	return r < 0 ? fail(m, "opset: cut off, or no protobuf") : 0;
}

int
onnx_read(struct onnx_in *m, const unsigned char *p, size_t n)
{
	struct onnx_msg in = {p, n};
	int r, graphs = 0;
	struct field f;

	while ((r = next(&in, &f)) > 0)
		if (is(&f, MODEL_IR, VARINT))
			m->ir = f.v;
		else if (is(&f, MODEL_PRODUCER, BYTES))
			m->producer = f.s;
		else if ((is(&f, MODEL_META, BYTES) && keep(m, &m->meta, &f, "metadata") < 0) ||
			 (is(&f, MODEL_OPSET, BYTES) && opset(m, inside(&f)) < 0))
			return -1;
		else if (is(&f, MODEL_GRAPH, BYTES)) {
			if (graphs++)
				return fail(m, "two graphs");
			if (graph(m, inside(&f)) < 0)
				return -1;
		}
	if (r < 0)
		return fail(m, "cut off, or no ONNX model");
	if (!graphs)
		return fail(m, "no graph: no ONNX model");
	return 0;
}

void
onnx_read_free(struct onnx_in *m)
{
	free(m->init);
	free(m->node.m);
	free(m->input.m);
	free(m->output.m);
	free(m->meta.m);
	*m = (struct onnx_in){0};
}

int
onnx_field(struct onnx_msg *rest, uint64_t field, struct onnx_str *s)
{
	struct field f;

	while (next(rest, &f) > 0)
		if (is(&f, field, BYTES)) {
			*s = f.s;
			return 1;
		}
	return 0;
}

int
onnx_value(const struct onnx_in *m, const char *key, struct onnx_str *value)
{
	struct onnx_str k, v;

	for (size_t i = 0; i < m->meta.n; i++)
		if (pair(m->meta.m[i], &k, &v) && same(&k, key)) {
			*value = v;
			return 1;
		}
	return 0;
}

int
onnx_ranges(struct onnx_in *m, uint64_t size)
{
	uint64_t end = 0;

	for (size_t i = 0; i < m->ninit; i++) {
		const struct onnx_init *t = &m->init[i];

		if (!t->external)
			continue;
		if (!same(&t->location, ONNX_PARAMS))
			return fail(m, "initialiser %.*s: lies in %.*s, not in %s", len(&t->name),
				    t->name.p, len(&t->location), t->location.p, ONNX_PARAMS);
		if (t->length != t->bytes)
			return fail(m, "initialiser %.*s: %llu bytes, but its shape has %llu",
				    len(&t->name), t->name.p, (unsigned long long)t->length,
				    (unsigned long long)t->bytes);
		if (t->offset < end)
			return fail(m, "initialiser %.*s: begins at byte %llu, before %llu",
				    len(&t->name), t->name.p, (unsigned long long)t->offset,
				    (unsigned long long)end);
		end = t->offset + t->length; /* both are below 2^63 */
		if (end > size)
			return fail(m, "initialiser %.*s: ends at byte %llu of %s, which has %llu",
				    len(&t->name), t->name.p, (unsigned long long)end, ONNX_PARAMS,
				    (unsigned long long)size);
	}
	return 0;
}

const char *
onnx_type(uint64_t type)
{
	return types[type < LEN(types) ? type : 0].name;
}
