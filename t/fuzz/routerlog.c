/*
 * Fuzz target: the reader of JSON logs of router logits, its events first, then, as
 * log2trace does, the section that is made of what it accepts.
 * Without libFuzzer its main replays the files given.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../lib/format/logsect.h"

int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n);

static int
file_of(const unsigned char *p, size_t n)
{
	int fd = memfd_create("in", 0);

	if (fd < 0 || write(fd, p, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	return fd;
}

/* Every number of a layer: one that was never written must show. */
static double
touch(const struct rlog *r)
{
	double sum = 0;

	for (size_t i = 0; i < r->logit.rows * r->logit.width; i++)
		sum += (double)r->logit.f[i];
	for (size_t i = 0; i < r->w.rows * r->w.width; i++)
		sum += (double)r->w.f[i];
	for (size_t i = 0; i < r->id.rows * r->id.width; i++)
		sum += r->id.i[i];
	return sum;
}

static int
put(void *arg, struct tr_frame *f)
{
	struct tr_ids ids;
	int *route = arg;

	if (tr_decode(f) < 0)
		abort();
	*route += tr_ids(f, &ids) > 0;
	return 0;
}

static int
walk(const unsigned char *p, size_t n)
{
	int fd = file_of(p, n), e = RLOG_END;
	struct rlog *r = rlog_open(fd);
	volatile double sum = 0;
	char where[128];

	while (r && (e = rlog_next(r)) > 0) {
		rlog_where(r, where, sizeof where);
		if (e == RLOG_LAYER)
			sum += touch(r);
	}
	(void)sum;
	rlog_free(r);
	close(fd);
	return e;
}

static void
section(const unsigned char *p, size_t n, int recompute)
{
	struct logsect s = {
		.file = "x", .recompute = recompute, .verify = !recompute, .tolerance = 1e-5};
	int fd = file_of(p, n), routes = 0;

	if (logsect_read(&s, fd) >= 0)
		(void)logsect_put(&s, put, &routes);
	logsect_free(&s);
	close(fd);
}

int
LLVMFuzzerTestOneInput(const unsigned char *p, size_t n)
{
	if (walk(p, n) == RLOG_END) {
		section(p, n, 0);
		section(p, n, 1);
	}
	return 0;
}

#include "replay.h"
