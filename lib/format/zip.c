/* Zip archives by their central directory; nothing in a local header is
 * believed but the lengths of its name and extra field.  APPNOTE 6.3. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#ifdef HAVE_LIBDEFLATE
#include <libdeflate.h>
#endif

#include "size.h"
#include "zip.h"

enum {
	LOCAL = 0x04034b50,
	CENTRAL = 0x02014b50,
	END = 0x06054b50,
	END64 = 0x06064b50,
	LOCATOR = 0x07064b50,
	LOCAL_LEN = 30,
	CENTRAL_LEN = 46,
	END_LEN = 22,
	END64_LEN = 56,
	LOCATOR_LEN = 20,
	COMMENT_MAX = 65535,
	ENTRIES_MAX = 65536,
	NAME_MAX_ = 4096,
};

static uint32_t
u16(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8;
}

static uint32_t
u32(const unsigned char *p)
{
	return u16(p) | u16(p + 2) << 16;
}

static uint64_t
u64(const unsigned char *p)
{
	return u32(p) | (uint64_t)u32(p + 4) << 32;
}

static int
fail(struct zip *z, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(z->err, sizeof z->err, fmt, ap);
	va_end(ap);
	return -1;
}

/* The end record, or NULL.  Two that both reach the end of file: refused. */
static const unsigned char *
find_end(struct zip *z)
{
	const unsigned char *found = NULL;
	size_t from = z->n > END_LEN + COMMENT_MAX ? z->n - END_LEN - COMMENT_MAX : 0;

	for (size_t i = from; i + END_LEN <= z->n; i++) {
		const unsigned char *p = z->p + i;

		if (p[0] != 'P' || u32(p) != END || i + END_LEN + u16(p + 20) != z->n)
			continue;
		if (found) {
			fail(z, "two end records");
			return NULL;
		}
		found = p;
	}
	if (!found)
		fail(z, "no end record: truncated, or no zip");
	return found;
}

static int
name_ok(const char *s, size_t n)
{
	if (n == 0 || n > NAME_MAX_ || s[0] == '/' || memchr(s, 0, n) || memchr(s, '\\', n))
		return 0;
	for (size_t i = 0, start = 0; i <= n; i++)
		if (i == n || s[i] == '/') {
			size_t len = i - start;

			if ((len == 1 && s[start] == '.') ||
			    (len == 2 && s[start] == '.' && s[start + 1] == '.'))
				return 0;
			start = i + 1;
		}
	return 1;
}

/* The zip64 extra field replaces what is all ones, in this order. */
static int
zip64_extra(const unsigned char *p, size_t n, struct zip_entry *e)
{
	while (n >= 4) {
		size_t len = u16(p + 2);

		if (len > n - 4)
			return -1;
		if (u16(p) == 1) {
			uint64_t *want[3] = {&e->size, &e->stored, &e->off};

			p += 4;
			for (int i = 0; i < 3; i++)
				if (*want[i] == 0xffffffff) {
					if (len < 8)
						return -1;
					*want[i] = u64(p);
					p += 8;
					len -= 8;
				}
			return 0;
		}
		p += 4 + len;
		n -= 4 + len;
	}
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp((*(const struct zip_entry *const *)a)->name,
		      (*(const struct zip_entry *const *)b)->name);
}

struct span {
	uint64_t from, to;
	const char *name;
};

