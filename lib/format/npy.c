/* NPY headers (a Python dict literal of three keys) and the zip around them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "npy.h"
#include "pickle.h"
#include "pool.h"
#include "size.h"
#include "zip.h"

enum { HEADER_MAX = 65536 };

struct scan {
	const char *s, *end;
};

static void
blanks(struct scan *c)
{
	while (c->s < c->end && (*c->s == ' ' || *c->s == '\n' || *c->s == '\t'))
		c->s++;
}

static int
eat(struct scan *c, char ch)
{
	blanks(c);
	if (c->s == c->end || *c->s != ch)
		return 0;
	c->s++;
	return 1;
}

/* A quoted string without escapes: 1. */
static int
string(struct scan *c, char *to, size_t size)
{
	char q;
	size_t n = 0;

	blanks(c);
	if (c->s == c->end || (*c->s != '\'' && *c->s != '"'))
		return 0;
	q = *c->s++;
	while (c->s < c->end && *c->s != q) {
		if (*c->s == '\\' || n + 1 >= size)
			return 0;
		to[n++] = *c->s++;
	}
	to[n] = 0;
	return c->s < c->end && *c->s++ == q;
}

static int
word(struct scan *c, const char *w)
{
	size_t n = strlen(w);

	blanks(c);
	if ((size_t)(c->end - c->s) < n || memcmp(c->s, w, n))
		return 0;
	c->s += n;
	return 1;
}

static int
tuple(struct scan *c, struct array *a)
{
	if (!eat(c, '('))
		return 0;
	for (a->ndim = 0; !eat(c, ')'); a->ndim++) {
		uint64_t n = 0;

		if (a->ndim == ARRAY_DIMS || (a->ndim && !eat(c, ',')))
			return 0;
		if (a->ndim && eat(c, ')'))
			return 1;
		blanks(c);
		if (c->s == c->end || *c->s < '0' || *c->s > '9')
			return 0;
		for (; c->s < c->end && *c->s >= '0' && *c->s <= '9'; c->s++)
			if (__builtin_mul_overflow(n, 10, &n) ||
			    __builtin_add_overflow(n, (uint64_t)(*c->s - '0'), &n))
				return 0;
		if (c->s < c->end && *c->s == 'L')
			c->s++;
		a->dim[a->ndim] = n;
	}
	return 1;
}

static const struct {
	const char *descr;
	enum array_type type;
	const char *name;
	uint32_t size;
} types[] = {
	{"b1", ARRAY_BOOL, "bool", 1}, {"u1", ARRAY_U8, "u8", 1},   {"i1", ARRAY_I8, "i8", 1},
	{"u2", ARRAY_U16, "u16", 2},   {"i2", ARRAY_I16, "i16", 2}, {"u4", ARRAY_U32, "u32", 4},
	{"i4", ARRAY_I32, "i32", 4},   {"u8", ARRAY_U64, "u64", 8}, {"i8", ARRAY_I64, "i64", 8},
	{"f2", ARRAY_F16, "f16", 2},   {"f4", ARRAY_F32, "f32", 4}, {"f8", ARRAY_F64, "f64", 8},
};

static int
set_type(struct array *a, const char *descr, const struct array_opts *o)
{
	if (!strcmp(descr, "|V2") && o->bf16) {
		a->type = ARRAY_BF16;
		strcpy(a->dtype, "bf16");
		a->size = 2;
		return 0;
	}
	if (!*descr || !strchr("<>|=", *descr))
		return -1;
	for (size_t i = 0; i < LEN(types); i++)
		if (!strcmp(descr + 1, types[i].descr) && (*descr != '|' || types[i].size == 1)) {
			a->type = types[i].type;
			strcpy(a->dtype, types[i].name);
			a->size = types[i].size;
			a->swap = *descr == '>' && a->size > 1;
			return 0;
		}
	return -1;
}

/* Strides of the whole array, C or Fortran order. */
static void
set_strides(struct array *a, int fortran)
{
	uint64_t step = 1;

	for (int k = 0; k < a->ndim; k++) {
		int i = fortran ? k : a->ndim - 1 - k;

		a->stride[i] = step;
		step *= a->dim[i];
	}
}

struct head {
	struct array a; /* dims alone */
	char descr[64];
	int fortran;
	size_t data; /* where they start */
};

