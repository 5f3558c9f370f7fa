#include <string.h>
#include <unistd.h>

#include "textin.h"

int
textin_next(struct textin *in, const struct tool *t, struct record_text *to)
{
	static char *none[] = {"-"};
	uint64_t row;
	int rc = 0;

	to->n = 0;
	for (;;) {
		const char *file;

		while (in->record && (rc = record_next(in->record, &row)) > 0) {
			in->lines++;
			if ((rc = record_field(in->record, "text", to)))
				break;
		}
		if (rc > 0)
			return 1;
		if (rc < 0)
			die("%s:%s", t->nfiles ? t->files[in->operand - 1] : "standard input",
			    record_err(in->record));
		if (in->fd)
			close(in->fd);
		record_free(in->record);
		in->record = NULL;
		if (in->operand == (t->nfiles ? t->nfiles : 1))
			return 0;
		file = (t->nfiles ? t->files : none)[in->operand++];
		in->fd = tool_fd(&file);
		if (!(in->record = record_open(in->fd, RECORD_LINES, TR_BYTES_MAX)))
			die("no memory");
	}
}

long long
textin_ids(struct item *item, const struct tool_file *m, size_t *at, uint64_t line, int phase)
{
	const char *p = (const char *)m->p + *at, *stop;
	size_t bad;
	long long n;

	if (*at >= m->n)
		return -1;
	stop = memchr(p, '\n', m->n - *at);
	stop = stop ? stop : p + (m->n - *at);
	*at += (size_t)(stop - p) + 1;
	n = item_ids(item, p, (size_t)(stop - p), line, line, phase, &bad);
	if (n == TR_EVALUE)
		die("%s:%llu:%zu: not an id", m->name, (unsigned long long)line + 1, bad + 1);
	if (n < 0)
		die("no memory");
	return n;
}
