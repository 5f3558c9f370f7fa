/* Memory of the processor's engine: what room gives, and weights where they are mapped. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine_cpu.h"
#include "size.h"

/* What room gives: numbers behind a link, so that close finds them. */
struct piece {
	struct piece *next, **at;
	_Alignas(64) float x[];
};

int
cpu_no_memory(struct engine *e, uint64_t rows, uint64_t n)
{
	snprintf(e->why, sizeof e->why, "no memory for %llu x %llu numbers",
		 (unsigned long long)rows, (unsigned long long)n);
	return TR_ENOMEM;
}

static float *
cpu_room(struct engine *e, uint64_t n)
{
	struct cpu *c = (struct cpu *)e;
	struct piece *p = NULL;
	size_t size;

	if (size_mul(n, sizeof *p->x, &size) < 0 || size_add(size, sizeof *p + 64, &size) < 0 ||
	    !(p = aligned_alloc(64, size & ~(size_t)63))) {
		cpu_no_memory(e, 1, n);
		return NULL;
	}
	p->next = c->pieces;
	p->at = &c->pieces;
	if (p->next)
		p->next->at = &p->next;
	c->pieces = p;
	return p->x;
}

static void
cpu_drop(struct engine *e, float *x)
{
	struct piece *p;

	if (!x)
		return;
	p = (struct piece *)((char *)x - offsetof(struct piece, x));
	*p->at = p->next;
	if (p->next)
		p->next->at = p->at;
	free(p);
}

static int
cpu_put(struct engine *e, float *to, const float *host, uint64_t n)
{
	memcpy(to, host, n * sizeof *to);
	return 0;
}

static int
cpu_get(struct engine *e, float *host, const float *from, uint64_t n)
{
	memcpy(host, from, n * sizeof *host);
	return 0;
}

/* A vector is kept as f32; matrices are read where they are mapped. */
static int
cpu_hold(struct engine *e, struct weight *w)
{
	if (w->rows != 1 || w->parts != 1 || w->held)
		return 0;
	if (!(w->held = malloc(w->cols * sizeof(float))))
		return cpu_no_memory(e, 1, w->cols);
	tensor_f32(w->part, 0, 1, w->held);
	return 0;
}

static void
cpu_unhold(struct engine *e, struct weight *w)
{
	free(w->held);
	w->held = NULL;
}

/* The pages go out of our memory and stay in the system's.  To bring them back costs what
 * some rows cost. */
static int
cpu_next(struct engine *e, struct weight *const *w, uint64_t n)
{
	enum { MANY = 256 };
	struct cpu *c = (struct cpu *)e;
	struct weight **near = malloc((n + 1) * sizeof(*near));

	if (!near)
		return cpu_no_memory(e, 1, n);
	memcpy(near, w, n * sizeof(*near));
	for (uint64_t i = 0; i < c->nnear && c->rows >= MANY; i++)
		for (uint64_t k = 0; k < c->near[i]->parts; k++)
			tensor_forget(&c->near[i]->part[k]);
	free(c->near);
	c->near = near;
	c->nnear = n;
	return 0;
}

void
cpu_memory(struct engine *e)
{
	e->room = cpu_room;
	e->drop = cpu_drop;
	e->put = cpu_put;
	e->get = cpu_get;
	e->hold = cpu_hold;
	e->unhold = cpu_unhold;
	e->next = cpu_next;
}

void
cpu_memory_end(struct cpu *c)
{
	while (c->pieces)
		cpu_drop(&c->e, c->pieces->x);
	free(c->near);
}
