/* What a launcher of many processes (mpirun, srun) tells each, and the MPI part. */
#ifndef LAUNCH_H
#define LAUNCH_H

/* 1 with *rank of *size where a launcher started more than one process, else 0 with 0 of 1. */
int launch_ranks(int *rank, int *size);

/* Which of those on this host it is, 0 where that is not told. */
int launch_local(void);

/*
 * The MPI part (moetrace-mpi.so), loaded from where it is installed or built; dlsym finds
 * its functions.  It is never unloaded, which MPI libraries do not like.  NULL: *err (lent)
 * tells why.
 */
void *launch_mpi(const char **err);

#endif