static int
header(struct head *h, struct array_list *l, const char *path, const unsigned char *p, size_t n)
{
	char key[32];
	int shape = 0;
	size_t start, len;
	struct scan c;

	memset(h, 0, sizeof *h);
	h->fortran = -1;
	if (n < 12 || memcmp(p, "\x93NUMPY", 6))
		return array_err(l, "%s: not an NPY file", path);
	if (p[6] < 1 || p[6] > 3 || p[7] != 0)
		return array_err(l, "%s: NPY version %d.%d is not read", path, p[6], p[7]);
	start = p[6] == 1 ? 10 : 12;
	len = p[8] | (size_t)p[9] << 8;
	if (p[6] > 1)
		len |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
	if (len > HEADER_MAX || len > n - start)
		return array_err(l, "%s: NPY header of %zu bytes does not fit", path, len);
	c = (struct scan){(const char *)p + start, (const char *)p + start + len};
	if (!eat(&c, '{'))
		return array_err(l, "%s: %zu: NPY header is no dict", path, start);
	while (!eat(&c, '}')) {
		int good = string(&c, key, sizeof key) && eat(&c, ':');

		if (good && !strcmp(key, "descr") && !*h->descr)
			good = string(&c, h->descr, sizeof h->descr) && *h->descr;
		else if (good && !strcmp(key, "fortran_order") && h->fortran < 0)
			good = (h->fortran = word(&c, "True")) || word(&c, "False");
		else if (good && !strcmp(key, "shape") && !shape)
			good = shape = tuple(&c, &h->a);
		else
			good = 0;
		if (good && !eat(&c, ',')) {
			blanks(&c);
			good = c.s < c.end && *c.s == '}';
		}
		if (!good)
			return array_err(l, "%s: %td: NPY header is not the dict of an array", path,
					 c.s - (const char *)p);
	}
	blanks(&c);
	if (c.s != c.end || !*h->descr || h->fortran < 0 || !shape)
		return array_err(l, "%s: NPY header lacks a key, or has more behind it", path);
	h->data = start + len;
	return 0;
}

int
npy_read(struct array_list *l, const char *path, const unsigned char *p, size_t n,
	 const struct array_opts *o)
{
	struct array *a;
	struct head h;
	size_t count = 1, bytes;
	uint64_t max = o->max_elements ? o->max_elements : UINT64_C(1) << 31;

	const char *name = *path ? path : "array";

	if (header(&h, l, name, p, n) < 0)
		return -1;
	p += h.data;
	n -= h.data;
	if (!strcmp(h.descr, "|O")) {
		if (!o->object0 || h.a.ndim)
			return array_err(l, "%s: holds Python objects, not numbers%s", name,
					 h.a.ndim ? "" : " (a 0-d wrapper is read on request)");
		return pickle_object0(l, path, p, n, o);
	}
	if (set_type(&h.a, h.descr, o) < 0)
		return array_err(l, "%s: element type %s is not read", name, h.descr);
	for (int i = 0; i < h.a.ndim; i++)
		if (size_mul(count, h.a.dim[i], &count) < 0)
			return array_err(l, "%s: its shape overflows", name);
	if (count > max)
		return array_err(l, "%s: more than %llu elements", name, (unsigned long long)max);
	if (size_mul(count, h.a.size, &bytes) < 0 || bytes > n)
		return array_err(l, "%s: its data is cut off: %zu bytes of %zu", name, n, bytes);
	if (!(a = array_add(l, path)))
		return array_err(l, "no memory");
	h.a.path = a->path;
	*a = h.a;
	a->data = p;
	set_strides(a, h.fortran);
	return 0;
}

static size_t
utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = n; i-- > 1; c >>= 6)
		to[i] = (char)(0x80 | (c & 63));
	to[0] = (char)((0xf00u >> n) | c);
	return n;
}

