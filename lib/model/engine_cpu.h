/* The engine of the processor. */
#ifndef MODEL_ENGINE_CPU_H
#define MODEL_ENGINE_CPU_H

#include "engine.h"

/* As engine_open where opts.gpu is below 0. */
int engine_cpu(struct engine **e, const struct engine_opts *o, char *why);

#endif
