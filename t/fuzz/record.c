/* Fuzz target: records of each format and a table of rules.  Rows ascend, what a field
 * appends is kept, and an error has a reason. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../lib/model/prompt.h"

int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n);

static void
take(const unsigned char *p, size_t n, enum record_format format)
{
	static const char *const fields[] = {"text", "a.b", "a", ""};
	int fd = memfd_create("in", 0), rc, got;
	struct record_text to = {0};
	uint64_t row, last = 0;
	struct record *r;

	if (fd < 0 || write(fd, p, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) < 0 ||
	    !(r = record_open(fd, format, 4096)))
		abort();
	for (uint64_t i = 0; (rc = record_next(r, &row)) > 0; i++) {
		if (row < i || (i && row <= last))
			abort();
		last = row;
		for (size_t k = 0; k < sizeof fields / sizeof *fields; k++) {
			const size_t had = to.n;

			got = record_field(r, fields[k], &to);
			if (to.n < had ||
			    (got == 1 && to.n == had && format == RECORD_LINES && k == 0))
				abort();
			if (got < 0 && !*record_err(r))
				abort();
			prompt_chars(to.p + had, to.n - had);
			if (prompt_cut(to.p + had, to.n - had, 3) > to.n - had)
				abort();
		}
		to.n = 0;
	}
	if (rc < 0 && !*record_err(r))
		abort();
	free(to.p);
	record_free(r);
	close(fd);
}

int
LLVMFuzzerTestOneInput(const unsigned char *p, size_t n)
{
	struct prompt_rules x;

	for (int f = RECORD_JSONL; f <= RECORD_LINES; f++)
		take(p, n, (enum record_format)f);
	if (prompt_rules_parse(&x, (const char *)p, n) < 0
		    ? !*x.err
		    : x.n && !prompt_rule_find(&x, x.rule[0].dataset, x.rule[0].config))
		abort();
	prompt_rules_free(&x);
	return 0;
}

#include "replay.h"
