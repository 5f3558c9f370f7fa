#include <stdlib.h>
#include <string.h>

#include "../core/half.h"
#include "../core/size.h"
#include "logits.h"

static void
take(struct logits *l, struct tool *t, struct tr_frame *f, int type, uint64_t most, size_t *cap)
{
	struct tr_col c;
	uint64_t n, room;
	float *x;

	tool_col(t, f, "logit", &c);
	if (!l->rows) {
		l->experts = c.width;
		l->type = type >= 0 ? (enum tr_type)type : c.type;
		if (l->type != TR_F32 && l->type != TR_F16 && l->type != TR_BF16)
			tool_refuse(t, f, "logit is %s: f32, f16 or bf16 is wanted", c.dtype);
	}
	if (c.width != l->experts)
		tool_refuse(t, f, "%u logits a row, %llu before", c.width,
			    (unsigned long long)l->experts);
	n = most ? MIN(f->rows, most - l->rows) : f->rows;
	room = (l->rows + n) * l->experts * tr_size(l->type);
	if (room > *cap) {
		*cap = room + room / 2;
		l->p = xrealloc(l->p, *cap, 1);
	}
	x = xcalloc(n * l->experts + 1, sizeof *x);
	tool_check(t, col_f32(&c, 0, n * l->experts, x));
	for (uint64_t i = 0, at = l->rows * l->experts; i < n * l->experts; i++, at++)
		if (l->type == TR_F32)
			((float *)l->p)[at] = x[i];
		else
			((uint16_t *)l->p)[at] =
				l->type == TR_F16 ? half_from(x[i]) : bf16_from(x[i]);
	l->rows += n;
	free(x);
}

void
logits_read(struct logits *l, struct tool *t, const struct tr_list *layers, uint64_t most, int type)
{
	struct tr_list seen = {0};
	struct tr_frame f;
	size_t cap = 0;
	int r;

	*l = (struct logits){0};
	t->in = tool_reader(t, t->files, t->nfiles);
	while ((r = tr_next(t->in, &f)) > 0) {
		uint64_t layer = tr_get(&f, "layer", 0);

		if (strcmp(f.kind, "route") != 0)
			continue;
		if (tr_list_add(&seen, layer) < 0)
			die("no memory");
		if (!tr_list_has(layers, layer) || (most && l->rows >= most))
			continue;
		l->topk = tr_section(t->in)->topk;
		take(l, t, &f, type, most, &cap);
	}
	tool_check(t, r);
	tool_layers(layers, &seen);
	tr_list_free(&seen);
	if (!l->rows)
		die("a trace without logits");
	tool_reader_end(t, t->in);
	t->in = NULL;
}
