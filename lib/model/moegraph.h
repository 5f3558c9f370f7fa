/*
 * The decoder as nodes of ONNX.  An expert gathers the rows that were routed to it,
 * computes these alone, and adds them to where they came from.
 */
#ifndef MOEGRAPH_H
#define MOEGRAPH_H

#include "../format/onnx.h"
#include "moedec.h"

/* Inputs, outputs, nodes and metadata of a model that moedec_check passed; the tensors
 * of moedec_tensor must become its initialisers.  The decoders: input_ids i64 [batch,
 * seq] to logits f32 [batch, seq, vocab].  The router: x f32 [batch, seq, d_model] to
 * weights f32 and experts i64 [batch, seq, topk]. */
void moegraph_put(struct onnx_out *o, const struct moedec *m);

#endif
