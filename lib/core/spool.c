/* Two passes over a pipe: spooled once, then read by place. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frame.h"
#include "size.h"
#include "spool.h"

enum { BLOCK = 256 * 1024 };

static int
write_all(int fd, const unsigned char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

int
spool_temp(void)
{
	const char *dir = getenv("TMPDIR");
	char path[4096];
	int fd;

	snprintf(path, sizeof path, "%s/moetrace.XXXXXX", dir && *dir ? dir : "/tmp");
	if ((fd = mkostemp(path, O_CLOEXEC)) >= 0)
		unlink(path);
	return fd;
}

/* fd itself if it is a regular file, else a copy of what it holds; -1. */
static int
copy(int fd)
{
	unsigned char *block;
	struct stat st;
	ssize_t n = 0;
	int to, err;

	if (fstat(fd, &st) < 0)
		return -1;
	if (S_ISREG(st.st_mode))
		return fd;
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return -1;
	}
	if ((to = spool_temp()) < 0)
		return -1;
	if (!(block = malloc(BLOCK))) {
		close(to);
		return -1;
	}
	while ((n = read(fd, block, BLOCK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || write_all(to, block, (size_t)n) < 0) {
			n = -1;
			break;
		}
	}
	err = errno;
	free(block);
	if (n < 0 || lseek(to, 0, SEEK_SET) < 0) {
		close(to);
		errno = err;
		return -1;
	}
	return to;
}

int
spool_open(struct spool *s, const char *file)
{
	int std = !strcmp(file, "-"), fd = std ? 0 : open(file, O_RDONLY | O_CLOEXEC), whole;
	off_t base;

	s->file = s->name = file;
	s->fd = -1;
	if (fd < 0)
		return -1;
	if ((whole = copy(fd)) < 0 || (base = lseek(whole, 0, SEEK_CUR)) < 0) {
		int err = errno;

		if (!std)
			close(fd);
		errno = err;
		return -1;
	}
	s->fd = whole;
	s->base = (uint64_t)base;
	if (whole != fd && std) {
		if (dup2(whole, 0) < 0)
			return -1;
		close(whole);
		s->fd = 0;
	} else if (whole != fd) {
		close(fd);
		snprintf(s->path, sizeof s->path, "/dev/fd/%d", whole);
		s->name = s->path;
	}
	return 0;
}

int
spool_rewind(struct spool *s)
{
	return lseek(s->fd, (off_t)s->base, SEEK_SET) < 0 ? -1 : 0;
}

void
spool_close(struct spool *s)
{
	if (s->fd > 0)
		close(s->fd);
	s->fd = -1;
}

int
spool_frame(struct spool *s, uint64_t off, uint64_t n, int decode, struct tr_frame *f,
	    struct rows_buf *buf)
{
	unsigned char *p = rows_room(buf, n), *lf;
	size_t crc_at = 0, len;
	char err[FRAME_ERR];
	uint64_t bytes;
	uint32_t crc;
	int r;

	if (!p)
		return TR_ENOMEM;
	for (uint64_t at = 0; at < n;) {
		ssize_t got = pread(s->fd, p + at, n - at, (off_t)(s->base + off + at));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return TR_EIO;
		at += (uint64_t)got;
	}
	if (!(lf = memchr(p, '\n', MIN(n, (uint64_t)TR_HEADER_MAX))))
		return TR_EIO; /* the file changed under us */
	len = (size_t)(lf - p) + 1;
	if ((r = frame_parse(f, (char *)p, len, &bytes, &crc, &crc_at, err)) < 0)
		return r;
	if (len + (bytes ? bytes + 1 : 0) != n)
		return TR_EIO;
	f->from = NULL;
	f->raw = p;
	f->nraw = n;
	f->payload = bytes ? p + len : NULL;
	f->bytes = bytes;
	if (!decode || !f->need)
		return 0;
	/* from here on the frame is its columns alone */
	struct rows_buf both = {0};
	unsigned char *cols = rows_room(&both, size_align(f->need, TR_ALIGN) + TR_ALIGN);

	if (!cols)
		return TR_ENOMEM;
	r = 0;
	if (f->enc[0])
		r = codec_decode(f, cols);
	else
		memcpy(cols, f->payload, f->need);
	rows_free(buf);
	*buf = both;
	for (int i = 0; i < f->ncols; i++)
		f->cols[i].data = cols + frame_offset(f, i);
	f->enc[0] = 0;
	tr_rows(f, f->rows);
	return r;
}
