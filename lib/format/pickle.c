/*
 * The machine of pt-format, sections 4 to 9: a stack of tagged values, marks and
 * a memo.  REDUCE and BUILD look up a fixed table; nothing is ever called.
 * All storage stays a view into the input.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kind.h"
#include "pickle.h"
#include "size.h"

enum {
	MAX_VALUES = 1000000, /* values, stack places, memo places */
	MAX_ITEMS = 4000000,  /* places in all containers */
	MAX_TENSORS = 131072,
	MAX_STEPS = 1000000, /* of the walk over the result: bounds shared values */
	MAX_DEPTH = 64,
	MAX_PATH = 1024,
	MAX_PATHS = 16 << 20, /* bytes of all paths */
	MAX_SCALARS = 65536,  /* later ones are not listed */
	TABLE_STACK = 10000,  /* of tables (router-analysis 2) */
	TABLE_MEMO = 100000,
};

enum tag {
	V_NONE,
	V_BOOL,
	V_INT,
	V_BIG,
	V_FLOAT,
	V_STR,
	V_BYTES,
	V_TUPLE,
	V_LIST,
	V_DICT,
	V_GLOBAL,
	V_STORE,
	V_TENSOR,
	V_DTYPE,
	V_OPAQUE,
};

enum global {
	G_TENSOR_V2,
	G_TENSOR_V1,
	G_PARAMETER,
	G_FROM_TYPE,
	G_TENSOR_TYPE,
	G_STORAGE, /* the type is beside it */
	G_TYPED,
	G_LOAD,
	G_ODICT,
	G_SIZE,
	G_DEVICE,
	G_CONST,
	G_ENCODE,
	G_OPAQUE,
	G_BYTES,
	G_RECONSTRUCT,
	G_NDARRAY,
	G_NPDTYPE,
	G_FROMBUFFER,
	G_SCALAR,
};

static const struct {
	const char *module, *name;
	enum global g;
	enum array_type type;
} globals[] = {
	{"torch._utils", "_rebuild_tensor_v2", G_TENSOR_V2, 0},
	{"torch._utils", "_rebuild_tensor", G_TENSOR_V1, 0},
	{"torch._utils", "_rebuild_parameter", G_PARAMETER, 0},
	{"torch._tensor", "_rebuild_from_type_v2", G_FROM_TYPE, 0},
	{"torch", "Tensor", G_TENSOR_TYPE, 0},
	{"torch.nn.parameter", "Parameter", G_TENSOR_TYPE, 0},
	{"torch", "FloatStorage", G_STORAGE, ARRAY_F32},
	{"torch", "DoubleStorage", G_STORAGE, ARRAY_F64},
	{"torch", "HalfStorage", G_STORAGE, ARRAY_F16},
	{"torch", "BFloat16Storage", G_STORAGE, ARRAY_BF16},
	{"torch", "LongStorage", G_STORAGE, ARRAY_I64},
	{"torch", "IntStorage", G_STORAGE, ARRAY_I32},
	{"torch", "ShortStorage", G_STORAGE, ARRAY_I16},
	{"torch", "CharStorage", G_STORAGE, ARRAY_I8},
	{"torch", "ByteStorage", G_STORAGE, ARRAY_U8},
	{"torch", "BoolStorage", G_STORAGE, ARRAY_BOOL},
	{"torch.storage", "UntypedStorage", G_STORAGE, ARRAY_U8},
	{"torch.storage", "TypedStorage", G_TYPED, 0},
	{"torch.storage", "_load_from_bytes", G_LOAD, 0},
	{"collections", "OrderedDict", G_ODICT, 0},
	{"torch", "Size", G_SIZE, 0},
	{"torch", "device", G_DEVICE, 0},
	{"torch", "float64", G_CONST, 0},
	{"torch", "float32", G_CONST, 0},
	{"torch", "float16", G_CONST, 0},
	{"torch", "bfloat16", G_CONST, 0},
	{"torch", "int64", G_CONST, 0},
	{"torch", "int32", G_CONST, 0},
	{"torch", "int16", G_CONST, 0},
	{"torch", "int8", G_CONST, 0},
	{"torch", "uint8", G_CONST, 0},
	{"torch", "bool", G_CONST, 0},
	{"_codecs", "encode", G_ENCODE, 0},
	{"__builtin__", "set", G_OPAQUE, 0},
	{"__builtin__", "bytearray", G_OPAQUE, 0},
	{"__builtin__", "bytes", G_BYTES, 0},
	{"__builtin__", "complex", G_OPAQUE, 0},
	{"builtins", "set", G_OPAQUE, 0},
	{"builtins", "bytearray", G_OPAQUE, 0},
	{"builtins", "bytes", G_BYTES, 0},
	{"builtins", "complex", G_OPAQUE, 0},
	{"numpy.core.multiarray", "_reconstruct", G_RECONSTRUCT, 0},
	{"numpy._core.multiarray", "_reconstruct", G_RECONSTRUCT, 0},
	{"numpy", "ndarray", G_NDARRAY, 0},
	{"numpy", "dtype", G_NPDTYPE, 0},
	{"numpy.core.numeric", "_frombuffer", G_FROMBUFFER, 0},
	{"numpy._core.numeric", "_frombuffer", G_FROMBUFFER, 0},
	{"numpy.core.multiarray", "scalar", G_SCALAR, 0},
	{"numpy._core.multiarray", "scalar", G_SCALAR, 0},
};

static const struct {
	uint32_t size;
	const char *name;
} types[] = {
	[ARRAY_BOOL] = {1, "bool"}, [ARRAY_U8] = {1, "u8"},        [ARRAY_I8] = {1, "i8"},
	[ARRAY_U16] = {2, "u16"},   [ARRAY_I16] = {2, "i16"},      [ARRAY_U32] = {4, "u32"},
	[ARRAY_I32] = {4, "i32"},   [ARRAY_U64] = {8, "u64"},      [ARRAY_I64] = {8, "i64"},
	[ARRAY_F16] = {2, "f16"},   [ARRAY_BF16] = {2, "bf16"},    [ARRAY_F32] = {4, "f32"},
	[ARRAY_F64] = {8, "f64"},   [ARRAY_OTHER] = {8, "object"},
};

struct value {
	uint8_t tag;
	uint8_t is_odict;
	uint8_t swap;  /* V_DTYPE */
	uint8_t type;  /* V_DTYPE: array_type */
	uint8_t plain; /* V_OPAQUE: an array that was begun and not built */
	union {
		int64_t i; /* bool, int, global (index of the table) */
		double f;
		struct {
			const unsigned char *p;
			size_t n;
		} s;
		struct {
			uint32_t *v; /* dict: key, value, key, value, ... */
			uint32_t n, cap;
		} c;
		uint32_t x; /* place in ctx->store or tensor[] */
	} u;
};