int
npy_text(struct array_list *l, const char *path, const unsigned char *p, size_t n, char *to,
	 size_t size)
{
	struct head h;
	uint64_t len = 0, count = 1;
	size_t at = 0;
	int wide, swap;

	if (header(&h, l, path, p, n) < 0)
		return -1;
	wide = h.descr[1] == 'U';
	if (!strchr("<>|", h.descr[0]) || (!wide && h.descr[1] != 'S'))
		return 0;
	swap = h.descr[0] == '>';
	for (const char *s = h.descr + 2; *s; s++) {
		if (*s < '0' || *s > '9' || len > size)
			return array_err(l, "%s: element type %s is not read", path, h.descr);
		len = len * 10 + (uint64_t)(*s - '0');
	}
	for (int i = 0; i < h.a.ndim; i++)
		count = h.a.dim[i] == 1 ? count : 0;
	if (!count || len >= size || len * (wide ? 4 : 1) > n - h.data)
		return array_err(l, "%s: not one string, or too long", path);
	p += h.data;
	for (uint64_t i = 0; i < len; i++) {
		uint32_t c = p[i];

		if (wide)
			c = swap ? (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
					    (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3]
				 : p[4 * i] | (uint32_t)p[4 * i + 1] << 8 |
					    (uint32_t)p[4 * i + 2] << 16 |
					    (uint32_t)p[4 * i + 3] << 24;
		if (!c) /* padding: nothing but it may follow */
			break;
		if (c < 0x20 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || at + 5 > size)
			return array_err(l, "%s: not plain text, or too long", path);
		at += utf8(to + at, c);
	}
	to[at] = 0;
	return 1;
}

/* ---- NPZ ---- */

struct member {
	const struct zip_entry *e;
	const unsigned char *data;
	void *mem;
	int bad;
	char err[256];
};

struct npz {
	const struct zip *z;
	struct member *m;
	size_t next;
	int no_crc;
};

static void *
next_member(void *arg)
{
	struct npz *n = arg;

	return n->next < n->z->ne ? &n->m[n->next++] : NULL;
}

static void
inflate_member(void *arg, void *item)
{
	struct npz *n = arg;
	struct member *m = item;

	m->bad = zip_read(n->z, m->e, n->no_crc, &m->data, &m->mem, m->err);
}

static int
done_member(void *arg, void *item)
{
	return 0;
}

int
npz_read(struct array_list *l, const unsigned char *p, size_t n, const struct array_opts *o)
{
	static const struct pool_ops ops = {next_member, inflate_member, done_member, NULL};
	struct zip z;
	struct npz npz = {.z = &z, .no_crc = o->no_crc};
	int r = -1;

	if (zip_open(&z, p, n, o->max_bytes) < 0) {
		array_err(l, "%s", z.err);
		zip_free(&z);
		return -1;
	}
	if (!(npz.m = calloc(z.ne, sizeof *npz.m))) {
		zip_free(&z);
		return array_err(l, "no memory");
	}
	for (size_t i = 0; i < z.ne; i++)
		npz.m[i].e = &z.e[i];
	if (pool_run(o->jobs, &ops, &npz) < 0)
		array_err(l, "no thread can be made");
	else
		r = 0;
	for (size_t i = 0; i < z.ne; i++) {
		struct member *m = &npz.m[i];
		size_t len = strlen(m->e->name);
		char path[512];

		if (m->mem && array_own(l, m->mem) < 0) {
			free(m->mem);
			r = array_err(l, "no memory");
		}
		if (r < 0)
			continue;
		if (m->bad)
			r = array_err(l, "%s", m->err);
		else if (len < 5 || strcmp(m->e->name + len - 4, ".npy") || len >= sizeof path)
			r = array_err(l, "%.100s: no NPY member", m->e->name);
		if (r < 0)
			continue;
		snprintf(path, sizeof path, "%.*s", (int)len - 4, m->e->name);
		r = npy_read(l, path, m->data, m->e->size, o);
	}
	free(npz.m);
	zip_free(&z);
	return r;
}

/* The dict at to + 10 of n - 10 bytes becomes a whole header. */
static size_t
finish(char to[256], size_t n)
{
	size_t full = size_align(n + 1, 64);

	memset(to + n, ' ', full - n - 1);
	to[full - 1] = '\n';
	memcpy(to, "\x93NUMPY\1\0", 8);
	to[8] = (char)((full - 10) & 255);
	to[9] = (char)((full - 10) >> 8);
	return full;
}

size_t
npy_header(char to[256], enum array_type type, int ndim, const uint64_t *dim)
{
	size_t i = 0, n = 10;

	while (i < LEN(types) && types[i].type != type)
		i++;
	if (i == LEN(types))
		return 0;
	n += (size_t)sprintf(to + n, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
			     types[i].size == 1 ? '|' : '<', types[i].descr);
	for (int k = 0; k < ndim; k++)
		n += (size_t)sprintf(to + n, "%s%llu", k ? ", " : "", (unsigned long long)dim[k]);
	n += (size_t)sprintf(to + n, "%s), }", ndim == 1 ? "," : "");
	return finish(to, n);
}

size_t
npy_header_text(char to[256], size_t n)
{
	return finish(to, 10 + (size_t)sprintf(to + 10,
					       "{'descr': '<U%zu', 'fortran_order': False, "
					       "'shape': (), }",
					       n));
}
