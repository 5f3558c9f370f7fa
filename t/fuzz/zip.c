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

#include "replay.h"
