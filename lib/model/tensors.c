/*
 * Tensors of a checkpoint: the safetensors files mapped, their names in one sorted list.
 * Pages come in as products touch them; nothing is read twice or kept by us.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../format/safetensors.h"
#include "../route/widen.h"
#include "size.h"
#include "tensors.h"

#define ELEMENTS_MAX ((uint64_t)1 << 40)
enum { NAME = 1024 }; /* bytes of a file name */

struct file {
	char *name; /* with the folder */
	unsigned char *p;
	size_t n;
	struct array_list l;
};

struct entry {
	const struct array *a;
	const struct file *file;
	void *copy; /* its data where that lay unaligned */
	int found;
};

struct tensors {
	char *dir;
	struct file *file;
	size_t nfiles;
	struct entry *entry; /* by name */
	size_t n;
};

static int
map(struct file *f, char *why)
{
	static const struct array_opts opts = {.max_elements = ELEMENTS_MAX};
	struct stat st;
	int fd = open(f->name, O_RDONLY | O_CLOEXEC), r = -1;

	if (fd < 0 || fstat(fd, &st) < 0) {
		model_why(why, "%s: %s", f->name, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size <= 0) {
		model_why(why, "%s: empty, or no file", f->name);
	} else {
		f->n = (size_t)st.st_size;
		f->p = mmap(NULL, f->n, PROT_READ, MAP_PRIVATE, fd, 0);
		if (f->p == MAP_FAILED) {
			f->p = NULL;
			model_why(why, "%s: %s", f->name, strerror(errno));
		} else if (safetensors_read(&f->l, f->p, f->n, &opts) < 0) {
			model_why(why, "%s: %s", f->name, f->l.err);
		} else {
			r = 0;
		}
	}
	if (fd >= 0)
		close(fd);
	return r;
}

/* One more file of the folder, unless it was named before. */
static int
add(struct tensors *t, const char *name, char *why)
{
	size_t n = strlen(t->dir) + strlen(name) + 2;
	struct file *grown;
	char *path;

	if (strchr(name, '/'))
		return model_why(why, "%s: %s: not a file of this folder", t->dir, name);
	if (!(path = malloc(n)))
		return model_why(why, "%s: no memory", t->dir);
	snprintf(path, n, "%s/%s", t->dir, name);
	for (size_t i = 0; i < t->nfiles; i++)
		if (!strcmp(t->file[i].name, path)) {
			free(path);
			return 0;
		}
	if (!(grown = realloc(t->file, (t->nfiles + 1) * sizeof *grown))) {
		free(path);
		return model_why(why, "%s: no memory", t->dir);
	}
	t->file = grown;
	memset(&grown[t->nfiles], 0, sizeof *grown);
	grown[t->nfiles].name = path;
	return map(&grown[t->nfiles++], why);
}

static int
sharded(struct tensors *t, const struct file *index, char *why)
{
	struct json j = {0};
	char name[NAME];
	int map, r = 0;

	if (json_parse(&j, (const char *)index->p, index->n) < 0)
		r = model_why(why, "%s:%s", index->name, j.err);
	else if (json_type(&j, map = json_find(&j, 0, "weight_map")) != JSON_OBJ)
		r = model_why(why, "%s: no weight_map", index->name);
	else
		for (int v = json_first(&j, map); v >= 0 && r == 0; v = json_next(&j, map, v))
			if (json_str(&j, v + 1, name, sizeof name) < 0)
				r = model_why(why, "%s: weight_map: a value that is no file name",
					      index->name);
			else
				r = add(t, name, why);
	json_free(&j);
	return r;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->a->path, ((const struct entry *)b)->a->path);
}

static int
list(struct tensors *t, char *why)
{
	size_t n = 0;

	for (size_t i = 0; i < t->nfiles; i++)
		n += t->file[i].l.n;
	if (!(t->entry = calloc(n + 1, sizeof *t->entry)))
		return model_why(why, "%s: no memory", t->dir);
	for (size_t i = 0; i < t->nfiles; i++)
		for (size_t k = 0; k < t->file[i].l.n; k++)
			t->entry[t->n++] = (struct entry){&t->file[i].l.a[k], &t->file[i], NULL, 0};
	qsort(t->entry, t->n, sizeof *t->entry, by_name);
	for (size_t i = 1; i < t->n; i++)
		if (!by_name(&t->entry[i - 1], &t->entry[i]))
			return model_why(why, "%s: %s: in %s, too", t->entry[i].file->name,
					 t->entry[i].a->path, t->entry[i - 1].file->name);
	return 0;
}

int
tensors_open(struct tensors **to, const char *dir, char *why)
{
	struct tensors *t = calloc(1, sizeof *t);
	static const char single[] = "model.safetensors", index[] = "model.safetensors.index.json";
	struct file f = {0};
	size_t n = strlen(dir) + sizeof index + 1;
	int r = -1;

	if (!t || !(t->dir = strdup(dir)) || !(f.name = malloc(n))) {
		model_why(why, "%s: no memory", dir);
		goto out;
	}
	snprintf(f.name, n, "%s/%s", dir, single);
	if (access(f.name, F_OK) == 0) {
		r = add(t, single, why);
		goto out;
	}
	snprintf(f.name, n, "%s/%s", dir, index);
	if (access(f.name, F_OK) < 0) {
		model_why(why, "%s: neither %s nor %s", dir, single, index);
		goto out;
	}
	int fd = open(f.name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		f.n = (size_t)st.st_size;
		f.p = mmap(NULL, f.n, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	if (fd < 0 || !f.p || f.p == MAP_FAILED)
		model_why(why, "%s: %s", f.name, fd < 0 ? strerror(errno) : "empty, or no file");
	else
		r = sharded(t, &f, why);
	if (f.p && f.p != MAP_FAILED)
		munmap(f.p, f.n);
	if (fd >= 0)
		close(fd);
out:
	free(f.name);
	if (r == 0)
		r = list(t, why);
	if (r < 0)
		tensors_close(t);
	else
		*to = t;
	return r;
}

void
tensors_close(struct tensors *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		free(t->entry[i].copy);
	for (size_t i = 0; i < t->nfiles; i++) {
		array_free(&t->file[i].l);
		if (t->file[i].p)
			munmap(t->file[i].p, t->file[i].n);
		free(t->file[i].name);
	}
	free(t->file);
	free(t->entry);
	free(t->dir);
	free(t);
}

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
