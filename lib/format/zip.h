/*
 * Zip archives read from memory, by the central directory (APPNOTE 6.3; what
 * torch and numpy write of it: pt-format).  Hostile archives are refused.
 */
#ifndef ZIP_H
#define ZIP_H

#include <stddef.h>
#include <stdint.h>

struct zip_entry {
	const char *name; /* NUL-ended, owned by the zip */
	uint64_t size;    /* of the content */
	uint64_t stored;  /* bytes in the archive */
	uint64_t off;     /* of the stored bytes, from the start of the archive */
	uint32_t crc;
	int method; /* 0 stored, 8 deflated */
};

struct zip {
	const unsigned char *p;
	size_t n;
	struct zip_entry *e;
	size_t ne;
	char *names;
	char err[256];
};

/* Directory of the n bytes at p, checked (overlaps, duplicates, names, prefix,
 * bounds): 0, or -1 and z->err.  p must outlive z.  Free z in either case. */
int zip_open(struct zip *z, const unsigned char *p, size_t n, uint64_t max_bytes);
void zip_free(struct zip *z);
const struct zip_entry *zip_find(const struct zip *z, const char *name);

/* Content of an entry: *data points into the archive if stored, else into
 * memory in *mem that the caller frees (NULL if stored).  CRC checked unless
 * no_crc.  0, or -1 and err (the entry is named).  Threads may call it at once. */
int zip_read(const struct zip *z, const struct zip_entry *e, int no_crc, const unsigned char **data,
	     void **mem, char err[256]);

/* Writing: stored or deflated members, one after the other, deterministic
 * (no times).  put returns 0 or -1; zip64 where it is needed. */
struct zip_out;
struct zip_out *zip_create(int (*put)(void *arg, const void *p, size_t n), void *arg);
/* align: data starts at a multiple of that many bytes (torch: 64); 0: any. */
int zip_add(struct zip_out *z, const char *name, const void *p, size_t n, int level, int align);
int zip_finish(struct zip_out *z); /* directory; frees z.  0 or -1 */

#endif
