/*
 * Fuzz target: dense CSV.  What is read in place must read the same through
 * libcsv, where the first cell of each line is quoted.
 * Without libFuzzer its main replays the files given.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../lib/format/csv.h"

int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n);

/* Everything read as one block of text: picks, then how it ended. */
static size_t
take(const unsigned char *p, size_t n, char **text)
{
	int fd = memfd_create("in", 0), e, rc = -1;
	struct dcsv_row r;
	struct dcsv *c;
	size_t len;
	FILE *f = open_memstream(text, &len);

	if (fd < 0 || !f || write(fd, p, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	if (!(c = dcsv_open(fd)))
		abort();
	if ((e = dcsv_head(c)) >= 0)
		while ((rc = dcsv_next(c, &r)) > 0) {
			fprintf(f, "%llu %llu %llu:", (unsigned long long)r.line,
				(unsigned long long)r.layer, (unsigned long long)r.token);
			for (uint32_t i = 0; i < r.n; i++) {
				if (r.id[i] >= e || (i && r.id[i] <= r.id[i - 1]) || !(r.w[i] > 0))
					abort();
				fprintf(f, " %u %a", r.id[i], (double)r.w[i]);
			}
			fputc('\n', f);
			dcsv_best(&r, 3, (int)r.line & 1);
			for (uint32_t i = 1; i < r.n; i++)
				if (r.w[i] > r.w[i - 1])
					abort();
		}
	if ((rc < 0) != (strlen(dcsv_err(c)) > 0))
		abort();
	fprintf(f, "%d", rc);
	fclose(f);
	dcsv_free(c);
	close(fd);
	return len;
}

int
LLVMFuzzerTestOneInput(const unsigned char *p, size_t n)
{
	unsigned char *q = malloc(3 * n + 2), *to = q;
	char *a, *b;
	size_t na = take(p, n, &a), nb;

	if (!q)
		abort();
	for (const unsigned char *s = p, *end; s < p + n; s = end) {
		const unsigned char *comma;

		end = memchr(s, '\n', (size_t)(p + n - s));
		end = end ? end + 1 : p + n;
		comma = memchr(s, ',', (size_t)(end - s));
		if (comma && s > p) {
			*to++ = '"';
			memcpy(to, s, (size_t)(comma - s));
			to += comma - s;
			*to++ = '"';
			s = comma;
		}
		memcpy(to, s, (size_t)(end - s));
		to += end - s;
	}
	nb = take(q, (size_t)(to - q), &b);
	if (!memchr(p, '"', n) && (na != nb || memcmp(a, b, na)))
		abort();
	free(a);
	free(b);
	free(q);
	return 0;
}

#include "replay.h"
