/* Tensors by name, and the numbers in them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../route/widen.h"
#include "size.h"
#include "tensorsown.h"

static struct entry *
find(struct tensors *t, const char *name, size_t n)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strncmp(t->entry[mid].a->path, name, n);

		if (c == 0 && t->entry[mid].a->path[n])
			c = 1;
		if (c == 0)
			return &t->entry[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static const char *
shape(char *to, size_t size, int ndim, const uint64_t *dim)
{
	size_t n = 0;

	*to = 0;
	for (int i = 0; i < ndim && n < size; i++)
		n += (size_t)snprintf(to + n, size - n, "%s%llu", i ? "x" : "",
				      (unsigned long long)dim[i]);
	return to;
}

/* Elements that lie as C wants them: safetensors may begin at any byte. */
static const void *
aligned(struct entry *e)
{
	size_t n;

	if ((uintptr_t)e->a->data % e->a->size == 0)
		return e->a->data;
	if (!e->copy && size_mul(array_count(e->a), e->a->size, &n) == 0 && (e->copy = malloc(n)))
		memcpy(e->copy, e->a->data, n);
	return e->copy;
}

int
tensors_find(struct tensors *t, const char *names, int ndim, const uint64_t *dim, struct tensor *x,
	     char *why)
{
	struct entry *e = NULL;
	char has[192], want[96];

	for (size_t n; *names && !e; names += n + (names[n] == '|')) {
		n = strcspn(names, "|");
		e = find(t, names, n);
	}
	if (!e)
		return 0;
	const struct array *a = e->a;
	const char *file = e->file->name;

	if (a->ndim != ndim || memcmp(a->dim, dim, sizeof *dim * (size_t)ndim))
		return model_why(why, "%s: %s: shape %s, not %s", file, a->path,
				 shape(has, sizeof has, a->ndim, a->dim),
				 shape(want, sizeof want, ndim, dim));
	if (a->type != ARRAY_F32 && a->type != ARRAY_F16 && a->type != ARRAY_BF16)
		return model_why(why, "%s: %s: %s of type %s: f32, f16 and bf16 are read", file,
				 a->path, shape(has, sizeof has, a->ndim, a->dim), a->dtype);
	x->file = file;
	x->name = a->path;
	x->type = a->type == ARRAY_F32 ? TR_F32 : a->type == ARRAY_F16 ? TR_F16 : TR_BF16;
	x->cols = dim[ndim - 1];
	x->rows = 1;
	for (int i = 0; i < ndim - 1; i++)
		x->rows *= dim[i];
	x->mapped = (uintptr_t)a->data % a->size == 0;
	if (!(x->data = aligned(e)))
		return model_why(why, "%s: %s: no memory", file, a->path);
	e->found = 1;
	return 1;
}

int
tensors_need(struct tensors *t, const char *names, uint64_t rows, uint64_t cols, struct tensor *x,
	     char *why)
{
	const uint64_t dim[2] = {rows ? rows : cols, cols};
	int ndim = rows ? 2 : 1, r = tensors_find(t, names, ndim, dim, x, why);
	char want[96];

	if (r == 0)
		return model_why(why, "%s: no tensor %.500s of shape %s",
				 t->nfiles == 1 ? t->file[0].name : t->dir, names,
				 shape(want, sizeof want, ndim, dim));
	return r < 0 ? -1 : 0;
}

int
tensors_bad(const struct tensors *t, char *why)
{
	enum { SOME = 1024 };
	float buf[SOME];
	char has[192];

	for (size_t i = 0; i < t->n; i++) {
		const struct array *a = t->entry[i].a;
		const unsigned char *p = t->entry[i].copy ? t->entry[i].copy : a->data;
		const uint64_t count = t->entry[i].found ? array_count(a) : 0;

		for (uint64_t at = 0; at < count; at += SOME) {
			const uint64_t n = MIN(count - at, (uint64_t)SOME);

			widen(a->type == ARRAY_F32   ? TR_F32
			      : a->type == ARRAY_F16 ? TR_F16
						     : TR_BF16,
			      p + at * a->size, n, buf);
			for (uint64_t k = 0; k < n; k++)
				if (!isfinite(buf[k])) {
					model_why(why, "%s: %s: shape %s holds %s",
						  t->entry[i].file->name, a->path,
						  shape(has, sizeof has, a->ndim, a->dim),
						  isnan(buf[k]) ? "NaN" : "infinity");
					return 1;
				}
		}
	}
	return 0;
}

void
tensor_f32(const struct tensor *x, uint64_t first, uint64_t n, float *to)
{
	widen(x->type, (const char *)x->data + first * x->cols * tr_size(x->type), n * x->cols, to);
}

void
tensor_forget(const struct tensor *x)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)x->data;
	const uintptr_t end = (at + x->rows * x->cols * tr_size(x->type)) / page * page;
	const uintptr_t first = (at + page - 1) / page * page;

	if (x->mapped && first < end)
		madvise((void *)first, end - first, MADV_DONTNEED);
}
