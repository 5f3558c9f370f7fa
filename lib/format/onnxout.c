/* The writer of lib/format/onnx.h: protobuf is tags, varints and lengths. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx.h"

enum { VARINT = 0, BYTES = 2, FIXED32 = 5 }; /* wire types */

/* Field numbers of onnx.proto. */
enum { MODEL_IR = 1, MODEL_PRODUCER, MODEL_VERSION, MODEL_GRAPH = 7, MODEL_OPSET, MODEL_META = 14 };
enum { OPSET_VERSION = 2 };
enum { GRAPH_NODE = 1, GRAPH_NAME, GRAPH_INIT = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT };
enum { NODE_INPUT = 1, NODE_OUTPUT, NODE_NAME, NODE_OP, NODE_ATTR };
enum { ATTR_NAME = 1, ATTR_F, ATTR_I, ATTR_S, ATTR_INTS = 8, ATTR_TYPE = 20 };
enum { IS_FLOAT = 1, IS_INT, IS_STRING, IS_INTS = 7 }; /* of ATTR_TYPE */
enum { TENSOR_DIMS = 1, TENSOR_TYPE, TENSOR_NAME = 8, TENSOR_EXTERNAL = 13, TENSOR_LOCATION };
enum { EXTERNAL = 1 }; /* of TENSOR_LOCATION */
enum { VALUE_NAME = 1, VALUE_TYPE };
enum { TYPE_TENSOR = 1 };
enum { TENSOR_ELEM = 1, TENSOR_SHAPE };
enum { SHAPE_DIM = 1 };
enum { DIM_VALUE = 1, DIM_PARAM };

#define FILE_MAX ((size_t)INT32_MAX)

struct buf {
	unsigned char *p;
	size_t n, cap;
	int bad;
};

struct onnx_out {
	struct buf pending, node, init, io, meta, all; /* pending: a node that still grows */
};

