/*
 * An HTML page that needs nothing else, well-formed as XML too.  Text goes out
 * escaped; page.bad tells at the end whether all was written.
 */
#ifndef PAGE_H
#define PAGE_H

#include <stddef.h>
#include <stdint.h>

struct page {
	struct sink *sink;
	uint64_t max_cells, max_rows;
	int bad; /* a write failed */
};

enum {
	PAGE_NUM = 48,    /* bytes of a readable number, its NUL included */
	PAGE_LEVELS = 32, /* colours from the least to the greatest */
	PAGE_MORE = 16,   /* times max_cells: so many marks are drawn at most */
};

void page_begin(struct page *p, const char *title);
void page_end(struct page *p);

/* Markup: what the arguments say must be harmless. */
void page_f(struct page *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Text, escaped; bytes that are no UTF-8, and control characters, become U+FFFD. */
void page_text(struct page *p, const char *s);
/* "1 234 567", "0.0123457": for eyes; returns to. */
char *page_num(char *to, double x);
/* All digits; returns to. */
char *page_exact(char *to, double x);

/* Marks of the pictures of one group: does each tell its value, is there room? */
struct room {
	uint64_t all, drawn, left, total;
};

int room_tells(const struct page *p, const struct room *r);
/* 1: draw these marks; 0: they are left out, and counted. */
int room_take(const struct page *p, struct room *r, uint64_t marks);
/* What was left out, if anything; mark: "cells". */
void room_note(struct page *p, const struct room *r, const char *mark);

/* Can a picture show x?  Neither what is no number nor what overflows when it is scaled. */
static inline int
page_shows(double x)
{
	return x < 1e300 && x > -1e300;
}

/* A picture with its title; label says what it shows to who cannot see it; across:
 * marks from one row to the next. */
void figure_open(struct page *p, const char *title, const char *label, double w, double h,
		 uint64_t across);
void figure_close(struct page *p, const char *note);

struct axes {
	double x, y, w, h;         /* the plotting area */
	double xlo, xhi, ylo, yhi; /* what it shows */
	const char *xname, *yname; /* yname NULL: no ticks at the left */
};

/* Frame, ticks and names. */
void axes_put(struct page *p, const struct axes *a);
double axes_x(const struct axes *a, double x);
double axes_y(const struct axes *a, double y);

/* style.c */
extern const char page_css[], page_js[];

#endif
