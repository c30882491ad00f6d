/* Names of functions that are compiled once per instruction set: LM_FOR_ISA(f) is f_avx2 and so
 * on. */
#ifndef LM_ISA_H
#define LM_ISA_H

#include "lm_ops.h"

#ifndef LM_ISA
#define LM_ISA base
#define LM_VECTOR_BYTES 16
#define LM_TILE_ROWS 4
#endif

#define LM_PASTE2(a, b) a##_##b
#define LM_PASTE(a, b) LM_PASTE2(a, b)
#define LM_TEXT2(a) #a
#define LM_TEXT(a) LM_TEXT2(a)
#ifdef LM_DOUBLE
#define LM_FOR_ISA(name) LM_PASTE(name##64, LM_ISA)
#else
#define LM_FOR_ISA(name) LM_PASTE(name, LM_ISA)
#endif

void LM_FOR_ISA(lm_head_forward)(const lm_head *h);
void LM_FOR_ISA(lm_head_back)(const lm_head *h);

#endif
