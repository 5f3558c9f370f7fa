/* A gnuplot program as text, and the one process that runs it. */
#ifndef GNUPLOT_H
#define GNUPLOT_H

#include <stddef.h>

#include "sink.h"

struct gp {
	char *text; /* the program so far, without NUL */
	size_t n, cap;
	int nomem; /* some of it is missing: gp_run refuses */
};

enum { GP_ABSENT = -1, GP_FAILED = -2, GP_BROKEN = -3, GP_NOMEM = -4, GP_ERR = 200 };

void gp_printf(struct gp *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* s in single quotes, where gnuplot reads no backtick and no backslash;
 * control bytes become blanks. */
void gp_quote(struct gp *g, const char *s);
/* A number that reads back, or "?" where it is none or infinite: a point left out. */
void gp_num(struct gp *g, double x);
/* n bytes of program as they are. */
void gp_put(struct gp *g, const char *s, size_t n);
/* A line of two numbers, as exact as a picture needs; an empty one where one is none. */
void gp_point(struct gp *g, double x, double y);
void gp_free(struct gp *g);

/* Run the program, its picture into out: 0; GP_ABSENT, no gnuplot in PATH;
 * GP_FAILED, err is what it said; GP_BROKEN, out cannot be written, or errno
 * says what else; GP_NOMEM.  out NULL: the program names files itself. */
int gp_run(const struct gp *g, struct sink *out, char err[GP_ERR]);
/* Such a file as gp_run would have written it: a PDF without the time.  0 or -1. */
int gp_undate(const char *file);

#endif
