/*
 * torch files: the zip of 1.6 and later (pt-format 3) and the sequence of
 * pickles before it (7).  Both run the machine of pickle.c and lend it storages.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pickle.h"
#include "size.h"
#include "zip.h"

static const uint32_t size_of[] = {
	[ARRAY_BOOL] = 1, [ARRAY_U8] = 1,  [ARRAY_I8] = 1,   [ARRAY_I16] = 2, [ARRAY_I32] = 4,
	[ARRAY_I64] = 8,  [ARRAY_F16] = 2, [ARRAY_BF16] = 2, [ARRAY_F32] = 4, [ARRAY_F64] = 8,
};

enum { MAX_ENTRY = 4200 };

struct archive {
	struct zip z;
	char *root; /* with its final '/' */
	size_t nroot;
	char entry[160];
};

/* For messages: the entry's name, or its end where it is long. */
static void
entry_text(char *to, size_t size, const char *name)
{
	size_t n = strlen(name);

	if (n < size)
		snprintf(to, size, "%s", name);
	else
		snprintf(to, size, "...%s", name + n - (size - 4));
}

static int
content(struct ctx *c, const struct zip_entry *e, const unsigned char **p)
{
	struct archive *a = c->arg;
	char err[256];
	void *mem = NULL;

	if (zip_read(&a->z, e, c->o && c->o->no_crc, p, &mem, err))
		return array_err(c->l, "%s", err);
	if (mem && array_own(c->l, mem)) {
		free(mem);
		return array_err(c->l, "no memory");
	}
	return 0;
}

static int
fetch(struct ctx *c, struct store *s)
{
	struct archive *a = c->arg;
	char name[MAX_ENTRY];
	const struct zip_entry *e;

	for (size_t i = 0; i < s->nkey; i++)
		if (s->key[i] < 0x21 || s->key[i] > 0x7e || s->key[i] == '/')
			return array_err(c->l, "%s: a storage key that is no name", c->entry);
	if (s->nkey > 64 || a->nroot + s->nkey + 8 > sizeof name)
		return array_err(c->l, "%s: a storage key of %zu bytes", c->entry, s->nkey);
	snprintf(name, sizeof name, "%sdata/%.*s", a->root, (int)s->nkey, (const char *)s->key);
	if (!(e = zip_find(&a->z, name)))
		return array_err(c->l, "%s: storage data/%.*s is not in the archive", c->entry,
				 (int)s->nkey, (const char *)s->key);
	if (e->size < s->count * size_of[s->type]) {
		char text[160];

		entry_text(text, sizeof text, name);
		return array_err(c->l, "%s: %llu bytes, but %llu elements of %u bytes are said",
				 text, (unsigned long long)e->size, (unsigned long long)s->count,
				 size_of[s->type]);
	}
	return content(c, e, &s->data);
}

/* The one root, and that all entries lie under it. */
static int
find_root(struct ctx *c)
{
	struct archive *a = c->arg;
	const struct zip_entry *pkl = NULL;

	for (size_t i = 0; i < a->z.ne; i++) {
		const char *name = a->z.e[i].name, *s = strchr(name, '/');

		if (!s || s == name || strcmp(s, "/data.pkl"))
			continue;
		if (pkl)
			return array_err(c->l, "%s: a second data.pkl", name);
		pkl = &a->z.e[i];
	}
	if (!pkl)
		return array_err(c->l, "a zip without ROOT/data.pkl");
	a->nroot = strlen(pkl->name) - strlen("data.pkl");
	if (!(a->root = strndup(pkl->name, a->nroot)))
		return array_err(c->l, "no memory");
	for (size_t i = 0; i < a->z.ne; i++) {
		const char *name = a->z.e[i].name;

		if (strncmp(name, a->root, a->nroot)) {
			entry_text(a->entry, sizeof a->entry, name);
			return array_err(c->l, "%s: outside the root %s", a->entry, a->root);
		}
		name += a->nroot;
		if (!strcmp(name, "constants.pkl") || !strncmp(name, "code/", 5))
			return array_err(c->l, "a TorchScript archive, not a saved object");
	}
	entry_text(a->entry, sizeof a->entry, pkl->name);
	c->entry = a->entry;
	return 0;
}

static const struct zip_entry *
under(struct archive *a, const char *name)
{
	char buf[MAX_ENTRY];

	snprintf(buf, sizeof buf, "%s%s", a->root, name);
	return zip_find(&a->z, buf);
}

/* Run data.pkl of the archive; the machine, or NULL. */
static struct pickle *
archive_run(struct ctx *c, const unsigned char *p, size_t n)
{
	struct archive *a = c->arg;
	const struct zip_entry *e;
	const unsigned char *s;
	struct pickle *m;
	size_t used;

	if (zip_open(&a->z, p, n, c->o ? c->o->max_bytes : 0)) {
		array_err(c->l, "%s", a->z.err);
		return NULL;
	}
	if (find_root(c))
		return NULL;
	if ((e = under(a, "byteorder"))) {
		if (content(c, e, &s))
			return NULL;
		if (e->size == 3 && !memcmp(s, "big", 3)) {
			c->swap = 1;
		} else if (e->size != 6 || memcmp(s, "little", 6)) {
			array_err(c->l, "%sbyteorder: neither little nor big", a->root);
			return NULL;
		}
	}
	e = under(a, "data.pkl");
	if (content(c, e, &s) || !(m = pickle_run(c, s, e->size, &used)))
		return NULL;
	if (used < e->size) {
		array_err(c->l, "%s: %llu bytes after STOP", c->entry,
			  (unsigned long long)(e->size - used));
		pickle_free(m);
		return NULL;
	}
	return m;
}

