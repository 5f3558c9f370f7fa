/* Buffered output that names its file only when it is whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sink.h"

enum { BLOCK = 256 * 1024, PIPE = 1024 * 1024 };

struct sink {
	int fd, own, err;  /* err: errno of the first failure */
	char *file, *temp; /* NULL: no file of ours */
	int keep;          /* temp stays, whatever happens */
	uint64_t at, have; /* bytes written, and those that temp had before */
	size_t n;
	char *buf;
};

struct sink *
sink_fd(int fd)
{
	struct sink *s = calloc(1, sizeof *s);

	if (!s || !(s->buf = malloc(BLOCK))) {
		free(s);
		return NULL;
	}
	s->fd = fd;
	fcntl(fd, F_SETPIPE_SZ, PIPE); /* refused where it is no pipe: fine */
	return s;
}

struct sink *
sink_open(const char *file)
{
	struct stat st;
	struct sink *s;
	mode_t mask;

	if (!file || !strcmp(file, "-"))
		return sink_fd(1);
	/* What is there and is no regular file (a device, a pipe) is written to. */
	if (stat(file, &st) == 0 && !S_ISREG(st.st_mode)) {
		int fd = open(file, O_WRONLY | O_CLOEXEC);

		if (fd < 0 || !(s = sink_fd(fd)))
			return NULL;
		s->own = 1;
		return s;
	}
	if (!(s = sink_fd(-1)))
		return NULL;
	s->own = 1;
	s->file = strdup(file);
	s->temp = malloc(strlen(file) + 8);
	if (s->file && s->temp) {
		strcpy(stpcpy(s->temp, file), ".XXXXXX");
		s->fd = mkostemp(s->temp, O_CLOEXEC);
	}
	if (s->fd < 0) {
		int err = errno;

		free(s->temp);
		s->temp = NULL;
		sink_drop(s);
		errno = err;
		return NULL;
	}
	umask(mask = umask(0));
	fchmod(s->fd, stat(file, &st) == 0 ? st.st_mode & 0777 : 0666 & ~mask);
	return s;
}

struct sink *
sink_part(const char *file, int again)
{
	struct stat st;
	struct sink *s;

	if (!file || !strcmp(file, "-") || (stat(file, &st) == 0 && !S_ISREG(st.st_mode)))
		return sink_open(file);
	if (!(s = sink_fd(-1)))
		return NULL;
	s->own = 1;
	s->file = strdup(file);
	s->temp = malloc(strlen(file) + 8);
	if (s->file && s->temp) {
		strcpy(stpcpy(s->temp, file), ".part");
		s->fd = open(s->temp, O_RDWR | O_CREAT | O_CLOEXEC | (again ? 0 : O_EXCL), 0666);
	}
	if (s->fd < 0 || flock(s->fd, LOCK_EX | LOCK_NB) < 0 || fstat(s->fd, &st) < 0) {
		int err = errno;

		s->keep = 1;
		sink_drop(s);
		errno = err;
		return NULL;
	}
	s->keep = st.st_size > 0;
	return s;
}

int
sink_have(struct sink *s, uint64_t n)
{
	s->have = n;
	return ftruncate(s->fd, (off_t)n);
}

void
sink_keep(struct sink *s)
{
	s->keep = 1;
}

uint64_t
sink_at(const struct sink *s)
{
	return s->at + s->n;
}

/* Bytes that are there: compared; their number, or -1. */
static ssize_t
compare(struct sink *s, const char *p, size_t n)
{
	char buf[4096];
	size_t most = sizeof buf < n ? sizeof buf : n;
	ssize_t r;

	if (most > s->have - s->at)
		most = (size_t)(s->have - s->at);
	r = pread(s->fd, buf, most, (off_t)s->at);
	if (r > 0 && memcmp(buf, p, (size_t)r) == 0)
		return s->at + (size_t)r < s->have || lseek(s->fd, (off_t)s->have, SEEK_SET) >= 0
			       ? r
			       : -1;
	if (r >= 0)
		errno = ESTALE;
	return -1;
}

static int
write_all(struct sink *s, const char *p, size_t n)
{
	while (n) {
		ssize_t r = s->at < s->have ? compare(s, p, n) : write(s->fd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0) {
			s->err = errno;
			return -1;
		}
		p += r;
		n -= (size_t)r;
		s->at += (size_t)r;
	}
	return 0;
}

int
sink_flush(struct sink *s)
{
	if (s->err) {
		errno = s->err;
		return -1;
	}
	size_t n = s->n;

	s->n = 0;
	return write_all(s, s->buf, n);
}

int
sink_put(struct sink *s, const void *p, size_t n)
{
	if (n > BLOCK - s->n && sink_flush(s) < 0)
		return -1;
	if (s->err) {
		errno = s->err;
		return -1;
	}
	if (n >= BLOCK / 4) {
		if (sink_flush(s) < 0)
			return -1;
		return write_all(s, p, n);
	}
	memcpy(s->buf + s->n, p, n);
	s->n += n;
	return 0;
}

char *
sink_room(struct sink *s, size_t n)
{
	if (n > BLOCK - s->n && sink_flush(s) < 0)
		return NULL;
	return s->buf + s->n;
}

void
sink_used(struct sink *s, size_t n)
{
	s->n += n;
}

int
sink_printf(struct sink *s, const char *fmt, ...)
{
	va_list ap;
	char *p = sink_room(s, 16384);
	int n;

	if (!p)
		return -1;
	va_start(ap, fmt);
	n = vsnprintf(p, 16384, fmt, ap);
	va_end(ap);
	if (n < 0 || n >= 16384) {
		errno = EOVERFLOW;
		return -1;
	}
	s->n += (size_t)n;
	return 0;
}

void
sink_drop(struct sink *s)
{
	if (!s)
		return;
	if (s->own && s->fd >= 0)
		close(s->fd);
	if (s->temp && !s->keep)
		unlink(s->temp);
	free(s->temp);
	free(s->file);
	free(s->buf);
	free(s);
}

int
sink_close(struct sink *s)
{
	int bad = sink_flush(s), err = errno;

	if (!bad && s->at < s->have) {
		bad = -1;
		err = ESTALE;
	}

	if (s->own) {
		if (close(s->fd) < 0 && !bad) {
			bad = -1;
			err = errno;
		}
		s->fd = -1;
		if (!bad && s->temp && rename(s->temp, s->file) < 0) {
			bad = -1;
			err = errno;
		}
		if (!bad) {
			free(s->temp);
			s->temp = NULL;
		}
	}
	sink_drop(s);
	errno = err;
	return bad;
}
