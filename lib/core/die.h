/*
 * The one door between the library, which returns errors, and the tools,
 * which die of them.  die.c is the only caller of exit and the only printer.
 */
#ifndef DIE_H
#define DIE_H

#include <stddef.h>

extern const char *die_name; /* set by tool_start */

/* "NAME: text" on stderr, exit 2.  A final ':' adds strerror(errno). */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same with exit 3: a device, library or program is absent. */
_Noreturn void die_absent(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* "usage: text" on stderr, exit 2. */
_Noreturn void die_usage(const char *text);
/* Exit 2 without a word: the reader of our output has gone. */
_Noreturn void die_silent(void);
/* Exit 1: the answer is no. */
_Noreturn void die_no(void);
/* A progress line on stderr, as it is. */
void die_progress(const char *line);
/* Text on stdout (help, version), exit 0; a failed write exits 2. */
_Noreturn void die_help(const char *text);
/* Something to undo before die exits: a temporary file to unlink. */
void die_undo(void (*undo)(void *), void *arg);
void die_keep(void *arg); /* forget that undo again */

/* Allocation that dies.  n * size is checked. */
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n, size_t size);
char *xstrdup(const char *s);

#endif
