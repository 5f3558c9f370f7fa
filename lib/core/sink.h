/*
 * Bytes out, in blocks of 256 KiB: to standard output, or to a file that gets
 * its name only when all of it was written.
 */
#ifndef SINK_H
#define SINK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct sink;

/* NULL or "-": standard output.  Else FILE is written as a temporary name
 * beside it and renamed by sink_close.  NULL: errno says why. */
struct sink *sink_open(const char *file);
struct sink *sink_fd(int fd); /* fd stays the caller's */
/* FILE is written as FILE.part, which stays when the process ends before sink_close: fails
 * with EEXIST where there is one, unless again, which goes on with it; with EWOULDBLOCK where
 * another process writes it. */
struct sink *sink_part(const char *file, int again);
/* The first n bytes are those that FILE.part holds, what it holds behind them is cut off.  What
 * is put must be the same then: else it fails with ESTALE. */
int sink_have(struct sink *s, uint64_t n);
void sink_keep(struct sink *s);         /* sink_drop lets FILE.part be */
uint64_t sink_at(const struct sink *s); /* bytes put so far */
int sink_put(struct sink *s, const void *p, size_t n);
/* Room for n <= 64 KiB bytes to write in place, then how many were used. */
char *sink_room(struct sink *s, size_t n); /* NULL: a write failed */
void sink_used(struct sink *s, size_t n);
int sink_printf(struct sink *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int sink_flush(struct sink *s);
/* Flush, close, rename: 0, or -1 and the old FILE is untouched. */
int sink_close(struct sink *s);
void sink_drop(struct sink *s); /* give up: the temporary file is removed */

#endif
