/* The MPI part of lib/ep/mpi.c, built by mpicc where there is one. */
#include <mpi.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "../ep/transport.h"

enum { PIECE = 1 << 30 }; /* MPI counts in int */

int ep_mpi_open(int *rank, int *size);
int ep_mpi_exchange(int rank, int size, double timeout, const struct ep_xfer *x);
void ep_mpi_end(void);

int
ep_mpi_open(int *rank, int *size)
{
	int got;

	if (MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &got) != MPI_SUCCESS ||
	    got < MPI_THREAD_SERIALIZED)
		return -1;
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	return MPI_Comm_rank(MPI_COMM_WORLD, rank) == MPI_SUCCESS &&
			       MPI_Comm_size(MPI_COMM_WORLD, size) == MPI_SUCCESS
		       ? 0
		       : -1;
}

/* Requests of all pieces of one part, appended to r: how many, or -1. */
static int
post(MPI_Request *r, int part, const struct ep_part *x, int p)
{
	int n = 0;

	for (size_t at = 0; at < x->rn[p]; at += PIECE) {
		size_t k = x->rn[p] - at < PIECE ? x->rn[p] - at : PIECE;

		if (MPI_Irecv((char *)x->recv + x->roff[p] + at, (int)k, MPI_BYTE, p, part,
			      MPI_COMM_WORLD, r + n++) != MPI_SUCCESS)
			return -1;
	}
	for (size_t at = 0; at < x->sn[p]; at += PIECE) {
		size_t k = x->sn[p] - at < PIECE ? x->sn[p] - at : PIECE;

		if (MPI_Isend((const char *)x->send + x->soff[p] + at, (int)k, MPI_BYTE, p, part,
			      MPI_COMM_WORLD, r + n++) != MPI_SUCCESS)
			return -1;
	}
	return n;
}

static size_t
pieces(size_t n)
{
	return (n + PIECE - 1) / PIECE;
}

/* 0; -1: MPI failed; -2: not done after timeout seconds. */
int
ep_mpi_exchange(int rank, int size, double timeout, const struct ep_xfer *x)
{
	double deadline = MPI_Wtime() + timeout;
	int n = 0, k, done = 0, r = 0;
	size_t room = 0;
	MPI_Request *request;

	for (int i = 0; i < x->n; i++)
		for (int p = 0; p < size; p++)
			room += pieces(x->part[i].sn[p]) + pieces(x->part[i].rn[p]);
	if (!(request = malloc((room + 1) * sizeof(MPI_Request))))
		return -1;
	for (int i = 0; i < x->n; i++)
		for (int step = 0; step < size; step++) {
			const struct ep_part *part = &x->part[i];
			int p = (rank + step) % size;

			if (p == rank && part->sn[p])
				memcpy((char *)part->recv + part->roff[p],
				       (const char *)part->send + part->soff[p], part->sn[p]);
			if (p == rank)
				continue;
			if ((k = post(request + n, i, part, p)) < 0) {
				free(request);
				return -1;
			}
			n += k;
		}
	while (!done && r == 0) {
		if (MPI_Testall(n, request, &done, MPI_STATUSES_IGNORE) != MPI_SUCCESS)
			r = -1;
		else if (!done && MPI_Wtime() > deadline)
			r = -2;
		else if (!done)
			sched_yield();
	}
	free(request);
	return r;
}

void
ep_mpi_end(void)
{
	MPI_Finalize();
}
