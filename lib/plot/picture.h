/*
 * What the plot tools share.  These functions die, as those of tool.h do; they
 * are for main and its helpers only.
 */
#ifndef PICTURE_H
#define PICTURE_H

#include "../core/tool.h"
#include "series.h"
#include "sheet.h"

struct picture {
	const char *title, *size;
	int script, text; /* what is written instead */
	struct sheet sheet;
	char missing[1024]; /* what the first frame without --col has */
};

#define PICTURE_OPTS(pic)                                                                            \
	{0, "title", "TEXT", OPT_STR, &(pic).title, "over the picture", 0, 0},                       \
		{0, "size", "WxH", OPT_STR, &(pic).size, "pixels of the whole (as it needs)", 0, 0}, \
	{                                                                                            \
		0, "script", NULL, OPT_FLAG, &(pic).script, "write the gnuplot program instead",     \
			0, 0                                                                         \
	}

/* After tool_start: the format from -o, the size; refuses a terminal, and a
 * suffix that no picture has unless it is a program's. */
void picture_start(struct picture *p, struct tool *t);
_Noreturn void picture_suffix(const struct tool *t);
/* "layer 2 k 6" */
const char *picture_title(const struct series *s, char *buf, size_t size);
/* "@table has no column x, it has y, z" */
void picture_columns(const struct tr_frame *f, const char *name, char *to, size_t size);
/* series_read, dying where that column is none of numbers.  picture_nothing then
 * says why no frame had anything; what: which frames the tool draws. */
int picture_series(struct picture *p, struct series *s, struct tr_frame *f, const char *col,
		   int raw);
_Noreturn void picture_nothing(const struct picture *p, const char *what);
/* Run the program, or write it. */
void picture_end(struct picture *p, struct tool *t, struct gp *g);

#endif