static void
put(struct buf *b, const void *p, size_t n)
{
	if (b->bad || n > FILE_MAX - b->n) {
		b->bad = 1;
		return;
	}
	if (b->n + n > b->cap) {
		size_t cap = 2 * (b->n + n) + 64;
		unsigned char *q = realloc(b->p, cap);

		if (!q) {
			b->bad = 1;
			return;
		}
		b->p = q;
		b->cap = cap;
	}
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

static void
varint(struct buf *b, uint64_t v)
{
	unsigned char c[10];
	size_t n = 0;

	for (; v >= 128; v >>= 7)
		c[n++] = (unsigned char)(v | 128);
	c[n++] = (unsigned char)v;
	put(b, c, n);
}

static void
tag(struct buf *b, unsigned field, unsigned wire)
{
	varint(b, field << 3 | wire);
}

static void
put_int(struct buf *b, unsigned field, uint64_t v)
{
	tag(b, field, VARINT);
	varint(b, v);
}

static void
put_bytes(struct buf *b, unsigned field, const void *p, size_t n)
{
	tag(b, field, BYTES);
	varint(b, n);
	put(b, p, n);
}

static void
put_text(struct buf *b, unsigned field, const char *s)
{
	put_bytes(b, field, s, strlen(s));
}

/* A message into the one it belongs to; its own memory is given back. */
static void
put_msg(struct buf *b, unsigned field, struct buf *msg)
{
	put_bytes(b, field, msg->p, msg->n);
	b->bad |= msg->bad;
	free(msg->p);
	*msg = (struct buf){0};
}

static void
put_pair(struct buf *b, unsigned field, const char *key, const char *value)
{
	struct buf m = {0};

	put_text(&m, ONNX_KEY, key);
	put_text(&m, ONNX_VALUE, value);
	put_msg(b, field, &m);
}

struct onnx_out *
onnx_new(void)
{
	return calloc(1, sizeof(struct onnx_out));
}

void
onnx_free(struct onnx_out *o)
{
	if (!o)
		return;
	free(o->pending.p);
	free(o->node.p);
	free(o->init.p);
	free(o->io.p);
	free(o->meta.p);
	free(o->all.p);
	free(o);
}

static void
end_node(struct onnx_out *o)
{
	if (o->pending.n)
		put_bytes(&o->node, GRAPH_NODE, o->pending.p, o->pending.n);
	o->node.bad |= o->pending.bad;
	o->pending.n = 0;
}

void
onnx_node(struct onnx_out *o, const char *op, const char *fmt, ...)
{
	char names[1024], name[sizeof names] = "", *rest, *s;
	unsigned field = NODE_INPUT;
	va_list ap;
	int n;

	end_node(o);
	va_start(ap, fmt);
	n = vsnprintf(names, sizeof names, fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof names)
		o->node.bad = 1;
	for (s = strtok_r(names, " ", &rest); s; s = strtok_r(NULL, " ", &rest)) {
		if (!strcmp(s, ">")) {
			field = NODE_OUTPUT;
			continue;
		}
		put_text(&o->pending, field, s);
		if (field == NODE_OUTPUT && !*name)
			strcpy(name, s);
	}
	put_text(&o->pending, NODE_NAME, name);
	put_text(&o->pending, NODE_OP, op);
}

static void
attribute(struct onnx_out *o, const char *name, struct buf *value, uint64_t type)
{
	struct buf a = {0};

	put_text(&a, ATTR_NAME, name);
	put(&a, value->p, value->n);
	a.bad |= value->bad;
	put_int(&a, ATTR_TYPE, type);
	put_msg(&o->pending, NODE_ATTR, &a);
	free(value->p);
}

void
onnx_int(struct onnx_out *o, const char *name, int64_t i)
{
	struct buf v = {0};

	put_int(&v, ATTR_I, (uint64_t)i);
	attribute(o, name, &v, IS_INT);
}

void
onnx_ints(struct onnx_out *o, const char *name, size_t n, const int64_t *i)
{
	struct buf v = {0};

	for (size_t k = 0; k < n; k++)
		put_int(&v, ATTR_INTS, (uint64_t)i[k]);
	attribute(o, name, &v, IS_INTS);
}

void
onnx_float(struct onnx_out *o, const char *name, float f)
{
	struct buf v = {0};
	unsigned char c[4];
	uint32_t u;

	memcpy(&u, &f, sizeof u);
	for (int i = 0; i < 4; i++)
		c[i] = (unsigned char)(u >> 8 * i);
	tag(&v, ATTR_F, FIXED32);
	put(&v, c, sizeof c);
	attribute(o, name, &v, IS_FLOAT);
}

void
onnx_text(struct onnx_out *o, const char *name, const char *text)
{
	struct buf v = {0};

	put_text(&v, ATTR_S, text);
	attribute(o, name, &v, IS_STRING);
}

static void
value(struct onnx_out *o, unsigned field, const char *name, int type, const char *dims)
{
	struct buf shape = {0}, tensor = {0}, t = {0}, v = {0};

	while (*dims) {
		struct buf d = {0};
		size_t n = strcspn(dims, " ");

		if (*dims >= '0' && *dims <= '9')
			put_int(&d, DIM_VALUE, strtoull(dims, NULL, 10));
		else
			put_bytes(&d, DIM_PARAM, dims, n);
		put_msg(&shape, SHAPE_DIM, &d);
		dims += n + (dims[n] == ' ');
	}
	put_int(&tensor, TENSOR_ELEM, (uint64_t)type);
	put_msg(&tensor, TENSOR_SHAPE, &shape);
	put_msg(&t, TYPE_TENSOR, &tensor);
	put_text(&v, VALUE_NAME, name);
	put_msg(&v, VALUE_TYPE, &t);
	put_msg(&o->io, field, &v);
}

void
onnx_input(struct onnx_out *o, const char *name, int type, const char *dims)
{
	value(o, GRAPH_INPUT, name, type, dims);
}

void
onnx_output(struct onnx_out *o, const char *name, int type, const char *dims)
{
	value(o, GRAPH_OUTPUT, name, type, dims);
}

void
onnx_external(struct onnx_out *o, const char *name, int ndim, const uint64_t *dim, uint64_t offset,
	      uint64_t length)
{
	struct buf t = {0};
	char text[32];

	for (int i = 0; i < ndim; i++)
		put_int(&t, TENSOR_DIMS, dim[i]);
	put_int(&t, TENSOR_TYPE, ONNX_F32);
	put_text(&t, TENSOR_NAME, name);
	put_pair(&t, TENSOR_EXTERNAL, "location", ONNX_PARAMS);
	snprintf(text, sizeof text, "%llu", (unsigned long long)offset);
	put_pair(&t, TENSOR_EXTERNAL, "offset", text);
	snprintf(text, sizeof text, "%llu", (unsigned long long)length);
	put_pair(&t, TENSOR_EXTERNAL, "length", text);
	put_int(&t, TENSOR_LOCATION, EXTERNAL);
	put_msg(&o->init, GRAPH_INIT, &t);
}

void
onnx_meta(struct onnx_out *o, const char *key, const char *value)
{
	put_pair(&o->meta, MODEL_META, key, value);
}

int
onnx_end(struct onnx_out *o, const char *graph, const char *version, const unsigned char **p,
	 size_t *n)
{
	struct buf g = {0}, opset = {0}, *all = &o->all;

	end_node(o);
	put(&g, o->node.p, o->node.n);
	put_text(&g, GRAPH_NAME, graph);
	put(&g, o->init.p, o->init.n);
	put(&g, o->io.p, o->io.n);
	g.bad |= o->node.bad | o->init.bad | o->io.bad;
	put_int(all, MODEL_IR, ONNX_IR);
	put_text(all, MODEL_PRODUCER, "moetrace");
	put_text(all, MODEL_VERSION, version);
	put_msg(all, MODEL_GRAPH, &g);
	put_int(&opset, OPSET_VERSION, ONNX_OPSET);
	put_msg(all, MODEL_OPSET, &opset);
	put(all, o->meta.p, o->meta.n);
	*p = all->p;
	*n = all->n;
	return all->bad | o->meta.bad ? -1 : 0;
}
