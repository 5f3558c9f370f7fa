/* Whether two tokenizers are one: the CRC-32C of their tokenizer.json. */
#ifndef TOKEN_SAME_H
#define TOKEN_SAME_H

#include <stdint.h>

#include "../core/moetrace.h"

/* Of a file, or of tokenizer.json in a folder: 1 and *crc; 0, there is none or it cannot be
 * read. */
int token_crc(const char *model, uint32_t *crc);

enum token_same { TOKEN_SAME, TOKEN_NAMED, TOKEN_OTHER };

/* The tokens behind a trace line, and the tokenizer of the model of that name in dir: the same,
 * or nothing says else; named otherwise, and no more is known; or others. */
enum token_same token_same(const struct tr_frame *trace, const char *dir, const char *model);

#endif
