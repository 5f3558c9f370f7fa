#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launch.h"
#include "num.h"
#include "size.h"

/* Open MPI; MPICH and its kin; Slurm. */
static const struct {
	const char *rank, *size, *local;
} launchers[] = {
	{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"},
	{"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"},
	{"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"},
};

int
launch_ranks(int *rank, int *size)
{
	for (size_t i = 0; i < LEN(launchers); i++) {
		const char *r = getenv(launchers[i].rank), *s = getenv(launchers[i].size);
		uint64_t mine, all;

		if (r && s && !num_u64(s, 2, INT_MAX, &all) && !num_u64(r, 0, all - 1, &mine)) {
			*rank = (int)mine;
			*size = (int)all;
			return 1;
		}
	}
	*rank = 0;
	*size = 1;
	return 0;
}

int
launch_local(void)
{
	for (size_t i = 0; i < LEN(launchers); i++) {
		const char *s = getenv(launchers[i].local);
		uint64_t n;

		if (s && !num_u64(s, 0, INT_MAX, &n))
			return (int)n;
	}
	return 0;
}

/* Beside the program, as it is installed, or above its folder, as it is built. */
void *
launch_mpi(const char **err)
{
	static const char *const places[] = {"/moetrace-mpi.so", "/../moetrace-mpi.so"};
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
	char *slash;
	void *p = NULL;

	*err = "no moetrace-mpi.so";
	if (n <= 0)
		return NULL;
	path[n] = 0;
	if (!(slash = strrchr(path, '/')))
		return NULL;
	for (size_t i = 0; i < LEN(places) && !p; i++) {
		strcpy(slash, places[i]);
		/* global: MPI libraries load parts of their own that look for their symbols */
		p = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
	}
	if (!p)
		*err = dlerror();
	return p;
}
