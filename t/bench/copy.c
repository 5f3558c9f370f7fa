/*
 * copy: standard input to standard output in blocks of 256 KiB, 1 MiB asked of
 * pipes: what a filter that does nothing can reach.  copy -n: reads only.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	enum { BLOCK = 256 * 1024 };
	int drop = argc > 1 && !strcmp(argv[1], "-n");
	char *p = aligned_alloc(4096, BLOCK);
	ssize_t n;

	fcntl(0, F_SETPIPE_SZ, 1 << 20);
	fcntl(1, F_SETPIPE_SZ, 1 << 20);
	while ((n = read(0, p, BLOCK)) > 0)
		for (ssize_t at = 0, w; !drop && at < n; at += w)
			if ((w = write(1, p + at, (size_t)(n - at))) < 0)
				return 2;
	free(p);
	return n < 0 ? 2 : 0;
}
