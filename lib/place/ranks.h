/*
 * The processes of one search on several machines.  Under mpirun, where the MPI part
 * (moetrace-mpi.so) was built, there are many; else one.
 */
#ifndef PLACERANKS_H
#define PLACERANKS_H

#include <stddef.h>

struct ranks {
	int rank, size;
	void *plugin;
	int (*gather)(const double *mine, double *all, int n);
	int (*spread)(void *p, size_t n, int from);
	void (*end)(void);
};

/* 0; -1 and *err (lent): launched by mpirun, but the MPI part does not load. */
int ranks_open(struct ranks *r, const char **err);
/* n doubles of each rank, all[size][n].  0, or -1: MPI failed. */
int ranks_gather(const struct ranks *r, const double *mine, double *all, int n);
/* n bytes of one rank to all.  0, or -1. */
int ranks_spread(const struct ranks *r, void *p, size_t n, int from);
/* The rank's own file beside those of others, "FILE.RANK"; of one rank FILE.  The caller's;
 * NULL: no memory. */
char *ranks_file(const struct ranks *r, const char *file);
void ranks_close(struct ranks *r);

#endif
