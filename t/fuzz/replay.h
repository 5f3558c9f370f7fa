/* Without libFuzzer: a main that replays files, so that the corpus runs in make check. */
#ifndef REPLAY_H
#define REPLAY_H

#ifndef LIBFUZZER
#include <stdio.h>
#include <stdlib.h>

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

#endif
