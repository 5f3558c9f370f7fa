/* copy.h where there is no CUDA toolkit. */
#include "copy.h"

#include <stddef.h>

const char *
copy_errstr(void)
{
	return "built without CUDA";
}

int
copy_devices(void)
{
	return GPU_ABSENT;
}

int
copy_link(int device, struct copy_link *l)
{
	return GPU_ABSENT;
}

int
copy_peer(int from, int to, struct copy_peer *p)
{
	return GPU_ABSENT;
}

struct copy_run *
copy_open(const struct copy *c, int *err)
{
	*err = GPU_ABSENT;
	return NULL;
}

int
copy_sample(struct copy_run *r, double *us)
{
	return GPU_ABSENT;
}

int
copy_plain(struct copy_run *r, double *us)
{
	return GPU_ABSENT;
}

int
copy_check(struct copy_run *r)
{
	return GPU_ABSENT;
}

void
copy_close(struct copy_run *r)
{
}
