/* The stream reader under random bytes: headers, columns, zstd payloads, resync. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "moetrace.h"

int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n);

static void
walk(const unsigned char *p, size_t n, int keep_going)
{
	struct tr_limits lim = {1 << 20, keep_going};
	int fd = memfd_create("in", 0);
	struct tr *t;
	struct tr_frame f;
	struct tr_ids ids;
	char text[64];

	if (fd < 0 || write(fd, p, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	t = tr_open(fd, &lim);
	while (t && tr_next(t, &f) > 0) {
		tr_text(&f, "model", text, sizeof text);
		if (tr_decode(&f) < 0 || tr_ids(&f, &ids) < 0)
			continue;
	}
	tr_free(t);
	close(fd);
}

int
LLVMFuzzerTestOneInput(const unsigned char *p, size_t n)
{
	walk(p, n, 0);
	walk(p, n, 1);
	return 0;
}

#include "replay.h"
