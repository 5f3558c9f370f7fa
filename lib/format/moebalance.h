/*
 * The placement simulator's traces, JSON Lines: one object is one batch at one
 * layer.  What a frame has no place for travels in keys and columns that begin
 * with "moe-balance.", so that the same bytes come back.
 */
#ifndef MOEBALANCE_H
#define MOEBALANCE_H

#include "json.h"
#include "moetrace.h"

struct mb; /* a reader of records, or a writer */

struct mb *mb_new(void); /* NULL: no memory */
void mb_free(struct mb *m);

/* The record of n bytes at p, which begins on that line; experts 0: any id.
 * *route lends its data until the next call.  1: *seq goes before it, 0: there
 * is none, -1: mb_err ("LINE:COLUMN: reason"). */
int mb_get(struct mb *m, const char *p, size_t n, uint64_t line, uint64_t experts,
	   struct tr_frame *seq, struct tr_frame *route);
const char *mb_err(const struct mb *m);
/* What was seen: greatest id + 1, most picks of a row. */
uint64_t mb_experts(const struct mb *m);
uint64_t mb_topk(const struct mb *m);

/* The picks of a route frame as that section wants them: width topk, type by
 * experts.  Lent until the next call.  0, or TR_E.... */
int mb_widen(struct mb *m, struct tr_frame *route, uint64_t experts, uint64_t topk);

/* Writing: a seq frame is kept for its batch; a route frame becomes a line. */
int mb_seq(struct mb *m, const struct tr_frame *seq);
/* 0, TR_E... (a column is broken, or ids is missing: TR_ECOLS). */
int mb_put(struct mb *m, struct json_out *o, const struct tr_frame *route);

#endif