struct tensor {
	enum array_type type;
	int swap, ndim;
	uint32_t store; /* UINT32_MAX: data */
	uint32_t list;  /* object array: its element list */
	uint64_t off;
	const unsigned char *data;
	uint64_t dim[ARRAY_DIMS], stride[ARRAY_DIMS];
};

struct pickle {
	struct ctx *c;
	const unsigned char *p;
	size_t n, at, op; /* op: offset of the instruction */
	struct value *v;
	uint32_t nv, capv;
	uint32_t *stack, nstack, capstack;
	uint32_t *mark, nmark, capmark;
	uint32_t *memo, capmemo; /* value + 1 */
	uint32_t nmemo;          /* entries made: the next index of MEMOIZE */
	struct tensor *t;
	uint32_t nt, capt;
	uint64_t items;
	uint64_t decoded; /* bytes made by _codecs.encode and given to embedded files */
	uint32_t root;
	uint64_t steps;
	size_t paths;
};

static int fail(struct pickle *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int
fail(struct pickle *m, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return array_err(m->c->l, "%s%soffset %zu: %s", m->c->entry, *m->c->entry ? ": " : "",
			 m->op, text);
}

/* Room for one more of n elements of that size; limit is the most there may be. */
static int
grow(void **p, uint32_t n, uint32_t *cap, size_t size, uint32_t limit)
{
	uint32_t want;
	void *q;

	if (n < *cap)
		return 0;
	if (n >= limit)
		return -1;
	want = *cap ? *cap * 2 : 16;
	if (want > limit)
		want = limit;
	if (!(q = realloc(*p, want * size)))
		return -1;
	*p = q;
	*cap = want;
	return 0;
}

static int
tables(const struct pickle *m)
{
	return m->c->o && m->c->o->tables;
}

static int
push(struct pickle *m, uint32_t v)
{
	if (grow((void **)&m->stack, m->nstack, &m->capstack, sizeof *m->stack,
		 tables(m) ? TABLE_STACK : MAX_VALUES))
		return fail(m, "the stack is too deep");
	m->stack[m->nstack++] = v;
	return 0;
}

/* A new value on the stack, or NULL. */
static struct value *
make(struct pickle *m, enum tag tag)
{
	struct value *v;

	if (grow((void **)&m->v, m->nv, &m->capv, sizeof *m->v, MAX_VALUES)) {
		fail(m, "more than %d values", MAX_VALUES);
		return NULL;
	}
	v = &m->v[m->nv];
	memset(v, 0, sizeof *v);
	v->tag = tag;
	return push(m, m->nv++) ? NULL : v;
}

static int
make_int(struct pickle *m, enum tag tag, int64_t i)
{
	struct value *v = make(m, tag);

	if (!v)
		return -1;
	v->u.i = i;
	return 0;
}

static int
make_bytes(struct pickle *m, enum tag tag, const unsigned char *p, size_t n)
{
	struct value *v = make(m, tag);

	if (!v)
		return -1;
	v->u.s.p = p;
	v->u.s.n = n;
	return 0;
}

/* Places of the stack above the last mark are the program's own. */
static uint32_t
floor_of(const struct pickle *m)
{
	return m->nmark ? m->mark[m->nmark - 1] : 0;
}

static int
pop(struct pickle *m, uint32_t *v)
{
	if (m->nstack <= floor_of(m))
		return fail(m, "the stack is empty");
	*v = m->stack[--m->nstack];
	return 0;
}

static int
top(struct pickle *m, uint32_t *v)
{
	if (m->nstack <= floor_of(m))
		return fail(m, "the stack is empty");
	*v = m->stack[m->nstack - 1];
	return 0;
}

/* Take the mark off: *from is the first place above it. */
static int
unmark(struct pickle *m, uint32_t *from)
{
	if (!m->nmark)
		return fail(m, "no mark");
	*from = m->mark[--m->nmark];
	return 0;
}

static int
append(struct pickle *m, uint32_t c, const uint32_t *v, uint32_t n)
{
	struct value *w = &m->v[c];
	uint64_t need = (uint64_t)w->u.c.n + n;

	m->items += n;
	if (m->items > MAX_ITEMS)
		return fail(m, "more than %d items", MAX_ITEMS);
	if (need > w->u.c.cap) {
		uint64_t cap = MAX(need, (uint64_t)w->u.c.cap * 2);
		uint32_t *q = realloc(w->u.c.v, cap * sizeof *q);

		if (!q)
			return fail(m, "no memory");
		w->u.c.v = q;
		w->u.c.cap = (uint32_t)cap;
	}
	if (n)
		memcpy(w->u.c.v + w->u.c.n, v, n * sizeof *v);
	w->u.c.n = (uint32_t)need;
	return 0;
}

/* The n topmost values become one container. */
static int
gather(struct pickle *m, enum tag tag, uint32_t from)
{
	uint32_t n = m->nstack - from, c;

	if (tag == V_DICT && n % 2)
		return fail(m, "a key without a value");
	if (!make(m, tag))
		return -1;
	c = m->stack[--m->nstack];
	if (append(m, c, m->stack + from, n))
		return -1;
	m->nstack = from;
	return push(m, c);
}

static int
tuple(struct pickle *m, uint32_t n)
{
	if (m->nstack - floor_of(m) < n)
		return fail(m, "the stack is empty");
	return gather(m, V_TUPLE, m->nstack - n);
}

static int
need(struct pickle *m, uint64_t n)
{
	return n <= m->n - m->at ? 0 : fail(m, "the pickle ends inside an instruction");
}

static uint64_t
le(const unsigned char *p, int n)
{
	uint64_t x = 0;

	while (n--)
		x = x << 8 | p[n];
	return x;
}

static int
take(struct pickle *m, int n, uint64_t *x)
{
	if (need(m, (uint64_t)n))
		return -1;
	*x = le(m->p + m->at, n);
	m->at += (size_t)n;
	return 0;
}

/* A string behind its length of width bytes. */
static int
counted(struct pickle *m, enum tag tag, int width)
{
	const unsigned char *p;
	uint64_t n;

	if (take(m, width, &n) || need(m, n))
		return -1;
	p = m->p + m->at;
	m->at += n;
	return make_bytes(m, tag, p, n);
}

static int
line(struct pickle *m, const unsigned char **s, size_t *n)
{
	const unsigned char *e = memchr(m->p + m->at, '\n', m->n - m->at);

	if (!e)
		return fail(m, "a line without an end");
	*s = m->p + m->at;
	*n = (size_t)(e - *s);
	m->at += *n + 1;
	return 0;
}

/* INT and LONG in decimal; 00 and 01 of INT are bools. */
static int
text_int(struct pickle *m, int is_int)
{
	const unsigned char *s;
	size_t n, i = 0;
	uint64_t x = 0;
	int neg;

	if (line(m, &s, &n))
		return -1;
	if (is_int && n == 2 && s[0] == '0' && (s[1] == '0' || s[1] == '1'))
		return make_int(m, V_BOOL, s[1] - '0');
	if (!is_int && n && s[n - 1] == 'L')
		n--;
	neg = n && s[0] == '-';
	if (neg)
		i++;
	if (i == n || n - i > 18)
		return fail(m, "a number that is no 64-bit integer");
	for (; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return fail(m, "a number that is no integer");
		x = x * 10 + (s[i] - '0');
	}
	return make_int(m, V_INT, neg ? -(int64_t)x : (int64_t)x);
}

static int
long1(struct pickle *m)
{
	const unsigned char *p;
	uint64_t n, x;

	if (take(m, 1, &n) || need(m, n))
		return -1;
	p = m->p + m->at;
	m->at += n;
	if (n > 8)
		return make_bytes(m, V_BIG, p, n);
	x = le(p, (int)n);
	if (n && n < 8 && p[n - 1] & 0x80)
		x |= ~(uint64_t)0 << 8 * n;
	return make_int(m, V_INT, (int64_t)x);
}

/* The names that a table of numbers needs. */
static int
table_global(enum global g)
{
	return g == G_ENCODE || g == G_RECONSTRUCT || g == G_NDARRAY || g == G_NPDTYPE ||
	       g == G_FROMBUFFER;
}

static int
global(struct pickle *m, const unsigned char *mod, size_t nmod, const unsigned char *name,
       size_t nn)
{
	char text[128];
	size_t i, j = 0;

	for (i = 0; i < LEN(globals); i++)
		if (strlen(globals[i].module) == nmod && strlen(globals[i].name) == nn &&
		    !memcmp(globals[i].module, mod, nmod) && !memcmp(globals[i].name, name, nn) &&
		    (!tables(m) || table_global(globals[i].g)))
			return make_int(m, V_GLOBAL, (int64_t)i);
	for (i = 0; i < nmod && j < 60; i++)
		text[j++] = mod[i] > 0x20 && mod[i] < 0x7f ? (char)mod[i] : '?';
	text[j++] = '.';
	for (i = 0; i < nn && j < 120; i++)
		text[j++] = name[i] > 0x20 && name[i] < 0x7f ? (char)name[i] : '?';
	text[j] = 0;
	return fail(m, "it names %s, which is not allowed", text);
}

static int
memoize(struct pickle *m, uint64_t i)
{
	uint32_t v, cap;
	uint32_t *q;

	if (top(m, &v))
		return -1;
	if (i >= (tables(m) ? TABLE_MEMO : MAX_VALUES))
		return fail(m, "memo place %llu is too high", (unsigned long long)i);
	if (i >= m->capmemo) {
		cap = MAX((uint32_t)i + 1, m->capmemo * 2);
		cap = MIN(MAX(cap, 64u), (uint32_t)MAX_VALUES);
		if (!(q = realloc(m->memo, cap * sizeof *q)))
			return fail(m, "no memory");
		memset(q + m->capmemo, 0, (cap - m->capmemo) * sizeof *q);
		m->memo = q;
		m->capmemo = cap;
	}
	if (!m->memo[i])
		m->nmemo++;
	m->memo[i] = v + 1;
	return 0;
}

static int
recall(struct pickle *m, uint64_t i)
{
	if (i >= m->capmemo || !m->memo[i])
		return fail(m, "memo place %llu was never set", (unsigned long long)i);
	return push(m, m->memo[i] - 1);
}

/* ---- what a REDUCE or BUILD of the table means ---- */

static int
is_global(const struct value *v, enum global g)
{
	return v->tag == V_GLOBAL && globals[v->u.i].g == g;
}

static const struct value *
item(const struct pickle *m, const struct value *c, uint32_t i)
{
	return &m->v[c->u.c.v[i]];
}

static int
is_str(const struct value *v, const char *s)
{
	return v->tag == V_STR && v->u.s.n == strlen(s) && !memcmp(v->u.s.p, s, v->u.s.n);
}

static int
numbers(struct pickle *m, const struct value *t, const char *what, int *n, uint64_t to[ARRAY_DIMS])
{
	if (t->tag != V_TUPLE && t->tag != V_LIST)
		return fail(m, "the %s is no tuple", what);
	if (t->u.c.n > ARRAY_DIMS)
		return fail(m, "%u dimensions, at most %d are read", t->u.c.n, ARRAY_DIMS);
	for (uint32_t i = 0; i < t->u.c.n; i++) {
		const struct value *x = item(m, t, i);

		if (x->tag != V_INT || x->u.i < 0)
			return fail(m, "the %s has an item that is no size", what);
		to[i] = (uint64_t)x->u.i;
	}
	*n = (int)t->u.c.n;
	return 0;
}

static uint64_t
max_elements(const struct pickle *m)
{
	return m->c->o && m->c->o->max_elements ? m->c->o->max_elements : (uint64_t)1 << 31;
}

/* Product of the dims, within the limit. */
static int
elements(struct pickle *m, const struct tensor *t, uint64_t *n)
{
	int empty = 0;

	*n = 1;
	for (int i = 0; i < t->ndim; i++)
		empty |= !t->dim[i];
	for (int i = 0; i < t->ndim && !empty; i++)
		if (__builtin_mul_overflow(*n, t->dim[i], n) || *n > max_elements(m))
			return fail(m, "more than %llu elements",
				    (unsigned long long)max_elements(m));
	if (empty)
		*n = 0;
	return 0;
}

static struct tensor *
new_tensor(struct pickle *m)
{
	struct tensor *t;

	if (grow((void **)&m->t, m->nt, &m->capt, sizeof *m->t, MAX_TENSORS)) {
		fail(m, "more than %d arrays", MAX_TENSORS);
		return NULL;
	}
	t = &m->t[m->nt++];
	memset(t, 0, sizeof *t);
	t->store = t->list = UINT32_MAX;
	return t;
}

static int
push_tensor(struct pickle *m)
{
	struct value *v = make(m, V_TENSOR);

	if (!v)
		return -1;
	v->u.x = m->nt - 1;
	return 0;
}

/* (storage, offset, size, stride, ...) */
static int
rebuild(struct pickle *m, const struct value *a)
{
	const struct value *s = item(m, a, 0), *off = item(m, a, 1);
	struct tensor *t = new_tensor(m);
	uint64_t n, last, span;
	int nstride;

	if (!t)
		return -1;
	if (s->tag != V_STORE)
		return fail(m, "a tensor without a storage");
	if (off->tag != V_INT || off->u.i < 0)
		return fail(m, "a tensor whose offset is no size");
	if (numbers(m, item(m, a, 2), "size", &t->ndim, t->dim) ||
	    numbers(m, item(m, a, 3), "stride", &nstride, t->stride) || elements(m, t, &n))
		return -1;
	if (nstride != t->ndim)
		return fail(m, "%d sizes but %d strides", t->ndim, nstride);
	t->store = s->u.x;
	t->type = m->c->store[t->store].type;
	t->off = last = (uint64_t)off->u.i;
	for (int i = 0; i < t->ndim && n; i++)
		if (__builtin_mul_overflow(t->dim[i] - 1, t->stride[i], &span) ||
		    __builtin_add_overflow(last, span, &last))
			return fail(m, "a tensor's sizes and strides overflow");
	if (n && last >= m->c->store[t->store].count)
		return fail(m, "a tensor reaches element %llu of a storage of %llu",
			    (unsigned long long)last,
			    (unsigned long long)m->c->store[t->store].count);
	if (!n)
		t->off = 0;
	return push_tensor(m);
}

/* Bytes of an array of that shape at p, C or Fortran order. */
static int
place(struct pickle *m, struct tensor *t, const struct value *dtype, const struct value *raw,
      int fortran)
{
	uint64_t n, step = 1, bytes;

	if (dtype->tag != V_DTYPE)
		return fail(m, "an array without a dtype");
	if (dtype->type == ARRAY_OTHER)
		return fail(m, "an array of objects");
	if (raw->tag != V_BYTES)
		return fail(m, "an array whose data are no bytes");
	t->type = dtype->type;
	t->swap = dtype->swap;
	if (elements(m, t, &n))
		return -1;
	bytes = n * types[t->type].size; /* the limit of n keeps it small */
	if (__builtin_mul_overflow(n, (uint64_t)types[t->type].size, &bytes) || bytes != raw->u.s.n)
		return fail(m, "an array of %llu bytes has %zu", (unsigned long long)bytes,
			    raw->u.s.n);
	t->data = raw->u.s.p;
	for (int i = 0; i < t->ndim; i++) {
		int d = fortran ? i : t->ndim - 1 - i;

		t->stride[d] = step;
		if (n)
			step *= t->dim[d];
	}
	return 0;
}

static int
table_type(enum array_type t)
{
	return t == ARRAY_F32 || t == ARRAY_F64 || t == ARRAY_I32 || t == ARRAY_I64;
}

static int
dtype(struct pickle *m, const struct value *a)
{
	static const struct {
		const char *name;
		enum array_type type;
	} names[] = {{"b1", ARRAY_BOOL}, {"i1", ARRAY_I8},  {"u1", ARRAY_U8},  {"i2", ARRAY_I16},
		     {"u2", ARRAY_U16},  {"i4", ARRAY_I32}, {"u4", ARRAY_U32}, {"i8", ARRAY_I64},
		     {"u8", ARRAY_U64},  {"f2", ARRAY_F16}, {"f4", ARRAY_F32}, {"f8", ARRAY_F64},
		     {"O8", ARRAY_OTHER}};
	const struct value *s = item(m, a, 0);
	struct value *v;

	for (size_t i = 0; i < LEN(names); i++)
		if (is_str(s, names[i].name)) {
			if (names[i].type == ARRAY_OTHER && !m->c->object0)
				return fail(m, "an array of objects");
			if (tables(m) && !table_type(names[i].type))
				return fail(m, "an array of %s, only f4 f8 i4 i8 are read",
					    names[i].name);
			if (!(v = make(m, V_DTYPE)))
				return -1;
			v->type = (uint8_t)names[i].type;
			return 0;
		}
	return fail(m, "an array whose elements are no numbers");
}

/* (str, "latin1"): code points 0..255 back to bytes. */
static int
encode(struct pickle *m, const struct value *a)
{
	const struct value *s = item(m, a, 0), *how = item(m, a, 1);
	const unsigned char *p = s->u.s.p;
	unsigned char *q;
	size_t i, n = 0;

	if (s->tag != V_STR || !(is_str(how, "latin1") || is_str(how, "latin-1")))
		return fail(m, "_codecs.encode of something that is not latin1 text");
	for (i = 0; i < s->u.s.n && p[i] < 0x80; i++)
		;
	if (i == s->u.s.n)
		return make_bytes(m, V_BYTES, p, s->u.s.n);
	m->decoded += s->u.s.n;
	if (m->decoded > 2 * (uint64_t)m->n)
		return fail(m, "one string is decoded again and again");
	if (!(q = malloc(s->u.s.n)))
		return fail(m, "no memory");
	if (array_own(m->c->l, q)) {
		free(q);
		return fail(m, "no memory");
	}
	for (i = 0; i < s->u.s.n; n++) {
		if (p[i] < 0x80) {
			q[n] = p[i++];
		} else if ((p[i] == 0xc2 || p[i] == 0xc3) && i + 1 < s->u.s.n &&
			   (p[i + 1] & 0xc0) == 0x80) {
			q[n] = (unsigned char)(p[i] << 6 | (p[i + 1] & 0x3f));
			i += 2;
		} else {
			return fail(m, "text that latin1 cannot hold");
		}
	}
	return make_bytes(m, V_BYTES, q, n);
}

static uint32_t
hash_of(const unsigned char *key, size_t n)
{
	uint32_t h = 2166136261u;

	while (n--)
		h = (h ^ *key++) * 16777619u;
	return h ^ h >> 15;
}

/* Its place in the hash: empty, or that of the key. */
static uint32_t
slot(const struct ctx *c, const unsigned char *key, size_t n)
{
	uint32_t i = hash_of(key, n) & (c->nhash - 1);

	for (; c->hash[i]; i = (i + 1) & (c->nhash - 1)) {
		const struct store *s = &c->store[c->hash[i] - 1];

		if (s->nkey == n && !memcmp(s->key, key, n))
			break;
	}
	return i;
}

uint32_t
ctx_find(const struct ctx *c, const unsigned char *key, size_t n)
{
	uint32_t i;

	if (!c->nhash || !(i = c->hash[slot(c, key, n)]))
		return UINT32_MAX;
	return i - 1;
}

void
ctx_free(struct ctx *c)
{
	free(c->store);
	free(c->hash);
}

static int
add_store(struct pickle *m, const struct store *s)
{
	struct ctx *c = m->c;

	if (grow((void **)&c->store, c->nstore, &c->cap, sizeof *s, MAX_TENSORS))
		return fail(m, "more than %d storages", MAX_TENSORS);
	c->store[c->nstore++] = *s;
	if (s->nkey == SIZE_MAX) /* embedded: has no key */
		return 0;
	if (c->nstore * 2 > c->nhash) {
		uint32_t n = MAX(64u, c->nhash * 2), *q = calloc(n, sizeof *q);

		if (!q)
			return fail(m, "no memory");
		free(c->hash);
		c->hash = q;
		c->nhash = n;
		for (uint32_t i = 0; i < c->nstore; i++)
			if (c->store[i].nkey != SIZE_MAX)
				q[slot(c, c->store[i].key, c->store[i].nkey)] = i + 1;
	} else {
		c->hash[slot(c, s->key, s->nkey)] = c->nstore;
	}
	return 0;
}

static int
push_store(struct pickle *m, uint32_t i)
{
	struct value *v = make(m, V_STORE);

	if (!v)
		return -1;
	v->u.x = i;
	return 0;
}

/* ("storage", class, key, location, count[, view]) */
static int
persid(struct pickle *m)
{
	const struct value *t;
	struct store s = {0};
	uint32_t i;

	if (pop(m, &i))
		return -1;
	t = &m->v[i];
	if (!m->c->fetch && !m->c->legacy)
		return fail(m, "a persistent id outside a torch file");
	if (t->tag != V_TUPLE || t->u.c.n < 5 || t->u.c.n > 6 || !is_str(item(m, t, 0), "storage"))
		return fail(m, t->tag == V_TUPLE && t->u.c.n && is_str(item(m, t, 0), "module")
				       ? "it holds a module"
				       : "a persistent id that is no storage");
	if (t->u.c.n == 6 && item(m, t, 5)->tag != V_NONE)
		return fail(m, "a storage that is a view of another");
	if (!is_global(item(m, t, 1), G_STORAGE) || item(m, t, 2)->tag != V_STR ||
	    item(m, t, 3)->tag != V_STR || item(m, t, 4)->tag != V_INT || item(m, t, 4)->u.i < 0)
		return fail(m, "a storage's class, key, location or count is wrong");
	s.type = globals[item(m, t, 1)->u.i].type;
	s.key = item(m, t, 2)->u.s.p;
	s.nkey = item(m, t, 2)->u.s.n;
	s.count = (uint64_t)item(m, t, 4)->u.i;
	s.swap = m->c->swap;
	if (s.count > (uint64_t)1 << 59)
		return fail(m, "a storage of %llu elements", (unsigned long long)s.count);
	i = ctx_find(m->c, s.key, s.nkey);
	if (i != UINT32_MAX) {
		if (m->c->store[i].type != s.type || m->c->store[i].count != s.count)
			return fail(m, "one storage under two descriptions");
		return push_store(m, i);
	}
	if (m->c->fetch && m->c->fetch(m->c, &s))
		return -1;
	return add_store(m, &s) ? -1 : push_store(m, m->c->nstore - 1);
}

static int
load(struct pickle *m, const struct value *a)
{
	const struct value *b = item(m, a, 0);
	struct store s = {0};

	if (b->tag != V_BYTES)
		return fail(m, "an embedded torch file that is no bytes");
	if (m->c->depth)
		return fail(m, "a torch file in a torch file in a pickle");
	m->decoded += b->u.s.n;
	if (m->decoded > 4 * (uint64_t)m->n)
		return fail(m, "one embedded file is read again and again");
	if (torch_storage(m->c, b->u.s.p, b->u.s.n, &s))
		return -1;
	s.nkey = SIZE_MAX;
	return add_store(m, &s) ? -1 : push_store(m, m->c->nstore - 1);
}

static int
reduce_call(struct pickle *m, const struct value *f, const struct value *a)
{
	uint32_t n = a->u.c.n;
	struct tensor *t;
	struct value *v;

	switch (globals[f->u.i].g) {
	case G_TENSOR_V2:
		if (n == 6 || n == 7)
			return rebuild(m, a);
		break;
	case G_TENSOR_V1:
		if (n == 4)
			return rebuild(m, a);
		break;
	case G_PARAMETER:
		if (n == 3 && item(m, a, 0)->tag == V_TENSOR)
			return push(m, a->u.c.v[0]);
		break;
	case G_FROM_TYPE:
		if (n == 4 && item(m, a, 0)->tag == V_GLOBAL &&
		    !is_global(item(m, a, 0), G_FROM_TYPE) &&
		    is_global(item(m, a, 1), G_TENSOR_TYPE) && item(m, a, 2)->tag == V_TUPLE)
			return reduce_call(m, item(m, a, 0), item(m, a, 2));
		break;
	case G_LOAD:
		if (n == 1)
			return load(m, a);
		break;
	case G_ODICT:
		if (n)
			break;
		if (!(v = make(m, V_DICT)))
			return -1;
		v->is_odict = 1;
		return 0;
	case G_SIZE:
		if (n == 1 && item(m, a, 0)->tag == V_TUPLE)
			return push(m, a->u.c.v[0]);
		break;
	case G_DEVICE:
		if (n == 1 || n == 2)
			return make(m, V_OPAQUE) ? 0 : -1;
		break;
	case G_ENCODE:
		if (n == 2)
			return encode(m, a);
		break;
	case G_OPAQUE:
		return make(m, V_OPAQUE) ? 0 : -1;
	case G_BYTES:
		return n ? (make(m, V_OPAQUE) ? 0 : -1)
			 : make_bytes(m, V_BYTES, (const unsigned char *)"", 0);
	case G_RECONSTRUCT:
		if (n != 3 || !is_global(item(m, a, 0), G_NDARRAY))
			break;
		if (!(v = make(m, V_OPAQUE)))
			return -1;
		v->plain = 1;
		return 0;
	case G_NPDTYPE:
		if (n == 3)
			return dtype(m, a);
		break;
	case G_FROMBUFFER:
		if (n != 4 || !(is_str(item(m, a, 3), "C") || is_str(item(m, a, 3), "F")))
			break;
		if (!(t = new_tensor(m)) || numbers(m, item(m, a, 2), "shape", &t->ndim, t->dim) ||
		    place(m, t, item(m, a, 1), item(m, a, 0), is_str(item(m, a, 3), "F")))
			return -1;
		return push_tensor(m);
	case G_SCALAR:
		if (n != 2)
			break;
		if (!(t = new_tensor(m)) || place(m, t, item(m, a, 0), item(m, a, 1), 0))
			return -1;
		return push_tensor(m);
	default:
		return fail(m, "%s.%s is not to be called", globals[f->u.i].module,
			    globals[f->u.i].name);
	}
	return fail(m, "%s.%s with arguments that it does not take", globals[f->u.i].module,
		    globals[f->u.i].name);
}

static int
reduce(struct pickle *m)
{
	struct value a, f;
	uint32_t i;

	if (pop(m, &i))
		return -1;
	a = m->v[i];
	if (pop(m, &i))
		return -1;
	f = m->v[i];
	if (f.tag != V_GLOBAL || a.tag != V_TUPLE)
		return fail(m, "REDUCE of something that is no function");
	return reduce_call(m, &f, &a); /* copies: the values may move */
}

/* (1, shape, dtype, fortran, data) into an array that was begun. */
static int
build_array(struct pickle *m, struct value *to, const struct value *a)
{
	const struct value *ft, *d, *raw;
	struct tensor *t;

	if (a->tag != V_TUPLE || a->u.c.n != 5)
		return fail(m, "an array's state is not five items");
	d = item(m, a, 2);
	ft = item(m, a, 3);
	raw = item(m, a, 4);
	if (!(t = new_tensor(m)) || numbers(m, item(m, a, 1), "shape", &t->ndim, t->dim))
		return -1;
	if (ft->tag != V_BOOL && ft->tag != V_INT)
		return fail(m, "an array's order is no truth value");
	if (d->tag == V_DTYPE && d->type == ARRAY_OTHER) {
		if (t->ndim || raw->tag != V_LIST || raw->u.c.n != 1)
			return fail(m, "an array of several objects");
		t->type = ARRAY_OTHER;
		t->list = a->u.c.v[4];
	} else if (place(m, t, d, raw, ft->u.i != 0)) {
		return -1;
	}
	to->tag = V_TENSOR;
	to->plain = 0;
	to->u.x = m->nt - 1;
	return 0;
}

static int
build(struct pickle *m)
{
	const struct value *a, *o;
	struct value *to;
	uint32_t i;

	if (pop(m, &i))
		return -1;
	a = &m->v[i];
	if (top(m, &i))
		return -1;
	to = &m->v[i];
	if (to->tag == V_OPAQUE && to->plain)
		return build_array(m, to, a);
	if (to->tag == V_DICT && to->is_odict && a->tag == V_DICT)
		return 0; /* _metadata of a state_dict */
	if (to->tag != V_DTYPE || a->tag != V_TUPLE || a->u.c.n != 8)
		return fail(m, "BUILD of something that takes no state");
	o = item(m, a, 1);
	if (item(m, a, 0)->tag != V_INT || item(m, a, 0)->u.i != 3 ||
	    item(m, a, 2)->tag != V_NONE || item(m, a, 3)->tag != V_NONE ||
	    item(m, a, 4)->tag != V_NONE)
		return fail(m, "an array whose elements have parts");
	if (is_str(o, ">"))
		to->swap = 1;
	else if (is_str(o, "<") || is_str(o, "|") || (is_str(o, "=") && !tables(m)))
		to->swap = 0;
	else
		return fail(m, "a byte order that is none");
	return 0;
}

/* ---- the machine ---- */

static int
set_items(struct pickle *m, uint32_t from)
{
	uint32_t d, n = m->nstack - from;

	if (from <= floor_of(m))
		return fail(m, "the stack is empty");
	d = m->stack[from - 1];
	if (m->v[d].tag != V_DICT)
		return fail(m, "items for something that is no dict");
	if (n % 2)
		return fail(m, "a key without a value");
	if (append(m, d, m->stack + from, n))
		return -1;
	m->nstack = from;
	return 0;
}

static int
appends(struct pickle *m, uint32_t from, enum tag tag)
{
	uint32_t c;

	if (from <= floor_of(m))
		return fail(m, "the stack is empty");
	c = m->stack[from - 1];
	if (m->v[c].tag != tag)
		return fail(m, "items for something that holds none");
	if (tag == V_LIST && append(m, c, m->stack + from, m->nstack - from))
		return -1;
	m->nstack = from;
	return 0;
}

static int
stack_global(struct pickle *m)
{
	const struct value *a, *b;
	uint32_t i, j;

	if (pop(m, &i) || pop(m, &j))
		return -1;
	a = &m->v[j];
	b = &m->v[i];
	if (a->tag != V_STR || b->tag != V_STR)
		return fail(m, "a global whose name is no text");
	return global(m, a->u.s.p, a->u.s.n, b->u.s.p, b->u.s.n);
}

static int
step(struct pickle *m, int op, int *stop)
{
	const unsigned char *s, *s2;
	struct value *v;
	uint32_t i, from = 0;
	uint64_t x;
	size_t n, n2;

	switch (op) {
	case '.':
		*stop = 1;
		if (m->nmark)
			return fail(m, "STOP above a mark");
		return pop(m, &m->root);
	case '(':
		if (grow((void **)&m->mark, m->nmark, &m->capmark, sizeof *m->mark,
			 tables(m) ? TABLE_STACK : MAX_VALUES))
			return fail(m, "too many marks");
		m->mark[m->nmark++] = m->nstack;
		return 0;
	case '0': /* POP: of a mark, if that is on top */
		if (m->nmark && m->nstack == floor_of(m))
			return unmark(m, &from);
		return pop(m, &i);
	case '1':
		if (unmark(m, &from))
			return -1;
		m->nstack = from;
		return 0;
	case '2':
		return top(m, &i) ? -1 : push(m, i);
	case 'N':
		return make(m, V_NONE) ? 0 : -1;
	case 0x88:
		return make_int(m, V_BOOL, 1);
	case 0x89:
		return make_int(m, V_BOOL, 0);
	case 'J':
		return take(m, 4, &x) ? -1 : make_int(m, V_INT, (int32_t)x);
	case 'K':
		return take(m, 1, &x) ? -1 : make_int(m, V_INT, (int64_t)x);
	case 'M':
		return take(m, 2, &x) ? -1 : make_int(m, V_INT, (int64_t)x);
	case 'I':
	case 'L':
		return text_int(m, op == 'I');
	case 0x8a:
		return long1(m);
	case 'G':
		if (need(m, 8) || !(v = make(m, V_FLOAT)))
			return -1;
		x = __builtin_bswap64(le(m->p + m->at, 8));
		memcpy(&v->u.f, &x, 8);
		m->at += 8;
		return 0;
	case 'X':
		return counted(m, V_STR, 4);
	case 0x8c:
		return counted(m, V_STR, 1);
	case 0x8d:
		return counted(m, V_STR, 8);
	case 'U': /* Python 2 strings are bytes of numpy, or names */
		return counted(m, V_BYTES, 1);
	case 'T':
		return counted(m, V_BYTES, 4);
	case 'C':
		return counted(m, V_BYTES, 1);
	case 'B':
		return counted(m, V_BYTES, 4);
	case 0x8e:
	case 0x96:
		return counted(m, V_BYTES, 8);
	case '}':
		return make(m, V_DICT) ? 0 : -1;
	case ']':
		return make(m, V_LIST) ? 0 : -1;
	case ')':
		return make(m, V_TUPLE) ? 0 : -1;
	case 0x8f:
		return make(m, V_OPAQUE) ? 0 : -1;
	case 0x85:
		return tuple(m, 1);
	case 0x86:
		return tuple(m, 2);
	case 0x87:
		return tuple(m, 3);
	case 't':
		return unmark(m, &from) ? -1 : gather(m, V_TUPLE, from);
	case 'l':
		return unmark(m, &from) ? -1 : gather(m, V_LIST, from);
	case 'd':
		return unmark(m, &from) ? -1 : gather(m, V_DICT, from);
	case 0x91: /* FROZENSET */
		if (unmark(m, &from))
			return -1;
		m->nstack = from;
		return make(m, V_OPAQUE) ? 0 : -1;
	case 0x90: /* ADDITEMS */
		return unmark(m, &from) ? -1 : appends(m, from, V_OPAQUE);
	case 'e':
		return unmark(m, &from) ? -1 : appends(m, from, V_LIST);
	case 'a':
		if (m->nstack < floor_of(m) + 2)
			return fail(m, "the stack is empty");
		return appends(m, m->nstack - 1, V_LIST);
	case 'u':
		return unmark(m, &from) ? -1 : set_items(m, from);
	case 's':
		if (m->nstack < floor_of(m) + 3)
			return fail(m, "the stack is empty");
		return set_items(m, m->nstack - 2);
	case 'q':
		return take(m, 1, &x) ? -1 : memoize(m, x);
	case 'r':
		return take(m, 4, &x) ? -1 : memoize(m, x);
	case 0x94:
		return memoize(m, m->nmemo);
	case 'h':
		return take(m, 1, &x) ? -1 : recall(m, x);
	case 'j':
		return take(m, 4, &x) ? -1 : recall(m, x);
	case 'c':
		if (line(m, &s, &n) || line(m, &s2, &n2))
			return -1;
		return global(m, s, n, s2, n2);
	case 0x93:
		return stack_global(m);
	case 'R':
		return reduce(m);
	case 'b':
		return build(m);
	case 'Q':
		return persid(m);
	case 0x95:
		return take(m, 8, &x) ? -1 : need(m, x);
	case 0x80:
		return fail(m, "a second protocol mark");
	default:
		return fail(m, "instruction 0x%02x is not allowed", op);
	}
}

/* What tables are written with; BINFLOAT for a number beside them. */
static int
table_op(int op)
{
	static const unsigned char ops[] = {'.',  '(',  'N',  'J',  'K',  'M',  'G',  'X',  'C',
					    'B',  '}',  ')',  't',  'u',  's',  'q',  'r',  'h',
					    'j',  'c',  'R',  'b',  0x85, 0x86, 0x87, 0x88, 0x89,
					    0x8a, 0x8c, 0x8e, 0x93, 0x94, 0x95, 0x96};

	return memchr(ops, op, sizeof ops) != NULL;
}

struct pickle *
pickle_run(struct ctx *c, const unsigned char *p, size_t n, size_t *used)
{
	struct pickle *m = calloc(1, sizeof *m);
	int stop = 0;

	if (!m) {
		array_err(c->l, "no memory");
		return NULL;
	}
	m->c = c;
	m->p = p;
	m->n = n;
	if (n < 2 || p[0] != 0x80) {
		fail(m, "not a pickle of protocol 2 to 5%s%s", kind_told(p, n) ? " but " : "",
		     kind_told(p, n) ? kind_told(p, n) : "");
		goto bad;
	}
	if (p[1] < 2 || p[1] > 5) {
		fail(m, "pickle protocol %d, only 2 to 5 are read", p[1]);
		goto bad;
	}
	m->at = 2;
	while (!stop) {
		m->op = m->at;
		if (m->at == n) {
			fail(m, "the pickle ends without STOP");
			goto bad;
		}
		if (tables(m) && !table_op(p[m->at])) {
			fail(m, "instruction 0x%02x is not allowed", p[m->at]);
			goto bad;
		}
		if (step(m, p[m->at++], &stop))
			goto bad;
	}
	*used = m->at;
	return m;
bad:
	pickle_free(m);
	return NULL;
}

void
pickle_free(struct pickle *m)
{
	if (!m)
		return;
	for (uint32_t i = 0; i < m->nv; i++)
		if (m->v[i].tag == V_TUPLE || m->v[i].tag == V_LIST || m->v[i].tag == V_DICT)
			free(m->v[i].u.c.v);
	free(m->v);
	free(m->stack);
	free(m->mark);
	free(m->memo);
	free(m->t);
	free(m);
}

enum pickle_root
pickle_root(const struct pickle *m)
{
	switch (m->v[m->root].tag) {
	case V_INT:
		return PICKLE_INT;
	case V_BIG:
		return PICKLE_BIG;
	case V_DICT:
		return PICKLE_DICT;
	case V_LIST:
		return PICKLE_LIST;
	case V_STORE:
		return PICKLE_STORE;
	default:
		return PICKLE_OTHER;
	}
}

int64_t
pickle_int(const struct pickle *m)
{
	return m->v[m->root].u.i;
}

const unsigned char *
pickle_bytes(const struct pickle *m, size_t *n)
{
	*n = m->v[m->root].u.s.n;
	return m->v[m->root].u.s.p;
}

uint32_t
pickle_store(const struct pickle *m)
{
	return m->v[m->root].u.x;
}

int
pickle_item(const struct pickle *m, const char *key, int64_t *i)
{
	const struct value *d = &m->v[m->root], *v;

	for (uint32_t k = 0; k + 1 < d->u.c.n; k += 2)
		if (is_str(item(m, d, k), key)) {
			v = item(m, d, k + 1);
			*i = v->u.i;
			return v->tag == V_INT || v->tag == V_BOOL;
		}
	return 0;
}

int
pickle_at(const struct pickle *m, size_t i, const unsigned char **s, size_t *n)
{
	const struct value *d = &m->v[m->root], *v;

	if (i >= d->u.c.n)
		return 0;
	v = item(m, d, (uint32_t)i);
	if (v->tag != V_STR)
		return -1;
	*s = v->u.s.p;
	*n = v->u.s.n;
	return 1;
}

/* ---- the walk over the result ---- */

static int
emit_tensor(struct pickle *m, const struct tensor *t, const char *path)
{
	struct array *a;

	m->paths += strlen(path) + 1;
	if (m->paths > MAX_PATHS || m->c->l->n >= MAX_TENSORS)
		return fail(m, "too many arrays to list");
	if (!(a = array_add(m->c->l, path)))
		return fail(m, "no memory");
	a->type = t->type;
	a->size = types[t->type].size;
	snprintf(a->dtype, sizeof a->dtype, "%s", types[t->type].name);
	a->ndim = t->ndim;
	memcpy(a->dim, t->dim, sizeof a->dim);
	memcpy(a->stride, t->stride, sizeof a->stride);
	a->swap = t->swap;
	a->data = t->data;
	if (t->store != UINT32_MAX) {
		const struct store *s = &m->c->store[t->store];

		a->swap = s->swap;
		if (s->data)
			a->data = s->data + t->off * a->size;
	}
	if (!a->data)
		a->data = (const unsigned char *)"";
	return 0;
}

static int
emit_scalar(struct pickle *m, const struct value *v, const char *path)
{
	struct array_scalar *s;

	if (m->c->l->nscalar >= MAX_SCALARS)
		return 0;
	m->paths += strlen(path) + 1;
	if (v->tag == V_STR) {
		if (v->u.s.n > MAX_PATH || memchr(v->u.s.p, 0, v->u.s.n))
			return 0;
		m->paths += v->u.s.n;
	}
	if (m->paths > MAX_PATHS)
		return fail(m, "too many values to list");
	if (!(s = array_add_scalar(m->c->l, path)))
		return fail(m, "no memory");
	s->is_text = v->tag == V_STR;
	if (!s->is_text) {
		s->i = v->u.i;
		return 0;
	}
	if (!(s->text = malloc(v->u.s.n + 1)))
		return fail(m, "no memory");
	memcpy(s->text, v->u.s.p, v->u.s.n);
	s->text[v->u.s.n] = 0;
	return 0;
}

/* path + "." + key; at is the length of path. */
static int
extend(struct pickle *m, char path[MAX_PATH], size_t at, const struct value *key, uint32_t i)
{
	size_t n = at;

	if (at)
		path[n++] = '.';
	if (key && key->tag == V_STR) {
		if (key->u.s.n > MAX_PATH - n - 2)
			return fail(m, "a name is too long");
		for (size_t k = 0; k < key->u.s.n; k++) {
			unsigned char c = key->u.s.p[k];

			path[n++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
		}
		path[n] = 0;
		return 0;
	}
	if (MAX_PATH - n < 24)
		return fail(m, "a name is too long");
	if (!key)
		snprintf(path + n, MAX_PATH - n, "%u", i);
	else if (key->tag == V_INT)
		snprintf(path + n, MAX_PATH - n, "%lld", (long long)key->u.i);
	else
		snprintf(path + n, MAX_PATH - n, "?");
	return 0;
}

static int
emit(struct pickle *m, uint32_t x, char path[MAX_PATH], int depth)
{
	const struct value *v = &m->v[x];
	size_t at = strlen(path);
	int dict = v->tag == V_DICT;

	if (++m->steps > MAX_STEPS)
		return fail(m, "shared values make more than %d items", MAX_STEPS);
	if (v->tag == V_TENSOR)
		return emit_tensor(m, &m->t[v->u.x], at ? path : ".");
	if (v->tag == V_INT || v->tag == V_BOOL || v->tag == V_STR)
		return emit_scalar(m, v, at ? path : ".");
	if (v->tag == V_OPAQUE && v->plain)
		return fail(m, "an array that was never filled");
	if (!dict && v->tag != V_LIST && v->tag != V_TUPLE)
		return 0;
	if (depth >= MAX_DEPTH)
		return fail(m, "values nested deeper than %d", MAX_DEPTH);
	for (uint32_t i = 0; i < v->u.c.n; i += dict ? 2 : 1) {
		if (extend(m, path, at, dict ? item(m, v, i) : NULL, i) ||
		    emit(m, v->u.c.v[i + (uint32_t)dict], path, depth + 1))
			return -1;
		path[at] = 0;
	}
	return 0;
}

int
pickle_emit(struct pickle *m, const char *path)
{
	char buf[MAX_PATH];
	size_t n = strlen(path);

	if (n >= sizeof buf - 32)
		return fail(m, "a name is too long");
	memcpy(buf, path, n + 1);
	return emit(m, m->root, buf, 0);
}

int
pickle_read(struct array_list *l, const unsigned char *p, size_t n, const struct array_opts *o)
{
	struct ctx c = {.l = l, .o = o, .entry = ""};
	struct pickle *m;
	size_t used;
	int r;

	if (!(m = pickle_run(&c, p, n, &used))) {
		ctx_free(&c);
		return -1;
	}
	m->op = used;
	r = used < n ? fail(m, "%zu bytes after STOP", n - used) : pickle_emit(m, "");
	pickle_free(m);
	ctx_free(&c);
	return r;
}

int
pickle_object0(struct array_list *l, const char *path, const unsigned char *p, size_t n,
	       const struct array_opts *o)
{
	struct ctx c = {.l = l, .o = o, .entry = "", .object0 = 1};
	const struct value *v, *e;
	struct pickle *m;
	size_t used;
	int r = -1;

	if (!(m = pickle_run(&c, p, n, &used)))
		goto out;
	v = &m->v[m->root];
	m->op = used;
	if (used < n)
		fail(m, "%zu bytes after STOP", n - used);
	else if (v->tag != V_TENSOR || m->t[v->u.x].list == UINT32_MAX)
		fail(m, "no wrapper around one array");
	else {
		e = &m->v[m->t[v->u.x].list];
		e = e->tag == V_LIST && e->u.c.n == 1 ? item(m, e, 0) : NULL;
		if (e && e->tag == V_NONE)
			r = 0;
		else if (e && e->tag == V_TENSOR && m->t[e->u.x].list == UINT32_MAX)
			r = emit_tensor(m, &m->t[e->u.x], path);
		else
			fail(m, "the wrapper holds no array");
	}
	pickle_free(m);
out:
	ctx_free(&c);
	return r;
}
