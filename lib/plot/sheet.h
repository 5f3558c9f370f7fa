/* A picture of one panel or many equal ones, in rows, under one title. */
#ifndef SHEET_H
#define SHEET_H

#include "gnuplot.h"

enum { SHEET_SVG, SHEET_PNG, SHEET_PDF };
/* Tags of gnuplot's labels: those of a sheet, and the first that is free. */
enum { SHEET_TITLE = 1, SHEET_LEFT, SHEET_RIGHT, SHEET_LABEL };

struct sheet {
	const char *title;   /* NULL: none */
	int format;          /* SHEET_... */
	unsigned long w, h;  /* of the whole, pixels; 0: what the panels need */
	unsigned long right; /* free at the right of the panels, pixels */
	size_t across;       /* panels in a row; 0: about as wide as high */
	int legend;          /* a line for a legend stands over the panels */
	size_t letters;      /* of the longest tick at the left */

	/* set by sheet_begin */
	size_t n, columns, rows;
	double pw, ph;     /* of a panel's plotting area */
	double left, over; /* of a panel: what stands left of and over that area */
	double cw, ch;     /* from one panel to the next */
};

/* The format that a file name's suffix names; NULL and "-": SVG; -1: none. */
int sheet_format(const char *file);
/* How high the plotting area of each panel will be: ticks, and so letters, hang on it. */
double sheet_height(struct sheet *s, size_t n, double pw, double ph);
/* n panels whose plotting area wants pw x ph pixels. */
void sheet_begin(struct gp *g, struct sheet *s, size_t n, double pw, double ph);
/* Place panel i; its title, axis labels where it stands at the border. */
void sheet_panel(struct gp *g, const struct sheet *s, size_t i, const char *title, const char *x,
		 const char *y);
/* Are ticks of another panel right of panel i? */
int sheet_beside(const struct sheet *s, size_t i);
/* A word at the right border, over as many pixels from `top` pixels under the upper one. */
void sheet_right(struct gp *g, const struct sheet *s, const char *text, double top, double pixels);
void sheet_end(struct gp *g);
/* The 1, 2 or 5 times a power of ten that puts no more than so many ticks in a range. */
double sheet_nice(double range, double ticks);
/* Letters of the longest such tick from lo to hi; of the longest on a logarithmic axis. */
size_t sheet_letters(double lo, double hi, double step);
size_t sheet_letters_log(double lo, double hi);
/* Ticks for n equal things over `pixels`: every 1, 2, 4, 8 ..., so that each has `room`. */
size_t sheet_step(size_t n, double pixels, double room);

#endif
