/* jsmn FILE: tokens of every line by jsmn alone: what its grammar costs. */
#define JSMN_PARENT_LINKS
#define JSMN_STRICT
#include <fcntl.h>
#include <jsmn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

int
main(int argc, char **argv)
{
	enum { MOST = 1 << 22 };
	int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;
	jsmntok_t *tok = malloc(MOST * sizeof *tok);
	unsigned long long sum = 0;
	struct stat st;
	const char *p;

	if (fd < 0 || !tok || fstat(fd, &st) < 0)
		return 2;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	for (const char *at = p, *end = p + st.st_size, *lf; at < end; at = lf + 1) {
		jsmn_parser j;
		int n;

		if (!(lf = memchr(at, '\n', (size_t)(end - at))))
			lf = end;
		jsmn_init(&j);
		if ((n = jsmn_parse(&j, at, (size_t)(lf - at), tok, MOST)) < 0)
			return 2;
		sum += (unsigned)n;
	}
	printf("%llu\n", sum);
	free(tok);
	return 0;
}
