/*
 * safetensors (pt-format 12): every byte of the data belongs to one tensor, so
 * the ranges sorted by their begin must join without a gap.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "safetensors.h"
#include "size.h"

#define MAX_HEADER 100000000u
enum { MAX_NAME = 1024 };

struct range {
	uint64_t begin, end;
	size_t i; /* of the array */
};

static const struct {
	const char *name, *dtype; /* NULL: listed under its own name */
	enum array_type type;
	uint32_t bits;
} types[] = {
	{"BOOL", "bool", ARRAY_BOOL, 8},
	{"U8", "u8", ARRAY_U8, 8},
	{"I8", "i8", ARRAY_I8, 8},
	{"U16", "u16", ARRAY_U16, 16},
	{"I16", "i16", ARRAY_I16, 16},
	{"U32", "u32", ARRAY_U32, 32},
	{"I32", "i32", ARRAY_I32, 32},
	{"U64", "u64", ARRAY_U64, 64},
	{"I64", "i64", ARRAY_I64, 64},
	{"F16", "f16", ARRAY_F16, 16},
	{"BF16", "bf16", ARRAY_BF16, 16},
	{"F32", "f32", ARRAY_F32, 32},
	{"F64", "f64", ARRAY_F64, 64},
	{"F8_E4M3", NULL, ARRAY_OTHER, 8},
	{"F8_E5M2", NULL, ARRAY_OTHER, 8},
	{"F8_E8M0", NULL, ARRAY_OTHER, 8},
	{"F4", NULL, ARRAY_OTHER, 4},
	{"F6_E2M3", NULL, ARRAY_OTHER, 6},
	{"F6_E3M2", NULL, ARRAY_OTHER, 6},
	{"C64", NULL, ARRAY_OTHER, 64},
	{"F8_E4M3FNUZ", NULL, ARRAY_OTHER, 8},
	{"F8_E5M2FNUZ", NULL, ARRAY_OTHER, 8},
};

/* dtype, shape and data_offsets of the object v into a and r. */
static int
tensor(struct array_list *l, const struct json *j, int v, const char *name, struct array *a,
       struct range *r, const struct array_opts *o)
{
	int d = json_find(j, v, "dtype"), s = json_find(j, v, "shape");
	int off = json_find(j, v, "data_offsets"), e, empty = 0;
	uint64_t max = o && o->max_elements ? o->max_elements : (uint64_t)1 << 31;
	uint64_t n = 1, step = 1, bytes;
	size_t t;

	if (json_type(j, v) != JSON_OBJ || json_size(j, v) != 3 || d < 0 || s < 0 || off < 0)
		return array_err(l, "%s: not an object of dtype, shape and data_offsets", name);
	for (t = 0; t < LEN(types) && !json_is(j, d, types[t].name); t++)
		;
	if (t == LEN(types))
		return array_err(l, "%s: a dtype that is not known", name);
	a->type = types[t].type;
	a->size = MAX(types[t].bits / 8, 1u);
	snprintf(a->dtype, sizeof a->dtype, "%s", types[t].dtype ? types[t].dtype : types[t].name);
	if (json_type(j, s) != JSON_ARR || json_size(j, s) > ARRAY_DIMS)
		return array_err(l, "%s: shape is no list of at most %d sizes", name, ARRAY_DIMS);
	for (e = json_first(j, s); e >= 0; e = json_next(j, s, e), a->ndim++) {
		if (json_u64(j, e, &a->dim[a->ndim]))
			return array_err(l, "%s: shape has an item that is no size", name);
		empty |= !a->dim[a->ndim];
	}
	for (int i = 0; i < a->ndim && !empty; i++)
		if (__builtin_mul_overflow(n, a->dim[i], &n) || n > max)
			return array_err(l, "%s: more than %llu elements", name,
					 (unsigned long long)max);
	if (empty)
		n = 0;
	for (int i = a->ndim; i-- > 0;) {
		a->stride[i] = step;
		if (n)
			step *= a->dim[i];
	}
	if (json_type(j, off) != JSON_ARR || json_size(j, off) != 2 ||
	    json_u64(j, e = json_first(j, off), &r->begin) ||
	    json_u64(j, json_next(j, off, e), &r->end) || r->begin > r->end)
		return array_err(l, "%s: data_offsets are no begin and end", name);
	if (__builtin_mul_overflow(n, (uint64_t)types[t].bits, &bytes) || bytes % 8 ||
	    bytes / 8 != r->end - r->begin)
		return array_err(l, "%s: %llu elements of %u bits, but %llu bytes", name,
				 (unsigned long long)n, types[t].bits,
				 (unsigned long long)(r->end - r->begin));
	return 0;
}

