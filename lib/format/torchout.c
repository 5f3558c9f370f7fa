/*
 * The bytes of torch.save for a dict of numbers, texts, lists of texts and
 * whole tensors (pt-format 3 and 4): protocol 2, memo places as Python's
 * pickler numbers them, storages at multiples of 64.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "torchout.h"
#include "zip.h"

struct buf {
	unsigned char *p;
	size_t n, cap;
	int bad;
	uint32_t memo; /* next place */
};

/* Memo places of what is shared by the tensors; 0: not yet put. */
struct shared {
	uint32_t rebuild, storage, cpu, odict, cls[2];
};

static void
bytes(struct buf *b, const void *p, size_t n)
{
	unsigned char *q;

	if (b->bad)
		return;
	if (b->cap - b->n < n) {
		size_t cap = b->cap * 2 + n + 256;

		if (!(q = realloc(b->p, cap))) {
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

/* op and an unsigned number of width bytes. */
static void
op(struct buf *b, int code, uint64_t x, int width)
{
	unsigned char s[9];

	s[0] = (unsigned char)code;
	for (int i = 0; i < width; i++)
		s[i + 1] = (unsigned char)(x >> 8 * i);
	bytes(b, s, (size_t)width + 1);
}

/* The place of what is on top of the stack. */
static uint32_t
put(struct buf *b)
{
	op(b, b->memo < 256 ? 'q' : 'r', b->memo, b->memo < 256 ? 1 : 4);
	return b->memo++;
}

static void
get(struct buf *b, uint32_t i)
{
	op(b, i < 256 ? 'h' : 'j', i, i < 256 ? 1 : 4);
}

static uint32_t
text(struct buf *b, const char *s)
{
	size_t n = strlen(s);

	op(b, 'X', n, 4);
	bytes(b, s, n);
	return put(b);
}

static void
shared_text(struct buf *b, const char *s, uint32_t *at)
{
	if (*at)
		get(b, *at);
	else
		*at = text(b, s);
}

static void
global(struct buf *b, const char *s, uint32_t *at)
{
	if (*at) {
		get(b, *at);
		return;
	}
	bytes(b, s, strlen(s));
	*at = put(b);
}

static void
integer(struct buf *b, int64_t i)
{
	int n = 8;

	if (i >= 0 && i < 256) {
		op(b, 'K', (uint64_t)i, 1);
	} else if (i >= 0 && i < 65536) {
		op(b, 'M', (uint64_t)i, 2);
	} else if (i >= INT32_MIN && i <= INT32_MAX) {
		op(b, 'J', (uint64_t)i, 4);
	} else { /* the fewest bytes that keep the sign */
		while (n > 1 && i >> (8 * (n - 1) - 1) == (i < 0 ? -1 : 0))
			n--;
		op(b, 0x8a, (uint64_t)n, 1);
		for (int k = 0; k < n; k++)
			op(b, (int)((uint64_t)i >> 8 * k & 0xff), 0, 0);
	}
}

static void
tuple(struct buf *b, const uint64_t *x, int n)
{
	for (int i = 0; i < n; i++)
		integer(b, (int64_t)x[i]);
	op(b, n == 1 ? 0x85 : 0x86, 0, 0);
	put(b);
}

static void
tensor(struct buf *b, const struct torch_item *it, int key, struct shared *sh)
{
	int f32 = it->kind == TORCH_F32;
	uint64_t n = it->dim[0] * (it->ndim == 2 ? it->dim[1] : 1);
	uint64_t stride[2] = {it->ndim == 2 ? it->dim[1] : 1, 1};
	char name[16];

	global(b, "ctorch._utils\n_rebuild_tensor_v2\n", &sh->rebuild);
	op(b, '(', 0, 0);
	op(b, '(', 0, 0);
	shared_text(b, "storage", &sh->storage);
	global(b, f32 ? "ctorch\nFloatStorage\n" : "ctorch\nLongStorage\n", &sh->cls[f32]);
	snprintf(name, sizeof name, "%d", key);
	text(b, name);
	shared_text(b, "cpu", &sh->cpu);
	integer(b, (int64_t)n);
	op(b, 't', 0, 0);
	put(b);
	op(b, 'Q', 0, 0);
	integer(b, 0);
	tuple(b, it->dim, it->ndim);
	tuple(b, stride, it->ndim);
	op(b, 0x89, 0, 0);
	global(b, "ccollections\nOrderedDict\n", &sh->odict);
	bytes(b, ")R", 2);
	put(b);
	op(b, 't', 0, 0);
	put(b);
	op(b, 'R', 0, 0);
	put(b);
}

static void
list(struct buf *b, const char *s, size_t n)
{
	op(b, ']', 0, 0);
	put(b);
	if (n > 1)
		op(b, '(', 0, 0);
	for (size_t i = 0; i < n; i++, s += strlen(s) + 1)
		text(b, s);
	if (n)
		op(b, n > 1 ? 'e' : 'a', 0, 0);
}

static void
dict(struct buf *b, const struct torch_item *it, size_t n)
{
	struct shared sh = {0};
	int key = 0;

	bytes(b, "\200\2}", 3);
	put(b);
	if (n > 1)
		op(b, '(', 0, 0);
	for (size_t i = 0; i < n; i++) {
		text(b, it[i].key);
		switch (it[i].kind) {
		case TORCH_INT:
			integer(b, it[i].i);
			break;
		case TORCH_STR:
			text(b, it[i].s);
			break;
		case TORCH_LIST:
			list(b, it[i].s, it[i].n);
			break;
		default:
			tensor(b, &it[i], key++, &sh);
		}
	}
	if (n)
		op(b, n > 1 ? 'u' : 's', 0, 0);
	op(b, '.', 0, 0);
}

static int
member(struct zip_out *z, const char *root, const char *name, const void *p, size_t n)
{
	char path[4200];
	int len = snprintf(path, sizeof path, "%s/%s", root, name);

	return len < 0 || (size_t)len >= sizeof path ? -1 : zip_add(z, path, p, n, 0, 64);
}

int
torch_write(const char *root, const struct torch_item *it, size_t n,
	    int (*put_bytes)(void *arg, const void *p, size_t n), void *arg)
{
	struct buf b = {0};
	struct zip_out *z;
	char name[32];
	int key = 0, r;

	dict(&b, it, n);
	if (b.bad || !(z = zip_create(put_bytes, arg))) {
		free(b.p);
		return -1;
	}
	r = member(z, root, "data.pkl", b.p, b.n);
	r |= member(z, root, ".format_version", "1", 1);
	r |= member(z, root, ".storage_alignment", "64", 2);
	r |= member(z, root, "byteorder", "little", 6);
	for (size_t i = 0; i < n; i++) {
		uint64_t size = it[i].dim[0] * (it[i].ndim == 2 ? it[i].dim[1] : 1);

		if (it[i].kind != TORCH_I64 && it[i].kind != TORCH_F32)
			continue;
		snprintf(name, sizeof name, "data/%d", key++);
		r |= member(z, root, name, it[i].data, size * (it[i].kind == TORCH_F32 ? 4 : 8));
	}
	r |= member(z, root, "version", "3\n", 2);
	r |= zip_finish(z);
	free(b.p);
	return r ? -1 : 0;
}
