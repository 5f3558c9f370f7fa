/* Arrays of foreign files: kept, found, converted. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "half.h"
#include "kind.h"
#include "npy.h"
#include "pickle.h"
#include "safetensors.h"
#include "size.h"
#include "zip.h"

static int
grow(void **p, size_t n, size_t size)
{
	void *q;

	if (n & (n - 1)) /* room is made at powers of two */
		return 0;
	q = realloc(*p, (n ? 2 * n : 1) * size);
	if (!q)
		return -1;
	*p = q;
	return 0;
}

struct array *
array_add(struct array_list *l, const char *path)
{
	char *copy = strdup(path);

	if (!copy || grow((void **)&l->a, l->n, sizeof *l->a) < 0) {
		free(copy);
		return NULL;
	}
	memset(&l->a[l->n], 0, sizeof *l->a);
	l->a[l->n].path = copy;
	return &l->a[l->n++];
}

struct array_scalar *
array_add_scalar(struct array_list *l, const char *path)
{
	char *copy = strdup(path);

	if (!copy || grow((void **)&l->scalar, l->nscalar, sizeof *l->scalar) < 0) {
		free(copy);
		return NULL;
	}
	memset(&l->scalar[l->nscalar], 0, sizeof *l->scalar);
	l->scalar[l->nscalar].path = copy;
	return &l->scalar[l->nscalar++];
}

int
array_own(struct array_list *l, void *p)
{
	if (grow((void **)&l->owned, l->nowned, sizeof *l->owned) < 0)
		return -1;
	l->owned[l->nowned++] = p;
	return 0;
}

int
array_err(struct array_list *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->err, sizeof l->err, fmt, ap);
	va_end(ap);
	return -1;
}

void
array_free(struct array_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->a[i].path);
	for (size_t i = 0; i < l->nscalar; i++) {
		free(l->scalar[i].path);
		free(l->scalar[i].text);
	}
	for (size_t i = 0; i < l->nowned; i++)
		free(l->owned[i]);
	free(l->a);
	free(l->scalar);
	free(l->owned);
	memset(l, 0, offsetof(struct array_list, err));
}

const struct array *
array_find(const struct array_list *l, const char *path)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->a[i].path, path))
			return &l->a[i];
	return NULL;
}

const struct array_scalar *
array_scalar(const struct array_list *l, const char *path)
{
	for (size_t i = 0; i < l->nscalar; i++)
		if (!strcmp(l->scalar[i].path, path))
			return &l->scalar[i];
	return NULL;
}

uint64_t
array_count(const struct array *a)
{
	uint64_t n = 1;

	for (int i = 0; i < a->ndim; i++)
		n *= a->dim[i];
	return n;
}

