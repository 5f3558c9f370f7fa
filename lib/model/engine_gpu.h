/* The engine of a GPU. */
#ifndef MODEL_ENGINE_GPU_H
#define MODEL_ENGINE_GPU_H

#include "engine.h"

/* As engine_open where opts.gpu is a device; used by the thread that opened it.  Numbers that
 * go from a product into the next, within a network, are of opts.type. */
int engine_gpu(struct engine **e, const struct engine_opts *o, char *why);

#endif
