/* The tokenizer.json of a folder, mapped while it is read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "open.h"

static struct tokenizer *
open_file(const char *file, enum tokenizer_use use, int *rc, char *why)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), e;
	char reason[TOKENIZER_WHY];
	struct tokenizer *t = NULL;
	struct stat st;
	void *p = MAP_FAILED;

	*rc = TOKENIZER_BAD;
	if (fd >= 0 && fstat(fd, &st) == 0) {
		if (S_ISREG(st.st_mode) && st.st_size > 0)
			p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		else
			errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	}
	e = errno;
	if (fd >= 0)
		close(fd);
	if (p == MAP_FAILED) {
		snprintf(why, TOKENIZER_WHY, "%s: %s", file, strerror(e));
		return NULL;
	}
	if (!(t = tokenizer_read(p, (size_t)st.st_size, use, rc, reason)))
		snprintf(why, TOKENIZER_WHY, "%.200s:%.300s", file, reason);
	munmap(p, (size_t)st.st_size);
	return t;
}

struct tokenizer *
tokenizer_open(const char *model, enum tokenizer_use use, char **name, int *rc, char *why)
{
	static const char inside[] = "/tokenizer.json";
	size_t n = strlen(model);
	char *file = malloc(n + sizeof inside);
	struct tokenizer *t = NULL;
	const char *slash;
	struct stat st;

	*name = NULL;
	*rc = TOKENIZER_NOMEM;
	snprintf(why, TOKENIZER_WHY, "%s", tokenizer_strerror(*rc));
	if (!file)
		return NULL;
	memcpy(file, model, n + 1);
	while (n > 1 && file[n - 1] == '/')
		file[--n] = '\0';
	slash = strrchr(file, '/');
	if ((*name = strdup(slash && slash[1] ? slash + 1 : file))) {
		if (stat(file, &st) == 0 && S_ISDIR(st.st_mode))
			memcpy(file + n, inside, sizeof inside);
		t = open_file(file, use, rc, why);
	}
	if (!t) {
		free(*name);
		*name = NULL;
	}
	free(file);
	return t;
}
