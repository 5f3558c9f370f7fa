/*
 * Tensors of a checkpoint: the safetensors files mapped, their names in one sorted list.
 * Pages come in as products touch them; nothing is read twice or kept by us.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "size.h"
#include "tensorsown.h"

#define ELEMENTS_MAX ((uint64_t)1 << 40)
enum { NAME = 1024 }; /* bytes of a file name */

/* f->name as f->p, unmapped by the caller. */
static int
map(struct file *f, char *why)
{
	struct stat st;
	int fd = open(f->name, O_RDONLY | O_CLOEXEC), r = -1;
	void *p;

	if (fd < 0 || fstat(fd, &st) < 0) {
		model_why(why, "%s: %s", f->name, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size <= 0) {
		model_why(why, "%s: empty, or no file", f->name);
	} else {
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p == MAP_FAILED) {
			model_why(why, "%s: %s", f->name, strerror(errno));
		} else {
			f->p = p;
			f->n = (size_t)st.st_size;
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
	static const struct array_opts opts = {.max_elements = ELEMENTS_MAX};
	struct file *grown, *f;
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
	f = &grown[t->nfiles++];
	f->name = path;
	if (map(f, why) < 0)
		return -1;
	if (safetensors_read(&f->l, f->p, f->n, &opts) < 0)
		return model_why(why, "%s: %s", f->name, f->l.err);
	return 0;
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
	if ((r = map(&f, why)) < 0)
		goto out;
	r = sharded(t, &f, why);
	munmap(f.p, f.n);
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
