/*
 * The table of globals that torch and numpy write, what REDUCE and BUILD of them
 * mean, and the storages of torch (pt-format).
 */
#include <stdlib.h>
#include <string.h>

#include "picklestate.h"
#include "size.h"

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

const struct type pk_types[] = {
	[ARRAY_BOOL] = {1, "bool"}, [ARRAY_U8] = {1, "u8"},        [ARRAY_I8] = {1, "i8"},
	[ARRAY_U16] = {2, "u16"},   [ARRAY_I16] = {2, "i16"},      [ARRAY_U32] = {4, "u32"},
	[ARRAY_I32] = {4, "i32"},   [ARRAY_U64] = {8, "u64"},      [ARRAY_I64] = {8, "i64"},
	[ARRAY_F16] = {2, "f16"},   [ARRAY_BF16] = {2, "bf16"},    [ARRAY_F32] = {4, "f32"},
	[ARRAY_F64] = {8, "f64"},   [ARRAY_OTHER] = {8, "object"},
};

/* The names that a table of numbers needs. */
static int
table_global(enum global g)
{
	return g == G_ENCODE || g == G_RECONSTRUCT || g == G_NDARRAY || g == G_NPDTYPE ||
	       g == G_FROMBUFFER;
}

int
pk_global(struct pickle *m, const unsigned char *mod, size_t nmod, const unsigned char *name,
	  size_t nn)
{
	char text[128];
	size_t i, j = 0;

	for (i = 0; i < LEN(globals); i++)
		if (strlen(globals[i].module) == nmod && strlen(globals[i].name) == nn &&
		    !memcmp(globals[i].module, mod, nmod) && !memcmp(globals[i].name, name, nn) &&
		    (!pk_tables(m) || table_global(globals[i].g)))
			return pk_make_int(m, V_GLOBAL, (int64_t)i);
	for (i = 0; i < nmod && j < 60; i++)
		text[j++] = mod[i] > 0x20 && mod[i] < 0x7f ? (char)mod[i] : '?';
	text[j++] = '.';
	for (i = 0; i < nn && j < 120; i++)
		text[j++] = name[i] > 0x20 && name[i] < 0x7f ? (char)name[i] : '?';
	text[j] = 0;
	return pk_fail(m, "it names %s, which is not allowed", text);
}

static int
is_global(const struct value *v, enum global g)
{
	return v->tag == V_GLOBAL && globals[v->u.i].g == g;
}

