/* The engine of the processor. */
#ifndef MODEL_ENGINE_CPU_H
#define MODEL_ENGINE_CPU_H

#include "dots.h"
#include "engine.h"

/* As engine_open where opts.gpu is below 0. */
int engine_cpu(struct engine **e, const struct engine_opts *o, char *why);

/* ---- the rest is for engine_cpu*.c ---- */

struct cpu {
	struct engine e; /* first, so that an engine is one of these */
	struct team team;
	struct piece *pieces;
	struct weight **near; /* [nnear]: what next named */
	uint64_t nnear, rows; /* rows: of the batch that was embedded last */
};

/* Sets what an engine has for its memory and its weights, room to next. */
void cpu_memory(struct engine *e);
void cpu_memory_end(struct cpu *c); /* gives back what was not dropped */
/* TR_ENOMEM, and why. */
int cpu_no_memory(struct engine *e, uint64_t rows, uint64_t n);

#endif