static void
archive_free(struct archive *a)
{
	zip_free(&a->z);
	free(a->root);
}

int
torch_read(struct array_list *l, const unsigned char *p, size_t n, const struct array_opts *o)
{
	struct archive a = {0};
	struct ctx c = {.l = l, .o = o, .entry = "", .fetch = fetch, .arg = &a};
	struct pickle *m = archive_run(&c, p, n);
	int r = m ? pickle_emit(m, "") : -1;

	pickle_free(m);
	ctx_free(&c);
	archive_free(&a);
	return r;
}

/* ---- the old sequence of pickles ---- */

static uint64_t
count_of(const unsigned char *p, int swap)
{
	uint64_t x = 0;

	for (int i = 0; i < 8; i++)
		x |= (uint64_t)p[i] << 8 * (swap ? 7 - i : i);
	return x;
}

/* The storages behind the list of keys, in its order. */
static int
storages(struct ctx *c, const struct pickle *keys, const unsigned char *p, size_t n)
{
	const unsigned char *key;
	size_t at = 0, nkey;
	uint32_t filled = 0, x;
	int r;

	for (size_t i = 0; (r = pickle_at(keys, i, &key, &nkey)) > 0; i++) {
		struct store *s;
		uint64_t count, bytes;

		if ((x = ctx_find(c, key, nkey)) == UINT32_MAX)
			return array_err(c->l, "storage %zu: no tensor describes it", i);
		s = &c->store[x];
		if (s->data)
			return array_err(c->l, "storage %zu: its key was met before", i);
		if (n - at < 8)
			return array_err(c->l, "storage %zu: the file ends", i);
		count = count_of(p + at, c->swap);
		at += 8;
		if (count != s->count)
			return array_err(c->l, "storage %zu: %llu elements, but %llu are said", i,
					 (unsigned long long)count, (unsigned long long)s->count);
		bytes = count * size_of[s->type];
		if (bytes > n - at)
			return array_err(c->l, "storage %zu: the file ends", i);
		s->data = p + at;
		s->swap = c->swap;
		at += bytes;
		filled++;
	}
	if (r < 0)
		return array_err(c->l, "a storage key that is no text");
	for (x = 0; x < c->nstore; x++)
		if (c->store[x].nkey != SIZE_MAX && !c->store[x].data)
			return array_err(c->l, "a storage without data");
	if (at < n)
		return array_err(c->l, "%zu bytes after the last storage", n - at);
	return 0;
}

/* All parts read; the machine of the object, or NULL. */
static struct pickle *
legacy_run(struct ctx *c, const unsigned char *p, size_t n)
{
	static const unsigned char magic[10] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9,
						0x20, 0x6a, 0xa8, 0x50, 0x19};
	static const char *const part[] = {"magic", "protocol version", "system info", "object",
					   "storage keys"};
	struct pickle *m, *object = NULL;
	const unsigned char *s;
	size_t at = 0, used, len;
	int64_t little;
	int ok, i;

	for (i = 0; i < 5; i++) {
		c->entry = part[i];
		c->legacy = i == 3;
		if (!(m = pickle_run(c, p + at, n - at, &used)))
			break;
		at += used;
		ok = 1;
		if (i == 0)
			ok = pickle_root(m) == PICKLE_BIG &&
			     (s = pickle_bytes(m, &len), len == 10) && !memcmp(s, magic, 10);
		else if (i == 1)
			ok = pickle_root(m) == PICKLE_INT && pickle_int(m) == 1001;
		else if (i == 2)
			ok = pickle_root(m) == PICKLE_DICT &&
			     pickle_item(m, "little_endian", &little);
		if (i == 2 && ok)
			c->swap = !little;
		if (i == 4)
			ok = pickle_root(m) == PICKLE_LIST;
		if (!ok)
			array_err(c->l, "%s: not what a torch file has there", part[i]);
		if (ok && i == 4)
			ok = !storages(c, m, p + at, n - at);
		if (ok && i == 3)
			object = m;
		else
			pickle_free(m);
		if (!ok)
			break;
	}
	c->entry = part[3];
	if (i == 5)
		return object;
	pickle_free(object);
	return NULL;
}

int
legacy_read(struct array_list *l, const unsigned char *p, size_t n, const struct array_opts *o)
{
	struct ctx c = {.l = l, .o = o, .entry = ""};
	struct pickle *m = legacy_run(&c, p, n);
	int r = m ? pickle_emit(m, "") : -1;

	pickle_free(m);
	ctx_free(&c);
	return r;
}

int
torch_storage(struct ctx *outer, const unsigned char *p, size_t n, struct store *s)
{
	struct archive a = {0};
	struct ctx c = {.l = outer->l, .o = outer->o, .entry = "", .depth = 1};
	struct pickle *m;
	int r = -1;

	if (n > 4 && !memcmp(p, "PK\3\4", 4)) {
		c.fetch = fetch;
		c.arg = &a;
		m = archive_run(&c, p, n);
	} else {
		m = legacy_run(&c, p, n);
	}
	if (m && pickle_root(m) == PICKLE_STORE) {
		*s = c.store[pickle_store(m)];
		r = 0;
	} else if (m) {
		array_err(outer->l, "an embedded torch file that is no storage");
	}
	pickle_free(m);
	ctx_free(&c);
	archive_free(&a);
	return r;
}
