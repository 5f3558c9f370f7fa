#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../core/crc32c.h"
#include "same.h"

int
token_crc(const char *model, uint32_t *crc)
{
	static const char inside[] = "/tokenizer.json";
	char *file = malloc(strlen(model) + sizeof inside), buf[8192];
	struct stat st;
	FILE *f = NULL;
	size_t n;
	int bad = 1;

	*crc = 0;
	if (file) {
		strcpy(file, model);
		if (stat(file, &st) == 0 && S_ISDIR(st.st_mode))
			strcat(file, inside);
		f = fopen(file, "rb");
	}
	while (f && (n = fread(buf, 1, sizeof buf, f)) > 0)
		*crc = crc32c(*crc, buf, n);
	if (f) {
		bad = ferror(f);
		fclose(f);
	}
	free(file);
	return !bad;
}

enum token_same
token_same(const struct tr_frame *trace, const char *dir, const char *model)
{
	const char *name, *theirs;
	char own[9];
	uint32_t crc;

	if (!tr_key(trace, "tokenizer", &name))
		return TOKEN_SAME;
	if (tr_key(trace, "tokenizer_crc", &theirs) && token_crc(dir, &crc)) {
		snprintf(own, sizeof own, "%08x", crc);
		return strcmp(own, theirs) ? TOKEN_OTHER : TOKEN_SAME;
	}
	return strcmp(name, model) && strcmp(name, "tokenizer.json") ? TOKEN_NAMED : TOKEN_SAME;
}
