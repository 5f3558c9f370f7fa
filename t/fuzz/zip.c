/*
 * Fuzz target: zip directories, and every member that they lead to.
 * Without libFuzzer its main replays the files given.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../lib/format/zip.h"

int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n);

int
LLVMFuzzerTestOneInput(const unsigned char *p, size_t n)
{
	volatile unsigned char last;
	struct zip z;

	if (zip_open(&z, p, n, 1 << 20) == 0)
		for (size_t i = 0; i < z.ne && i < 64; i++) {
			const unsigned char *data;
			char err[256];
			void *mem;

			if (zip_find(&z, z.e[i].name) != &z.e[i])
				abort();
			if (zip_read(&z, &z.e[i], 1, &data, &mem, err) == 0) {
				if (z.e[i].size)
					last = data[z.e[i].size - 1];
				free(mem);
			}
		}
	(void)last;
	zip_free(&z);
	return 0;
}

#ifndef LIBFUZZER
int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");
		unsigned char *p = NULL;
		size_t n = 0, got;

		if (!f)
			return 2;
		do {
			if (!(p = realloc(p, n + 65536)))
				return 2;
			n += got = fread(p + n, 1, 65536, f);
		} while (got);
		fclose(f);
		if (!(p = realloc(p, n ? n : 1))) /* so that ASan sees the end */
			return 2;
		LLVMFuzzerTestOneInput(p, n);
		free(p);
	}
	return 0;
}
#endif
