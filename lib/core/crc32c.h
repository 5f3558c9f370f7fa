/* CRC-32C (Castagnoli, reflected 0x82F63B78); the check value is e3069283. */
#ifndef CRC32C_H
#define CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continue crc (0 at first) over n bytes.  SSE4.2 or ARMv8 where present. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);
/* The table version alone, for the tests. */
uint32_t crc32c_table(uint32_t crc, const void *p, size_t n);

#endif
