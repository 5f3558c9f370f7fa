/* The YAML of TensorRT-LLM: num_slots, ep_size, initial_global_assignments. */
#ifndef PLACETRTLLM_H
#define PLACETRTLLM_H

#include "formats.h"

/* As formats_read, with err "LINE: what" where there is a line. */
long trtllm_read(const char *p, size_t n, uint32_t rows, uint32_t cols, struct placed **l,
		 char err[FORMATS_ERR]);

#endif
