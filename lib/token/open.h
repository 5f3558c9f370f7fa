/* The tokenizer.json of a folder. */
#ifndef TOKEN_OPEN_H
#define TOKEN_OPEN_H

#include "tokenizer.h"

/* model is the file, or a folder with tokenizer.json: it, and *name, the last part of model,
 * owned by the caller.  NULL: *rc and why [TOKENIZER_WHY], "FILE: reason". */
struct tokenizer *tokenizer_open(const char *model, enum tokenizer_use use, char **name, int *rc,
				 char *why);

#endif
