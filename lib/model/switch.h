/* Switch Transformers: an encoder, and a decoder behind it. */
#ifndef MODEL_SWITCH_H
#define MODEL_SWITCH_H

#include "model.h"

extern const struct model_ops switch_ops;

#endif
