/* 16-bit floats: IEEE binary16 and bfloat16; to f32 exactly, from f32 to nearest even. */
#ifndef HALF_H
#define HALF_H

#include <stddef.h>
#include <stdint.h>

float half_f32(uint16_t h);
uint16_t half_from(float x);
float bf16_f32(uint16_t h);
uint16_t bf16_from(float x);
/* n of them at once, with F16C or NEON where the processor has it. */
void half_f32n(float *to, const uint16_t *h, size_t n);
void half_fromn(uint16_t *to, const float *x, size_t n);

#endif
