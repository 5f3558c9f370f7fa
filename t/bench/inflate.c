/* inflate FILE.npz: bytes of its deflated members by libdeflate alone, one core. */
#include <fcntl.h>
#include <libdeflate.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static uint32_t
le32(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int
main(int argc, char **argv)
{
	int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	unsigned long long sum = 0;
	const unsigned char *p;
	struct stat st;
	size_t cap = 1 << 20;
	char *to = malloc(cap);

	if (fd < 0 || !d || !to || fstat(fd, &st) < 0)
		return 2;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	/* the central directory, by its signature: numpy writes no comment */
	for (size_t at = le32(p + st.st_size - 6); le32(p + at) == 0x02014b50;) {
		size_t in = le32(p + at + 20), out = le32(p + at + 24), head = le32(p + at + 42);
		size_t name = p[at + 28] | (size_t)p[at + 29] << 8;
		size_t extra = p[at + 30] | (size_t)p[at + 31] << 8;
		const unsigned char *m = p + head + 30 +
					 (p[head + 26] | (size_t)p[head + 27] << 8) +
					 (p[head + 28] | (size_t)p[head + 29] << 8);
		size_t got = 0;

		if (out > cap && !(to = realloc(to, cap = out)))
			return 2;
		if (p[at + 10] == 8 && libdeflate_deflate_decompress(d, m, in, to, cap, &got))
			return 2;
		sum += got;
		at += 46 + name + extra;
	}
	printf("%llu\n", sum);
	libdeflate_free_decompressor(d);
	free(to);
	return 0;
}
