#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launch.h"
#include "ranks.h"

int
ranks_open(struct ranks *r, const char **err)
{
	int (*open)(int *rank, int *size);

	*r = (struct ranks){.size = 1};
	if (!launch_ranks(&r->rank, &r->size))
		return 0;
	if (!(r->plugin = launch_mpi(err)))
		return -1;
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
