/* Apart, so that a program that only tells takes no CUDA with it. */
#include "gpu.h"

const char *
gpu_built(void)
{
	return GPU_BUILT;
}