static int
by_place(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

/* No name twice, no byte in two entries, no entry in the directory. */
static int
check_all(struct zip *z, const struct span *span, uint64_t dir)
{
	const struct zip_entry **names = malloc((z->ne + 1) * sizeof *names);
	int r = 0;

	if (!names)
		return fail(z, "no memory");
	for (size_t i = 0; i < z->ne; i++)
		names[i] = &z->e[i];
	qsort(names, z->ne, sizeof *names, by_name);
	for (size_t i = 1; i < z->ne && !r; i++)
		if (!strcmp(names[i - 1]->name, names[i]->name))
			r = fail(z, "%.100s: occurs twice", names[i]->name);
	free(names);
	for (size_t i = 0; i < z->ne && !r; i++)
		if (span[i].to > (i + 1 < z->ne ? span[i + 1].from : dir))
			r = fail(z, "%.100s: overlaps what follows it", span[i].name);
	if (!r && z->ne && span[0].from != 0)
		r = fail(z, "something stands before the archive");
	return r;
}

/* Entry i of the directory at p, left bytes to its end: its length, or -1. */
static long
entry(struct zip *z, size_t i, const unsigned char *p, uint64_t left, uint64_t dir,
      uint64_t max_bytes, char *name, struct span *span)
{
	struct zip_entry *e = &z->e[i];
	size_t nlen, xlen, clen;
	uint32_t flags;
	const unsigned char *l;

	if (left < CENTRAL_LEN || u32(p) != CENTRAL)
		return fail(z, "directory entry %zu is broken", i);
	nlen = u16(p + 28);
	xlen = u16(p + 30);
	clen = u16(p + 32);
	if (nlen + xlen + clen > left - CENTRAL_LEN)
		return fail(z, "directory entry %zu is cut off", i);
	if (!name_ok((const char *)p + CENTRAL_LEN, nlen))
		return fail(z, "directory entry %zu has a name that is not safe", i);
	memcpy(name, p + CENTRAL_LEN, nlen);
	name[nlen] = 0;
	e->name = name;
	flags = u16(p + 8);
	e->method = (int)u16(p + 10);
	e->crc = u32(p + 16);
	e->stored = u32(p + 20);
	e->size = u32(p + 24);
	e->off = u32(p + 42);
	if (zip64_extra(p + CENTRAL_LEN + nlen, xlen, e) < 0)
		return fail(z, "%.100s: bad zip64 field", name);
	if (flags & 0x2061) /* encrypted, patched, strong, masked */
		return fail(z, "%.100s: encrypted or patched", name);
	if (u16(p + 34) != 0)
		return fail(z, "%.100s: on another disk", name);
	if (e->method != 0 && e->method != 8)
		return fail(z, "%.100s: compression method %d is not read", name, e->method);
	if (e->method == 0 && e->stored != e->size)
		return fail(z, "%.100s: stored, but its two sizes differ", name);
	if (e->size > max_bytes)
		return fail(z, "%.100s: larger than the limit of %llu bytes", name,
			    (unsigned long long)max_bytes);
	if (e->off > dir || dir - e->off < LOCAL_LEN)
		return fail(z, "%.100s: outside the file", name);
	l = z->p + e->off;
	if (u32(l) != LOCAL)
		return fail(z, "%.100s: no local header", name);
	if (u16(l + 26) != nlen || dir - e->off - LOCAL_LEN < nlen ||
	    memcmp(l + LOCAL_LEN, name, nlen))
		return fail(z, "%.100s: another name in its local header", name);
	span->from = e->off;
	span->name = name;
	e->off += LOCAL_LEN + nlen + u16(l + 28);
	if (e->off > dir || e->stored > dir - e->off)
		return fail(z, "%.100s: runs past the end", name);
	span->to = e->off + e->stored;
	return (long)(CENTRAL_LEN + nlen + xlen + clen);
}

int
zip_open(struct zip *z, const unsigned char *p, size_t n, uint64_t max_bytes)
{
	const unsigned char *end;
	uint64_t count, size, dir, at, limit;
	struct span *span = NULL;
	char *name;
	int r = 0;

	memset(z, 0, sizeof *z);
	z->p = p;
	z->n = n;
	if (!max_bytes)
		max_bytes = (uint64_t)4 << 30;
	if (!(end = find_end(z)))
		return -1;
	if (u16(end + 4) || u16(end + 6) || u16(end + 8) != u16(end + 10))
		return fail(z, "an archive of several disks");
	count = u16(end + 10);
	size = u32(end + 12);
	dir = u32(end + 16);
	limit = (uint64_t)(end - p);
	if (limit >= LOCATOR_LEN && u32(end - LOCATOR_LEN) == LOCATOR) {
		uint64_t e64 = u64(end - LOCATOR_LEN + 8);

		limit -= LOCATOR_LEN;
		if (e64 > limit || limit - e64 < END64_LEN || u32(p + e64) != END64)
			return fail(z, "bad zip64 end record");
		count = u64(p + e64 + 32);
		size = u64(p + e64 + 40);
		dir = u64(p + e64 + 48);
		limit = e64;
	}
	if (dir > limit || size != limit - dir)
		return fail(z, "the directory is not where it is said to be");
	if (count > ENTRIES_MAX || count * CENTRAL_LEN > size)
		return fail(z, "%llu entries are too many", (unsigned long long)count);
	if (count == 0)
		return fail(z, "an empty zip");
	z->e = calloc(count, sizeof *z->e);
	z->names = name = malloc(size + count);
	span = calloc(count, sizeof *span);
	if (!z->e || !z->names || !span) {
		free(span);
		return fail(z, "no memory");
	}
	at = dir;
	for (uint64_t i = 0; i < count && r >= 0; i++) {
		long len = entry(z, i, p + at, limit - at, dir, max_bytes, name, &span[i]);

		if (len < 0) {
			r = -1;
			break;
		}
		name += strlen(name) + 1;
		at += (uint64_t)len;
		z->ne++;
	}
	if (!r && at != limit)
		r = fail(z, "the directory is longer than its entries");
	if (!r) {
		qsort(span, z->ne, sizeof *span, by_place);
		r = check_all(z, span, dir);
	}
	free(span);
	return r;
}

void
zip_free(struct zip *z)
{
	free(z->e);
	free(z->names);
	z->e = NULL;
	z->names = NULL;
	z->ne = 0;
}

const struct zip_entry *
zip_find(const struct zip *z, const char *name)
{
	for (size_t i = 0; i < z->ne; i++)
		if (!strcmp(z->e[i].name, name))
			return &z->e[i];
	return NULL;
}

static uint32_t
crc_of(const void *p, size_t n)
{
#ifdef HAVE_LIBDEFLATE
	return libdeflate_crc32(0, p, n);
#else
	return (uint32_t)crc32_z(0, p, n);
#endif
}

/* Exactly size bytes, or -1. */
static int
inflate_all(const unsigned char *in, size_t n, unsigned char *out, size_t size)
{
#ifdef HAVE_LIBDEFLATE
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	size_t used;
	int r = -1;

	if (!d)
		return -1;
	if (libdeflate_deflate_decompress_ex(d, in, n, out, size, &used, NULL) == 0 && used == n)
		r = 0;
	libdeflate_free_decompressor(d);
	return r;
#else
	z_stream s = {0};
	int r = Z_OK;

	if (inflateInit2(&s, -15) != Z_OK)
		return -1;
	s.next_in = (unsigned char *)in;
	s.next_out = out;
	while (r == Z_OK) {
		uInt give = (uInt)MIN(n, (size_t)1 << 30), room = (uInt)MIN(size, (size_t)1 << 30);

		s.avail_in = give;
		s.avail_out = room;
		r = inflate(&s, Z_NO_FLUSH);
		n -= give - s.avail_in;
		size -= room - s.avail_out;
		if (give == s.avail_in && room == s.avail_out)
			break;
	}
	inflateEnd(&s);
	return r == Z_STREAM_END && n == 0 && size == 0 ? 0 : -1;
#endif
}

int
zip_read(const struct zip *z, const struct zip_entry *e, int no_crc, const unsigned char **data,
	 void **mem, char err[256])
{
	*mem = NULL;
	if (e->method == 0) {
		*data = z->p + e->off;
	} else {
		/* Deflate yields at most 1032 bytes for one. */
		if (e->size > e->stored * 1032 + 1032) {
			snprintf(err, 256, "%.100s: its size is impossible", e->name);
			return -1;
		}
		if (!(*mem = malloc(e->size + 1))) {
			snprintf(err, 256, "%.100s: no memory for %llu bytes", e->name,
				 (unsigned long long)e->size);
			return -1;
		}
		if (inflate_all(z->p + e->off, e->stored, *mem, e->size) < 0) {
			free(*mem);
			*mem = NULL;
			snprintf(err, 256, "%.100s: does not inflate to the %llu bytes it declares",
				 e->name, (unsigned long long)e->size);
			return -1;
		}
		*data = *mem;
	}
	if (!no_crc && crc_of(*data, e->size) != e->crc) {
		free(*mem);
		*mem = NULL;
		snprintf(err, 256, "%.100s: checksum differs", e->name);
		return -1;
	}
	return 0;
}

/* ---- writing ---- */

struct zip_out {
	int (*put)(void *arg, const void *p, size_t n);
	void *arg;
	uint64_t off, count;
	unsigned char *dir;
	size_t ndir, capdir;
	int bad;
};

struct zip_out *
zip_create(int (*put)(void *arg, const void *p, size_t n), void *arg)
{
	struct zip_out *z = calloc(1, sizeof *z);

	if (z) {
		z->put = put;
		z->arg = arg;
	}
	return z;
}

static unsigned char *
w16(unsigned char *p, uint32_t x)
{
	p[0] = (unsigned char)x;
	p[1] = (unsigned char)(x >> 8);
	return p + 2;
}

static unsigned char *
w32(unsigned char *p, uint32_t x)
{
	return w16(w16(p, x & 0xffff), x >> 16);
}

static unsigned char *
w64(unsigned char *p, uint64_t x)
{
	return w32(w32(p, (uint32_t)x), (uint32_t)(x >> 32));
}

static void
out(struct zip_out *z, const void *p, size_t n)
{
	if (!z->bad && n && z->put(z->arg, p, n) < 0)
		z->bad = 1;
	z->off += n;
}

/* Raw deflate by zlib: memory the caller frees, *n its length; NULL: none. */
static unsigned char *
deflate_all(const void *p, size_t len, int level, size_t *n)
{
	z_stream s = {0};
	unsigned char *to;
	int r = Z_OK;

	if (deflateInit2(&s, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return NULL;
	size_t cap = deflateBound(&s, len), at = 0, left = len;

	if (!(to = malloc(cap))) {
		deflateEnd(&s);
		return NULL;
	}
	s.next_in = (unsigned char *)p;
	s.next_out = to;
	while (r == Z_OK) {
		uInt give = (uInt)MIN(left, (size_t)1 << 30);
		uInt room = (uInt)MIN(cap - at, (size_t)1 << 30);

		s.avail_in = give;
		s.avail_out = room;
		r = deflate(&s, left > give ? Z_NO_FLUSH : Z_FINISH);
		left -= give - s.avail_in;
		at += room - s.avail_out;
	}
	deflateEnd(&s);
	if (r != Z_STREAM_END) {
		free(to);
		return NULL;
	}
	*n = at;
	return to;
}

int
zip_add(struct zip_out *z, const char *name, const void *p, size_t n, int level, int align)
{
	unsigned char head[LOCAL_LEN + 24], *w, zeros[64] = {0}, *packed = NULL;
	size_t nlen = strlen(name), stored = n, pad = 0;
	uint32_t crc = crc_of(p, n);
	uint64_t at = z->off;
	int big;

	if (level > 0 && n) {
		if (!(packed = deflate_all(p, n, level, &stored))) {
			z->bad = 1;
			return -1;
		}
	}
	big = n >= 0xffffffff || stored >= 0xffffffff;
	size_t xlen = big ? 20 : 0;

	if (align > 1) {
		/* an extra field "FB" of the length that moves the data to a multiple */
		uint64_t data = at + LOCAL_LEN + nlen + xlen + 4;

		pad = (size_t)(size_align(data, (uint64_t)align) - data);
		xlen += 4 + pad;
	}
	w = w32(head, LOCAL);
	w = w16(w, big ? 45 : 20);
	w = w16(w, 0x0800);
	w = w16(w, packed ? 8 : 0);
	w = w32(w, 0x00210000); /* 1980-01-01: no clock in output */
	w = w32(w, crc);
	w = w32(w, big ? 0xffffffff : (uint32_t)stored);
	w = w32(w, big ? 0xffffffff : (uint32_t)n);
	w = w16(w, (uint32_t)nlen);
	w = w16(w, (uint32_t)xlen);
	out(z, head, LOCAL_LEN);
	out(z, name, nlen);
	if (big) {
		w = w16(w16(head, 1), 16);
		w = w64(w64(w, n), stored);
		out(z, head, 20);
	}
	if (align > 1) {
		w = w16(w16(head, 0x4246), (uint32_t)pad);
		out(z, head, 4);
		out(z, zeros, pad);
	}
	out(z, packed ? packed : p, stored);
	free(packed);

	big = big || at >= 0xffffffff;
	size_t need = z->ndir + CENTRAL_LEN + nlen + 28;

	if (need > z->capdir) {
		unsigned char *d = realloc(z->dir, 2 * need);

		if (!d) {
			z->bad = 1;
			return -1;
		}
		z->dir = d;
		z->capdir = 2 * need;
	}
	w = w32(z->dir + z->ndir, CENTRAL);
	w = w16(w, 0x0314); /* made on Unix */
	w = w16(w, big ? 45 : 20);
	w = w16(w, 0x0800);
	w = w16(w, level > 0 && n ? 8 : 0);
	w = w32(w, 0x00210000);
	w = w32(w, crc);
	w = w32(w, big ? 0xffffffff : (uint32_t)stored);
	w = w32(w, big ? 0xffffffff : (uint32_t)n);
	w = w16(w, (uint32_t)nlen);
	w = w16(w, big ? 28 : 0);
	w = w16(w, 0);
	w = w16(w, 0);
	w = w16(w, 0);
	w = w32(w, (uint32_t)0600 << 16);
	w = w32(w, big ? 0xffffffff : (uint32_t)at);
	memcpy(w, name, nlen);
	w += nlen;
	if (big) {
		w = w16(w16(w, 1), 24);
		w = w64(w64(w64(w, n), stored), at);
	}
	z->ndir = (size_t)(w - z->dir);
	z->count++;
	return z->bad ? -1 : 0;
}

int
zip_finish(struct zip_out *z)
{
	unsigned char rec[END64_LEN + LOCATOR_LEN + END_LEN], *w = rec;
	uint64_t dir = z->off, size = z->ndir, e64;
	int big = z->count >= 0xffff || dir >= 0xffffffff || size >= 0xffffffff, bad;

	out(z, z->dir, z->ndir);
	e64 = z->off;
	if (big) {
		w = w32(w, END64);
		w = w64(w, END64_LEN - 12);
		w = w16(w16(w, 0x032d), 45);
		w = w32(w32(w, 0), 0);
		w = w64(w64(w, z->count), z->count);
		w = w64(w64(w, size), dir);
		w = w32(w32(w, LOCATOR), 0);
		w = w32(w64(w, e64), 1);
	}
	w = w32(w, END);
	w = w16(w16(w, 0), 0);
	w = w16(w, (uint32_t)MIN(z->count, (uint64_t)0xffff));
	w = w16(w, (uint32_t)MIN(z->count, (uint64_t)0xffff));
	w = w32(w, (uint32_t)MIN(size, (uint64_t)0xffffffff));
	w = w32(w, (uint32_t)MIN(dir, (uint64_t)0xffffffff));
	w = w16(w, 0);
	out(z, rec, (size_t)(w - rec));
	bad = z->bad;
	free(z->dir);
	free(z);
	return bad ? -1 : 0;
}