static int
by_begin(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return (x->i > y->i) - (x->i < y->i);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names are unique and the ranges join up to the end of the data. */
static int
check(struct array_list *l, struct range *r, size_t n, size_t first, const char **names,
      uint64_t size)
{
	uint64_t at = 0;

	for (size_t i = 0; i < n; i++)
		names[i] = l->a[first + i].path;
	qsort(names, n, sizeof *names, by_name);
	for (size_t i = 1; i < n; i++)
		if (!strcmp(names[i - 1], names[i]))
			return array_err(l, "%s: named twice", names[i]);
	qsort(r, n, sizeof *r, by_begin);
	for (size_t i = 0; i < n; at = r[i++].end)
		if (r[i].begin != at)
			return array_err(l, "%s: begins at byte %llu, %s %llu", l->a[r[i].i].path,
					 (unsigned long long)r[i].begin,
					 r[i].begin < at ? "inside what ends at" : "a hole after",
					 (unsigned long long)at);
	if (at != size)
		return array_err(l, "%llu bytes of data, but the tensors have %llu",
				 (unsigned long long)size, (unsigned long long)at);
	return 0;
}

static int
metadata(struct array_list *l, const struct json *j, int v)
{
	if (json_type(j, v) != JSON_OBJ)
		return array_err(l, "__metadata__: no object");
	for (int k = json_first(j, v); k >= 0; k = json_next(j, v, k))
		if (json_type(j, k + 1) != JSON_STR)
			return array_err(l, "__metadata__: a value that is no text");
	return 0;
}

int
safetensors_read(struct array_list *l, const unsigned char *p, size_t n, const struct array_opts *o)
{
	struct json j = {0};
	struct range *r = NULL;
	const char **names = NULL;
	size_t first = l->n, len, nr = 0;
	uint64_t head = 0;
	int k, ret = -1, meta = 0;

	if (n < 8)
		return array_err(l, "%zu bytes are no safetensors file", n);
	for (int i = 8; i-- > 0;)
		head = head << 8 | p[i];
	if (head > MAX_HEADER || head > n - 8)
		return array_err(l,
				 "no safetensors file, or a cut one: a header of %llu bytes in %zu",
				 (unsigned long long)head, n);
	if (!head || p[8] != '{')
		return array_err(l, "the header does not begin with {");
	if (json_parse(&j, (const char *)p + 8, head)) {
		array_err(l, "header: %s", j.err);
		goto out;
	}
	len = (size_t)json_size(&j, 0);
	r = calloc(len + 1, sizeof *r);
	names = calloc(len + 1, sizeof *names);
	if (!r || !names) {
		array_err(l, "no memory");
		goto out;
	}
	for (k = json_first(&j, 0); k >= 0; k = json_next(&j, 0, k)) {
		char name[MAX_NAME];
		struct array *a;
		long nn = json_str(&j, k, name, sizeof name);

		if (nn < 0 || (size_t)nn != strlen(name)) {
			array_err(l, "a tensor whose name is too long, or has a NUL");
			goto out;
		}
		if (!strcmp(name, "__metadata__")) {
			if (meta++) {
				array_err(l, "__metadata__: named twice");
				goto out;
			}
			if (metadata(l, &j, k + 1))
				goto out;
			continue;
		}
		if (!(a = array_add(l, name))) {
			array_err(l, "no memory");
			goto out;
		}
		if (tensor(l, &j, k + 1, name, a, &r[nr], o))
			goto out;
		r[nr].i = first + nr;
		nr++;
	}
	if (check(l, r, nr, first, names, n - 8 - head))
		goto out;
	for (size_t i = 0; i < nr; i++)
		l->a[r[i].i].data = p + 8 + head + r[i].begin;
	ret = 0;
out:
	free(r);
	free(names);
	json_free(&j);
	return ret;
}
