#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ranks.h"

/* What launchers tell their processes of how many they are: Open MPI, MPICH and its kin, Slurm. */
static const char *const launched[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};

/* Beside the program, as it is installed, or above its folder, as it is built. */
static void *
load(const char *file)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - strlen(file) - 5);
	char *slash;
	void *p;

	if (n <= 0)
		return NULL;
	path[n] = 0;
	if (!(slash = strrchr(path, '/')))
		return NULL;
	sprintf(slash, "/%s", file);
	/* global: MPI libraries load parts of their own that look for their symbols */
	if ((p = dlopen(path, RTLD_NOW | RTLD_GLOBAL)))
		return p;
	sprintf(slash, "/../%s", file);
	return dlopen(path, RTLD_NOW | RTLD_GLOBAL);
}

int
ranks_open(struct ranks *r, const char **err)
{
	int (*open)(int *rank, int *size);
	size_t i = 0;

	*r = (struct ranks){.size = 1};
	while (i < sizeof launched / sizeof *launched &&
	       (!getenv(launched[i]) || atoi(getenv(launched[i])) < 2))
		i++;
	if (i == sizeof launched / sizeof *launched)
		return 0;
	if (!(r->plugin = load("moetrace-mpi.so"))) {
		*err = dlerror();
		*err = *err ? *err : "no moetrace-mpi.so";
		return -1;
	}
	*(void **)&open = dlsym(r->plugin, "ranks_mpi_open");
	*(void **)&r->gather = dlsym(r->plugin, "ranks_mpi_gather");
	*(void **)&r->spread = dlsym(r->plugin, "ranks_mpi_spread");
	*(void **)&r->end = dlsym(r->plugin, "ranks_mpi_end");
	if (!open || !r->gather || !r->spread || !r->end || open(&r->rank, &r->size) < 0) {
		*err = "moetrace-mpi.so: MPI does not start";
		return -1;
	}
	return 0;
}

int
ranks_gather(const struct ranks *r, const double *mine, double *all, int n)
{
	if (r->size > 1)
		return r->gather(mine, all, n);
	memcpy(all, mine, (size_t)n * sizeof *all);
	return 0;
}

int
ranks_spread(const struct ranks *r, void *p, size_t n, int from)
{
	return r->size > 1 ? r->spread(p, n, from) : 0;
}

char *
ranks_file(const struct ranks *r, const char *file)
{
	char *p = malloc(strlen(file) + 16);

	if (p && r->size > 1)
		sprintf(p, "%s.%d", file, r->rank);
	else if (p)
		strcpy(p, file);
	return p;
}

void
ranks_close(struct ranks *r)
{
	if (r->plugin)
		r->end(); /* what is loaded stays: MPI libraries do not like to be unloaded */
}
