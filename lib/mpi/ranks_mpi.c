/* The MPI part of lib/search/ranks.h, built by mpicc where there is one. */
#include <limits.h>
#include <mpi.h>
#include <stddef.h>

int ranks_mpi_open(int *rank, int *size);
int ranks_mpi_gather(const double *mine, double *all, int n);
int ranks_mpi_spread(void *p, size_t n, int from);
void ranks_mpi_end(void);

int
ranks_mpi_open(int *rank, int *size)
{
	int got, done;

	if (MPI_Initialized(&done) != MPI_SUCCESS ||
	    (!done && MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &got) != MPI_SUCCESS))
		return -1;
	return MPI_Comm_rank(MPI_COMM_WORLD, rank) == MPI_SUCCESS &&
			       MPI_Comm_size(MPI_COMM_WORLD, size) == MPI_SUCCESS
		       ? 0
		       : -1;
}

int
ranks_mpi_gather(const double *mine, double *all, int n)
{
	return MPI_Allgather(mine, n, MPI_DOUBLE, all, n, MPI_DOUBLE, MPI_COMM_WORLD) == MPI_SUCCESS
		       ? 0
		       : -1;
}

int
ranks_mpi_spread(void *p, size_t n, int from)
{
	return n <= INT_MAX && MPI_Bcast(p, (int)n, MPI_BYTE, from, MPI_COMM_WORLD) == MPI_SUCCESS
		       ? 0
		       : -1;
}

void
ranks_mpi_end(void)
{
	MPI_Finalize();
}
