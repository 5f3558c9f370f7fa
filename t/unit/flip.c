/*
 * flip STEP FILE COMMAND...: run COMMAND once for every STEP-th cut and every
 * STEP-th flipped bit of FILE on its standard input, and count the runs that
 * do not end with exit status 2.  FILE is all crc'd, so none may pass.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int
run(char **argv, const unsigned char *p, size_t n)
{
	posix_spawn_file_actions_t fa;
	int fd = memfd_create("in", 0), status = -1;
	pid_t pid;

	if (fd < 0 || write(fd, p, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) < 0)
		exit(3);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, fd, 0);
	posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, argv[0], &fa, NULL, argv, environ) != 0)
		exit(3);
	waitpid(pid, &status, 0);
	posix_spawn_file_actions_destroy(&fa);
	close(fd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int
main(int argc, char **argv)
{
	static unsigned char buf[65536], copy[65536];
	size_t step = argc > 3 ? strtoul(argv[1], NULL, 10) : 0, n, bad = 0;
	FILE *f = step ? fopen(argv[2], "rb") : NULL;

	if (!f)
		return 3;
	n = fread(buf, 1, sizeof buf, f);
	fclose(f);
	for (size_t i = 0; i < n; i += step)
		if (run(argv + 3, buf, i) != 2) {
			printf("# %s: a cut after %zu bytes passes\n", argv[3], i);
			bad++;
		}
	for (size_t i = 0; i < 8 * n; i += step) {
		memcpy(copy, buf, n);
		copy[i / 8] ^= (unsigned char)(1 << i % 8);
		if (run(argv + 3, copy, n) != 2) {
			printf("# %s: a flip of bit %zu of byte %zu passes\n", argv[3], i % 8,
			       i / 8);
			bad++;
		}
	}
	return bad != 0;
}