enum array_kind
array_sniff(const unsigned char *p, size_t n, char err[ARRAY_ERR])
{
	static const unsigned char legacy[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
					       0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e};
	static const struct {
		const char *magic;
		size_t at, n;
		const char *why;
	} others[] = {
		{"PK\5\6", 0, 4, "an empty zip"},
		{"ustar", 257, 5, "a tar archive: torch older than 0.1.10"},
		{"\xfd"
		 "7zXZ",
		 0, 5, "xz-compressed: unpack it first"},
		{"version https://git-lfs", 0, 23, "an LFS pointer, not the file"},
	};

	const char *told;

	*err = 0;
	if (n >= 6 && !memcmp(p, "\x93NUMPY", 6))
		return ARRAY_NPY;
	if (n >= sizeof legacy && !memcmp(p, legacy, sizeof legacy))
		return ARRAY_LEGACY;
	if (n >= 4 && !memcmp(p, "PK\3\4", 4)) {
		struct zip z;
		enum array_kind kind = ARRAY_UNKNOWN;

		if (zip_open(&z, p, n, 0) < 0)
			snprintf(err, ARRAY_ERR, "%s", z.err);
		for (size_t i = 0; i < z.ne && !*err; i++) {
			const char *name = z.e[i].name, *slash = strchr(name, '/');
			size_t len = strlen(name);

			if (slash && !strcmp(slash, "/data.pkl"))
				kind = ARRAY_TORCH;
			else if (kind == ARRAY_UNKNOWN && len > 4 &&
				 !strcmp(name + len - 4, ".npy"))
				kind = ARRAY_NPZ;
		}
		zip_free(&z);
		if (kind == ARRAY_UNKNOWN && !*err)
			snprintf(err, ARRAY_ERR, "a zip without arrays of torch or numpy");
		return kind;
	}
	for (size_t i = 0; i < LEN(others); i++)
		if (n >= others[i].at + others[i].n &&
		    !memcmp(p + others[i].at, others[i].magic, others[i].n)) {
			snprintf(err, ARRAY_ERR, "%s", others[i].why);
			return ARRAY_UNKNOWN;
		}
	if (n >= 2 && p[0] == 0x80 && p[1] >= 2 && p[1] <= 5)
		return ARRAY_PICKLE;
	if (n >= 10 && p[8] == '{') {
		uint64_t len = 0;

		for (int i = 7; i >= 0; i--)
			len = len << 8 | p[i];
		if (len <= n - 8)
			return ARRAY_SAFETENSORS;
		snprintf(err, ARRAY_ERR, "a safetensors header longer than the file");
		return ARRAY_UNKNOWN;
	}
	if ((told = kind_told(p, n)))
		snprintf(err, ARRAY_ERR, "no file of arrays but %s", told);
	else
		snprintf(err, ARRAY_ERR,
			 n ? "no NPZ, NPY, torch, pickle or safetensors file" : "empty");
	return ARRAY_UNKNOWN;
}

int
array_read(struct array_list *l, const unsigned char *p, size_t n, const struct array_opts *o)
{
	static const struct array_opts defaults;

	memset(l, 0, sizeof *l);
	if (!o)
		o = &defaults;
	switch (array_sniff(p, n, l->err)) {
	case ARRAY_NPZ:
		return npz_read(l, p, n, o);
	case ARRAY_NPY:
		return npy_read(l, "", p, n, o);
	case ARRAY_TORCH:
		return torch_read(l, p, n, o);
	case ARRAY_LEGACY:
		return legacy_read(l, p, n, o);
	case ARRAY_PICKLE:
		return pickle_read(l, p, n, o);
	case ARRAY_SAFETENSORS:
		return safetensors_read(l, p, n, o);
	default:
		return -1;
	}
}

/* ---- conversion ---- */

static uint64_t
load(const unsigned char *p, uint32_t size, int swap)
{
	uint64_t x = 0;

	for (uint32_t i = 0; i < size; i++)
		x |= (uint64_t)p[swap ? size - 1 - i : i] << 8 * i;
	return x;
}

static double
as_f64(const struct array *a, uint64_t x)
{
	double d;
	float f;
	uint32_t u = (uint32_t)x;

	switch (a->type) {
	case ARRAY_F16:
		return (double)half_f32((uint16_t)x);
	case ARRAY_BF16:
		return (double)bf16_f32((uint16_t)x);
	case ARRAY_F32:
		memcpy(&f, &u, 4);
		return (double)f;
	case ARRAY_F64:
		memcpy(&d, &x, 8);
		return d;
	case ARRAY_I8:
		return (int8_t)x;
	case ARRAY_I16:
		return (int16_t)x;
	case ARRAY_I32:
		return (int32_t)x;
	case ARRAY_I64:
		return (double)(int64_t)x;
	default:
		return (double)x;
	}
}

static int
as_i64(const struct array *a, uint64_t x, int64_t *to)
{
	double d;

	switch (a->type) {
	case ARRAY_F16:
	case ARRAY_BF16:
	case ARRAY_F32:
	case ARRAY_F64:
		d = as_f64(a, x);
		if (!(d >= -0x1p63 && d < 0x1p63) || d != (double)(int64_t)d)
			return -1;
		*to = (int64_t)d;
		return 0;
	case ARRAY_I8:
		*to = (int8_t)x;
		return 0;
	case ARRAY_I16:
		*to = (int16_t)x;
		return 0;
	case ARRAY_I32:
		*to = (int32_t)x;
		return 0;
	default:
		*to = (int64_t)x;
		return a->type == ARRAY_U64 && x > INT64_MAX ? -1 : 0;
	}
}

