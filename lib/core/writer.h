/* The writer's inner side: for tool.c and text.c.  Not for tools. */
#ifndef WRITER_H
#define WRITER_H

#include "moetrace.h"
#include "sink.h"

/* A writer on a sink that stays the caller's. */
struct tr_out *tr_create_sink(struct sink *s, int flags, int zstd);
struct sink *tr_out_sink(struct tr_out *o);

struct text;
struct text *text_new(struct sink *s, int flags);
int text_put(struct text *x, const struct tr_frame *f); /* columns decoded */
int text_end(struct text *x);                           /* what is still held */
void text_free(struct text *x);

#endif
