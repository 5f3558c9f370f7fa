/* The one door out: messages on stderr and the exit status. */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "die.h"
#include "size.h"

const char *die_name = "moetrace";

static struct {
	void (*undo)(void *);
	void *arg;
} undos[1024];

void
die_undo(void (*undo)(void *), void *arg)
{
	for (size_t i = 0; i < LEN(undos); i++)
		if (!undos[i].undo) {
			undos[i].undo = undo;
			undos[i].arg = arg;
			return;
		}
}

void
die_keep(void *arg)
{
	for (size_t i = 0; i < LEN(undos); i++)
		if (undos[i].arg == arg)
			undos[i].undo = NULL;
}

/* One line whatever the names in it hold: control bytes become '?'. */
static void
message(const char *fmt, va_list ap)
{
	char line[2048];
	int err = errno;
	int n = vsnprintf(line, sizeof line, fmt, ap);

	if (n > 0 && n < (int)sizeof line && line[n - 1] == ':')
		snprintf(line + n, sizeof line - (size_t)n, " %s", strerror(err));
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < 32 || *p == 127)
			*p = '?';
	fprintf(stderr, "%s: %s\n", die_name, line);
}

_Noreturn static void
leave(int status)
{
	for (size_t i = 0; i < LEN(undos); i++)
		if (undos[i].undo)
			undos[i].undo(undos[i].arg);
	fflush(stderr);
	_Exit(status); /* no buffers of ours go through stdio */
}

void
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
	leave(2);
}

void
die_absent(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
	leave(3);
}

void
die_silent(void)
{
	leave(2);
}

void
die_no(void)
{
	leave(1);
}

void
warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
}

void
die_usage(const char *text)
{
	fprintf(stderr, "usage: %s\n", text);
	leave(2);
}

void
die_help(const char *text)
{
	if (fputs(text, stdout) == EOF || fflush(stdout) == EOF)
		die("write to standard output:");
	exit(0);
}

void
die_progress(const char *line)
{
	fputs(line, stderr);
	fflush(stderr);
}

void *
xmalloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		die("no memory for %zu bytes", n);
	return p;
}

void *
xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		die("no memory for %zu times %zu bytes", n, size);
	return p;
}

void *
xrealloc(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (size_mul(n, size, &bytes) < 0 || !(p = realloc(p, bytes ? bytes : 1)))
		die("no memory for %zu times %zu bytes", n, size);
	return p;
}

char *
xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(xmalloc(n), s, n);
}
