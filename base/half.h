/* The two 16-bit float forms of the record, shared by the runtime that writes them and the verifier
 * that recomputes from them.
 *
 * norm16: sign 1, exponent 7 (bias 63), mantissa 8, IEEE-like with subnormals; no infinity or NaN
 * is ever stored (the largest finite value stands for more). Range 2^-70 .. below 2^64. f16: IEEE
 * binary16, for masks and clips. */
#ifndef PLUMB_BASE_HALF_H
#define PLUMB_BASE_HALF_H

#include <stdint.h>

/* The smallest norm16 that is >= value (value >= 0, finite; 0 stays 0; too large saturates). */
uint16_t plumb__norm16_round_up(double value);
double plumb__norm16_value(uint16_t bits);
#define PLUMB__NORM16_MAX                                                                          \
    0x7effu /* the largest finite pattern: HDF5 reads exponent 127 as Inf/NaN */

/* The largest f16 that is <= value (value >= 0, finite; above 65504 saturates). */
uint16_t plumb__f16_round_down(double value);
double plumb__f16_value(uint16_t bits);
#define PLUMB__F16_ONE 0x3c00u

/* The smallest float >= value: how the ledger stores its sums. */
float plumb__float_round_up(double value);

#endif