static int
numbers(struct pickle *m, const struct value *t, const char *what, int *n, uint64_t to[ARRAY_DIMS])
{
	if (t->tag != V_TUPLE && t->tag != V_LIST)
		return pk_fail(m, "the %s is no tuple", what);
	if (t->u.c.n > ARRAY_DIMS)
		return pk_fail(m, "%u dimensions, at most %d are read", t->u.c.n, ARRAY_DIMS);
	for (uint32_t i = 0; i < t->u.c.n; i++) {
		const struct value *x = pk_item(m, t, i);

		if (x->tag != V_INT || x->u.i < 0)
			return pk_fail(m, "the %s has an item that is no size", what);
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
			return pk_fail(m, "more than %llu elements",
				       (unsigned long long)max_elements(m));
	if (empty)
		*n = 0;
	return 0;
}

static struct tensor *
new_tensor(struct pickle *m)
{
	struct tensor *t;

	if (pk_grow((void **)&m->t, m->nt, &m->capt, sizeof *m->t, pk_limit(m, MAX_TENSORS, 64))) {
		pk_fail(m, "more than %u arrays", pk_limit(m, MAX_TENSORS, 64));
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
	struct value *v = pk_make(m, V_TENSOR);

	if (!v)
		return -1;
	v->u.x = m->nt - 1;
	return 0;
}

/* (storage, offset, size, stride, ...) */
static int
rebuild(struct pickle *m, const struct value *a)
{
	const struct value *s = pk_item(m, a, 0), *off = pk_item(m, a, 1);
	struct tensor *t = new_tensor(m);
	uint64_t n, last, span;
	int nstride;

	if (!t)
		return -1;
	if (s->tag != V_STORE)
		return pk_fail(m, "a tensor without a storage");
	if (off->tag != V_INT || off->u.i < 0)
		return pk_fail(m, "a tensor whose offset is no size");
	if (numbers(m, pk_item(m, a, 2), "size", &t->ndim, t->dim) ||
	    numbers(m, pk_item(m, a, 3), "stride", &nstride, t->stride) || elements(m, t, &n))
		return -1;
	if (nstride != t->ndim)
		return pk_fail(m, "%d sizes but %d strides", t->ndim, nstride);
	t->store = s->u.x;
	t->type = m->c->store[t->store].type;
	t->off = last = (uint64_t)off->u.i;
	for (int i = 0; i < t->ndim && n; i++)
		if (__builtin_mul_overflow(t->dim[i] - 1, t->stride[i], &span) ||
		    __builtin_add_overflow(last, span, &last))
			return pk_fail(m, "a tensor's sizes and strides overflow");
	if (n && last >= m->c->store[t->store].count)
		return pk_fail(m, "a tensor reaches element %llu of a storage of %llu",
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
		return pk_fail(m, "an array without a dtype");
	if (dtype->type == ARRAY_OTHER)
		return pk_fail(m, "an array of objects");
	if (raw->tag != V_BYTES)
		return pk_fail(m, "an array whose data are no bytes");
	t->type = dtype->type;
	t->swap = dtype->swap;
	if (elements(m, t, &n))
		return -1;
	bytes = n * pk_types[t->type].size; /* the limit of n keeps it small */
	if (__builtin_mul_overflow(n, (uint64_t)pk_types[t->type].size, &bytes) ||
	    bytes != raw->u.s.n)
		return pk_fail(m, "an array of %llu bytes has %zu", (unsigned long long)bytes,
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
	const struct value *s = pk_item(m, a, 0);
	struct value *v;

	for (size_t i = 0; i < LEN(names); i++)
		if (pk_is_str(s, names[i].name)) {
			if (names[i].type == ARRAY_OTHER && !m->c->object0)
				return pk_fail(m, "an array of objects");
			if (pk_tables(m) && !table_type(names[i].type))
				return pk_fail(m, "an array of %s, only f4 f8 i4 i8 are read",
					       names[i].name);
			if (!(v = pk_make(m, V_DTYPE)))
				return -1;
			v->type = (uint8_t)names[i].type;
			return 0;
		}
	return pk_fail(m, "an array whose elements are no numbers");
}

/* (str, "latin1"): code points 0..255 back to bytes. */
static int
encode(struct pickle *m, const struct value *a)
{
	const struct value *s = pk_item(m, a, 0), *how = pk_item(m, a, 1);
	const unsigned char *p = s->u.s.p;
	unsigned char *q;
	size_t i, n = 0;

	if (s->tag != V_STR || !(pk_is_str(how, "latin1") || pk_is_str(how, "latin-1")))
		return pk_fail(m, "_codecs.encode of something that is not latin1 text");
	for (i = 0; i < s->u.s.n && p[i] < 0x80; i++)
		;
	if (i == s->u.s.n)
		return pk_make_bytes(m, V_BYTES, p, s->u.s.n);
	m->decoded += s->u.s.n;
	if (m->decoded > 2 * (uint64_t)m->n)
		return pk_fail(m, "one string is decoded again and again");
	if (!(q = malloc(s->u.s.n)))
		return pk_fail(m, "no memory");
	if (array_own(m->c->l, q)) {
		free(q);
		return pk_fail(m, "no memory");
	}
	for (i = 0; i < s->u.s.n; n++) {
		if (p[i] < 0x80) {
			q[n] = p[i++];
		} else if ((p[i] == 0xc2 || p[i] == 0xc3) && i + 1 < s->u.s.n &&
			   (p[i + 1] & 0xc0) == 0x80) {
			q[n] = (unsigned char)(p[i] << 6 | (p[i + 1] & 0x3f));
			i += 2;
		} else {
			return pk_fail(m, "text that latin1 cannot hold");
		}
	}
	return pk_make_bytes(m, V_BYTES, q, n);
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

	if (pk_grow((void **)&c->store, c->nstore, &c->cap, sizeof *s, MAX_TENSORS))
		return pk_fail(m, "more than %d storages", MAX_TENSORS);
	c->store[c->nstore++] = *s;
	if (s->nkey == SIZE_MAX) /* embedded: has no key */
		return 0;
	if (c->nstore * 2 > c->nhash) {
		uint32_t n = MAX(64u, c->nhash * 2), *q = calloc(n, sizeof *q);

		if (!q)
			return pk_fail(m, "no memory");
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
	struct value *v = pk_make(m, V_STORE);

	if (!v)
		return -1;
	v->u.x = i;
	return 0;
}

/* ("storage", class, key, location, count[, view]) */
int
pk_persid(struct pickle *m)
{
	const struct value *t;
	struct store s = {0};
	uint32_t i;

	if (pk_pop(m, &i))
		return -1;
	t = &m->v[i];
	if (!m->c->fetch && !m->c->legacy)
		return pk_fail(m, "a persistent id outside a torch file");
	if (t->tag != V_TUPLE || t->u.c.n < 5 || t->u.c.n > 6 ||
	    !pk_is_str(pk_item(m, t, 0), "storage"))
		return pk_fail(m, t->tag == V_TUPLE && t->u.c.n &&
						  pk_is_str(pk_item(m, t, 0), "module")
					  ? "it holds a module"
					  : "a persistent id that is no storage");
	if (t->u.c.n == 6 && pk_item(m, t, 5)->tag != V_NONE)
		return pk_fail(m, "a storage that is a view of another");
	if (!is_global(pk_item(m, t, 1), G_STORAGE) || pk_item(m, t, 2)->tag != V_STR ||
	    pk_item(m, t, 3)->tag != V_STR || pk_item(m, t, 4)->tag != V_INT ||
	    pk_item(m, t, 4)->u.i < 0)
		return pk_fail(m, "a storage's class, key, location or count is wrong");
	s.type = globals[pk_item(m, t, 1)->u.i].type;
	s.key = pk_item(m, t, 2)->u.s.p;
	s.nkey = pk_item(m, t, 2)->u.s.n;
	s.count = (uint64_t)pk_item(m, t, 4)->u.i;
	s.swap = m->c->swap;
	if (s.count > (uint64_t)1 << 59)
		return pk_fail(m, "a storage of %llu elements", (unsigned long long)s.count);
	i = ctx_find(m->c, s.key, s.nkey);
	if (i != UINT32_MAX) {
		if (m->c->store[i].type != s.type || m->c->store[i].count != s.count)
			return pk_fail(m, "one storage under two descriptions");
		return push_store(m, i);
	}
	if (m->c->fetch && m->c->fetch(m->c, &s))
		return -1;
	return add_store(m, &s) ? -1 : push_store(m, m->c->nstore - 1);
}

static int
load(struct pickle *m, const struct value *a)
{
	const struct value *b = pk_item(m, a, 0);
	struct store s = {0};

	if (b->tag != V_BYTES)
		return pk_fail(m, "an embedded torch file that is no bytes");
	if (m->c->depth)
		return pk_fail(m, "a torch file in a torch file in a pickle");
	m->decoded += b->u.s.n;
	if (m->decoded > 4 * (uint64_t)m->n)
		return pk_fail(m, "one embedded file is read again and again");
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
		if (n == 3 && pk_item(m, a, 0)->tag == V_TENSOR)
			return pk_push(m, a->u.c.v[0]);
		break;
	case G_FROM_TYPE:
		if (n == 4 && pk_item(m, a, 0)->tag == V_GLOBAL &&
		    !is_global(pk_item(m, a, 0), G_FROM_TYPE) &&
		    is_global(pk_item(m, a, 1), G_TENSOR_TYPE) && pk_item(m, a, 2)->tag == V_TUPLE)
			return reduce_call(m, pk_item(m, a, 0), pk_item(m, a, 2));
		break;
	case G_LOAD:
		if (n == 1)
			return load(m, a);
		break;
	case G_ODICT:
		if (n)
			break;
		if (!(v = pk_make(m, V_DICT)))
			return -1;
		v->is_odict = 1;
		return 0;
	case G_SIZE:
		if (n == 1 && pk_item(m, a, 0)->tag == V_TUPLE)
			return pk_push(m, a->u.c.v[0]);
		break;
	case G_DEVICE:
		if (n == 1 || n == 2)
			return pk_make(m, V_OPAQUE) ? 0 : -1;
		break;
	case G_ENCODE:
		if (n == 2)
			return encode(m, a);
		break;
	case G_OPAQUE:
		return pk_make(m, V_OPAQUE) ? 0 : -1;
	case G_BYTES:
		return n ? (pk_make(m, V_OPAQUE) ? 0 : -1)
			 : pk_make_bytes(m, V_BYTES, (const unsigned char *)"", 0);
	case G_RECONSTRUCT:
		if (n != 3 || !is_global(pk_item(m, a, 0), G_NDARRAY))
			break;
		if (!(v = pk_make(m, V_OPAQUE)))
			return -1;
		v->plain = 1;
		return 0;
	case G_NPDTYPE:
		if (n == 3)
			return dtype(m, a);
		break;
	case G_FROMBUFFER:
		if (n != 4 ||
		    !(pk_is_str(pk_item(m, a, 3), "C") || pk_is_str(pk_item(m, a, 3), "F")))
			break;
		if (!(t = new_tensor(m)) ||
		    numbers(m, pk_item(m, a, 2), "shape", &t->ndim, t->dim) ||
		    place(m, t, pk_item(m, a, 1), pk_item(m, a, 0),
			  pk_is_str(pk_item(m, a, 3), "F")))
			return -1;
		return push_tensor(m);
	case G_SCALAR:
		if (n != 2)
			break;
		if (!(t = new_tensor(m)) || place(m, t, pk_item(m, a, 0), pk_item(m, a, 1), 0))
			return -1;
		return push_tensor(m);
	default:
		return pk_fail(m, "%s.%s is not to be called", globals[f->u.i].module,
			       globals[f->u.i].name);
	}
	return pk_fail(m, "%s.%s with arguments that it does not take", globals[f->u.i].module,
		       globals[f->u.i].name);
}

int
pk_reduce(struct pickle *m)
{
	struct value a, f;
	uint32_t i;

	if (pk_pop(m, &i))
		return -1;
	a = m->v[i];
	if (pk_pop(m, &i))
		return -1;
	f = m->v[i];
	if (f.tag != V_GLOBAL || a.tag != V_TUPLE)
		return pk_fail(m, "REDUCE of something that is no function");
	return reduce_call(m, &f, &a); /* copies: the values may move */
}

/* (1, shape, dtype, fortran, data) into an array that was begun. */
static int
build_array(struct pickle *m, struct value *to, const struct value *a)
{
	const struct value *ft, *d, *raw;
	struct tensor *t;

	if (a->tag != V_TUPLE || a->u.c.n != 5)
		return pk_fail(m, "an array's state is not five items");
	d = pk_item(m, a, 2);
	ft = pk_item(m, a, 3);
	raw = pk_item(m, a, 4);
	if (!(t = new_tensor(m)) || numbers(m, pk_item(m, a, 1), "shape", &t->ndim, t->dim))
		return -1;
	if (ft->tag != V_BOOL && ft->tag != V_INT)
		return pk_fail(m, "an array's order is no truth value");
	if (d->tag == V_DTYPE && d->type == ARRAY_OTHER) {
		if (t->ndim || raw->tag != V_LIST || raw->u.c.n != 1)
			return pk_fail(m, "an array of several objects");
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

int
pk_build(struct pickle *m)
{
	const struct value *a, *o;
	struct value *to;
	uint32_t i;

	if (pk_pop(m, &i))
		return -1;
	a = &m->v[i];
	if (pk_top(m, &i))
		return -1;
	to = &m->v[i];
	if (to->tag == V_OPAQUE && to->plain)
		return build_array(m, to, a);
	if (to->tag == V_DICT && to->is_odict && a->tag == V_DICT)
		return 0; /* _metadata of a state_dict */
	if (to->tag != V_DTYPE || a->tag != V_TUPLE || a->u.c.n != 8)
		return pk_fail(m, "BUILD of something that takes no state");
	o = pk_item(m, a, 1);
	if (pk_item(m, a, 0)->tag != V_INT || pk_item(m, a, 0)->u.i != 3 ||
	    pk_item(m, a, 2)->tag != V_NONE || pk_item(m, a, 3)->tag != V_NONE ||
	    pk_item(m, a, 4)->tag != V_NONE)
		return pk_fail(m, "an array whose elements have parts");
	if (pk_is_str(o, ">"))
		to->swap = 1;
	else if (pk_is_str(o, "<") || pk_is_str(o, "|") || (pk_is_str(o, "=") && !pk_tables(m)))
		to->swap = 0;
	else
		return pk_fail(m, "a byte order that is none");
	return 0;
}