static int
contiguous(const struct array *a)
{
	uint64_t want = 1;

	for (int i = a->ndim; i-- > 0; want *= a->dim[i])
		if (a->dim[i] != 1 && a->stride[i] != want)
			return 0;
	return 1;
}

/* Walk the elements of rows [first, first + n) in row-major order. */
#define WALK(BODY)                                                                           \
	do {                                                                                 \
		uint64_t at[ARRAY_DIMS] = {first}, off = a->ndim ? first * a->stride[0] : 0; \
		uint64_t count = n, k = 0;                                                   \
                                                                                             \
		for (int i = 1; i < a->ndim; i++)                                            \
			count *= a->dim[i];                                                  \
		for (; k < count; k++) {                                                     \
			uint64_t x = load(a->data + off * a->size, a->size, a->swap);        \
                                                                                             \
			BODY;                                                                \
			for (int i = a->ndim - 1; i >= 0; i--) {                             \
				off += a->stride[i];                                         \
				if (++at[i] < (i ? a->dim[i] : first + n))                   \
					break;                                               \
				off -= at[i] * a->stride[i];                                 \
				at[i] = 0;                                                   \
				if (i == 0)                                                  \
					break;                                               \
			}                                                                    \
		}                                                                            \
	} while (0)

static uint64_t
row_elements(const struct array *a)
{
	uint64_t n = 1;

	for (int i = 1; i < a->ndim; i++)
		n *= a->dim[i];
	return n;
}

int
array_f32(const struct array *a, uint64_t first, uint64_t n, float *to)
{
	if (a->type == ARRAY_OTHER)
		return -1;
	if (a->type == ARRAY_F32 && !a->swap && contiguous(a)) {
		uint64_t row = row_elements(a);

		memcpy(to, a->data + first * row * 4, n * row * 4);
		return 0;
	}
	WALK(to[k] = (float)as_f64(a, x));
	return 0;
}

int
array_f64(const struct array *a, uint64_t first, uint64_t n, double *to)
{
	if (a->type == ARRAY_OTHER)
		return -1;
	WALK(to[k] = as_f64(a, x));
	return 0;
}

int
array_i64(const struct array *a, uint64_t first, uint64_t n, int64_t *to)
{
	if (a->type == ARRAY_OTHER)
		return -1;
	if (a->type == ARRAY_I64 && !a->swap && contiguous(a)) {
		uint64_t row = row_elements(a);

		memcpy(to, a->data + first * row * 8, n * row * 8);
		return 0;
	}
	WALK(if (as_i64(a, x, &to[k]) < 0) return -1);
	return 0;
}

int
array_range(const struct array *a, struct array_range *r)
{
	enum { CHUNK = 8192 };
	uint64_t rows = a->ndim ? a->dim[0] : 1, row = row_elements(a), n;
	double v[CHUNK];

	if (row > CHUNK) {
		struct array sub = *a;

		sub.ndim--;
		memmove(sub.dim, sub.dim + 1, (size_t)sub.ndim * sizeof *sub.dim);
		memmove(sub.stride, sub.stride + 1, (size_t)sub.ndim * sizeof *sub.stride);
		for (uint64_t i = 0; i < rows; i++) {
			sub.data = a->data + i * a->stride[0] * a->size;
			if (array_range(&sub, r) < 0)
				return -1;
		}
		return 0;
	}
	for (uint64_t i = 0; i < rows && row; i += n) {
		n = MIN(rows - i, CHUNK / row);
		if (array_f64(a, i, n, v) < 0)
			return -1;
		for (uint64_t k = 0; k < n * row; k++) {
			if (v[k] != v[k]) {
				r->nan++;
				continue;
			}
			r->min = r->n ? MIN(r->min, v[k]) : v[k];
			r->max = r->n ? MAX(r->max, v[k]) : v[k];
			r->n++;
		}
	}
	return 0;
}
