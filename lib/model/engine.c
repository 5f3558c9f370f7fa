/* Which engine runs the steps. */
#include "engine_cpu.h"
#include "engine_gpu.h"

int
engine_open(struct engine **e, const struct engine_opts *o, char *why)
{
	if (o->type != TR_F32 && o->type != TR_BF16)
		return model_why(why, "products are of f32 or bf16 numbers");
	return o->gpu < 0 ? engine_cpu(e, o, why) : engine_gpu(e, o, why);
}
