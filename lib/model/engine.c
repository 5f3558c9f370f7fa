/* Which engine runs the steps. */
#include "engine_cpu.h"

int
engine_open(struct engine **e, const struct engine_opts *o, char *why)
{
	if (o->type != TR_F32 && o->type != TR_BF16)
		return model_why(why, "products are of f32 or bf16 numbers");
	if (o->gpu < 0)
		return engine_cpu(e, o, why);
	model_why(why, "GPU %d: there is no engine for it", o->gpu);
	return ENGINE_ABSENT;
}
